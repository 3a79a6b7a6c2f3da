"""The order in which things happen: bar ends, events, signals, bar starts, by integer time.

One `Step` is everything of one phase at one moment. At equal times the phases follow each other as
written, so that an event at 14:00 comes after a bar that ends at 14:00 and before one that starts
then; signals of that moment come after its events. Neither is looked at while bars are being
merged; a hundred thousand cost one sort.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame

_NONE = np.array([], dtype=np.int64)


class Phase(IntEnum):
    """What a step is about, in the order of equal times."""

    END = 0
    EVENT = 1
    SIGNAL = 2
    START = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at `time` (ns UTC): `members` are indexes of feeds, of events or of signals.

    `session` is the trading date to be marked after this step, or None.
    """

    time: int
    phase: Phase
    members: Sequence[int]
    session: np.datetime64 | None = None


def one_clock(frames: Sequence[BarFrame]) -> bool:
    """Return True where no bar starts before an earlier bar's end.

    Then everything that is decided at the end of a bar comes before the start of every later bar,
    whichever instrument it belongs to, and matching both ends of a bar at once loses nothing.
    """
    ends = np.unique(np.concatenate([frame.end for frame in frames]))
    for frame in frames:
        at = np.searchsorted(ends, frame.end)
        before = np.where(at > 0, ends[np.maximum(at - 1, 0)], np.iinfo(np.int64).min)
        if (frame.start < before).any():
            return False
    return True


class Timeline:
    """The merged schedule of a run's bars, events and signals.

    `known_ns` are the times at which events become known, `signal_ns` those of signals (ns UTC,
    ascending). With `starts` the bars' starts are steps too.
    """

    def __init__(
        self,
        frames: Sequence[BarFrame],
        known_ns: NDArray[np.int64],
        *,
        starts: bool,
        signal_ns: NDArray[np.int64] = _NONE,
    ) -> None:
        columns = [(Phase.END, i, frame.end) for i, frame in enumerate(frames)]
        if starts:
            columns += [(Phase.START, i, frame.start) for i, frame in enumerate(frames)]
        times = [column for _, _, column in columns]
        phases = [np.full(len(column), phase, dtype=np.int8) for phase, _, column in columns]
        members = [np.full(len(column), i, dtype=np.int64) for _, i, column in columns]
        for said, said_ns in ((Phase.EVENT, known_ns), (Phase.SIGNAL, signal_ns)):
            times.append(said_ns)
            phases.append(np.full(len(said_ns), said, dtype=np.int8))
            members.append(np.arange(len(said_ns)))
        time, phase, member = (np.concatenate(parts) for parts in (times, phases, members))
        order = np.lexsort((member, phase, time))
        self._time, self._phase, self._member = time[order], phase[order], member[order]
        changed = (np.diff(self._time) != 0) | (np.diff(self._phase) != 0)
        self._first = np.flatnonzero(np.concatenate(([True], changed)))
        self._sessions = self._session_marks(frames)

    def __len__(self) -> int:
        return len(self._first)

    def _session_marks(self, frames: Sequence[BarFrame]) -> NDArray[np.datetime64]:
        """For each step the session that is complete after it, or NaT."""
        marks = np.full(len(self._first), "NaT", dtype="datetime64[D]")
        where = np.flatnonzero(self._phase[self._first] == Phase.END)
        session_at = np.full(len(self._time), np.datetime64("0001-01-01"), dtype="datetime64[D]")
        ends = self._phase == Phase.END
        for i, frame in enumerate(frames):
            session_at[ends & (self._member == i)] = frame.session
        latest = np.maximum.reduceat(session_at.astype(np.int64), self._first)[where]
        latest = np.maximum.accumulate(latest)
        final = np.append(latest[1:] > latest[:-1], True)
        marks[where[final]] = latest[final].astype("datetime64[D]")
        return marks

    def __iter__(self) -> Iterator[Step]:
        bounds = np.append(self._first, len(self._time)).tolist()
        times, phases = self._time[self._first].tolist(), self._phase[self._first].tolist()
        members = self._member.tolist()
        marked = ~np.isnat(self._sessions)
        for k, (time, phase, mark) in enumerate(zip(times, phases, marked.tolist(), strict=True)):
            session = self._sessions[k] if mark else None
            yield Step(time, Phase(phase), members[bounds[k] : bounds[k + 1]], session)
