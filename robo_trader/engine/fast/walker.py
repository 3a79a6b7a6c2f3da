"""One strategy on its way through the bars: when it is told, called, and what it costs.

A walker goes ``lean`` where the strategy's steps are Backtrader's own: its lines and indicators look
through cursors, its phase (`prenext`, `nextstart`, `next`) is known beforehand, and it is told of
orders and trades only when there are some. A strategy that overrides those steps, or an indicator
that insists on going bar by bar, takes them one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.lineiterator import LineIterator
from backtrader.lineseries import LineSeriesStub
from backtrader.trade import Trade
from numpy.typing import NDArray

from robo_trader.engine.fast.cursor import Cursor, LineSwap, may_look
from robo_trader.engine.fast.schedule import Schedule

_IND, _OBS = LineIterator.IndType, LineIterator.ObsType
_OWN_STEPS = ("_oncepost", "_next", "_notify", "clear", "_addnotification", "_getminperstatus",
              "_next_analyzers", "_next_observers", "_clk_update", "_oncepost_open", "_next_open",
              "forward", "advance")  # fmt: skip
_NEVER = 2**62
_HISTORICAL = bt.Order.Historical
_new = object.__new__


class Walker:
    """A strategy, its cursors and the moments at which its phases begin.

    `status` is the phase as Backtrader counts it: above 0 before the minimum period, 0 at it, below
    0 after it; `enter` moves on to the phase of a bar step.
    """

    def __init__(self, strategy: Any, schedule: Schedule, *, once: bool) -> None:
        self.strategy = strategy
        self.why: list[str] = []
        cls = type(strategy)
        overridden = [name for name in _OWN_STEPS if getattr(cls, name) is not getattr(bt.Strategy, name)]
        if overridden:
            self.why.append(f"{cls.__name__} takes Backtrader's steps: it overrides {overridden[0]}")
        elif strategy.env.p.quicknotify:
            self.why.append(f"{cls.__name__} takes Backtrader's steps: quicknotify")
        elif not once:
            self.why.append(f"{cls.__name__} takes Backtrader's steps: an indicator goes bar by bar")
        self.lean = not self.why
        self.step_by_step: Callable[[float], Any] = (
            strategy._oncepost if once else lambda days: strategy._next()
        )
        self.open_step = strategy._oncepost_open if once else strategy._next_open
        self.slow: list[Any] = []
        # Those whose clock is the strategy, which Backtrader moves after them.
        self._lagging: set[int] = set()
        self.analysed = bool(list(strategy.analyzers)) or bool(strategy._lineiterators[_OBS])
        if self.analysed:
            self.why.append(f"{cls.__name__} is told the account on every bar: it has analyzers or observers")
        self.accounting = self.analysed or not (
            _is_base(strategy, "notify_cashvalue") and _is_base(strategy, "notify_fund")
        )
        self.hears_trades = self.analysed or not _is_base(strategy, "notify_trade")
        self.first, self.second = _phases(strategy, schedule)
        self.wake: NDArray[np.bool_] | None = None
        self.status = 1

    @property
    def deaf(self) -> bool:
        """True where nobody would notice whether the strategy is told of orders and trades."""
        return (
            self.lean
            and not self.hears_trades
            and _is_base(self.strategy, "notify_order")
            and not _reads_trades(type(self.strategy))
        )

    @property
    def untold(self) -> bool:
        """True where the strategy needs nothing but `next` on a bar without orders or trades."""
        return self.lean and not self.accounting and not self.slow

    @property
    def sleeps_before_its_start(self) -> bool:
        """True where `prenext` does nothing."""
        return _is_base(self.strategy, "prenext")

    def settle_in(self, swap: LineSwap, own: Cursor, days: array[float], known: dict[int, Cursor]) -> None:
        """Let the strategy's indicators look through the clocks of `known`, its own lines through `own`.

        `days` are the times of the bar steps (float days); `known` finds a clock's cursor by the id
        of a feed or of one of its lines.
        """
        if not self.lean:
            return
        strategy = self.strategy
        ours = {id(part) for part in (strategy, *strategy.lines)}
        for indicator in strategy._lineiterators[_IND]:
            cursor = _root(indicator, known, ours)
            if cursor is None or not may_look(indicator):
                self.slow.append(indicator)
                if any(id(part) in ours for part in _measured(indicator)):
                    self._lagging.add(id(indicator))
            else:
                swap.indicator(indicator, cursor)
        for number, line in enumerate(strategy.lines):
            line.array = days if number == 0 else array("d", [np.nan]) * len(days)
        swap.lines(strategy.lines, own)
        swap.strategy(strategy, strategy.broker.positions, own)
        if self.slow:
            names = sorted({type(indicator).__name__ for indicator in self.slow})
            self.why.append(f"{', '.join(names)} moved bar by bar")

    def enter(self, step: int) -> None:
        """Take up the phase that bar step `step` belongs to."""
        self.status = 1 if step < self.first else 0 if step < self.second else -1

    def step(self, k: int, days: float) -> None:
        """Take bar step `k`; the cursors stand at it already."""
        strategy = self.strategy
        if not self.lean:
            self.step_by_step(days)
            return
        for indicator in self.slow:
            if len(indicator._clock) - (id(indicator) in self._lagging) > len(indicator):
                indicator.advance()
        if self.accounting:
            strategy._notify()
        elif strategy._orderspending or strategy._tradespending:
            self.tell()
        # Only now: `next_open` goes by the phase of the bar before.
        status = strategy._minperstatus = self.status
        if status == 0 or self.wake is None or self.wake[k]:
            self.call()
        if self.analysed:
            strategy._next_analyzers(status, once=True)
            strategy._next_observers(status, once=True)
        if strategy._orderspending or strategy._tradespending:
            self.forget()

    def stay_behind(self, moved: tuple[Cursor, ...]) -> None:
        """Leave the strategy at the bar before where `moved` stand: it is not called on this one."""
        if not self.lean:
            return
        before: dict[Cursor, Cursor] = {}
        for cursor in moved:
            before[cursor] = Cursor()
            before[cursor].i = cursor.i - 1
        strategy, slow = self.strategy, {id(item) for item in self.slow}
        for item in (strategy, *strategy._lineiterators[_IND]):
            for part in () if id(item) in slow else (item, *getattr(item, "lines", ())):
                for name in ("_robo_cursor", "_robo_own"):
                    if vars(part).get(name) in before:
                        setattr(part, name, before[vars(part)[name]])

    def call(self) -> None:
        """Call the strategy as its phase has it."""
        status = self.status
        if status < 0:
            self.strategy.next()
        elif status == 0:
            self.strategy.nextstart()
        else:
            self.strategy.prenext()

    def forget(self) -> None:
        """Drop what the strategy was told of; Backtrader keeps every notification for ever."""
        if self.lean:
            self.strategy._orderspending, self.strategy._tradespending = [], []
        else:
            self.strategy.clear()

    def tell(self) -> None:
        """Tell the strategy of orders and trades, as `Strategy._notify` does."""
        strategy = self.strategy
        for order in strategy._orderspending:
            if order.exectype != _HISTORICAL or order.histnotify:
                strategy.notify_order(order)
        for trade in strategy._tradespending:
            strategy.notify_trade(trade)

    def tell_at_once(self) -> None:
        """Tell the strategy between bars."""
        strategy = self.strategy
        if strategy._orderspending or strategy._tradespending:
            if self.lean and not self.accounting:
                self.tell()
            else:
                strategy._notify()
            self.forget()

    def take(self, order: Any) -> None:
        """Keep a notification until it is told, as `Strategy._addnotification` does."""
        strategy = self.strategy
        if not self.lean:
            strategy._addnotification(order, quicknotify=strategy.env.p.quicknotify)
            return
        strategy._orderspending.append(order)
        if order.executed.size:
            self.trade(order)

    def trade(self, order: Any) -> None:
        """Work out the trades that a filled order makes."""
        strategy, executed = self.strategy, order.executed
        data = order.data if order.data._compensate is None else order.data._compensate
        trades = strategy._trades[data][order.tradeid]
        if not trades:
            trades.append(Trade(data=data, tradeid=order.tradeid, historyon=strategy._tradehistoryon))
        trade = trades[-1]
        for bit in executed.iterpending():
            if bit.closed:
                trade.update(
                    order, bit.closed, bit.price, bit.closedvalue, bit.closedcomm, bit.pnl, order.comminfo
                )
                if trade.isclosed:
                    self._keep(trade)
            if bit.opened:
                if trade.isclosed:
                    trade = Trade(data=data, tradeid=order.tradeid, historyon=strategy._tradehistoryon)
                    trades.append(trade)
                trade.update(
                    order, bit.opened, bit.price, bit.openedvalue, bit.openedcomm, bit.pnl, order.comminfo
                )
                if trade.isclosed:
                    self._keep(trade)
            if trade.justopened:
                self._keep(trade)

    def _keep(self, trade: Any) -> None:
        if self.hears_trades:
            copy = _new(Trade)
            copy.__dict__.update(trade.__dict__)
            self.strategy._tradespending.append(copy)


def _is_base(strategy: Any, name: str) -> bool:
    """Return True where a strategy has a method from Backtrader's base class."""
    return getattr(getattr(strategy, name), "__func__", None) is getattr(bt.Strategy, name)


def _reads_trades(cls: type) -> bool:
    """Return True where a strategy's code names Backtrader's own list of its trades."""
    own = (vars(base).values() for base in cls.__mro__ if not base.__module__.startswith("backtrader."))
    codes = [f.__code__ for members in own for f in members if isinstance(f, FunctionType)]
    while codes:
        code = codes.pop()
        if "_trades" in code.co_names:
            return True
        codes.extend(part for part in code.co_consts if isinstance(part, CodeType))
    return False


def _phases(strategy: Any, schedule: Schedule) -> tuple[int, int]:
    """Return the bar steps from which on no feed, and from which on every feed, is past its minimum period.

    Before the first it is `prenext`, from the second on `next`, in between `nextstart`.
    """
    first = second = 0
    for clock, at in zip(schedule.clocks, schedule.at, strict=True):
        least = max(strategy._minperiods[i] for i in clock.members)
        first = max(first, int(at[least - 1]) if least <= len(at) else _NEVER)
        second = max(second, int(at[least]) if least < len(at) else _NEVER)
    return first, second


def _measured(indicator: Any) -> tuple[Any, ...]:
    """Return whose length an indicator follows: its clock, or the line in it."""
    clock = indicator._clock
    return (clock.lines[0],) if isinstance(clock, LineSeriesStub) else (clock,)


def _root(indicator: Any, known: dict[int, Cursor], ours: set[int]) -> Cursor | None:
    """Return the clock at the end of an indicator's chain of clocks, or None where there is none.

    `ours` are the ids of the strategy and its lines, at which a chain ends without a clock.
    """
    item = indicator._clock
    for _ in range(20):
        if item is None or id(item) in ours:
            return None
        if id(item) in known:
            return known[id(item)]
        if isinstance(item, LineSeriesStub):
            item = item.lines[0]
            continue
        clock = getattr(item, "_clock", None)
        item = clock if clock is not None else getattr(item, "_owner", None)
    return None
