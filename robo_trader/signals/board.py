"""`Board`: the signals of one role as they come, one opinion after the other.

What `stream.signals_of` makes of all opinions at once, a board makes as time goes by: the same policy, the
same moments, the same numbers (a test compares the two). An opinion that comes is weighed with those that
are live, and `advance` returns what that says up to a moment. Not for several threads; nothing here raises.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from robo_trader.events.stories import dependent
from robo_trader.records import Signal
from robo_trader.signals.clamp import PER_SOURCE, Consensus, Copies, Opinion, order, weigh
from robo_trader.signals.stream import EVERYTHING, Remembered, signal_of

_WITHDRAWN = 10_000  # events whose correction is remembered, for views of them that come late


@dataclass(slots=True)
class _Entry:
    """An opinion and whether it is on the board."""

    opinion: Opinion
    live: bool = False


@dataclass(slots=True)
class _Pile:
    """The live opinions about one symbol, oldest first, by source."""

    by_source: dict[str, list[Opinion]] = field(default_factory=dict)
    ends: list[tuple[int, int, _Entry]] = field(default_factory=list)

    def add(self, number: int, entry: _Entry) -> None:
        own = self.by_source.setdefault(entry.opinion.source, [])
        insort(own, entry.opinion, key=order)
        heapq.heappush(self.ends, (-entry.opinion.until, number, entry))
        entry.live = True

    def remove(self, entry: _Entry, opinion: Opinion) -> None:
        own = self.by_source[opinion.source]
        place = bisect_left(own, order(opinion), key=order)
        while own[place] is not opinion:
            place += 1
        del own[place]
        if not own:
            del self.by_source[opinion.source]
        entry.live = False

    def newest(self) -> list[Opinion]:
        """Return those that can be weighed: the newest of each source."""
        return [opinion for own in self.by_source.values() for opinion in own[-PER_SOURCE:]]

    def until(self) -> int:
        """Return when the last of them ends."""
        while self.ends and not self.ends[0][2].live:
            heapq.heappop(self.ends)
        return -self.ends[0][0] if self.ends else 0


class Board:
    """Signals of the role `name` for each of `symbols`; `same` tells whether two events are one text."""

    def __init__(self, name: str, symbols: Iterable[str], *, same: Copies | None = None) -> None:
        self.name = name
        self._symbols = tuple(dict.fromkeys(symbols))
        self._same = Remembered(same or dependent)
        self._piles: dict[str, _Pile] = {key: _Pile() for key in (*self._symbols, EVERYTHING)}
        self._coming: list[tuple[int, int, bool, _Entry]] = []
        self._number = count()
        self._of_event: dict[str, list[_Entry]] = {}
        self._over: dict[str, int] = {}

    def add(self, opinion: Opinion) -> None:
        """Let `opinion` count from its time on; one about another symbol, or suspicious, is left out."""
        if opinion.suspicious or opinion.view.symbol not in self._piles:
            return
        id = opinion.event.id or ""
        end = self._over.get(id, opinion.end)
        if end <= opinion.at:
            return
        if end < opinion.until:
            opinion = replace(opinion, withdrawn=end)
        entry = _Entry(opinion)
        self._of_event.setdefault(id, []).append(entry)
        heapq.heappush(self._coming, (opinion.at, next(self._number), True, entry))
        heapq.heappush(self._coming, (opinion.end, next(self._number), False, entry))

    def withdraw(self, event: str, at: int) -> None:
        """Let nothing that was said of the event with this id count from `at` (ns UTC) on."""
        if event in self._over and self._over[event] <= at:
            return
        self._over[event] = at
        while len(self._over) > _WITHDRAWN:
            del self._over[next(iter(self._over))]
        for entry in self._of_event.get(event, ()):
            before = entry.opinion
            if at >= before.end:
                continue
            entry.opinion = replace(before, withdrawn=max(at, before.at))
            if entry.live:
                pile = self._piles[before.view.symbol]
                pile.remove(entry, before)
                pile.add(next(self._number), entry)
            heapq.heappush(self._coming, (entry.opinion.end, next(self._number), False, entry))

    @property
    def next(self) -> int | None:
        """When something changes next (ns UTC), unless more is said before."""
        return self._coming[0][0] if self._coming else None

    def advance(self, now: int) -> list[Signal]:
        """Return the signals of every moment up to `now` (ns UTC) at which something changed."""
        out: list[Signal] = []
        while self._coming and self._coming[0][0] <= now:
            out += self._moment(self._coming[0][0])
        return out

    def _moment(self, at: int) -> list[Signal]:
        touched: set[str] = set()
        withdrawn: set[str] = set()
        while self._coming and self._coming[0][0] == at:
            _, number, begins, entry = heapq.heappop(self._coming)
            opinion = entry.opinion
            key = opinion.view.symbol
            if begins:
                if opinion.end > at:
                    self._piles[key].add(number, entry)
                    touched.add(key)
            elif entry.live and opinion.end <= at:
                self._piles[key].remove(entry, opinion)
                self._forget(entry)
                touched.add(key)
                if opinion.end < opinion.until:
                    withdrawn.add(key)
            elif not entry.live and opinion.end <= at:
                self._forget(entry)
        symbols = self._symbols if EVERYTHING in touched else [s for s in self._symbols if s in touched]
        shared = self._piles[EVERYTHING]
        for_all: tuple[Consensus | None] | None = None
        out = []
        for symbol in sorted(symbols):
            own = self._piles[symbol]
            if own.by_source:
                said = weigh(sorted([*own.newest(), *shared.newest()], key=order), at, same=self._same)
            else:
                if for_all is None:
                    for_all = (weigh(sorted(shared.newest(), key=order), at, same=self._same),)
                said = for_all[0]
            if said is not None:
                out.append(signal_of(self.name, symbol, at, said, max(own.until(), shared.until())))
            elif not withdrawn.isdisjoint((symbol, EVERYTHING)):
                out.append(signal_of(self.name, symbol, at, Consensus(0.0, 0.0, 0), at))
        return out

    def _forget(self, entry: _Entry) -> None:
        id = entry.opinion.event.id or ""
        entries = self._of_event.get(id, [])
        if entry in entries:
            entries.remove(entry)
        if not entries:
            self._of_event.pop(id, None)
