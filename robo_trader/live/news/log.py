"""`ReadingLog`: what became of every event that was read, and every signal that was made, once each.

It lies beside the events, in the same database. A reading and the signals that it made are written in
one transaction, before anybody is told of them: what a crash interrupts was either never said or is
on the disk. One event and one analyst make one row, which the database itself enforces. Every failure of
the database is an `EventError`, and nothing of that write is there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from robo_trader.clock import from_ns, to_ns
from robo_trader.errors import EventError
from robo_trader.events.database import Database
from robo_trader.records import Signal, View

_METADATA = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CHUNK = 400

#: One event read by one analyst (empty: by the host, where it withdraws what it corrects).
READINGS = sa.Table(
    "live_readings",
    _METADATA,
    sa.Column("number", _BIG, primary_key=True, autoincrement=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("views", sa.Text, nullable=False),
    sa.Column("withdraws", sa.Text, index=True),
    sa.UniqueConstraint("event", "analyst"),
)
#: Every signal, in the order in which it was made.
SIGNALS = sa.Table(
    "live_signals",
    _METADATA,
    sa.Column("number", _BIG, primary_key=True, autoincrement=True),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, index=True),
    sa.Column("evidence", sa.Text, nullable=False),
)


class ReadTwice(EventError):
    """An event was read by two processes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one event with one analyst; `disputed` goes with `views`, one for one."""

    event: str
    analyst: str
    at: int
    outcome: str
    reason: str = ""
    views: tuple[View, ...] = ()
    disputed: tuple[bool, ...] = ()
    withdraws: str | None = None

    @property
    def until(self) -> int:
        """When the last of its views is over (ns UTC); 0 where there is none."""
        return max((to_ns(v.at) + _ns(v.horizon) for v in self.views if v.at is not None), default=0)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A signal with its number in the log, which only grows."""

    number: int
    signal: Signal


class ReadingLog:
    """The log in the database `url`, which is the event store's. Usable from several threads."""

    def __init__(self, url: str | Path) -> None:
        self._database = Database(url)
        self.place = self._database.place
        try:
            with self._database.connection() as connection:
                if connection.dialect.name == "postgresql":  # two first users at once would make it twice
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(7300253)"))
                _METADATA.create_all(connection)
        except BaseException:
            self._database.close()
            raise

    def write(self, rows: Sequence[Row], signals: Sequence[Signal]) -> list[Numbered]:
        """Add both in one transaction and return the signals with their numbers.

        Raise `ReadTwice` when an event was read before, which another process must have done.
        """
        with self._database.connection() as connection:
            if connection.dialect.name == "postgresql":  # numbers are given in the order of commits
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7300254)"))
            if rows:
                try:
                    connection.execute(READINGS.insert(), [_values(row) for row in rows])
                except sa.exc.IntegrityError as error:
                    raise ReadTwice(
                        f"another process reads the events of {self.place}",
                        hint="end the other one, or give this one a store of its own in events.store",
                    ) from error
            if not signals:
                return []
            last = connection.execute(sa.select(sa.func.max(SIGNALS.c.number))).scalar() or 0
            numbered = [Numbered(last + i, signal) for i, signal in enumerate(signals, 1)]
            connection.execute(SIGNALS.insert(), [_row(one) for one in numbered])
        return numbered

    def read_already(self, events: Collection[str]) -> set[tuple[str, str]]:
        """Return the (event, analyst) pairs among `events` that have a row."""
        ids = sorted(events)
        found: set[tuple[str, str]] = set()
        with self._database.connection() as connection:
            for start in range(0, len(ids), _CHUNK):
                wanted = READINGS.c.event.in_(ids[start : start + _CHUNK])
                rows = connection.execute(sa.select(READINGS.c.event, READINGS.c.analyst).where(wanted))
                found.update((row.event, row.analyst) for row in rows)
        return found

    def live(self, now: int) -> tuple[list[Row], dict[str, int]]:
        """Return the rows whose views are not over at `now` (ns UTC), and since when what is withdrawn."""
        with self._database.connection() as connection:
            found = connection.execute(
                sa.select(READINGS).where(READINGS.c.until_ns > now).order_by(READINGS.c.number)
            ).all()
            gone = connection.execute(
                sa.select(READINGS.c.withdraws, sa.func.min(READINGS.c.at_ns))
                .where(READINGS.c.withdraws.is_not(None))
                .group_by(READINGS.c.withdraws)
            ).all()
        alive = {row.event for row in found}
        return [_stored(row) for row in found], {id: at for id, at in gone if id in alive}

    def last(self) -> int:
        """Return the time of the latest reading or signal (ns UTC), 0 where there is none."""
        with self._database.connection() as connection:
            times = [
                connection.execute(sa.select(sa.func.max(table.c.at_ns))).scalar()
                for table in (READINGS, SIGNALS)
            ]
        return max(time or 0 for time in times)

    def signals(self, *, since: int = 0) -> list[Numbered]:
        """Return the signals made at `since` (ns UTC) or later, in order."""
        query = sa.select(SIGNALS).where(SIGNALS.c.at_ns >= since).order_by(SIGNALS.c.number)
        with self._database.connection() as connection:
            return [_numbered(row) for row in connection.execute(query)]

    def in_force(self, now: int) -> list[Numbered]:
        """Return the latest signal of each role and symbol, where it is not over at `now` (ns UTC)."""
        latest = sa.select(sa.func.max(SIGNALS.c.number)).group_by(SIGNALS.c.name, SIGNALS.c.symbol)
        query = sa.select(SIGNALS).where(SIGNALS.c.number.in_(latest)).order_by(SIGNALS.c.number)
        with self._database.connection() as connection:
            found = [_numbered(row) for row in connection.execute(query)]
        return [one for one in found if one.signal.expires_at is None or to_ns(one.signal.expires_at) > now]

    def counts(self) -> dict[str, int]:
        """Return how many readings there are of each outcome."""
        query = sa.select(READINGS.c.outcome, sa.func.count()).group_by(READINGS.c.outcome)
        with self._database.connection() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def _ns(length: timedelta) -> int:
    return int(length.total_seconds() * 1_000_000) * 1000


def _values(row: Row) -> dict[str, Any]:
    views = [_said(view, disputed) for view, disputed in zip(row.views, row.disputed, strict=True)]
    return {
        "event": row.event, "analyst": row.analyst, "at_ns": row.at, "until_ns": row.until,
        "outcome": row.outcome, "reason": _text(row.reason), "views": json.dumps(views),
        "withdraws": row.withdraws,
    }  # fmt: skip


def _text(text: str) -> str:
    return text.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")


def _said(view: View, disputed: bool) -> dict[str, Any]:
    assert view.at is not None
    return {
        "symbol": view.symbol, "score": view.score, "confidence": view.confidence,
        "horizon": view.horizon.total_seconds(), "because": view.because, "at": to_ns(view.at),
        "in_sample": view.in_sample, "model": view.model, "prompt": view.prompt_hash, "disputed": disputed,
    }  # fmt: skip


def _stored(row: Any) -> Row:
    said = json.loads(row.views)
    views = tuple(
        View(
            symbol=one["symbol"], score=one["score"], confidence=one["confidence"],
            horizon=timedelta(seconds=one["horizon"]), because=one["because"], event_id=row.event,
            analyst=row.analyst, in_sample=one["in_sample"], model=one["model"], prompt_hash=one["prompt"],
            at=from_ns(one["at"]),
        )
        for one in said
    )  # fmt: skip
    return Row(
        event=row.event, analyst=row.analyst, at=row.at_ns, outcome=row.outcome, reason=row.reason,
        views=views, disputed=tuple(one["disputed"] for one in said), withdraws=row.withdraws,
    )  # fmt: skip


def _row(one: Numbered) -> dict[str, Any]:
    signal = one.signal
    return {
        "number": one.number, "at_ns": to_ns(signal.at), "name": signal.name, "symbol": signal.symbol,
        "value": signal.value, "confidence": signal.confidence,
        "expires_ns": None if signal.expires_at is None else to_ns(signal.expires_at),
        "evidence": json.dumps(signal.evidence),
    }  # fmt: skip


def _numbered(row: Any) -> Numbered:
    signal = Signal(
        at=from_ns(row.at_ns), symbol=row.symbol, name=row.name, value=row.value, confidence=row.confidence,
        expires_at=None if row.expires_ns is None else from_ns(row.expires_ns),
        evidence=tuple(json.loads(row.evidence)),
    )  # fmt: skip
    return Numbered(row.number, signal)
