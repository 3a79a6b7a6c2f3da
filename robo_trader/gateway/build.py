"""Putting a gateway together: the demo universe, or a replay of bars and events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.calendars import get_calendar
from robo_trader.errors import UsageError
from robo_trader.events.tape import EventTape
from robo_trader.gateway.books import Books
from robo_trader.gateway.demo import demo_universe
from robo_trader.gateway.news import NewsRoom, demo_news
from robo_trader.gateway.replay import replay_universe
from robo_trader.gateway.server import GatewayServer
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.gateway.simclock import SimClock, parse_speed
from robo_trader.gateway.synthetic import SyntheticMarket
from robo_trader.gateway.tape import TapeMarket


def demo_gateway(settings: GatewaySettings) -> GatewayServer:
    """Return a gateway with the demo universe; its clock is the wall clock."""
    if settings.matching == "bars":
        raise UsageError("the demo universe has quotes, not bars to match", hint="use --matching quotes")
    if settings.speed != "1x":
        raise UsageError("the demo universe lives in real time", hint="--speed is for --bars")
    universe, clock = demo_universe(), SimClock()
    market = SyntheticMarket(universe, clock, settings.seed)
    return GatewayServer(settings, market, demo_news(universe, clock.now()), Books(settings.books))


def replay_gateway(
    settings: GatewaySettings,
    frames: Iterable[BarFrame],
    events: EventTape | None = None,
    start: date | str | int | None = None,
) -> GatewayServer:
    """Return a gateway that replays `frames` from session date `start` on; earlier bars are history.

    A whole number is the very moment (ns UTC).
    Books that hold a later time go on from there. Notes for the reader are in the market's `notes`.
    """
    universe, chosen, notes = replay_universe(frames)
    begin, speed = _begin(chosen, start), parse_speed(settings.speed)
    books = Books(settings.books)
    kept = books.fact("time", None)
    if kept is not None and kept > begin:
        begin = kept
        notes.append(
            f"the books go on where they ended, at {np.datetime64(kept, 'ns').astype('datetime64[s]')}Z"
        )
    clock = SimClock(begin, speed)
    market = TapeMarket(universe, clock, chosen, events, start_ns=begin, spread=settings.spread)
    market.notes = tuple(notes)
    news = NewsRoom(universe)
    if events is not None:
        for event, known in zip(events.events, events.known_ns.tolist(), strict=True):
            if known < begin:
                news.add(event)
    return GatewayServer(settings, market, news, books)


def _begin(frames: dict[int, BarFrame], start: date | str | int | None) -> int:
    """Return the first moment of a replay: the open of `start`, or of the first bar."""
    first = min(int(frame.start[0]) for frame in frames.values())
    if start is None or isinstance(start, int):
        return first if start is None else start
    try:
        day = np.datetime64(date.fromisoformat(str(start)), "D")
    except ValueError:
        raise UsageError(f"start {start!r} is no date", hint="write it as 2024-12-31") from None
    if not any(bool((frame.session >= day).any()) for frame in frames.values()):
        last = max(frame.session[-1] for frame in frames.values())
        raise UsageError(f"there are no bars from {day} on", hint=f"the last session is {last}")
    opens = [int(f.start[np.searchsorted(f.session, day)]) for f in frames.values() if f.session[-1] >= day]
    codes = {frame.instrument.calendar for frame in frames.values()}
    bounds = [int(get_calendar(code).session_bounds(np.array([day]))[0][0]) for code in codes]
    return max(first, min(*opens, *bounds) if bounds else min(opens))
