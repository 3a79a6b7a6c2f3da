"""`EventStore`: every event that was ever seen, and what was known of them at any moment.

Append-only. An event is kept once, under its id, with every source that told of it; it is known from its
earliest recorded arrival on. The only question that the store answers is
`as_of(time)`: later arrivals do not exist for it, and a revision replaces what it revises from its own
arrival on. Adding is all or nothing; what `add` returned for is on the disk.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import sqlalchemy as sa

from robo_trader.clock import from_ns, require_utc, to_ns
from robo_trader.errors import EventError
from robo_trader.events.database import EVENTS, SIGHTINGS, SYMBOLS, Database
from robo_trader.events.identity import FIRST_YEAR, LAST_YEAR, encode, fingerprint, stamp
from robo_trader.events.tape import EventOrigin, EventTape
from robo_trader.records import Event

#: Where a project keeps its events unless `events.store` says otherwise.
FILE = Path(".robo") / "events.sqlite"
#: A publisher's clock may be ahead of ours by this much.
SKEW = timedelta(minutes=10)
#: The entry of an event's `data` that says that its publication time is only when it was seen.
UNDATED = "published_unknown"
_CHUNK = 400  # SQLite takes 32,766 values in a statement, older ones 999


class Known(NamedTuple):
    """An event with all that the host adds to it, and whether its arrival was assumed."""

    event: Event
    assumed: bool


@dataclass(slots=True)
class _Held:
    """What the store holds of an event: its content, its arrival, and who told of it."""

    content: str
    known_ns: int
    assumed: bool
    sources: set[str]


class EventStore:
    """A store at `url`: a path, ``sqlite:///PATH`` or ``postgresql://…``. Usable from several threads.

    Failure contract: a database that cannot be reached, read or written raises `EventError` naming
    it and the next step, and nothing was added.
    """

    def __init__(self, url: str | Path = FILE) -> None:
        self.url = url
        self._database = Database(url)
        self.place = self._database.place

    def add(
        self,
        events: Iterable[Event] | EventTape,
        *,
        seen_at: datetime,
        source: str = "memory",
        strict: bool = True,
    ) -> int:
        """Add `events`, first seen at `seen_at` (aware), and return how many the store did not have.

        An event that carries `known_at`, as an archive's may, keeps it; the others are known from `seen_at`
        on. A tape's assumed arrivals are marked as assumed. Events without a source are stamped
        with `source`. The same event again is one more sighting, or nothing new. Raise `EventError` for
        an event published after it was seen, for absurd years, and for an id with other content; with
        `strict` off the content that was there first holds, as where an entry is read again under
        another allow list.
        """
        seen = require_utc(seen_at, "seen_at")
        if isinstance(events, EventTape):
            pairs = zip(events.events, events.inferred.tolist(), strict=True)
            complete = [Known(_complete(e, seen, source), bool(assumed)) for e, assumed in pairs]
        else:
            complete = [Known(_complete(e, seen, source), False) for e in events]
        if not complete:
            return 0
        with self._database.connection() as connection:
            return _add(connection, complete, strict)

    def as_of(
        self,
        time: datetime,
        *,
        since: datetime | None = None,
        symbols: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
        revisions: bool = False,
    ) -> list[Event]:
        """Return what was known at `time`, by (known_at, id); `since` bounds known_at from below.

        `symbols` and `kinds` keep events of any of these; `limit` keeps the latest so many.
        `revisions` returns what had been replaced by then, too. Times are aware.
        """
        rows = self._known(time, since, symbols, kinds, limit, revisions)
        return [row.event for row in rows]

    def tape(self, time: datetime, *, since: datetime | None = None, revisions: bool = True) -> EventTape:
        """Return what was known at `time` as a tape, for a backtest or an events file."""
        rows = self._known(time, since, None, None, None, revisions)
        known = np.fromiter((to_ns(_known_at(row.event)) for row in rows), np.int64, len(rows))
        inferred = np.fromiter((row.assumed for row in rows), np.bool_, len(rows))
        known.flags.writeable = inferred.flags.writeable = False
        origin = EventOrigin(self.place, rows=len(rows), assumed=int(inferred.sum()))
        return EventTape(tuple(row.event for row in rows), known, inferred, (origin,))

    def get(self, id: str) -> Event | None:
        """Return the event with this id, or None."""
        query, _, _ = _all()
        with self._database.connection() as connection:
            row = connection.execute(query.where(EVENTS.c.id == id)).first()
        return None if row is None else _event(row).event

    def holds(self, ids: Collection[str]) -> frozenset[str]:
        """Return which of these ids are ids of events that are here."""
        wanted, found = sorted(ids), set[str]()
        with self._database.connection() as connection:
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                found.update(
                    connection.execute(sa.select(EVENTS.c.id).where(EVENTS.c.id.in_(chunk))).scalars()
                )
        return frozenset(found)

    def find(self, start: str, *, limit: int = 20) -> list[str]:
        """Return the ids that begin with `start`, sorted, at most `limit`."""
        with self._database.connection() as connection:
            query = sa.select(EVENTS.c.id).where(EVENTS.c.id.startswith(start, autoescape=True))
            return list(connection.execute(query.order_by(EVENTS.c.id).limit(limit)).scalars())

    def sources(self, id: str) -> tuple[tuple[str, datetime], ...]:
        """Return who told of an event and when it was first seen there, by time."""
        told = sa.select(SIGHTINGS.c.source, SIGHTINGS.c.known_ns).where(SIGHTINGS.c.event == id)
        first = sa.select(EVENTS.c.source, EVENTS.c.known_ns).where(EVENTS.c.id == id)
        earliest: dict[str, int] = {}
        with self._database.connection() as connection:
            for source, ns in connection.execute(sa.union_all(first, told)):
                earliest[source] = min(ns, earliest.get(source, ns))
        ordered = sorted(earliest.items(), key=lambda item: (item[1], item[0]))
        return tuple((source, from_ns(ns)) for source, ns in ordered)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __len__(self) -> int:
        with self._database.connection() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar_one())

    def __bool__(self) -> bool:
        return True  # a store is not nothing for being empty

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _known(
        self,
        time: datetime,
        since: datetime | None,
        symbols: Collection[str] | None,
        kinds: Collection[str] | None,
        limit: int | None,
        revisions: bool,
    ) -> list[Known]:
        until = to_ns(require_utc(time, "time"))
        query, known, better = _all()
        query = query.where(known <= until)
        if since is not None:
            query = query.where(known >= to_ns(require_utc(since, "since")))
        if kinds is not None:
            query = query.where(EVENTS.c.kind.in_(sorted(kinds)))
        if symbols is not None:
            named = sa.select(SYMBOLS.c.event).where(SYMBOLS.c.symbol.in_(sorted(symbols)))
            query = query.where(EVENTS.c.id.in_(named))
        if not revisions:
            later = EVENTS.alias("later")
            found, then, _ = _select(later)
            # Of two that claim to revise each other, the later one holds.
            after = sa.or_(then > known, sa.and_(then == known, later.c.number > EVENTS.c.number))
            # Only the source that told of a thing can take it back.
            same = sa.func.lower(later.c.source) == sa.func.lower(EVENTS.c.source)
            replaced = found.where(later.c.revision_of == EVENTS.c.id, same, then <= until, after)
            query = query.where(~replaced.correlate(EVENTS, better).exists())
        query = query.order_by(known.desc(), EVENTS.c.number.desc())
        if limit is not None:
            query = query.limit(limit)
        with self._database.connection() as connection:
            rows = connection.execute(query).all()
        return sorted((_event(row) for row in rows), key=lambda row: (_known_at(row.event), row.event.id))


def _complete(event: Event, seen: datetime, source: str) -> Event:
    """Return `event` with id, source and known_at; raise `EventError` when its times are absurd."""
    known = event.known_at or seen
    if known < event.published_at and event.published_at - known <= SKEW and event.known_at is None:
        known = event.published_at
    if known < event.published_at:
        raise EventError(
            f"event {event.title!r} of source {event.source or source!r} is published at "
            f"{stamp(event.published_at)}, after it was seen at {stamp(known)}",
            hint="a source must give the time of publication; what is planned goes into event_time",
        )
    for name, text in (
        ("kind", event.kind),
        ("id", event.id),
        ("source", event.source),
        ("revision_of", event.revision_of),
        *(("symbols", s) for s in event.symbols),
    ):
        if text is not None and not (_plain(text) and text.strip()):
            raise EventError(f"event {event.title!r} has {text!r} in {name}, which is no name")
    for moment in (event.published_at, known, event.event_time or known):
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise EventError(f"event {event.title!r} has the time {stamp(moment)}, which is absurd")
    return replace(event, id=event.id or fingerprint(event), source=event.source or source, known_at=known)


def _content(event: Event) -> str:
    """Return what makes two events of one id the same; when an undated one was seen does not count."""
    if event.data.get(UNDATED):
        event = replace(event, published_at=from_ns(0))
    return fingerprint(event)


def _add(connection: sa.Connection, events: Sequence[Known], strict: bool) -> int:
    """Insert what is missing, in one transaction, and return how many events were new."""
    if connection.dialect.name == "postgresql":  # SQLite lets one writer in at a time anyway
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7300252)"))
    ids = list(dict.fromkeys(str(known.event.id) for known in events))
    found: dict[str, _Held] = {}
    for start in range(0, len(ids), _CHUNK):
        query, _, _ = _all()
        for row in connection.execute(query.where(EVENTS.c.id.in_(ids[start : start + _CHUNK]))):
            found[row.id] = _Held(row.content, row.arrival_ns, row.arrival_assumed, {row.source})
        told = sa.select(SIGHTINGS.c.event, SIGHTINGS.c.source)
        for row in connection.execute(told.where(SIGHTINGS.c.event.in_(ids[start : start + _CHUNK]))):
            found[row.event].sources.add(row.source)
    rows, sightings, symbols = [], [], []
    for event, assumed in events:
        assert event.id is not None and event.source is not None
        content, known = _content(event), to_ns(_known_at(event))
        held = found.get(event.id)
        if held is None:
            found[event.id] = _Held(content, known, assumed, {event.source})
            rows.append(_row(event, content, assumed))
            symbols += [{"symbol": name, "event": event.id} for name in dict.fromkeys(event.symbols)]
            continue
        if strict and held.content != content:
            raise EventError(
                f"event {event.title!r} of source {event.source!r} has the id {event.id!r} of another event "
                "with other content",
                hint="give a correction an id of its own and name the first in revision_of",
            )
        better = not assumed and (held.assumed or known < held.known_ns)
        if better or event.source not in held.sources:
            held.sources.add(event.source)
            sightings.append(
                {"event": event.id, "source": event.source, "known_ns": known, "assumed": assumed,
                 "better": better}
            )  # fmt: skip
            if better:
                held.known_ns, held.assumed = known, False
    for table, values in ((EVENTS, rows), (SYMBOLS, symbols), (SIGHTINGS, sightings)):
        if values:
            connection.execute(table.insert(), values)
    return len(rows)


def _row(event: Event, content: str, assumed: bool) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "title": _storable(event.title),
        "published_ns": to_ns(event.published_at),
        "known_ns": to_ns(_known_at(event)),
        "assumed": assumed,
        "source": event.source,
        "event_ns": None if event.event_time is None else to_ns(event.event_time),
        "symbols": json.dumps(list(event.symbols)),
        "body": _storable(event.body),
        "url": _storable(event.url),
        "data": encode(dict(event.data), event),
        "revision_of": event.revision_of,
        "content": content,
    }


def _storable(text: str) -> str:
    """Return `text` as both databases can hold it: as JSON where it has NUL or half a surrogate pair."""
    return "\x01" + json.dumps(text) if text.startswith("\x01") or not _plain(text) else text


def _plain(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _stored(text: str) -> str:
    return str(json.loads(text[1:])) if text.startswith("\x01") else text


def _select(events: Any) -> tuple[Any, Any, Any]:
    """Return a query of all columns of `events` with their arrivals, the time of these, and its part."""
    better = (
        sa.select(SIGHTINGS.c.event, sa.func.min(SIGHTINGS.c.known_ns).label("known_ns"))
        .where(SIGHTINGS.c.better)
        .group_by(SIGHTINGS.c.event)
        .subquery()
    )
    known = sa.func.coalesce(better.c.known_ns, events.c.known_ns)
    assumed = sa.and_(events.c.assumed, better.c.known_ns.is_(None))
    joined = events.outerjoin(better, better.c.event == events.c.id)
    query = sa.select(events, known.label("arrival_ns"), assumed.label("arrival_assumed")).select_from(joined)
    return query, known, better


@cache
def _all() -> tuple[Any, Any, Any]:
    """Return `_select` of every event, which takes longer to build than to run."""
    return _select(EVENTS)


def _event(row: Any) -> Known:
    event = Event(
        kind=row.kind,
        title=_stored(row.title),
        published_at=from_ns(row.published_ns),
        symbols=tuple(json.loads(row.symbols)),
        body=_stored(row.body),
        url=_stored(row.url),
        data=json.loads(row.data),
        event_time=None if row.event_ns is None else from_ns(row.event_ns),
        revision_of=row.revision_of,
        id=row.id,
        source=row.source,
        known_at=from_ns(row.arrival_ns),
    )
    return Known(event, bool(row.arrival_assumed))


def _known_at(event: Event) -> datetime:
    assert event.known_at is not None
    return event.known_at
