"""Corners of Backtrader that random plans seldom reach: each in plain Backtrader and in the fast engine."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from plainbt import PlainFeed
from worlds import CLOSES, MINUTE, daily, walk

from robo_trader.engine import EngineSettings, run

E = bt.Order


class Noting(bt.Strategy):
    """Writes down what it is told and what the account holds."""

    params = (("rows", None), ("name", ""))

    def note(self, *row: Any) -> None:
        self.p.rows.append(f"{self.p.name} {row!r}")

    def notify_order(self, order: Any) -> None:
        self.note("order", order.getstatusname(), order.getordername(), order.executed.size, len(self))

    def next(self) -> None:
        self.note("next", len(self), self.broker.getvalue(), [self.getposition(d).size for d in self.datas])
        self.act()

    def act(self) -> None:
        """Do something on a bar."""

    def stop(self) -> None:
        self.note("stop", len(self), [len(d) for d in self.datas])


def same(frames: list[Any], *classes: type) -> list[str]:
    """Run strategies on both sides; return what they wrote down, which is equal."""
    plain: list[str] = []
    fast: list[str] = []
    cerebro = bt.Cerebro(stdstats=False)
    for frame in frames:
        cerebro.adddata(PlainFeed(dataname=frame, timeframe=bt.TimeFrame.Days), name=frame.symbol)
    cerebro.broker.setcash(10_000.0)
    for k, cls in enumerate(classes):
        cerebro.addstrategy(cls, rows=plain, name=str(k))
    cerebro.run()
    params = [{"rows": fast, "name": str(k)} for k in range(len(classes))]
    settings = EngineSettings(cash=10_000.0, fill_rules="stock", engine="fast")
    record = run(frames, classes, params, settings=settings)
    assert record.state == "finished", record.failure
    assert fast == plain
    return fast


def bars(symbol: str = "A", n: int = 12, seed: int = 5, **more: Any) -> Any:
    return daily(symbol, walk(np.random.default_rng(seed), n, 0.02, 0.01), **more)


class LateChild(Noting):
    """Sends a parent to the market twice: with its first child, and with one that comes later."""

    late = 0

    def act(self) -> None:
        price = self.data.close[0]
        if len(self) == 2:
            self.parent = self.buy(size=3, price=price * 1.05, exectype=E.Limit, transmit=False)
            self.sell(size=3, price=price * 0.7, exectype=E.Stop, parent=self.parent)
        if len(self) == 2 + self.late:
            self.sell(size=3, price=price * 1.5, exectype=E.Limit, parent=self.parent)


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_parent_that_was_sent_twice_is_cancelled_once_more(late: int) -> None:
    rows = same([bars()], type("Late", (LateChild,), {"late": late}))
    assert late or any("Canceled" in row for row in rows)


class Coupled(Noting):
    """Calculates with a slower feed, which Backtrader couples to the strategy's own clock."""

    def __init__(self) -> None:
        self.spread = bt.ind.SMA(self.data0.close - self.data1.close() * 1.0, period=2)

    def act(self) -> None:
        self.note(len(self.spread), self.spread[0])
        if not self.position:
            self.buy()


def test_feeds_that_are_coupled() -> None:
    same([bars(n=14), bars("B", n=9, seed=6, close=CLOSES + 15 * MINUTE)], Coupled)


class Stops(Noting):
    """Ends the run in the middle of it."""

    def __init__(self) -> None:
        self.average = bt.ind.SMA(self.data, period=2)

    def act(self) -> None:
        if len(self) == 6 and self.p.name == "0":
            self.env.runstop()

    def stop(self) -> None:
        super().stop()
        self.note(len(self.average), self.average[0], self.datetime[0], [d.close[0] for d in self.datas])


def test_a_stop_leaves_later_strategies_at_the_bar_before() -> None:
    rows = same([bars()], Stops, Stops, Stops)
    assert "1 ('stop', 5, [6])" in rows


def test_a_stop_with_several_clocks() -> None:
    same([bars(), bars("B", seed=6, close=CLOSES + 15 * MINUTE)], Stops, Stops)


class OnOwnLines(Noting):
    """Has indicators over lines of its own, and over a coupled feed alone: they follow a bar later."""

    lines = ("gap", "count")

    def __init__(self) -> None:
        self.lines.gap = self.data.close - bt.ind.SMA(self.data, period=2)
        other = self.datas[-1].close()
        self.followers = [bt.ind.SMA(self.lines.gap, period=2), other, bt.ind.SMA(other, period=2)]

    def act(self) -> None:
        self.lines.count[0] = len(self)
        self.note([(len(f), f[0]) for f in self.followers], self.gap[0], self.count[-1], self.buflen())


def test_indicators_that_follow_the_strategy() -> None:
    same([bars(n=14), bars("B", n=14, seed=6)], OnOwnLines)
    same([bars(n=14), bars("B", n=9, seed=6)], OnOwnLines)


class WithHistory(Noting):
    """Has orders that were made elsewhere, from the start or from later on."""

    since = 0

    def start(self) -> None:
        if not self.since:
            self.tell()

    def act(self) -> None:
        if len(self) == self.since:
            self.tell()

    def tell(self) -> None:
        first = dt.datetime(2024, 1, 16, 21)  # noqa: DTZ001  # Backtrader's times are naive
        made = [[first, 5, 100.0], [first + dt.timedelta(days=2), -3, 101.0]]
        self.broker.add_order_history(made, notify=True)


@pytest.mark.parametrize("since", [0, 3])
def test_a_history_of_orders(since: int) -> None:
    rows = same([bars()], type("History", (WithHistory,), {"since": since}))
    assert any("Completed" in row for row in rows)


class NotTold(bt.Strategy):
    """Asks for nothing and looks its trades up at the end."""

    params = (("rows", None), ("name", ""))

    def next(self) -> None:
        if len(self) in (2, 6):
            self.buy()
        if len(self) == 4:
            self.close()

    def stop(self) -> None:
        trades = [trade for by_id in self._trades[self.data].values() for trade in by_id]
        self.p.rows.extend(repr((t.pnl, t.size, t.barlen)) for t in trades)


def test_trades_that_are_looked_up() -> None:
    assert len(same([bars()], NotTold)) == 2


class Quick(Noting):
    """Is told at once, before the bar's own notifications."""

    def start(self) -> None:
        self.env.p.quicknotify = True

    def act(self) -> None:
        if len(self) % 3 == 1:
            self.buy()


def test_quick_notifications() -> None:
    same([bars()], Quick)
    same([bars()], Quick, Quick)


class Printing(Noting):
    """Prints its positions, in which Backtrader notes every bar, wherever it is called."""

    def __init__(self) -> None:
        self.add_timer(when=dt.time(21), cheat=True)

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.show("timer")

    def act(self) -> None:
        step = len(self) % 6
        if step == 1:
            self.buy(data=self.datas[-1], size=3)
        elif step == 3:
            self.sell(data=self.datas[-1], size=5)
        elif step == 5:
            self.close(data=self.datas[-1])
        if len(self) == 9:
            self.broker.setcommission(commission=0.001)
        self.show("bar")

    def notify_order(self, order: Any) -> None:
        self.show(order.getstatusname())

    def stop(self) -> None:
        self.show("stop")

    def show(self, where: str) -> None:
        for data in self.datas:
            position = self.getposition(data)
            self.note(where, str(position), getattr(position, "datetime", None))


class PrintingLean(Printing):
    def __init__(self) -> None:
        """Add no timer."""


def test_printed_positions() -> None:
    for cls in (Printing, PrintingLean):
        same([bars(n=20)], cls)
        same([bars(n=20), bars("B", n=20, seed=6, close=CLOSES + 15 * MINUTE)], cls)


class Adopting(Noting):
    """Gives orders that it was notified of children, groups and cancellations."""

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        price, status = self.data.close[0], order.getstatusname()
        if len(self) > 12 or order.parent is not None:
            return
        if status == self.when:
            self.sell(size=1, exectype=E.Stop, price=price * 0.99, parent=order)
        elif status == "Accepted":
            self.sell(size=1, exectype=E.Limit, price=price * 1.02, oco=order)

    when = ""

    def act(self) -> None:
        if len(self) % 3 == 1:
            self.buy(size=2, exectype=E.Limit, price=self.data.close[0] * 1.001)


@pytest.mark.parametrize("when", ["Submitted", "Accepted", "Completed"])
@pytest.mark.parametrize("seed", [5, 7, 11])
def test_notifications_as_parents(when: str, seed: int) -> None:
    same([bars(n=24, seed=seed)], type("Adopting", (Adopting,), {"when": when}))
