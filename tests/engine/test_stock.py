"""`fill_rules="stock"` is plain Backtrader, to the last bit, on one clock and on several."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plainbt import run_plain
from planned import Outcome, Planned, plans
from worlds import ONE_CLOCK, SEVERAL_CLOCKS, World, daily, intraday, ns, worlds

from robo_trader.engine import EngineSettings, run
from robo_trader.errors import UsageError
from robo_trader.instruments import Instrument

HOOKS = ("next", "order")
SLIPPAGES = st.sampled_from([
    None,
    ("set_slippage_perc", 0.01, {}),
    ("set_slippage_perc", 0.03, {"slip_open": False}),
    ("set_slippage_perc", 0.03, {"slip_match": False, "slip_limit": False}),
    ("set_slippage_fixed", 0.25, {}),
    ("set_slippage_fixed", 2.0, {"slip_limit": False, "slip_match": False}),
    ("set_slippage_fixed", 2.0, {"slip_out": True}),
])  # fmt: skip


def plainly(world: World) -> list[Any]:
    """The world's frames as instruments that Backtrader's own arithmetic knows (multiplier 1)."""
    return [replace(frame, instrument=Instrument(frame.symbol)) for frame in world.frames]


def slipping(setting: Any) -> Any:
    """Return what sets the broker's slippage from inside a strategy's __init__."""
    if setting is None:
        return None
    name, value, more = setting
    return lambda strategy: getattr(strategy.broker, name)(value, **more)


def both(frames: Any, plan: Any, tick: Any, *, cash: float, commission: float, slip: Any) -> Any:
    """Run a plan in the engine under the stock rules and in plain Backtrader."""
    ours, theirs = Outcome(), Outcome()
    params = {"plan": plan, "tick": tick, "prepare": slipping(slip)}
    record = run(
        frames, Planned, {**params, "out": ours},
        settings=EngineSettings(cash=cash, commission=commission, fill_rules="stock"),
    )  # fmt: skip
    assert record.state == "finished", record.failure
    run_plain(frames, Planned, {**params, "out": theirs}, cash=cash, commission=commission)
    return record, ours.log, theirs.log


def compare(record: Any, ours: list[Any], theirs: list[Any]) -> None:
    """Every notification and every bar's account are equal, and the record tells the same."""
    for mine, plain in zip(ours, theirs, strict=False):
        assert mine == plain
    assert len(ours) == len(theirs)
    bars = [row for row in theirs if row[0] == "next"]
    if len(record.sessions.value):
        assert record.sessions.value[-1] == bars[-1][4]
    told: dict[str, Any] = {}
    for row in theirs:
        if row[0] == "order" and row[-1]:
            told[row[1]] = [(abs(size), price) for size, price in row[-1]]
    fills: dict[str, Any] = defaultdict(list)
    for fill in record.fills:
        fills[fill.because].append((fill.size, fill.price))
    assert fills == told


@given(
    world=worlds(kinds=ONE_CLOCK, events=False),
    plan=plans(hooks=HOOKS),
    cash=st.sampled_from([300.0, 2_000.0, 1e7]),
    commission=st.sampled_from([0.0, 0.001]),
    slip=SLIPPAGES,
)
def test_one_clock(world: World, plan: Any, cash: float, commission: float, slip: Any) -> None:
    result = both(plainly(world), plan, world.tick, cash=cash, commission=commission, slip=slip)
    compare(*result)


@given(
    world=worlds(kinds=SEVERAL_CLOCKS, events=False),
    plan=plans(hooks=HOOKS),
    cash=st.sampled_from([300.0, 2_000.0, 1e7]),
    commission=st.sampled_from([0.0, 0.001]),
    slip=SLIPPAGES,
)
def test_several_clocks(world: World, plan: Any, cash: float, commission: float, slip: Any) -> None:
    result = both(plainly(world), plan, world.tick, cash=cash, commission=commission, slip=slip)
    compare(*result)


def rising(n: int, step: float = 1.0) -> np.ndarray:
    """Return bars that rise by `step`, each opening where the one before closed."""
    close = 100 + step * np.arange(1, n + 1)
    return np.column_stack([close - step, close + 1, close - step - 1, close])


class Log(bt.Strategy):
    """Buys, sells and writes down what it sees, in `next_open` too where that is called."""

    params = (("out", None),)

    def __init__(self) -> None:
        self.average = bt.indicators.SMA(self.data, period=3)

    def next_open(self) -> None:
        self.p.out.append(("open", len(self), self.data.open[0]))
        if len(self) % 7 == 0:
            self.buy(size=2)

    def next(self) -> None:
        self.p.out.append((len(self), self.data.close[0], self.average[0], self.broker.getvalue()))
        if len(self) % 5 == 0:
            self.buy(size=3)
        if len(self) % 5 == 2:
            self.close()

    def notify_order(self, order: Any) -> None:
        self.p.out.append((order.getstatusname(), order.executed.price, order.executed.dt, len(self)))


@pytest.mark.parametrize("cheat", ["cheat_on_open", "cheat_on_close"])
def test_cheating_is_backtraders_and_is_told(cheat: str) -> None:
    frames = [daily("A", rising(30))]
    ours: list[Any] = []
    theirs: list[Any] = []
    settings = EngineSettings(fill_rules="stock", **{cheat: True})
    record = run(frames, Log, {"out": ours}, settings=settings)
    if cheat == "cheat_on_open":
        run_plain(frames, Log, {"out": theirs}, cheat_on_open=True)
    else:
        run_plain(frames, Log, {"out": theirs}, prepare=lambda broker: broker.set_coc(True))
    assert ours == theirs
    assert len(record.fills) > 5
    assert record.cheats == (cheat.replace("_", "-"),)
    assert any(cheat.replace("_", "-") in warning for warning in record.warnings)
    with pytest.raises(UsageError, match="contradict the honest"):
        EngineSettings(**{cheat: True})


def test_a_cheating_fill_is_recorded_at_the_close_that_it_used() -> None:
    frame = daily("A", rising(30))
    record = run([frame], Log, {"out": []}, settings=EngineSettings(fill_rules="stock", cheat_on_close=True))
    orders = {order.order_id: order for order in record.orders}
    for fill in record.fills:
        i = int(np.searchsorted(frame.end, orders[fill.order_id].time))
        assert fill.time.timestamp() * 1e9 == frame.end[i]
        assert fill.price == frame.close[i]


class Bar(bt.Indicator):
    """An indicator that can only be computed bar by bar."""

    lines = ("mid",)
    _nextforce = True

    def next(self) -> None:
        self.lines.mid[0] = (self.data.high[0] + self.data.low[0]) / 2


class ByBar(Log):
    """Turns Backtrader's array mode off through its indicator."""

    def __init__(self) -> None:
        super().__init__()
        self.mid = Bar(self.data)
        self.lines_of_other = [Bar(d) for d in self.datas[1:]]

    def next(self) -> None:
        self.p.out.append(("mid", self.mid[0], [len(d) for d in self.datas]))
        super().next()


@pytest.mark.parametrize("rules", ["stock", "honest"])
def test_indicators_that_go_bar_by_bar(rules: Any) -> None:
    frames = [daily("A", rising(20)), daily("B", rising(20, 0.5))]
    ours: list[Any] = []
    theirs: list[Any] = []
    record = run(frames, ByBar, {"out": ours}, settings=EngineSettings(fill_rules=rules))
    run_plain(frames, ByBar, {"out": theirs})
    assert record.state == "finished"
    assert len(ours) == len(theirs)
    assert ours == theirs


class BuyStopLimit(bt.Strategy):
    """One stop-limit, bought the day after the first bar."""

    params = (("stop", 0.0), ("limit", 0.0))

    def next(self) -> None:
        if len(self) == 1:
            self.buy(exectype=bt.Order.StopLimit, price=self.p.stop, plimit=self.p.limit)


def test_a_stop_limit_touched_inside_its_bar_is_recorded_at_the_bars_end() -> None:
    prices = [[100, 101, 99, 100], [100, 106, 99, 105], [105, 106, 104, 105]]
    settings = EngineSettings(fill_rules="stock")
    record = run([daily("A", prices)], BuyStopLimit, {"stop": 103.0, "limit": 104.0}, settings=settings)
    assert [(f.price, f.time.isoformat()) for f in record.fills] == [(103.0, "2024-01-09T21:00:00+00:00")]
    record = run([daily("A", prices)], BuyStopLimit, {"stop": 100.0, "limit": 104.0}, settings=settings)
    assert [(f.price, f.time.isoformat()) for f in record.fills] == [(100.0, "2024-01-09T14:30:00+00:00")]


def test_market_on_close_the_stock_way_is_recorded_where_the_price_was_printed() -> None:
    class AtClose(bt.Strategy):
        def next(self) -> None:
            if len(self) == 2:
                self.buy(exectype=bt.Order.Close)

    record = run([intraday("A", rising(21))], AtClose, settings=EngineSettings(fill_rules="stock"))
    (fill,) = record.fills
    assert fill.time.timestamp() * 1e9 == ns("2024-01-08T21:00")
    assert fill.price == 107.0


class Timed(bt.Strategy):
    """Orders from timers, one of which runs before the broker, with fills in parts by volume."""

    params = (("out", None),)

    def __init__(self) -> None:
        self.add_timer(when=datetime.time(15), cheat=True)
        self.add_timer(when=datetime.time(16), weekdays=[2, 4])
        self.add_timer(when=bt.timer.SESSION_END)
        self.broker.set_filler(bt.broker.fillers.FixedSize(size=4))

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.p.out.append(("timer", str(when), len(self), self.data.close[0], timer.p.cheat))
        if timer.p.cheat:
            self.buy(size=6)
        elif self.position.size > 8:
            self.sell(size=9, exectype=bt.Order.Limit, price=self.data.close[0])

    def next(self) -> None:
        self.p.out.append(("next", len(self), self.broker.getcash(), self.broker.getvalue()))

    def notify_order(self, order: Any) -> None:
        self.p.out.append(
            (
                order.getstatusname(),
                order.executed.size,
                order.executed.remsize,
                order.executed.price,
                len(self),
            )
        )


@pytest.mark.parametrize("rules", ["stock", "honest"])
def test_timers_and_fills_in_parts(rules: Any) -> None:
    frames = [intraday("A", rising(35, 0.2))]
    ours: list[Any] = []
    theirs: list[Any] = []
    record = run(frames, Timed, {"out": ours}, settings=EngineSettings(fill_rules=rules))
    assert record.state == "finished", record.failure
    run_plain(frames, Timed, {"out": theirs})
    assert sum(row[0] == "Partial" for row in theirs) > 3
    assert ours == theirs
    assert all(fill.size <= 4 for fill in record.fills)
    assert sum(fill.size for fill in record.fills) == sum(order.filled for order in record.orders)


SCHEMES = {
    "futures": {"commission": 1.5, "margin": 300.0, "mult": 4.0, "leverage": 2.0},
    "leverage and interest": {"commission": 0.001, "interest": 0.1, "interest_long": True, "leverage": 3.0},
}


@pytest.mark.parametrize("rules", ["stock", "honest"])
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
@given(
    world=worlds(kinds=("daily", "two daily"), events=False),
    plan=plans(
        hooks=HOOKS, what=("market", "flatten", "reverse"), oco=False, valid=False, fractions=False
    ),
)  # fmt: skip
def test_schemes_of_backtraders_own(rules: Any, scheme: Any, world: World, plan: Any) -> None:
    """Set by the strategy for all feeds: cash and value are Backtrader's at every bar."""
    frames, ours, theirs = plainly(world), Outcome(), Outcome()
    params = {
        "plan": plan,
        "tick": world.tick,
        "prepare": lambda strategy: strategy.broker.setcommission(**scheme),
    }
    record = run(
        frames, Planned, {**params, "out": ours}, settings=EngineSettings(cash=1e6, fill_rules=rules)
    )
    assert record.state == "finished", record.failure
    run_plain(frames, Planned, {**params, "out": theirs}, cash=1e6)
    assert ours.log == theirs.log
