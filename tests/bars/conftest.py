"""Frames for the tests of bars, made without any file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_SECOND


@pytest.fixture
def days() -> Callable[..., BarFrame]:
    """Make daily bars of `symbol` from its calendar's sessions; prices count up from 100."""

    def make(symbol: str = "SPY", first: str = "2024-01-02", last: str = "2024-01-31") -> BarFrame:
        thing = BarSettings().instrument(symbol)
        calendar = get_calendar(thing.calendar)
        session = calendar.sessions(first, last)
        start, end, _ = calendar.session_bounds(session)
        return _frame(symbol, "1d", start, end, session)

    return make


@pytest.fixture
def minutes() -> Callable[..., BarFrame]:
    """Make the regular minute bars of each session of `symbol`."""

    def make(
        symbol: str = "SPY", first: str = "2024-01-02", last: str = "2024-01-05", step: int = 1
    ) -> BarFrame:
        thing = BarSettings().instrument(symbol)
        calendar = get_calendar(thing.calendar)
        session = calendar.sessions(first, last)
        opens, closes, _ = calendar.session_bounds(session)
        ns = step * 60 * NS_PER_SECOND
        parts = [np.arange(o, c, ns) for o, c in zip(opens.tolist(), closes.tolist(), strict=True)]
        start = np.concatenate(parts)
        dates = np.repeat(session, [len(p) for p in parts])
        end = np.minimum(start + ns, np.repeat(closes, [len(p) for p in parts]))
        return _frame(symbol, f"{step}m", start, end, dates)

    return make


def _frame(symbol: str, timeframe: str, start: np.ndarray, end: np.ndarray, session: np.ndarray) -> BarFrame:
    n = len(start)
    price = 100 + np.arange(n, dtype=float)
    return BarFrame(
        symbol=symbol,
        timeframe=timeframe,
        start=start,
        end=end,
        session=session,
        open=price,
        high=price + 2,
        low=price - 1,
        close=price + 1,
        volume=np.full(n, 10.0),
        instrument=BarSettings().instrument(symbol),
    )
