"""The two interactive charts: the account beside its yardsticks, and prices with the trades marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_trader.report.figures import (
    DOWN,
    MAIN,
    OTHERS,
    QUIET,
    UP,
    Chart,
    Line,
    add_hover,
    new_figure,
    to_json,
)
from robo_trader.report.prices import PriceData, Prices
from robo_trader.report.source import Book, Floats, Other, joined

_DAY_MS = 86_400_000.0


def equity_chart(
    book: Book,
    cash: float,
    baselines: Mapping[str, Other],
    *,
    label: str,
    twin: tuple[Any, Floats] | None = None,
) -> Chart:
    """Return the account's value beside benchmark and baselines, and the drawdowns below it.

    All start from the run's `cash`. `twin` are the hindsight twin's dates and values: a line that the
    page shows on demand only. Raises `ValueError` when there is no session to draw.
    """
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, NumeralTickFormatter

    if not len(book.dates):
        raise ValueError("the run has no session")
    series = _series(book, cash, baselines, label)
    data: dict[str, Any] = {"x": _ms(book.dates)}
    lines = []
    for i, (key, name, values, down) in enumerate(series):
        data[key], data[f"{key}_down"] = values.astype(np.float32), down.astype(np.float32)
        lines.append(Line(key, name, MAIN if i == 0 else OTHERS[(i - 1) % len(OTHERS)]))
    if twin is not None:
        value = joined(book.dates, *twin)
        data["twin"], data["twin_down"] = value.astype(np.float32), below_peak(value, cash).astype(np.float32)
        lines.append(Line("twin", "hindsight twin", DOWN, hidden=True))
    source = ColumnDataSource(data)
    top = new_figure(330)
    low = new_figure(160, x_range=top.x_range)
    top.yaxis.formatter = NumeralTickFormatter(format="0,0")
    low.yaxis.formatter = NumeralTickFormatter(format="0%")
    low.toolbar_location = None
    low.yaxis.ticker.desired_num_ticks = 4
    main = lines[0]
    low.varea("x", 0, f"{main.key}_down", source=source, fill_color=MAIN, fill_alpha=0.22, name=main.key)
    drawn: Any = None
    for line in reversed(lines):
        thick = 2.2 if line is main else 1.4
        style = {"source": source, "color": line.colour, "name": line.key, "visible": not line.hidden}
        drawn = top.line("x", line.key, line_width=thick, **style)
        low.line("x", f"{line.key}_down", line_width=1.2, **style)
        if len(book.dates) < 3:  # a line needs two points to be seen
            top.scatter("x", line.key, source=source, size=8, color=line.colour, name=line.key)
    # Names are a user's and stand in the page's own legend; the tooltip shows their colours.
    rows = "".join(
        f'<span style="color:{line.colour}">●</span> @{line.key}{{0,0}} · @{line.key}_down{{0.0%}}<br>'
        for line in lines
        if not line.hidden
    )
    add_hover(top, [drawn], f"<b>@x{{%F}}</b><br>{rows}", dates=True)
    alt = (
        f"Line chart of the account's value over {len(book.dates)} sessions, {book.dates[0]} to "
        f"{book.dates[-1]}, beside {len(lines) - 1} others, and their drawdowns below."
    )
    return Chart(to_json(column(top, low, sizing_mode="stretch_width")), alt, tuple(lines))


def twin_line(twin: Mapping[str, Any]) -> tuple[Any, Floats] | None:
    """Return the dates and values of a run's hindsight twin, or None where it has none."""
    dates, value = twin.get("dates"), twin.get("value")
    if not dates or not value or len(dates) != len(value):
        return None
    return np.array(dates, dtype="datetime64[D]"), np.array(value, dtype=np.float64)


def _series(
    book: Book, cash: float, baselines: Mapping[str, Other], label: str
) -> list[tuple[str, str, Floats, Floats]]:
    """Return key, name, value and drawdown of each line; NaN where a line has no value."""
    out = [("s0", label, book.account, book.drawdown)]
    if book.benchmark is not None and np.isfinite(book.benchmark).any():
        returns = np.where(np.isfinite(book.benchmark), book.benchmark, 0.0)
        value: Floats = cash * np.asarray(np.cumprod(1.0 + returns), dtype=np.float64)
        out.append(("s1", f"{book.benchmark_name} (benchmark)", value, below_peak(value, cash)))
    for name, other in baselines.items():
        value = joined(book.dates, other.dates, other.value)
        if np.isfinite(value).any():
            out.append((f"s{len(out)}", name, value, below_peak(value, cash)))
    return out


def below_peak(value: Floats, start: float) -> Floats:
    """Return the distance of `value` from its highest point so far, `start` included; NaN stays NaN."""
    filled = np.where(np.isfinite(value), value, -np.inf)
    peak = np.maximum(np.maximum.accumulate(filled), start)
    return np.asarray(np.where(np.isfinite(value), value / peak - 1.0, np.nan))


def price_chart(prices: Prices) -> Chart:
    """Return prices with marked trades; the page's list of symbols changes what the figure shows.

    Raises `ValueError` when no symbol has a price.
    """
    from bokeh.models import ColumnDataSource, DataRange1d, LinearColorMapper, Range1d, TapTool
    from bokeh.transform import factor_cmap, factor_mark

    if not prices.symbols:
        raise ValueError("no symbol has a price")
    sets = [[ColumnDataSource(columns) for columns in _columns(p)] for p in prices.symbols]
    bars, fills, legs = sets[0]
    bars.name, fills.name, legs.name = "bars", "fills", "legs"
    # Fixed ends, which the script moves: an automatic range would spring back when candles appear.
    x = prices.symbols[0].x
    fig = new_figure(420, x_range=Range1d(start=float(x[0]) - _DAY_MS, end=float(x[-1]) + _DAY_MS))
    fig.y_range = DataRange1d(range_padding=0.08, only_visible=True)
    fig.window_axis = "x"
    tone = {"field": "up", "transform": LinearColorMapper(palette=[DOWN, UP], low=0, high=1)}
    fig.segment("x0", "y0", "x1", "y1", source=legs, color=tone, line_dash=[5, 4], line_width=1.5)
    wick = fig.segment("x", "high", "x", "low", source=bars, color=tone, name="candles")
    # No vbar: it clamps the bars beyond the frame to its edges, where they pile up as a line. The
    # script computes middle and height.
    body = fig.rect("x", "middle", "width", "height", source=bars, color=tone, name="candles")
    line = fig.line("x", "close", source=bars, color=QUIET, line_width=1.4, name="closes")
    # The page's script shows candles where they are wide enough to be seen, the line elsewhere.
    wick.visible = body.visible = False
    sides = ["BUY", "SELL"]
    dots = fig.scatter(
        "x",
        "y",
        source=fills,
        size=12,
        marker=factor_mark("side", ["triangle", "inverted_triangle"], sides),
        fill_color=factor_cmap("side", [UP, DOWN], sides),
        line_color="white",
        name="marks",
    )
    add_hover(
        fig,
        [dots],
        "<b>@text</b> · trade @trade<br>@when<br><i>@because</i>",
        along=False,
        place="above",
    )
    when = "@x{%F %H:%M} UTC" if any(p.intraday for p in prices.symbols) else "@x{%F}"
    ohlc = "O @open{0,0.00##} H @high{0,0.00##}<br>L @low{0,0.00##} C @close{0,0.00##}"
    add_hover(fig, [wick], f"<b>{when}</b><br>{ohlc}", dates=True, place="below")
    add_hover(fig, [line], f"<b>{when}</b><br>@close{{0,0.00##}}", dates=True, place="below")
    fig.add_tools(TapTool(renderers=[dots], visible=False))
    # The other symbols travel along as tags; the page's script copies a set into the figure. Steps
    # of time repeat and pack to almost nothing, where times themselves take as much as prices.
    for others, *_ in sets[1:]:
        others.data["x"] = np.diff(others.data["x"], prepend=0.0)
    fig.tags = sets[1:]
    n = sum(len(p.marks["x"]) for p in prices.symbols)
    alt = f"Price chart of {len(prices.symbols)} symbols, one at a time, with {n} fills marked."
    names = tuple(p.symbol for p in prices.symbols)
    return Chart(to_json(fig), alt, choices=names, notes=tuple(prices.notes))


def _columns(p: PriceData) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the columns of bars, fills and legs; without candles their columns are flat zeros,
    which pack to nothing, and the script shows the line instead."""
    close = np.asarray(p.close, dtype=np.float32)
    nothing = np.zeros(len(close), dtype=np.float32)
    bars: dict[str, Any] = {"x": p.x, "close": close, "open": nothing, "high": nothing, "low": nothing}
    bars |= {"up": nothing, "width": nothing, "middle": nothing, "height": nothing}
    if p.open is not None and p.high is not None and p.low is not None:
        bars |= {name: np.asarray(getattr(p, name), np.float32) for name in ("open", "high", "low")}
        bars |= {"up": (p.close >= p.open).astype(np.float32), "width": np.full(len(close), p.width)}
    marks = {k: _packed(v) for k, v in p.marks.items()}
    return bars, marks, {k: _packed(v) for k, v in p.legs.items()}


def _packed(column: list[Any]) -> Any:
    """Long columns of figures travel packed; a short one is smaller as text."""
    return column if len(column) < 30 or isinstance(column[0], str) else np.array(column, dtype=np.float64)


def _ms(dates: Any) -> Floats:
    return np.asarray(dates.astype("datetime64[ms]").astype(np.float64))
