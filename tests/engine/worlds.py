"""Random worlds for the engine's property tests: bars on one or several clocks, and events among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from robo_trader.bars.frame import BarFrame
from robo_trader.events.tape import EventTape
from robo_trader.instruments import Instrument
from robo_trader.records import Event

HOUR = 3_600_000_000_000
MINUTE = HOUR // 60
DAY = 24 * HOUR
MONDAY = np.datetime64("2024-01-08", "D")
OPENS, CLOSES = 14 * HOUR + 30 * MINUTE, 21 * HOUR

ONE_CLOCK = ("daily", "two daily", "daily with gaps", "aligned daily", "hourly", "round the clock")
SEVERAL_CLOCKS = (
    "unaligned daily",
    "hourly and daily",
    "daily and hourly",
    "late start",
    "half hours apart",
    "three time frames",
    "round the clock and exchange",
)


def ns(moment: str) -> int:
    """Return an ISO time (UTC) as ns since the epoch."""
    return int(np.datetime64(moment, "ns").astype(np.int64))


def frame(
    symbol: str,
    timeframe: str,
    start: Any,
    end: Any,
    session: Any,
    prices: Any,
    *,
    instrument: Instrument | None = None,
) -> BarFrame:
    """Build a `BarFrame` from times and an (n, 4) array of open, high, low, close."""
    prices = np.asarray(prices, dtype=np.float64)
    return BarFrame(
        symbol=symbol, timeframe=timeframe, start=np.asarray(start), end=np.asarray(end),
        session=np.asarray(session, dtype="datetime64[D]"),
        **{name: prices[:, k].copy() for k, name in enumerate(("open", "high", "low", "close"))},
        volume=np.full(len(prices), 1000.0), instrument=instrument or Instrument(symbol),
    )  # fmt: skip


def business_days(n: int, first: np.datetime64 = MONDAY) -> np.ndarray:
    """Return the first `n` weekdays from `first` on."""
    return np.busday_offset(first, np.arange(n), roll="forward")


def daily(
    symbol: str, prices: Any, *, close: int = CLOSES, first: np.datetime64 = MONDAY, **more: Any
) -> Any:
    """Return daily bars on weekdays, 14:30 to 21:00 UTC (or another `close`)."""
    days = business_days(len(prices), first)
    base = days.astype("datetime64[ns]").astype(np.int64)
    return frame(symbol, "1d", base + OPENS, base + close, days, prices, **more)


def waiting(bars: Any, until: int) -> Any:
    """Return daily bars that are known `until` ns later than their close, as alignment makes them."""
    return replace(bars, end=bars.end + until, closed=bars.end)


def intraday(symbol: str, prices: Any, *, step: int = HOUR, offset: int = 0, name: str = "1h") -> Any:
    """Return bars of `step` ns within the sessions; the last of a session may be shorter."""
    per_day = list(range(OPENS + offset, CLOSES, step))
    days = business_days(-(-len(prices) // len(per_day)))
    base = days.astype("datetime64[ns]").astype(np.int64)
    start = (base[:, None] + np.array(per_day)).ravel()[: len(prices)]
    end = np.minimum(start + step, np.repeat(base + CLOSES, len(per_day))[: len(prices)])
    return frame(symbol, name, start, end, np.repeat(days, len(per_day))[: len(prices)], prices)


def always_open(symbol: str, prices: Any, *, step: int = DAY, name: str = "1d") -> Any:
    """Return bars without a pause between them; a session is a UTC day."""
    start = MONDAY.astype("datetime64[ns]").astype(np.int64) + step * np.arange(len(prices))
    session = start.astype("datetime64[ns]").astype("datetime64[D]")
    return frame(symbol, name, start, start + step, session, prices)


def walk(rng: np.random.Generator, n: int, volatility: float, tick: float | None) -> np.ndarray:
    """Return an (n, 4) array of prices with gaps and flat bars, rounded to `tick` so that ties happen."""
    price, rows = 100.0, np.empty((n, 4))
    for i in range(n):
        jump = rng.normal(0, 2 * volatility) if rng.random() < 0.4 else 0.0
        o = price * np.exp(jump)
        c = o * np.exp(rng.normal(0, volatility))
        h = max(o, c) * np.exp(abs(rng.normal(0, volatility / 2)))
        low = min(o, c) * np.exp(-abs(rng.normal(0, volatility / 2)))
        if rng.random() < 0.1:
            c = h = low = o
        row = np.array([o, h, low, c])
        if tick is not None:
            row = np.maximum(np.round(np.round(row / tick) * tick, 10), tick)
        rows[i] = row
        price = min(max(row[3], 20.0), 500.0)
    return rows


@dataclass(frozen=True)
class World:
    """Bars, events and the grid on which prices lie."""

    kind: str
    frames: tuple[Any, ...]
    tape: EventTape
    tick: float | None

    def __repr__(self) -> str:
        return f"World({self.kind}, {list(self.frames)}, {len(self.tape)} events, tick={self.tick})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Keep hypothesis from printing every price."""
        printer.text(repr(self))


@st.composite
def worlds(draw: Any, kinds: tuple[str, ...] = ONE_CLOCK + SEVERAL_CLOCKS, events: bool = True) -> World:
    """Draw a world; prices come from a drawn seed, times are built from `kind`."""
    kind = draw(st.sampled_from(kinds))
    n = draw(st.integers(3, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    volatility = draw(st.sampled_from([0.002, 0.01, 0.05]))
    tick = draw(st.sampled_from([None, 0.01, 1.0]))

    def prices(length: int) -> np.ndarray:
        return walk(rng, length, volatility, tick)

    def holes(full: Any) -> Any:
        keep = rng.random(len(full)) < 0.7
        keep[rng.integers(len(full))] = True
        return full.where(keep)

    three = Instrument("B", multiplier=3.0)
    frames = {
        "daily": lambda: [daily("A", prices(2 * n))],
        "two daily": lambda: [daily("A", prices(n)), daily("B", prices(n), instrument=three)],
        "daily with gaps": lambda: [holes(daily("A", prices(2 * n))), holes(daily("B", prices(2 * n)))],
        "aligned daily": lambda: [
            waiting(daily("A", prices(2 * n)), 15 * MINUTE),
            daily("B", prices(2 * n), close=CLOSES + 15 * MINUTE, instrument=three),
        ],
        "hourly": lambda: [holes(intraday("A", prices(7 * n)))],
        "round the clock": lambda: [always_open("A", prices(2 * n))],
        "unaligned daily": lambda: [
            holes(daily("A", prices(2 * n))),
            daily("B", prices(2 * n), close=CLOSES + 15 * MINUTE, instrument=three),
        ],
        "hourly and daily": lambda: [holes(intraday("A", prices(7 * n))), daily("B", prices(n))],
        "daily and hourly": lambda: [daily("A", prices(n)), holes(intraday("B", prices(7 * n)))],
        "late start": lambda: [
            daily("A", prices(n + 3)),
            daily("B", prices(n), close=CLOSES + 15 * MINUTE, first=business_days(4)[-1]),
        ],
        "half hours apart": lambda: [
            intraday("A", prices(7 * n)),
            holes(intraday("B", prices(6 * n), offset=30 * MINUTE)),
        ],
        "three time frames": lambda: [
            intraday("A", prices(14 * n), step=HOUR // 2, name="30m"),
            holes(intraday("B", prices(7 * n))),
            daily("C", prices(n)),
        ],
        "round the clock and exchange": lambda: [
            always_open("A", prices(4 * n), step=8 * HOUR, name="8h"),
            daily("B", prices(n)),
        ],
    }[kind]()  # fmt: skip
    times = draw(st.lists(st.integers(0, 10_000), max_size=8)) if events else []
    return World(kind, tuple(frames), tape(pick_times(frames, times)), tick)


def pick_times(frames: list[Any], draws: list[int]) -> list[int]:
    """Turn numbers into times of events: bars' starts and ends themselves, and moments between."""
    edges = np.unique(np.concatenate([column for f in frames for column in (f.start, f.end)]))
    times = []
    for number in draws:
        k, part = divmod(number % (3 * len(edges)), 3)
        after = edges[k + 1] if k + 1 < len(edges) else edges[k] + HOUR
        times.append(int(edges[k] + part * ((after - edges[k]) // 3 // 1000 * 1000)))
    return times


def tape(times: list[int]) -> EventTape:
    """Return events known at `times` (ns UTC)."""
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t // 1000) for t in times]
    return EventTape.of(
        Event(kind="news", title=f"event {k}", published_at=m, known_at=m) for k, m in enumerate(moments)
    )
