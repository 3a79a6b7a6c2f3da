"""The report's first screen: what ran, the figures that matter, and what to be wary of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from robo_trader.analytics.metric import Metric
from robo_trader.analytics.scorecard import Score
from robo_trader.report.parts import MINUS, Cell, TableView, number, percent, toned, words
from robo_trader.report.source import Book, Other, Reportable

#: The eight figures on top: metric, label, whether its sign is good or bad.
_HEADLINES = (
    ("total_return", "Total return", True),
    ("cagr", "Return a year", True),
    ("sharpe", "Sharpe ratio", False),
    ("max_drawdown", "Maximum drawdown", False),
    ("volatility", "Volatility a year", False),
    ("win_rate", "Win rate", False),
    ("profit_factor", "Profit factor", False),
    ("trades", "Trades", False),
)
COMPARED = (
    ("total_return", "Total return"),
    ("cagr", "Return a year"),
    ("volatility", "Volatility a year"),
    ("sharpe", "Sharpe ratio"),
    ("sortino", "Sortino ratio"),
    ("max_drawdown", "Maximum drawdown"),
    ("calmar", "Calmar ratio"),
    ("exposure_gross", "Gross exposure"),
    ("turnover", "Turnover a year"),
    ("trades_closed", "Closed trades"),
    ("win_rate", "Win rate"),
    ("profit_factor", "Profit factor"),
    ("final_value", "Final value"),
)
_SPELLING = {
    "cagr": "CAGR",
    "n": "n",
    "rf": "risk-free rate",
    "pnl": "P&L",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the first screen, with how it was made."""

    label: str
    text: str
    tone: str
    aside: str
    how: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A target of the plan: met, missed or unknown."""

    label: str
    target: str
    shown: str
    state: str
    note: str


def text_of(metric: Metric | None) -> str:
    """Return a metric's value for people, with a true minus sign."""
    return "–" if metric is None else metric.text().replace("-", MINUS)


def label_of(name: str) -> str:
    """Return a metric's name for people: ``max_drawdown`` is ``Max drawdown``."""
    return _SPELLING.get(name) or name.replace("_", " ").capitalize().replace("Avg", "Average")


def how(metric: Metric) -> str:
    """Return one paragraph: method, sampling, n and what else belongs to a figure."""
    said = [f"{_plain(metric.method)}.", f"From {metric.n:,} {metric.sampling}."]
    if metric.reason:
        said.insert(0, f"No value: {metric.reason}.")
    if metric.extra:
        said.append(f"{words(metric.extra)}.")
    return " ".join(said)


def _plain(text: str) -> str:
    return text.replace("`", "")


def headlines(measures: Mapping[str, Metric]) -> list[Headline]:
    """Return the first screen's figures."""
    out = []
    for name, label, signed in _HEADLINES:
        metric = measures.get(name)
        if metric is None:
            continue
        tone = ""
        if signed and metric.value:
            tone = "good" if metric.value > 0 else "bad"
        out.append(Headline(label, text_of(metric), tone, _aside(name, metric, measures), how(metric)))
    return out


def _aside(name: str, metric: Metric, measures: Mapping[str, Metric]) -> str:
    if metric.value is None:
        return metric.reason
    extra = metric.extra
    if name == "total_return" and (final := measures.get("final_value")):
        return f"ends at {number(final.value)}" if final.value is not None else ""
    if name in ("sharpe", "win_rate") and "low" in extra and "high" in extra:
        show = percent if metric.unit == "percent" else number
        digits = 0 if metric.unit == "percent" else 2
        return f"95 %: {show(extra['low'], digits)} to {show(extra['high'], digits)}"
    if name == "max_drawdown" and extra.get("valley"):
        back = extra.get("recovery")
        return f"low {extra['valley']}, " + (f"back {back}" if back else "not recovered")
    if name == "trades":
        open_ = measures.get("trades_open")
        return f"{open_.value:.0f} still open" if open_ and open_.value else "all closed"
    if name in ("cagr", "volatility"):
        return f"from {metric.n:,} {metric.sampling}"
    if name == "profit_factor":
        return f"{number(extra.get('gained'), 0)} won, {number(extra.get('lost'), 0)} lost"
    return ""


def judged(scores: Sequence[Score]) -> list[Judged]:
    """Return the scorecard for the page."""
    return [Judged(s.label, s.target, s.shown.replace("-", MINUS), s.state, s.note) for s in scores]


def findings(measures: Mapping[str, Metric], twin: Mapping[str, Any]) -> list[str]:
    """Return what the figures themselves warn of, one sentence each."""
    out = []
    low, high = (measures[k].value if k in measures else None for k in ("sharpe_low", "sharpe_high"))
    if low is not None and high is not None and low <= 0.0 <= high:
        out.append(
            f"The Sharpe ratio's 95 % interval, {number(low)} to {number(high)}, includes 0: "
            "luck alone could explain this result."
        )
    excess, other = measures.get("excess_return"), measures.get("benchmark_return")
    if excess and other and excess.value is not None and other.value is not None and excess.value < 0:
        name = excess.extra.get("benchmark", "the benchmark")
        out.append(
            f"{name} alone returned {percent(other.value)} over the same sessions, "
            f"{number(-excess.value * 100)} points more."
        )
    closed = measures.get("trades_closed")
    if closed and closed.value is not None and 0 < closed.value < 20:
        out.append(
            "One closed trade proves little."
            if closed.value == 1
            else f"{closed.value:.0f} closed trades prove little."
        )
    theirs, own = (twin.get(k) for k in ("metrics", "own"))
    if isinstance(theirs, Mapping) and isinstance(own, Mapping):
        gap = (theirs.get("total_return") or 0.0) - (own.get("total_return") or 0.0)
        verb = "added" if gap >= 0 else "cost"
        out.append(
            f"With midnight stamps, look-ahead would have {verb} {number(abs(gap) * 100)} points of return."
        )
    return out


def guard_words(result: Reportable) -> str:
    """Return one sentence on what the guard did to the run's orders."""
    decisions = result.record.decisions
    risk = result.info.config.get("risk", {})
    profile = risk.get("profile", "off") if isinstance(risk, Mapping) else "off"
    total = max(len(decisions), len(result.record.orders))
    if profile == "off":
        return (
            f"The risk guard was off: {_orders(total)} passed unchanged."
            if total
            else "The risk guard was off."
        )
    if not total:
        return f"The risk guard ({profile}) had no order to judge."
    counts = Counter(str(d.action) for d in decisions)
    if not counts["resize"] and not counts["veto"]:
        return f"The risk guard ({profile}) let {_orders(total)} pass unchanged.{_halted(result)}"
    said = []
    for action, verb in (("resize", "shrunk"), ("veto", "vetoed")):
        if counts[action]:
            # A reason begins with its rule; the numbers after it differ from order to order.
            why = Counter(r.partition(":")[0] for d in decisions if d.action == action for r in d.reasons)
            reasons = ", ".join(f"{rule.replace('_', ' ')}: {n:,}" for rule, n in why.most_common(3))
            said.append(f"{counts[action]:,} {verb}" + (f" ({reasons})" if reasons else ""))
    did = f"of {_orders(total)} {' and '.join(said)}"
    return f"The risk guard ({profile}): {did}; compare with --risk off.{_halted(result)}"


def _halted(result: Reportable) -> str:
    """Return a sentence on how often openings were stopped, and by which rules; empty where never."""
    changes = Counter(halt.rule.replace("_", " ") for halt in result.info.halts)
    if not changes:
        return ""
    # Each rule stops and lets go in turn.
    rules = ", ".join(f"{rule}: {-(-n // 2):,}" for rule, n in changes.most_common())
    return f" Openings were stopped for a while ({rules})."


def _orders(n: int) -> str:
    return "the one order" if n == 1 else f"all {n:,} orders" if n else "no order"


def compared(result: Reportable, book: Book, others: Mapping[str, Other]) -> TableView | None:
    """Return the strategy, the benchmark and the baselines side by side; None without others."""
    measures = result.measures
    known = {name: other for name, other in others.items() if other.metrics}
    beside = _benchmark(book, measures, result.info.clean_from)
    if not known and not beside:
        return None
    head = ["", result.info.strategy]
    if beside:
        head.append(f"{book.benchmark_name} (benchmark)")
    head += [name.replace("_", " ") for name in known]
    rows = []
    for name, label in COMPARED:
        own = measures.get(name)
        if own is None:
            continue
        cells = [Cell(label), _cell(own)]
        if beside:
            cells.append(_cell(beside.get(name)))
        rows.append([*cells, *(_cell(other.metrics.get(name)) for other in known.values())])
    notes = [f"{name.replace('_', ' ')}: {other.note}" for name, other in others.items() if other.note]
    return TableView("Beside benchmark and baselines", head, rows, "; ".join(notes), tall=False)


def _cell(metric: Metric | None) -> Cell:
    if metric is None:
        return Cell("–")
    tip = metric.reason or f"{metric.method}; {metric.n:,} {metric.sampling}"
    return Cell(text_of(metric), title=tip)


def _benchmark(book: Book, measures: Mapping[str, Metric], since: datetime | None) -> dict[str, Metric]:
    """The benchmark's own figures, computed as the strategy's are; nothing without a benchmark."""
    import numpy as np

    from robo_trader.analytics.metrics import compute_metrics

    if book.benchmark is None or not np.isfinite(book.benchmark).any():
        return {}
    known = np.isfinite(book.benchmark)
    if since is not None:
        known &= book.dates >= np.datetime64(since.date(), "D")
        if not known.any():
            return {}
    dates, returns = book.dates[known], book.benchmark[known]
    value = book.account[0] * np.cumprod(1.0 + returns)
    got = compute_metrics(
        dates, returns, value, starting_cash=float(book.account[0]), always_open=book.factor == 365.0
    )
    own = {"total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar"}
    return {name: metric for name, metric in got.items() if name in own and name in measures}


def metrics_table(measures: Mapping[str, Metric]) -> TableView:
    """Return every metric with its method."""
    rows = []
    for metric in measures.values():
        rows.append(
            [
                Cell(label_of(metric.name), title=metric.name),
                Cell(text_of(metric), title=metric.reason),
                Cell(metric.reason or _plain(metric.method)),
                Cell(metric.sampling),
                Cell(f"{metric.n:,}"),
                Cell(words(metric.extra)),
            ]
        )
    head = ["Metric", "Value", "How, or why not", "From", "n", "With"]
    return TableView("All metrics", head, rows, words=frozenset({0, 2, 3, 5}))


def twin_table(twin: Mapping[str, Any]) -> TableView | None:
    """Return the run beside its hindsight twin; None where there was none."""
    theirs, own = twin.get("metrics"), twin.get("own")
    if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
        return None
    rows = []
    for name, label in COMPARED:
        if name not in theirs:
            continue
        show = _shower(name)
        a, b = own.get(name), theirs.get(name)
        gap = b - a if a is not None and b is not None else None
        if show is percent and gap is not None:
            difference = toned(number(gap * 100, 2) + " points", gap)
        else:
            difference = toned(number(gap), gap)
        rows.append([Cell(label), Cell(show(a)), Cell(show(b)), Cell(difference.text)])
    if "fills" in twin:
        rows.append(
            [Cell("Fills"), *(Cell(number(twin.get(k), 0)) for k in ("own_fills", "fills")), Cell("")]
        )
    head = ["", "This run", "With midnight stamps", "Difference"]
    return TableView("", head, rows)


def _shower(name: str) -> Any:
    share = ("total_return", "cagr", "max_drawdown", "win_rate", "volatility", "exposure_gross")
    return percent if name in share else number
