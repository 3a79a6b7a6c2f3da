"""The sessions of a run and how long they lived, computed from their heartbeats.

Between two signs of life (the start, a heartbeat, the end) that are at most `LONGEST_GAP` seconds apart
the session lived; a longer gap counts as down, whole. So does one in which time stood still or ran back.
Nothing here asks a clock, and a session that was killed lived until its last heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from robo_trader.journal.reading import Reader, Row
from robo_trader.journal.standing import known_run, reading

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal

#: The longest time between two heartbeats, in seconds, in which a session counts as alive: two may be late.
LONGEST_GAP = 150.0


@dataclass(frozen=True, slots=True)
class SessionLife:
    """A session of a run.

    `end` and `state` are those of its last word; without one `end` is None and `state` ``unfinished``.
    `last_seen` is its last sign of life. `alive` and `online` are seconds: of the process, and of its line
    to the broker; `online_by_date` splits the latter by UTC date. `in_order` is False where the times of
    its rows run back, which the journal of one process never writes. `row` is its row in the journal.
    """

    number: int
    start: datetime
    end: datetime | None
    state: str
    note: str
    last_seen: datetime
    beats: int
    alive: float
    online: float
    online_by_date: Mapping[date, float]
    in_order: bool
    row: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a run lived: `alive` and `online` of the `span` from its first sign of life to its last."""

    sessions: int
    span: float
    alive: float
    online: float

    @property
    def fraction(self) -> float | None:
        """The part of the span in which a process lived; None for an empty span."""
        return self.alive / self.span if self.span > 0 else None


def sessions_of(journal: Journal | Reader, run_id: str) -> list[SessionLife]:
    """Return the sessions of the run `run_id` by number; raises `JournalError` where there is no such run."""
    with reading(journal) as reader:
        number = int(known_run(reader, run_id)["number"])
        ends = {row["session"]: row for row in reader.rows("session_ends", "run = :run", run=number)}
        beats: dict[int, list[Row]] = {}
        for row in reader.rows("heartbeats", "run = :run", run=number):
            beats.setdefault(row["session"], []).append(row)
        return [
            _life(row, beats.get(row["number"], []), ends.get(row["number"]))
            for row in reader.rows("sessions", "run = :run", run=number)
        ]


def uptime(journal: Journal | Reader, run_id: str) -> Uptime:
    """Return how long the run `run_id` lived, over all of its sessions."""
    found = sessions_of(journal, run_id)
    if not found:
        return Uptime(0, 0.0, 0.0, 0.0)
    span = (max(one.last_seen for one in found) - min(one.start for one in found)).total_seconds()
    return Uptime(len(found), span, sum(one.alive for one in found), sum(one.online for one in found))


def _life(row: Row, beats: list[Row], end: Row | None) -> SessionLife:
    alive = online = 0.0
    by_date: dict[date, float] = {}
    last, in_order = row["at"], True
    for at, line in _signs(beats, end):
        gap = (at - last).total_seconds()
        in_order = in_order and gap >= 0
        if 0 < gap <= LONGEST_GAP:
            alive += gap
            if line:
                online += gap
                by_date[at.date()] = by_date.get(at.date(), 0.0) + gap
        last = max(last, at)
    return SessionLife(
        number=row["number"], start=row["at"], end=end["at"] if end else None,
        state=end["state"] if end else "unfinished", note=end["note"] if end else "", last_seen=last,
        beats=len(beats), alive=alive, online=online, online_by_date=MappingProxyType(by_date),
        in_order=in_order, row=MappingProxyType(row),
    )  # fmt: skip


def _signs(beats: list[Row], end: Row | None) -> Iterator[tuple[datetime, bool]]:
    """Yield the signs of life after the start, with whether the line was up in the time before each."""
    line = False
    for beat in beats:
        yield beat["at"], beat["line"]
        line = beat["line"]
    if end is not None:
        yield end["at"], line
