"""Events, views and opinions for the tests of signals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from robo_trader.records import Event, View
from robo_trader.signals.clamp import Opinion, opinion_of

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
#: Titles with no word in common, so that none is a copy of another.
TITLES = (
    "alpha bravo charlie delta", "echo foxtrot golf hotel", "india juliett kilo lima",
    "mike november oscar papa", "quebec romeo sierra tango", "uniform victor whiskey xray",
)  # fmt: skip


def event(number: int, source: str = "wire", *, minutes: float = 0, **more: Any) -> Event:
    """Return event `number`, which tells a story of its own unless `title` says otherwise."""
    known = NOON + timedelta(minutes=minutes)
    given = {"title": TITLES[number % len(TITLES)], "symbols": ("AAPL",), **more}
    return Event(kind="news", published_at=known, known_at=known, id=f"e{number:03d}", source=source, **given)


def opinion(
    score: float, told: Event, *, confidence: float = 1.0, hours: float = 24, symbol: str = "AAPL",
    analyst: str = "one", **more: Any,
) -> Opinion:  # fmt: skip
    """Return what an analyst thinks of an event, from the moment at which it is known."""
    view = View(
        symbol=symbol, score=score, confidence=confidence, horizon=timedelta(hours=hours),
        event_id=told.id, analyst=analyst, at=told.known_at,
    )  # fmt: skip
    return opinion_of(view, told, **more)
