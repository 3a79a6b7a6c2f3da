"""Strategies like those of Backtrader's quick start behave step for step as in plain Backtrader:
the same printed lines, the same `len(self)`, the same `data[0]` inside `notify_order`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from plainbt import run_plain
from worlds import daily, frame, walk

from robo_trader.engine import EngineSettings, run


class Talking(bt.Strategy):
    """Prints, or here keeps, a line for whatever happens, dated by the bar that it sees."""

    params = (("lines", None),)

    def say(self, text: str) -> None:
        self.p.lines.append(f"{self.datas[0].datetime.date(0).isoformat()} {text}")

    def __init__(self) -> None:
        self.order = None
        self.bought_at = 0

    def notify_order(self, order: Any) -> None:
        if order.status in (order.Submitted, order.Accepted):
            return
        if order.status == order.Completed:
            side = "bought" if order.isbuy() else "sold"
            self.say(
                f"{side} at {order.executed.price:.4f}, cost {order.executed.value:.4f}, "
                f"commission {order.executed.comm:.4f}, bar {len(self)}, close {self.datas[0].close[0]:.4f}, "
                f"told {bt.num2date(order.executed.dt).date()}"
            )
            self.bought_at = len(self)
        else:
            self.say(f"order {order.getstatusname()}")
        self.order = None

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.say(f"trade closed: {trade.pnl:.4f} gross, {trade.pnlcomm:.4f} net, {trade.barlen} bars")

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.say(f"account {cash:.6f} {value:.6f}")


class HoldFiveBars(Talking):
    """Buys after two falling closes, sells when five bars have passed since the fill."""

    def next(self) -> None:
        close = self.datas[0].close
        self.say(f"close {close[0]:.2f}, bar {len(self)}")
        if self.order is not None:
            return
        if not self.position:
            if len(self) > 2 and close[0] < close[-1] < close[-2]:
                self.say("buy")
                self.order = self.buy()
        elif len(self) >= self.bought_at + 5:
            self.say("sell")
            self.order = self.sell()


class AverageWithStake(Talking):
    """In above the average, out below it, with a fixed stake."""

    params = (("period", 15), ("stake", 10))

    def __init__(self) -> None:
        super().__init__()
        self.sizer.setsizing(self.p.stake)
        self.average = bt.indicators.SimpleMovingAverage(self.datas[0], period=self.p.period)
        bt.indicators.RSI(self.datas[0], period=10, safediv=True)

    def next(self) -> None:
        self.say(f"average {self.average[0]:.4f}")
        if self.order is not None:
            return
        if not self.position and self.datas[0].close[0] > self.average[0]:
            self.order = self.buy()
        elif self.position and self.datas[0].close[0] < self.average[0]:
            self.order = self.sell()

    def stop(self) -> None:
        self.say(f"period {self.p.period} ends with {self.broker.getvalue():.2f}")


class Bracketed(Talking):
    """Enters with a bracket; one exit is filled, the other cancelled."""

    def next(self) -> None:
        if not self.position and self.order is None:
            price = self.datas[0].close[0]
            self.order, *_ = self.buy_bracket(
                exectype=bt.Order.Market, stopprice=price * 0.97, limitprice=price * 1.03
            )

    def notify_order(self, order: Any) -> None:
        self.say(f"{order.getordername()} {order.getstatusname()} {order.executed.price:.4f} bar {len(self)}")
        if order.status in (order.Completed, order.Canceled, order.Margin) and not self.position:
            self.order = None


def prices(n: int = 250) -> np.ndarray:
    return walk(np.random.default_rng(20060102), n, 0.01, 0.01)


@pytest.mark.parametrize("rules", ["honest", "stock"])
@pytest.mark.parametrize("stamps", ["midnight", "end"])
@pytest.mark.parametrize("strategy", [HoldFiveBars, AverageWithStake])
def test_step_for_step(strategy: type, stamps: str, rules: Any) -> None:
    bars = daily("A", prices())
    ours: list[str] = []
    theirs: list[str] = []
    settings = EngineSettings(cash=10_000.0, commission=0.001, fill_rules=rules)
    record = run([bars], strategy, {"lines": ours}, settings=settings)
    run_plain([bars], strategy, {"lines": theirs}, cash=10_000.0, commission=0.001, stamps=stamps)
    assert record.notify == "with_bar"
    assert len(record.fills) > 10
    assert ours == theirs


def test_a_bracket_strategy_under_the_honest_rules() -> None:
    """Children wait for the bar after the entry in plain Backtrader too, on a single clock."""
    bars = daily("A", prices())
    ours: list[str] = []
    theirs: list[str] = []
    run([bars], Bracketed, {"lines": ours}, settings=EngineSettings(cash=10_000.0))
    run_plain([bars], Bracketed, {"lines": theirs}, cash=10_000.0)
    assert sum("Completed" in line for line in theirs) > 20
    assert ours == theirs


class Averaged(bt.Strategy):
    params = (("values", None),)

    def __init__(self) -> None:
        self.average = bt.indicators.SMA(self.data, period=30)

    def next(self) -> None:
        self.p.values.append(self.average[0])


def test_the_average_over_backtraders_own_sample(data_dir: Path) -> None:
    path = data_dir / "open/reference/backtrader_datas/2006-day-001.txt"
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    days = np.array([row[0] for row in rows], dtype="datetime64[D]")
    midnight = days.astype("datetime64[ns]").astype(np.int64)
    columns = np.array([[float(x) for x in row[1:5]] for row in rows])
    bars = frame("SX5E", "1d", midnight + 8 * 3600 * 10**9, midnight + 16 * 3600 * 10**9, days, columns)
    values: list[float] = []
    run([bars], Averaged, {"values": values})
    assert f"{values[0]:.6f}" == "3644.444667"
    assert f"{values[-1]:.3f}" == "4063.463"
