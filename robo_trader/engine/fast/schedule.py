"""The whole order of a run, worked out once: which clocks advance at which step.

A clock is shared by feeds whose bars start, end and belong to sessions at the same times. The steps
are those of `robo_trader.engine.timeline.Timeline`, with clocks in the place of feeds, so that their
number of members does not grow with the number of feeds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.engine.timeline import Phase
from robo_trader.feeds.bars import BarsFeed, to_backtrader_days

Ints = NDArray[np.int64]
_NONE = np.array([], dtype=np.int64)


@dataclass(slots=True)
class Clock:
    """The times that the feeds `members` (indexes) have in common; `frame` is one of theirs."""

    frame: BarFrame
    members: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frame)


def clocks_of(frames: Sequence[BarFrame]) -> list[Clock]:
    """Group frames by equal times, in the order of their first members."""
    clocks: list[Clock] = []
    alike: dict[tuple[int, int, int], list[Clock]] = {}
    for i, frame in enumerate(frames):
        candidates = alike.setdefault((len(frame), int(frame.end[0]), int(frame.end[-1])), [])
        clock = next((c for c in candidates if _same_times(c.frame, frame)), None)
        if clock is None:
            clock = Clock(frame)
            candidates.append(clock)
            clocks.append(clock)
        clock.members.append(i)
    return clocks


def _same_times(a: BarFrame, b: BarFrame) -> bool:
    return all(
        x is y or np.array_equal(x, y)
        for x, y in ((a.end, b.end), (a.start, b.start), (a.session, b.session))
    )


class _Same(Sequence[tuple[int, ...]]):
    """One group at every step, for a single clock."""

    def __init__(self, group: tuple[int, ...], length: int) -> None:
        self._group = group
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return (self._group,) * len(range(self._length)[k])
        if not -self._length <= k < self._length:
            # Without it, iterating over a Sequence would never end.
            raise IndexError(k)
        return self._group

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return repeat(self._group, self._length)


class Schedule:
    """The ends of bars in order, and what comes between them.

    `ends` are the times (ns UTC) of the bar steps: moments at which one or more clocks end a bar.
    `groups[k]` are the clocks (indexes) that end one at bar step k. `at[c]` are the bar steps of
    clock c, one for each of its bars. `marks` are the bar steps after which a session is complete,
    `mark_sessions` their dates.
    """

    def __init__(self, clocks: Sequence[Clock]) -> None:
        self.clocks = clocks
        if len(clocks) == 1:
            self.ends, self.at = clocks[0].frame.end, [np.arange(len(clocks[0]))]
            self.groups: Sequence[tuple[int, ...]] = _Same((0,), len(self.ends))
        else:
            self.ends, self.at, members, firsts = _merge([clock.frame.end for clock in clocks])
            self.groups = _groups(len(clocks), members, firsts)
        sessions = np.full(len(self.ends), np.iinfo(np.int64).min, dtype=np.int64)
        for clock, at in zip(clocks, self.at, strict=True):
            np.maximum.at(sessions, at, clock.frame.session.astype(np.int64))
        latest = np.maximum.accumulate(sessions)
        self.marks: Ints = np.flatnonzero(np.append(latest[1:] > latest[:-1], True))
        self.mark_sessions = latest[self.marks].astype("datetime64[D]")

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def one_clock(self) -> bool:
        """True where no bar starts before an earlier bar's end (see `timeline.one_clock`)."""
        for clock, at in zip(self.clocks, self.at, strict=True):
            start, earlier = clock.frame.start, at > 0
            if (start[earlier] < self.ends[at[earlier] - 1]).any():
                return False
        return True

    def days(self, feeds: Sequence[BarsFeed]) -> array[float]:
        """Return the times of the bar steps as Backtrader's float days."""
        if len(self.clocks) == 1:
            days: array[float] = feeds[0].lines.datetime.array
            return days
        return array("d", to_backtrader_days(self.ends).tobytes())

    def between(self, known: Ints, *, starts: bool, spoken: Ints = _NONE) -> Between:
        """Return what happens between the bar steps: events known at `known`, signals, starts of bars."""
        return Between(self, known, starts, spoken)


@dataclass(frozen=True, slots=True)
class Beat:
    """What happens at one moment between bar steps: events or signals ``[first, last)``, or starts."""

    time: int
    phase: Phase
    first: int = 0
    last: int = 0
    clocks: tuple[int, ...] = ()


class Between:
    """Events, signals and starts of bars, by the bar step after which they come.

    ``before[k]`` is the number of beats that come before bar step k; `beats` lists them in order.
    At equal times bar ends come first, then events, then signals, then starts.
    """

    def __init__(self, schedule: Schedule, known: Ints, starts: bool, spoken: Ints = _NONE) -> None:
        times: list[Ints] = []
        phases: list[Ints] = []
        self._said: dict[int, tuple[Ints, Ints]] = {}
        for said, said_ns in ((Phase.EVENT, known), (Phase.SIGNAL, spoken)):
            moments, first, count = np.unique(said_ns, return_index=True, return_counts=True)
            times.append(moments)
            phases.append(np.full(len(moments), said, dtype=np.int64))
            self._said[said] = first, count
        groups: Sequence[tuple[int, ...]] = ()
        if starts:
            columns = [clock.frame.start for clock in schedule.clocks]
            opens, _, members, firsts = _merge(columns)
            groups = _groups(len(columns), members, firsts)
            times.append(opens)
            phases.append(np.full(len(opens), Phase.START, dtype=np.int64))
        time, phase = np.concatenate(times), np.concatenate(phases)
        number = np.concatenate([np.arange(len(part)) for part in times])
        order = np.lexsort((phase, time))
        self.time, self.phase, self._number = time[order], phase[order], number[order]
        places = np.where(self.phase == Phase.START, self._number, -1).tolist()
        #: The clocks that start a bar, beat by beat; nobody where events become known.
        self.clocks = [groups[place] if place >= 0 else () for place in places]
        self.before = np.searchsorted(self.time, schedule.ends, side="left")

    def __len__(self) -> int:
        return len(self.time)

    def beat(self, k: int) -> Beat:
        """Return beat `k`."""
        time, number = int(self.time[k]), int(self._number[k])
        phase = Phase(self.phase[k])
        if phase is not Phase.START:
            starts, counts = self._said[phase]
            first = int(starts[number])
            return Beat(time, phase, first, first + int(counts[number]))
        return Beat(time, Phase.START, clocks=self.clocks[k])


def _merge(columns: Sequence[Ints]) -> tuple[Ints, list[Ints], Ints, Ints]:
    """Merge columns: the distinct times, each column's places in them, and who is at each.

    Who is at time k are ``members[firsts[k] : firsts[k + 1]]``, the last two of what is returned.
    """
    every = np.concatenate(columns)
    # Columns are in order already, which this way of sorting knows how to use.
    order = np.argsort(every, kind="stable")
    ordered = every[order]
    new = np.append(True, ordered[1:] != ordered[:-1])
    place = np.empty(len(every), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    lengths = [len(column) for column in columns]
    at = [place[a:b] for a, b in pairwise(np.cumsum([0, *lengths]).tolist())]
    who = np.repeat(np.arange(len(columns)), lengths)
    return ordered[new], at, who[order], np.append(np.flatnonzero(new), len(every))


def _groups(clocks: int, members: Ints, firsts: Ints) -> list[tuple[int, ...]]:
    """Return who is at each time, equal groups as one object."""
    alone = [(c,) for c in range(clocks)]
    groups: list[tuple[int, ...]] = [alone[c] for c in members[firsts[:-1]].tolist()]
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    for k in np.flatnonzero(np.diff(firsts) > 1).tolist():
        group = tuple(members[firsts[k] : firsts[k + 1]].tolist())
        groups[k] = known.setdefault(group, group)
    return groups
