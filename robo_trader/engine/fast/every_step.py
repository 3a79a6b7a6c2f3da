"""The loop for every run: several clocks, events between bars, timers, several strategies.

The sequence at the end of bars is Backtrader's own (`Cerebro._runonce`, 1.9.78), with the beats
between bars where `RoboCerebro` has them. A beat at which nothing can happen is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robo_trader.engine.fast.cursor import Cursor
from robo_trader.engine.fast.schedule import Beat, Between
from robo_trader.engine.fast.walker import Walker
from robo_trader.engine.timeline import Phase

if TYPE_CHECKING:
    from robo_trader.engine.fast.cerebro import FastCerebro
    from robo_trader.records import Signal


class EveryStep:
    """Runs bar steps and the beats before them; `inside` is True while it is at a bar step.

    `behind` are the cursors of indicators and of the strategies' own lines where those move after
    the feeds (timers, cheat-on-open); `listeners` want events, `followers` the `signals`.
    """

    def __init__(
        self,
        cerebro: FastCerebro,
        walkers: list[Walker],
        beats: Between,
        behind: tuple[list[Cursor], Cursor] | None,
        listeners: list[Any],
        followers: list[Any],
        signals: Sequence[Signal],
    ) -> None:
        self.inside = False
        self.beat: Beat | None = None
        self._cerebro = cerebro
        self._walkers = walkers
        self._beats = beats
        self._behind = behind
        self._listeners = listeners
        self._followers = followers
        self._signals = signals
        self._broker: Any = cerebro.broker
        self._recorder = cerebro.recorder
        self._groups = cerebro.schedule.groups
        cursors = {group: tuple(cerebro.clocks[c] for c in group) for group in {*self._groups, *beats.clocks}}
        self._cursors = [cursors[group] for group in self._groups]
        self._starting = [cursors[group] for group in beats.clocks]
        self._alone = len(walkers) == 1 and behind is None and walkers[0].untold and walkers[0].wake is None
        self._before = beats.before.tolist()
        self._next_beat = 0
        self._marks = set(cerebro.schedule.marks.tolist())
        self._has_events = bool(listeners or followers)

    def run(self, first: int, last: int) -> int:
        """Do the bar steps ``[first, last)`` and return the first that was not done (`last`, if none)."""
        cerebro, broker, walkers = self._cerebro, self._broker, self._walkers
        stand, cursors, before, days = cerebro.stand, self._cursors, self._before, cerebro.days
        submitted, pending, nudge, notices = broker.submitted, broker.pending, broker.nudge, broker.notifs
        at_open, quiet, alone = cerebro.at_open, self._behind is None, self._alone
        starting, has_events, beat = self._starting, self._has_events, self._next_beat
        strategy, status = walkers[0].strategy, walkers[0].status
        for k in range(first, last):
            if beat < before[k]:
                # Events are told; the open of a bar matters where an order waits for it, or to be
                # taken up, or is to be told of.
                for number in range(beat, before[k]):
                    clocks = starting[number]
                    if clocks:
                        if not (submitted or nudge or notices or (pending and pending.waits(clocks))):
                            continue
                    elif not has_events:
                        continue
                    if not self._play_beat(number):
                        return k
                beat = before[k]
            self.inside = True
            if not quiet:
                broker.freeze()
            clocks = cursors[k]
            for clock in clocks:
                clock.i += 1
            stand.i = k
            if not quiet and not self._before_broker(k):
                return self._stopped(k)
            told = False
            if submitted or nudge or (pending and (not at_open or pending.waits(clocks))):
                told = self._work(k, clocks)
            if cerebro._event_stop:
                return self._stopped(k)
            if alone:
                if told:
                    walkers[0].tell()
                if status < 0:
                    strategy.next()
                else:
                    walkers[0].call()
                if told:
                    walkers[0].forget()
                if cerebro._event_stop:
                    return self._stopped(k)
            else:
                if not quiet:
                    self._after_broker(k)
                for number, walker in enumerate(walkers):
                    walker.step(k, days[k])
                    if cerebro._event_stop:
                        self._leave_behind(walkers[number + 1 :], k)
                        return self._stopped(k)
            if broker.eager and k in self._marks:
                broker.note_session()
            self.inside = False
        self._next_beat = beat
        if last == len(before):
            for number in range(beat, len(self._beats)):
                if not self._play_beat(number):
                    break
        return last

    def _work(self, k: int, clocks: tuple[Cursor, ...]) -> bool:
        """Let the broker work at bar step `k`; True where it has something to tell."""
        broker = self._broker
        self._recorder.place = k
        if self._cerebro.at_open:
            broker.end_bars(clocks)
        else:
            broker.clocks = clocks
            broker.work()
        if not broker.notifs:
            return False
        self._hand_over()
        return True

    def _leave_behind(self, walkers: list[Walker], k: int) -> None:
        """Let the strategies that a stop kept from bar step `k` end at the one before."""
        indicators, own = self._behind or (self._cerebro.clocks, self._cerebro.stand)
        moved = {indicators[c]: None for c in self._groups[k]} | {own: None}
        for walker in walkers:
            walker.stay_behind(tuple(moved))

    def _stopped(self, k: int) -> int:
        if self._broker.eager and k in self._marks:
            self._broker.note_session()
        self.inside = False
        return k + 1

    def _hand_over(self) -> None:
        notifications, walkers = self._broker.notifs, self._walkers
        while notifications:
            order = notifications.popleft()
            for walker in walkers:
                if walker.strategy is order.owner:
                    walker.take(order)
                    break
            else:
                walkers[0].take(order)

    # -- timers and cheat-on-open, which run before or after the broker ------------------------------

    def _before_broker(self, k: int) -> bool:
        """Run what cheats; return False where the run was stopped."""
        cerebro = self._cerebro
        strategies = [walker.strategy for walker in self._walkers]
        cerebro._check_timers(strategies, cerebro.days[k], cheat=True)
        if cerebro.p.cheat_on_open:
            for walker in self._walkers:
                walker.open_step()
                if cerebro._event_stop:
                    return False
        self._broker.thaw()
        return True

    def _after_broker(self, k: int) -> None:
        """Run timers, then let indicators and the strategies' lines follow the feeds."""
        cerebro, behind = self._cerebro, self._behind
        assert behind is not None
        strategies = [walker.strategy for walker in self._walkers]
        cerebro._check_timers(strategies, cerebro.days[k], cheat=False)
        indicators, own = behind
        for c in self._groups[k]:
            indicators[c].i += 1
        own.i = k

    # -- between bars --------------------------------------------------------------------------------

    def _play_beat(self, number: int) -> bool:
        """Play one beat; return False where the run was stopped."""
        cerebro, broker = self._cerebro, self._broker
        beat = self.beat = self._beats.beat(number)
        cerebro.robo.beat = beat.time
        broker.between = True
        if beat.phase is Phase.EVENT:
            if cerebro.stand.i >= 0 and beat.time >= broker.trading_from:
                for event in cerebro.tape[beat.first : beat.last]:
                    self._recorder.events.append(event)
                    for strategy in self._listeners:
                        strategy.notify_event(event)
        elif beat.phase is Phase.SIGNAL:
            if cerebro.stand.i >= 0 and beat.time >= broker.trading_from:
                for signal in self._signals[beat.first : beat.last]:
                    for strategy in self._followers:
                        strategy.notify_signal(signal)
        else:
            self._open(self._starting[number])
        broker.between = False
        if cerebro._event_stop:
            return False
        self.beat = cerebro.robo.beat = None
        return True

    def _open(self, clocks: tuple[Cursor, ...]) -> None:
        """Let the opens of `clocks` be matched, and tell at once what came of it."""
        broker = self._broker
        if broker.submitted or broker.nudge or broker.pending.waits(clocks):
            self._recorder.place = self._cerebro.stand.i + 1
            broker.open_bars(clocks)
        if broker.notifs:
            self._hand_over()
            for walker in self._walkers:
                walker.tell_at_once()
