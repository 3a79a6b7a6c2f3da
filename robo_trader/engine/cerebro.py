"""Backtrader's Cerebro with a loop that knows when bars start, when they end and what is said between.

The sequence at the end of bars is Backtrader's own (`Cerebro._runonce`, 1.9.78): advance the feeds,
timers, broker, notifications, strategies. What is added are the phases in between: events and
signals at the time they become known, and the open of the next bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import backtrader as bt
import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import monotonic
from robo_trader.engine.broker import RecordingBroker
from robo_trader.engine.honest import HonestBroker
from robo_trader.engine.recorder import Recorder
from robo_trader.engine.timeline import Phase, Step, Timeline
from robo_trader.feeds.bars import BarsFeed
from robo_trader.records import Event
from robo_trader.signals.tape import times_of
from robo_trader.strategy import StrategyContext, handles_events, handles_signals

Progress = Callable[[int, int], None]
_PROGRESS_SECONDS = 0.2


class RoboCerebro(bt.Cerebro):
    """Runs strategies over a `Timeline`, which `timeline` makes when the signals are known.

    `at_open` lets fills at the open reach the strategy at the open. `context` is what strategies
    may ask of the engine. `position` is the step being played, for error messages; `complete` is
    True once all have been. `why` and `woken` are the fast engine's.
    """

    def __init__(
        self,
        *,
        timeline: Callable[..., Timeline] | None,
        events: Sequence[Event],
        recorder: Recorder,
        context: StrategyContext,
        at_open: bool,
        progress: Progress | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.robo = context
        self.position: Step | None = None
        self.complete = False
        self.why: list[str] = []
        self.woken: NDArray[np.int64] | None = None
        self.timeline = timeline
        self.tape = events
        self.recorder = recorder
        self.at_open = at_open
        self._progress = progress

    # Backtrader calls one of these two once everything is set up; `once` says whether indicators
    # were computed as arrays.
    def _runonce(self, runstrats: list[Any]) -> None:
        with self._computing():
            for strategy in runstrats:
                strategy._once()
                strategy.reset()
        self._play(runstrats, once=True)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Let indicators go through the feeds before the first bar."""
        with ExitStack() as stack:
            for feed in self.datas:
                stack.enter_context(feed.computing())
            yield

    def _runnext(self, runstrats: list[Any]) -> None:
        self._play(runstrats, once=False)

    def _play(self, strategies: list[Any], *, once: bool) -> None:
        broker: RecordingBroker = self.broker
        feeds: list[BarsFeed] = self.datas
        listeners = [strategy for strategy in strategies if handles_events(type(strategy))]
        followers = [strategy for strategy in strategies if handles_signals(type(strategy))]
        signals = self.robo.tape.signals if followers else ()
        started: set[int] = set()
        report_at = monotonic() + _PROGRESS_SECONDS
        self._warm_up(strategies)
        trading_from = broker.trading_from
        assert self.timeline is not None
        timeline = self.timeline(signal_ns=times_of(signals))
        for number, step in enumerate(timeline, start=1):
            self.position = step
            self.robo.now = broker.now = step.time
            if step.phase is Phase.END:
                for i in step.members:
                    if i not in started:
                        started.add(i)
                        feeds[i].open_lines()
                    feeds[i].advance()
                self._end_of_bars(strategies, [feeds[i] for i in step.members], once=once)
            elif step.phase is Phase.EVENT:
                if started and step.time >= trading_from:
                    for i in step.members:
                        self.recorder.events.append(self.tape[i])
                        for strategy in listeners:
                            strategy.notify_event(self.tape[i])
            elif step.phase is Phase.SIGNAL:
                if started and step.time >= trading_from:
                    for i in step.members:
                        for strategy in followers:
                            strategy.notify_signal(signals[i])
            else:
                self._start_of_bars(strategies, [feeds[i] for i in step.members])
            if step.session is not None and step.time >= trading_from:
                self.recorder.mark(
                    step.time, step.session, broker.getvalue(), broker.getcash(), broker.fundvalue
                )
            if self._event_stop:
                return
            if self._progress is not None and monotonic() >= report_at:
                report_at = monotonic() + _PROGRESS_SECONDS
                self._progress(number, len(timeline))

        self.complete = True

    def _warm_up(self, strategies: list[Any]) -> None:
        """Raise the minimum periods so that `next` begins with the first bar that may be traded."""
        if self.broker.trading_from:
            before = [int((feed.frame.end < self.broker.trading_from).sum()) for feed in self.datas]
            for strategy in strategies:
                own = strategy._minperiods
                strategy._minperiods = [max(p, n + 1) for p, n in zip(own, before, strict=True)]

    def _end_of_bars(self, strategies: list[Any], ended: list[BarsFeed], *, once: bool) -> None:
        now = ended[0].lines.datetime[0]
        self._check_timers(strategies, now, cheat=True)
        if self.p.cheat_on_open:
            for strategy in strategies:
                strategy._oncepost_open() if once else strategy._next_open()
                if self._event_stop:
                    return
        if self.at_open and isinstance(self.broker, HonestBroker):
            self.broker.match_rest(ended)
        else:
            self.broker.next()
        self._hand_over(strategies)
        if self._event_stop:
            return
        self._check_timers(strategies, now, cheat=False)
        for strategy in strategies:
            strategy._oncepost(now) if once else strategy._next()
            if self._event_stop:
                return

    def _start_of_bars(self, strategies: list[Any], starting: list[BarsFeed]) -> None:
        """Fill at the opens and tell the strategy at once, before its next bar."""
        self.broker.match_opens(starting)
        self._hand_over(strategies)
        for strategy in strategies:
            if strategy._orderspending or strategy._tradespending:
                strategy._notify()
                strategy.clear()

    def _hand_over(self, strategies: list[Any]) -> None:
        while (order := self.broker.get_notification()) is not None:
            owner = order.owner if order.owner is not None else strategies[0]
            owner._addnotification(order, quicknotify=self.p.quicknotify)
