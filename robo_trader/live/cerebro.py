"""Cerebro for a live session: the backtest's sequence, with steps that come when they happen.

What a step does is the backtest's own code (`engine.cerebro`): advance the feeds, timers, broker,
notifications, strategies. A session says what happens next by calling the methods here; all of them run in
the thread that called `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robo_trader.engine.cerebro import RoboCerebro
from robo_trader.engine.recorder import Recorder
from robo_trader.engine.timeline import Phase, Step, Timeline
from robo_trader.ib.broker import IBBroker
from robo_trader.ib.data import IBFeed
from robo_trader.records import Event, Signal
from robo_trader.strategy import StrategyContext, handles_events, handles_signals

_NO_TIMES = np.array([], dtype=np.int64)
#: So often a strategy may answer news of its orders with new ones before something else happens.
_ANSWERS = 50


def _is_fill(order: Any) -> bool:
    return bool(order.status in (order.Partial, order.Completed))


class LiveCerebro(RoboCerebro):
    """Delivers the feeds' history first, then whatever `drive` says, until it returns."""

    params = (("stdstats", False), ("preload", True), ("runonce", False))
    broker: IBBroker

    def __init__(
        self,
        *,
        drive: Callable[[LiveCerebro], None],
        recorder: Recorder,
        context: StrategyContext,
        **params: Any,
    ) -> None:
        super().__init__(
            timeline=None, events=(), recorder=recorder, context=context, at_open=False, **params
        )  # fmt: skip
        self._drive = drive
        self._running: list[Any] = []
        self._listeners: list[Any] = []
        self._followers: list[Any] = []
        self._answered = 0
        #: Of feeds with less history than the strategy needs to act: name, bars needed, bars there.
        self.short: list[tuple[str, int, int]] = []

    @property
    def holds_back(self) -> bool:
        """True while refusals wait for the next bar or event: the strategy answers each with an order.

        What was filled is told all the same.
        """
        return self._answered >= _ANSWERS and not any(_is_fill(order) for order in self.broker.notifs)

    @property
    def strategies(self) -> list[Any]:
        """The strategies that run."""
        return self._running

    @property
    def stopped(self) -> bool:
        """True once a strategy has asked Cerebro to stop."""
        return bool(self._event_stop)

    def _play(self, strategies: list[Any], *, once: bool) -> None:
        self._running = strategies
        self._listeners = [s for s in strategies if handles_events(type(s))]
        self._followers = [s for s in strategies if handles_signals(type(s))]
        for feed in self.datas:
            needs = max(s._minperiods[i] for s in strategies for i, d in enumerate(s.datas) if d is feed)
            if needs > len(feed.frame) + 1:
                self.short.append((feed._name, needs, len(feed.frame)))
        self._warm_up(strategies)
        frames = [feed.frame for feed in self.datas]
        for step in Timeline(frames, _NO_TIMES, starts=False):
            self.bars(step.time, [self.datas[i] for i in step.members])
        self._drive(self)

    def bars(self, time: int, ended: Sequence[IBFeed]) -> None:
        """Deliver the next bar of each of `ended`, which end at `time` (ns UTC)."""
        now = {id(feed) for feed in ended}  # feeds answer == with an indicator
        self._at(time, Phase.END, [i for i, feed in enumerate(self.datas) if id(feed) in now])
        for feed in ended:
            if not len(feed):
                feed.open_lines()
            feed.advance()
        self._end_of_bars(self._running, list(ended), once=False)
        self.broker.flush()

    def event(self, time: int, event: Event) -> None:
        """Tell of an event that became known at `time`."""
        self._at(time, Phase.EVENT, ())
        self.recorder.events.append(event)
        for strategy in self._listeners:
            strategy.notify_event(event)
        self.broker.flush()

    def signal(self, time: int, signal: Signal) -> None:
        """Tell of a signal that became known at `time`."""
        self._at(time, Phase.SIGNAL, ())
        for strategy in self._followers:
            strategy.notify_signal(signal)
        self.broker.flush()

    def orders(self, time: int) -> None:
        """Tell the strategies at once what the broker has noted of their orders."""
        self._at(time, Phase.START, ())
        while self.broker.notifs and not self.holds_back:
            filled = any(_is_fill(order) for order in self.broker.notifs)
            made = self.broker.received
            self._hand_over(self._running)
            for strategy in self._running:
                if strategy._orderspending or strategy._tradespending:
                    strategy._notify()
                    strategy.clear()
            self.broker.flush(opening=True)
            if filled:
                self._answered = 0
            elif self.broker.received > made:
                self._answered += 1

    def mark(self, time: int, session: Any) -> None:
        """Note the account at the end of a session."""
        broker = self.broker
        self.recorder.mark(time, session, broker.getvalue(), broker.getcash(), broker.fundvalue)

    def _at(self, time: int, phase: Phase, members: Sequence[int]) -> None:
        if phase is not Phase.START:
            self._answered = 0
        self.position = Step(time, phase, members)
        self.robo.now = self.broker.now = time
