"""`FastCerebro`: the run's loop, in as few steps as each part of the run allows.

Two loops share everything else: `OneClock` for most runs, `EveryStep` for the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import monotonic
from robo_trader.engine import cerebro as plain
from robo_trader.engine.cerebro import RoboCerebro
from robo_trader.engine.fast.books import FastBooks
from robo_trader.engine.fast.cursor import Cursor, LineSwap
from robo_trader.engine.fast.every_step import EveryStep
from robo_trader.engine.fast.moment import FastContext
from robo_trader.engine.fast.once import compute
from robo_trader.engine.fast.one_clock import OneClock
from robo_trader.engine.fast.recorder import FastRecorder
from robo_trader.engine.fast.schedule import Schedule
from robo_trader.engine.fast.wake import wake_of
from robo_trader.engine.fast.walker import Walker
from robo_trader.engine.timeline import Phase, Step
from robo_trader.events.tape import EventTape
from robo_trader.records import Signal
from robo_trader.signals.tape import times_of
from robo_trader.strategy import handles_events, handles_signals

_CHUNK = 1 << 13
_NOTHING = np.array([], dtype=np.int64)


class FastCerebro(RoboCerebro):
    """`RoboCerebro` with the same calls to strategies and the same account.

    `schedule` takes the timeline's place; the broker is a `FastBooks`, the recorder a
    `FastRecorder`, the context a `FastContext`. With `gated` a strategy's ``wake()`` counts. `why`
    says what took the plain way; `woken` are the times (ns UTC) at which strategies wanted to be
    called, where they said so.
    """

    broker: FastBooks
    robo: FastContext
    recorder: FastRecorder

    def __init__(self, *, schedule: Schedule, tape: EventTape, gated: bool, **kwargs: Any) -> None:
        super().__init__(timeline=None, events=tape.events, **kwargs)
        self.schedule = schedule
        self.stand = Cursor()
        self.clocks = [self.stand] if len(schedule.clocks) == 1 else [Cursor() for _ in schedule.clocks]
        self.days: Any = ()
        self.why: list[str] = []
        self.woken: NDArray[np.int64] | None = None
        self.done = 0
        self.complete = False
        self._known = tape.known_ns
        self._gated = gated
        self._listeners: list[Any] = []
        self._followers: list[Any] = []
        self._signals: Sequence[Signal] = ()
        self._loop: OneClock | EveryStep | None = None

    # -- from Backtrader -----------------------------------------------------------------------------

    def _runonce(self, runstrats: list[Any]) -> None:
        with self._computing():
            for strategy in runstrats:
                compute(strategy)
        self._play(runstrats, once=True)

    def _play(self, strategies: list[Any], *, once: bool) -> None:
        self._warm_up(strategies)
        walkers = [Walker(strategy, self.schedule, once=once) for strategy in strategies]
        behind = None
        if self._timers or self._timerscheat or self.p.cheat_on_open:
            # Timers and cheat-on-open come between the feeds' bar and the indicators'.
            behind = ([Cursor() for _ in self.clocks], Cursor())
        self.days = self.schedule.days(self.datas)
        self._listeners = [s for s in strategies if handles_events(type(s))] if self.tape else []
        followers = [s for s in strategies if handles_signals(type(s))]
        self._signals = self.robo.tape.signals if followers else ()
        self._followers = followers if self._signals else []
        with LineSwap() as swap:
            self._settle_in(swap, walkers, behind)
            self.broker.steps = self.stand
            times = self.schedule.ends.data
            self.robo.follow(times, self.stand)
            self.broker.open_books(self.datas, times, apart=behind is not None)
            self.broker.unheard = all(walker.deaf for walker in walkers)
            if self._gated:
                self._ask_when(walkers)
            try:
                self._go(swap, walkers, behind)
            finally:
                self._finish(walkers)

    def _settle_in(
        self, swap: LineSwap, walkers: list[Walker], behind: tuple[list[Cursor], Cursor] | None
    ) -> None:
        """Put feeds, indicators and the strategies' lines on their cursors."""
        indicators, own = behind or (self.clocks, self.stand)
        known: dict[int, Cursor] = {}
        for clock, cursor, behind_it in zip(self.schedule.clocks, self.clocks, indicators, strict=True):
            for i in clock.members:
                feed = self.datas[i]
                feed._robo_cursor = cursor
                known[id(feed)] = behind_it
                known.update((id(line), behind_it) for line in feed.lines)
                if not feed.is_guarded():
                    swap.feed(feed, cursor)
        for walker in walkers:
            walker.settle_in(swap, own, self.days, known)

    def _ask_when(self, walkers: list[Walker]) -> None:
        for walker in walkers:
            walker.wake = wake_of(walker, self.schedule, self.datas)
        asked = [walker.wake for walker in walkers if walker.wake is not None]
        if asked:
            self.woken = self.schedule.ends[np.any(asked, axis=0)]

    def _go(self, swap: LineSwap, walkers: list[Walker], behind: tuple[list[Cursor], Cursor] | None) -> None:
        """Run from one bar step at which something changes to the next."""

        def every_step() -> EveryStep:
            known = self._known if self._listeners else _NOTHING
            beats = self.schedule.between(known, starts=self.at_open, spoken=times_of(self._signals))
            return EveryStep(self, walkers, beats, behind, self._listeners, self._followers, self._signals)

        lean = len(walkers) == 1 and len(self.clocks) == 1 and walkers[0].untold
        between = behind or self._listeners or self._followers or self.at_open
        self._loop = (
            OneClock(self, walkers[0]) if lean and not between and not self.broker.eager else every_step()
        )
        told = monotonic()
        for first, last in itertools.pairwise(self._breaks(walkers)):
            self._open_feeds(swap, first)
            for walker in walkers:
                walker.enter(first)
            self.done = self._loop.run(first, last)
            if self.done < last and not self._event_stop:
                self._loop = every_step()
                self.done = self._loop.run(self.done, last)
            if self._event_stop:
                return
            if self._progress is not None and monotonic() >= told + plain._PROGRESS_SECONDS:
                told = monotonic()
                self._progress(last, len(self.schedule))
        self.complete = True

    def _breaks(self, walkers: list[Walker]) -> list[int]:
        """Return the bar steps at which a phase begins, a feed has its first bar, or progress is told."""
        n = len(self.schedule)
        steps = {n, *range(0, n, _CHUNK)}
        steps.update(step for walker in walkers for step in (walker.first, walker.second))
        steps.update(int(at[0]) for at in self.schedule.at)
        return sorted(step for step in steps if step <= n)

    def _open_feeds(self, swap: LineSwap, step: int) -> None:
        """Let the feeds be read whose first bar comes with this bar step."""
        for clock, at, cursor in zip(self.schedule.clocks, self.schedule.at, self.clocks, strict=True):
            if at[0] == step:
                for i in clock.members:
                    if self.datas[i].is_guarded():
                        swap.feed(self.datas[i], cursor)

    # -- the end -------------------------------------------------------------------------------------

    def _finish(self, walkers: list[Walker]) -> None:
        """Write down what there is, whether the run came to its end or not."""
        schedule, loop = self.schedule, self._loop
        at_beat = loop is not None and loop.beat is not None
        if not self.complete and not self._event_stop:
            # An error: a bar step in progress does not count.
            self.done = self.stand.i + (0 if loop is None or loop.inside else 1)
        self.position = self._step(loop)
        self.broker.close_books()
        rank = {data._name: i for i, data in enumerate(self.broker.positions)}
        self.recorder.finish(
            schedule, self.done, self.broker.trading_from, self.broker.history, self.broker.noted, rank
        )
        if self.tape and not self._listeners:
            self.recorder.events.extend(self.tape[self._unheard(at_beat)])
        if self.complete and (len(self._known) or self._signals):
            said = (*self._known[-1:].tolist(), *times_of(self._signals[-1:]).tolist())
            self.robo.beat = max(int(schedule.ends[-1]), *said)
        self.why = [*self.broker.why, *(why for walker in walkers for why in walker.why)]

    def _unheard(self, at_beat: bool) -> slice:
        """Return which events became known during the run, when nobody listened."""
        known, began = self._known, max(int(self.schedule.ends[0]), self.broker.trading_from)
        first, last = int(np.searchsorted(known, began)), len(known)
        if not self.complete:
            now = self.robo.now if self.stand.i >= 0 else began - 1
            last = int(np.searchsorted(known, now, "right" if at_beat else "left"))
        return slice(first, max(first, last))

    def _step(self, loop: OneClock | EveryStep | None) -> Step | None:
        """Return where the run stands, for messages."""
        beat = loop.beat if loop is not None else None
        if beat is not None:
            members = (
                self._members(beat.clocks) if beat.phase is Phase.START else range(beat.first, beat.last)
            )
            return Step(beat.time, beat.phase, members)
        if self.stand.i < 0:
            return None
        return Step(self.robo.now, Phase.END, self._members(self.schedule.groups[self.stand.i]))

    def _members(self, group: tuple[int, ...]) -> list[int]:
        return sorted(i for c in group for i in self.schedule.clocks[c].members)
