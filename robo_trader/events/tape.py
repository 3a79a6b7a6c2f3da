"""`EventTape`: events in the order in which they became known, for one run.

Each event on a tape has an `id`, a `source` and a `known_at`. Where nobody recorded an arrival,
`known_at` is `published_at` plus an assumed delay; the tape counts those and says so in a note.
Order and comparison are by integer nanoseconds, ties by id, so that a run repeats to the byte.

One event delivered twice is kept once, at its earliest recorded arrival; one id with two contents
is refused with `EventError`, since nobody could say which of the two was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import to_ns
from robo_trader.errors import EventError, UsageError
from robo_trader.events.identity import FIRST_YEAR, LAST_YEAR, fingerprint, stamp
from robo_trader.records import Event

ASSUMED_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """Where events came from: a path or a source's name, the file's hash, its rows, and how many
    of them had their `known_at` assumed."""

    source: str
    sha256: str = ""
    rows: int = 0
    assumed: int = 0


class _Entry(NamedTuple):
    """An event on its way to a tape; `place` names it in an error (``events.jsonl line 7``)."""

    known_ns: int
    id: str
    event: Event
    content: str
    assumed: bool
    place: str

    @property
    def rank(self) -> tuple[bool, int]:
        """Recorded arrivals before assumed ones, then the earlier."""
        return self.assumed, self.known_ns


@dataclass(frozen=True, slots=True, eq=False)
class EventTape:
    """Events sorted by (known_at, id); build one with `of`, `merge` or a reader.

    `known_ns` is each event's `known_at` in nanoseconds since 1970-01-01 UTC, `inferred` marks
    those whose `known_at` was assumed. Both arrays are read-only and as long as `events`.
    """

    events: tuple[Event, ...]
    known_ns: NDArray[np.int64]
    inferred: NDArray[np.bool_]
    origins: tuple[EventOrigin, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        events: Iterable[Event],
        *,
        assume_delay: timedelta = ASSUMED_DELAY,
        source: str = "memory",
        origin: EventOrigin | None = None,
        places: Sequence[str] | None = None,
    ) -> EventTape:
        """Return a tape of `events`, completed with id, source and known_at where they lack them.

        `assume_delay` (0 or more) is what passes between publication and arrival where no arrival
        was recorded. `source` is what events without one are stamped with; `origin` says more
        of where they came from, and `places` name the events one by one in errors. Raise `EventError`
        when an event was known before it was published or two contents share one id.
        """
        if assume_delay < timedelta(0):
            raise UsageError(
                f"assume_delay must be 0 or more, not {assume_delay.total_seconds():g} s",
                hint="an event cannot arrive before it is published",
            )
        entries: list[_Entry] = []
        for i, event in enumerate(events):
            place = places[i] if places is not None else f"{source}: event {i + 1}"
            entries.append(_complete(event, assume_delay, source, place))
        assumed = sum(e.assumed for e in entries)
        if not entries and origin is None:
            return _sorted([], (), [])
        origin = replace(origin or EventOrigin(source), rows=len(entries), assumed=assumed)
        notes = []
        if assumed:
            notes.append(
                f"{origin.source}: {assumed} of {len(entries)} events carry no arrival time; they are taken "
                f"as known {assume_delay.total_seconds():g} s after their publication"
            )
        return _sorted(entries, (origin,), notes)

    def merge(self, others: EventTape | Iterable[EventTape]) -> EventTape:
        """Return one tape of this and `others`; the same event on several is kept once."""
        tapes = [self, others] if isinstance(others, EventTape) else [self, *others]
        entries = [
            _Entry(known, event.id or "", event, fingerprint(event), inferred, f"an event of {event.source}")
            for tape in tapes
            for known, event, inferred in zip(
                tape.known_ns.tolist(), tape.events, tape.inferred.tolist(), strict=True
            )
        ]
        origins = tuple(origin for tape in tapes for origin in tape.origins)
        return _sorted(entries, origins, [note for tape in tapes for note in tape.notes])

    @property
    def assumed(self) -> int:
        """How many events have a `known_at` that was assumed."""
        return int(np.count_nonzero(self.inferred))

    def between(self, since: datetime | None = None, until: datetime | None = None) -> EventTape:
        """Return the tape of events known in [since, until); both aware, None for no bound."""
        first = 0 if since is None else int(np.searchsorted(self.known_ns, to_ns(since), "left"))
        last = len(self) if until is None else int(np.searchsorted(self.known_ns, to_ns(until), "left"))
        return replace(
            self,
            events=self.events[first:last],
            known_ns=self.known_ns[first:last],
            inferred=self.inferred[first:last],
        )

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __repr__(self) -> str:
        if not self.events:
            return "EventTape(no events)"
        first, last = self.events[0].known_at, self.events[-1].known_at
        return f"EventTape({len(self)} events, known {first} to {last}, {self.assumed} assumed)"


def _complete(event: Event, delay: timedelta, source: str, place: str) -> _Entry:
    """Return the entry of an event with all that the host adds to it."""
    known = event.known_at
    if known is not None and known < event.published_at:
        raise EventError(
            f"{place} is known_at {stamp(known)}, before published_at {stamp(event.published_at)}",
            hint="nobody can know of an event before it is published",
        )
    for name, moment in (("published_at", event.published_at), ("known_at", known or event.published_at)):
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise EventError(f"{place} has {name} {stamp(moment)}, outside of {FIRST_YEAR} to {LAST_YEAR}")
    content = fingerprint(event)
    done = Event(
        kind=event.kind,
        title=event.title,
        published_at=event.published_at,
        symbols=event.symbols,
        body=event.body,
        url=event.url,
        data=event.data,
        event_time=event.event_time,
        revision_of=event.revision_of,
        id=event.id or content,
        source=event.source or source,
        known_at=known or event.published_at + delay,
    )
    assert done.known_at is not None and done.id is not None
    return _Entry(to_ns(done.known_at), done.id, done, content, known is None, place)


def _sorted(entries: list[_Entry], origins: tuple[EventOrigin, ...], notes: list[str]) -> EventTape:
    """Return the tape of `entries` without doubles."""
    kept: dict[str, _Entry] = {}
    doubled = 0
    for entry in entries:
        before = kept.setdefault(entry.id, entry)
        if before is entry:
            continue
        if before.content != entry.content:
            raise EventError(
                f"{entry.place} ({entry.event.title!r}) has the id {entry.id!r} of "
                f"{before.place} ({before.event.title!r}) but other content",
                hint="give a correction an id of its own and name the first in revision_of",
            )
        doubled += 1
        if entry.rank < before.rank:
            kept[entry.id] = entry
    if doubled:
        notes = [*notes, f"{doubled} events came more than once and were kept once"]
    # Ids are unique by now, so the comparison never reaches the events themselves.
    ordered = sorted(kept.values())
    known_ns = np.fromiter((e.known_ns for e in ordered), np.int64, len(ordered))
    inferred = np.fromiter((e.assumed for e in ordered), np.bool_, len(ordered))
    known_ns.flags.writeable = inferred.flags.writeable = False
    return EventTape(tuple(e.event for e in ordered), known_ns, inferred, origins, tuple(notes))
