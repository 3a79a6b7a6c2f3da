"""Small frames to replay."""

from __future__ import annotations

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.calendars import get_calendar


def daily(symbol: str, closes: list[float], first: str = "2024-01-02", volume: float = 1e6) -> BarFrame:
    """Return daily bars of New York's sessions: each opens at the close before."""
    thing = BarSettings().instrument(symbol)
    calendar = get_calendar(thing.calendar)
    session = calendar.sessions(first, "2024-12-31")[: len(closes)]
    start, end, _ = calendar.session_bounds(session)
    close = np.array(closes, dtype=float)
    before = np.concatenate([[close[0]], close[:-1]])
    return BarFrame(
        symbol=symbol,
        timeframe="1d",
        start=start,
        end=end,
        session=session,
        open=before,
        high=np.maximum(before, close) + 0.5,
        low=np.minimum(before, close) - 0.5,
        close=close,
        volume=np.full(len(close), volume),
        instrument=thing,
    )


def minutely(symbol: str, closes: list[float], day: str = "2024-01-02") -> BarFrame:
    """Return minute bars from New York's open of a day on."""
    thing = BarSettings().instrument(symbol)
    calendar = get_calendar(thing.calendar)
    date = np.array([day], dtype="datetime64[D]")
    opens = int(calendar.session_bounds(date)[0][0])
    n = len(closes)
    start = opens + np.arange(n) * 60_000_000_000
    close = np.array(closes, dtype=float)
    before = np.concatenate([[close[0]], close[:-1]])
    return BarFrame(
        symbol=symbol,
        timeframe="1m",
        start=start,
        end=start + 60_000_000_000,
        session=np.repeat(date, n),
        open=before,
        high=np.maximum(before, close) + 0.25,
        low=np.minimum(before, close) - 0.25,
        close=close,
        volume=np.full(n, 4000.0),
        instrument=thing,
    )
