"""How a `Result` shows itself in a notebook: a line of the account's value and the main numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from robo_trader.analytics.returns import Floats
    from robo_trader.runs.result import Result

_SHOWN = (
    ("total_return", "Total return"),
    ("cagr", "CAGR"),
    ("sharpe", "Sharpe"),
    ("max_drawdown", "Maximum drawdown"),
    ("volatility", "Volatility"),
    ("exposure_gross", "Gross exposure"),
    ("trades_closed", "Closed trades"),
    ("win_rate", "Win rate"),
    ("profit_factor", "Profit factor"),
)
_WIDTH, _HEIGHT, _POINTS = 480, 90, 480


def sparkline(values: Floats) -> str:
    """Return `values` as a small inline SVG; empty for fewer than two points."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return ""
    values = values[np.linspace(0, len(values) - 1, min(len(values), _POINTS)).astype(int)]
    low, high = float(values.min()), float(values.max())
    y = (_HEIGHT - 4) * (1.0 - (values - low) / ((high - low) or 1.0)) + 2
    x = np.linspace(0, _WIDTH, len(values))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="account value"><polyline points="{points}" fill="none" stroke="#2563eb" '
        'stroke-width="1.5"/></svg>'
    )


def result_html(result: Result) -> str:
    """Return the HTML that a notebook shows for `result`; self-contained, everything escaped."""
    rows = []
    for name, label in _SHOWN:
        metric = result.measures[name]
        value = metric.text() if metric.value is not None else f"– ({metric.reason})"
        title = escape(f"{metric.method}; n = {metric.n}", quote=True)
        rows.append(f'<tr title="{title}"><td>{escape(label)}</td><td>{escape(value)}</td></tr>')
    notes = "".join(f"<li>{escape(text)}</li>" for text in result.warnings[:5])
    failure = result.record.failure
    state = result.state if failure is None else f"{result.state}: {failure.message}"
    return (
        f"<div><b>{escape(result.id)}</b> · {escape(state)}<br>{sparkline(result.daily.value)}"
        f"<table><tbody>{''.join(rows)}</tbody></table>" + (f"<ul>{notes}</ul>" if notes else "") + "</div>"
    )
