"""`EventSource`: what an author writes to bring events in, and how the host takes them.

The host stamps `id`, `source` and `known_at` and believes none of it from the plugin except an archive's
recorded arrival. A source that raises, returns something else than events, or reports an
arrival before the publication is an `EventError` that names the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from robo_trader.clock import require_utc
from robo_trader.errors import EventError, RoboError, UsageError
from robo_trader.events.tape import ASSUMED_DELAY, EventTape
from robo_trader.records import Event


class EventSource:
    """Base class of event sources: subclass it and write `fetch`."""

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Return the events published in [since, until), in any order; both bounds aware UTC.

        An `Event` needs `kind`, `title` and `published_at`. Leave `id`, `source` and `known_at` to
        the host; only an archive that recorded arrivals passes `known_at`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fetch(since, until)")


def fetch_events(
    source: EventSource,
    name: str,
    since: datetime,
    until: datetime,
    *,
    assume_delay: timedelta = ASSUMED_DELAY,
) -> EventTape:
    """Return the tape of what `source`, registered as `name`, published in [since, until).

    This is a backfill: an event without a recorded arrival is known `assume_delay` after its
    publication. Events outside of the period are dropped and counted in a note.
    """
    first, last = require_utc(since, "since"), require_utc(until, "until")
    if first > last:
        raise UsageError(f"since {first.isoformat()} is after until {last.isoformat()}", hint="swap the two")
    try:
        fetched = list(source.fetch(first, last))
    except RoboError as error:
        raise EventError(f"event source {name!r}: {error.message}", hint=error.hint) from error
    except Exception as error:  # a plugin may raise anything; the run gets one line that names it
        raise EventError(
            f"event source {name!r} failed: {type(error).__name__}: {error}",
            hint="see what it offers with 'robo plugins check'",
        ) from error
    for i, event in enumerate(fetched, start=1):
        if not isinstance(event, Event):
            raise EventError(
                f"event source {name!r} returned {type(event).__name__} as item {i}, not an Event",
                hint="fetch(since, until) must return robo_trader.Event objects",
            )
    inside = [replace(e, source=name) for e in fetched if first <= e.published_at < last]
    tape = EventTape.of(inside, assume_delay=assume_delay, source=name)
    if dropped := len(fetched) - len(inside):
        note = f"{name}: {dropped} events lay outside of the period asked for and were dropped"
        tape = replace(tape, notes=(*tape.notes, note))
    return tape
