"""What the price chart draws: candles or lines small enough to ship, and the fills as marks.

A page has to stay below three megabytes, so the bars of all symbols share one budget: as many
candles as fit, then closes alone, then bunches of bars; what was done is said in `PriceData.note`.
Daily bars and longer ones stand at their session date, shorter ones at their start (UTC).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import to_ns
from robo_trader.report.parts import moment, price, shorten, size
from robo_trader.report.source import Book, Floats

if TYPE_CHECKING:
    from robo_trader.bars.frame import BarFrame
    from robo_trader.engine.record import Sessions

#: Numbers that all bars together may take (4 bytes each, before packing), and what a symbol takes besides.
BUDGET, EACH = 101_000, 400
#: Candles that one chart draws fluently, symbols that a list is still read for, fills with a tooltip.
MOST_BARS, MOST_SYMBOLS, MOST_MARKS = 5_000, 120, 1_000
_DAY_MS = 86_400_000.0
_BECAUSE = 160


@dataclass(frozen=True, slots=True, eq=False)
class PriceData:
    """One symbol's chart: x in ms since the epoch; `high` is None for a line of closes.

    `width` is a candle's width in ms. `marks` are columns of fills, `legs` of closed trades.
    """

    symbol: str
    x: Floats
    open: Floats | None
    high: Floats | None
    low: Floats | None
    close: Floats
    width: float
    intraday: bool
    marks: Mapping[str, list[Any]]
    legs: Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Prices:
    """The charts of all symbols, the most traded first, and what a reader should know of them."""

    symbols: list[PriceData] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def price_data(book: Book, sessions: Sessions) -> Prices:
    """Return the charts of every symbol that has bars or closes."""
    frames = _finest(book.bars)
    count = Counter(fill.symbol for fill in book.fills)
    names = dict.fromkeys([*book.values, *frames])
    known = [s for s in names if s in frames or np.isfinite(sessions.prices.get(s, np.zeros(0))).any()]
    known.sort(key=lambda s: -count[s])
    notes = []
    if len(known) > MOST_SYMBOLS:
        notes.append(f"The {MOST_SYMBOLS} most traded of {len(known)} symbols are shown.")
        known = known[:MOST_SYMBOLS]
    if len(book.fills) > MOST_MARKS:
        notes.append(
            f"The last {MOST_MARKS:,} of {len(book.fills):,} fills are marked; all are in fills.csv."
        )
    if any(s not in frames for s in known):
        notes.append("Without bars at hand the chart shows the last price of each session.")
    allowance = BUDGET // max(1, len(known)) - EACH
    marks = _marks(book)
    out, bunched = [], 0
    for symbol in known:
        frame = frames.get(symbol)
        if frame is None:
            chart, each = _closes(symbol, book, sessions, allowance)
        else:
            chart, each = _bars(frame, allowance)
        bunched = max(bunched, each)
        x_of = _placer(frame, sessions, chart[0], chart[-1])
        out.append(
            PriceData(symbol, *chart, _mark_columns(marks.get(symbol, []), x_of), _legs(book, symbol, x_of))
        )
    if bunched > 1:
        notes.append(f"Bars are drawn in bunches of up to {bunched:,}.")
    if any(c.high is None for c in out) and any(s in frames for s in known):
        notes.append("With this many symbols the chart shows closes instead of candles.")
    return Prices(out, notes)


Place = Callable[[int, float | None], float]
Chart = tuple[Floats, Floats | None, Floats | None, Floats | None, Floats, float, bool]


def _finest(bars: tuple[BarFrame, ...]) -> dict[str, BarFrame]:
    out: dict[str, BarFrame] = {}
    for frame in bars:
        if frame.symbol not in out or len(frame) > len(out[frame.symbol]):
            out[frame.symbol] = frame
    return out


def _is_daily(frame: BarFrame) -> bool:
    return frame.timeframe.endswith(("d", "w", "mo"))


def _bars(frame: BarFrame, allowance: int) -> tuple[Chart, int]:
    n = len(frame)
    daily = _is_daily(frame)
    candles = n * 4 <= allowance or n > allowance
    first = _bunches(frame, min(MOST_BARS, max(1, allowance // (4 if candles else 1))))
    last = np.append(first[1:], n) - 1
    # A date is 00:00 UTC of that date on the axis, whatever the exchange's zone.
    x = frame.session[first].astype("datetime64[ms]").astype(float) if daily else frame.start[first] / 1e6
    close = frame.close[last]
    each = int(np.diff(np.append(first, n)).max())
    if not candles:
        return (x, None, None, None, close, _width(x), not daily), each
    high, low = np.maximum.reduceat(frame.high, first), np.minimum.reduceat(frame.low, first)
    return (x, frame.open[first], high, low, close, _width(x), not daily), each


def _bunches(frame: BarFrame, limit: int) -> NDArray[np.int64]:
    """Return where each drawn bar begins: every bar, every session, or every k-th bar."""
    n = len(frame)
    if n <= limit:
        return np.arange(n)
    sessions = np.nonzero(np.diff(frame.session.astype(np.int64), prepend=-(10**9)))[0]
    if limit // 10 <= len(sessions) <= limit:
        return np.asarray(sessions, dtype=np.int64)
    return np.arange(0, n, -(-n // limit))


def _closes(symbol: str, book: Book, sessions: Sessions, allowance: int) -> tuple[Chart, int]:
    close = sessions.prices[symbol]
    known = np.nonzero(np.isfinite(close))[0]
    each = -(-len(known) // min(MOST_BARS, max(1, allowance)))
    at = known[::each]
    x = book.dates[at].astype("datetime64[ms]").astype(float)
    return (x, None, None, None, close[at], _width(x), False), each


def _width(x: Floats) -> float:
    return 0.7 * (float(np.median(np.diff(x))) if len(x) > 1 else _DAY_MS)


def _placer(frame: BarFrame | None, sessions: Sessions, x: Floats, intraday: bool) -> Place:
    """Return a function from a fill's time (ns) and price to the x of the drawn bar it happened in."""
    ends = sessions.time if frame is None else frame.end
    if frame is None or not intraday:
        dates = sessions.date if frame is None else frame.session
        ms = dates.astype("datetime64[ms]").astype(float)
    else:
        ms = frame.start / 1e6

    def place(ns: int, at: float | None) -> float:
        i = min(int(np.searchsorted(ends, ns, side="left")), len(ms) - 1)
        # Where one bar ends as the next begins, the price says whether that open made the fill.
        if frame is not None and ends[i] == ns and i + 1 < len(ms) and frame.start[i + 1] == ns:
            inside = at is not None and frame.low[i] <= at <= frame.high[i]
            i += at == frame.open[i + 1] or not inside
        return float(x[max(0, int(np.searchsorted(x, float(ms[i]), side="right")) - 1)])

    return place


def _marks(book: Book) -> dict[str, list[tuple[Any, int | None]]]:
    """Return each symbol's last fills with the trade that each belongs to."""
    trades: dict[str, list[int]] = {}
    for trade in book.trades:
        trades.setdefault(trade.symbol, []).append(trade.trade_id)
    held: dict[str, float] = {}
    at: dict[str, int] = {}
    out: dict[str, list[tuple[Any, int | None]]] = {}
    skip = len(book.fills) - MOST_MARKS
    for i, fill in enumerate(book.fills):
        before = held.get(fill.symbol, 0.0)
        after = before + (fill.size if fill.side == "BUY" else -fill.size)
        if abs(after) <= 1e-9 * max(fill.size, abs(before)):
            after = 0.0
        # From flat, or through it: the fill opens the symbol's next trade.
        if before == 0.0 or before * after < 0.0:
            at[fill.symbol] = at.get(fill.symbol, -1) + 1
        held[fill.symbol] = after
        own = trades.get(fill.symbol, [])
        if i >= skip:
            number_ = at.get(fill.symbol, 0)
            out.setdefault(fill.symbol, []).append((fill, own[number_] if number_ < len(own) else None))
    return out


def _mark_columns(marks: list[tuple[Any, int | None]], x_of: Place) -> dict[str, list[Any]]:
    return {
        "x": [x_of(to_ns(f.time), f.price) for f, _ in marks],
        "y": [float(f"{f.price:.8g}") for f, _ in marks],
        "side": [f.side for f, _ in marks],
        "text": [f"{f.side} {size(f.size)} at {price(f.price)}" for f, _ in marks],
        "when": [moment(f.time) + " UTC" for f, _ in marks],
        "because": [shorten(f.because, _BECAUSE) or "no reason was given" for f, _ in marks],
        "trade": [t if t is not None else 0 for _, t in marks],
    }


def _legs(book: Book, symbol: str, x_of: Place) -> dict[str, list[Any]]:
    trades = [t for t in book.closed if t.symbol == symbol][-MOST_MARKS // 2 :]
    return {
        "x0": [x_of(to_ns(t.entry_time), t.entry_price) for t in trades],
        "y0": [t.entry_price for t in trades],
        "x1": [x_of(to_ns(t.exit_time), t.exit_price) for t in trades if t.exit_time is not None],
        "y1": [t.exit_price for t in trades],
        "up": [1 if (t.pnl_net or 0.0) > 0 else 0 for t in trades],
    }
