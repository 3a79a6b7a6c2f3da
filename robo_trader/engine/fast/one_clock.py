"""The loop for one strategy on one clock, whose fills are told with the bars: most runs.

One cursor is everything's; on a bar without work for the broker the strategy's `next` is all that is
called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.engine.fast.walker import Walker

if TYPE_CHECKING:
    from robo_trader.engine.fast.cerebro import FastCerebro


class OneClock:
    """Runs bar steps in one phase of the strategy; `inside` says that it is always at a bar."""

    inside = True
    beat = None

    def __init__(self, cerebro: FastCerebro, walker: Walker) -> None:
        self._cerebro = cerebro
        self._walker = walker
        self._broker: Any = cerebro.broker
        self._broker.clocks = (cerebro.stand,)

    def run(self, first: int, last: int) -> int:
        """Do the bar steps ``[first, last)`` and return the first that was not done.

        That is `last`, or one earlier where the run was stopped or the books became `eager`.
        """
        walker = self._walker
        if walker.status > 0 and walker.sleeps_before_its_start:
            return self._visit(first, last, [])
        if walker.wake is not None and walker.status != 0:
            return self._visit(first, last, (np.flatnonzero(walker.wake[first:last]) + first).tolist())
        return self._all(first, last)

    def _all(self, first: int, last: int) -> int:
        cerebro, broker, strategy = self._cerebro, self._broker, self._walker.strategy
        stand, status = cerebro.stand, self._walker.status
        submitted, pending, nudge = broker.submitted, broker.pending, broker.nudge
        for k in range(first, last):
            stand.i = k
            if submitted or pending or nudge:
                if broker.eager:
                    stand.i = k - 1
                    return k
                self._work(k, status)
            elif status < 0:
                strategy.next()
            elif status == 0:
                strategy.nextstart()
            else:
                strategy.prenext()
            if cerebro._event_stop:
                return k + 1
        return last

    def _visit(self, first: int, last: int, stops: list[int]) -> int:
        """Do the bar steps at which the strategy is to be called or the broker has work."""
        cerebro, broker, strategy = self._cerebro, self._broker, self._walker.strategy
        stand, status = cerebro.stand, self._walker.status
        submitted, pending, nudge = broker.submitted, broker.pending, broker.nudge
        at, k = 0, first
        stops.append(last)
        while True:
            stop = stops[at]
            if not (submitted or pending or nudge):
                k = stop
            if k >= last:
                break
            stand.i = k
            if submitted or pending or nudge:
                if broker.eager:
                    stand.i = k - 1
                    return k
                self._work(k, status, call=k == stop)
            elif status < 0:
                strategy.next()
            else:
                strategy.prenext()
            at += k == stop
            k += 1
            if cerebro._event_stop:
                return k
        stand.i = last - 1
        return last

    def _work(self, k: int, status: int, *, call: bool = True) -> None:
        """Let the broker work at bar step `k`, then tell and call the strategy."""
        walker, broker = self._walker, self._broker
        strategy = walker.strategy
        broker.recorder.place = k
        broker.work()
        notifications = broker.notifs
        told = bool(notifications)
        if told:
            spending = strategy._orderspending
            while notifications:
                order = notifications.popleft()
                spending.append(order)
                if order.executed.size:
                    walker.trade(order)
            walker.tell()
        if not call:
            pass
        elif status < 0:
            strategy.next()
        elif status == 0:
            strategy.nextstart()
        else:
            strategy.prenext()
        if told:
            walker.forget()
