"""The guard inside a run: what it is told is what the run's record says afterwards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from worlds import daily, intraday

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import to_ns
from robo_trader.config import load_config
from robo_trader.engine import EngineSettings, run
from robo_trader.plugins import load_host
from robo_trader.records import Decision, Intent
from robo_trader.risk.guard import Guard
from robo_trader.risk.profile import load_guard
from robo_trader.risk.rules.brakes import Drawdown
from robo_trader.risk.rules.exposure import Position
from robo_trader.risk.rules.orders import DenyList
from robo_trader.risk.sectors import SectorMap


def default_guard() -> Guard:
    config = load_config(flags={"risk.profile": "default"}, environ={})
    guard = load_guard(config, load_host(config, third_party=False, environ={}))
    assert guard is not None
    return guard


def walk(symbol: str, seed: int, n: int = 160) -> BarFrame:
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, n)))
    opening = close * np.exp(rng.normal(0.0, 0.01, n))
    bars = [
        (o, max(o, c) * 1.01, min(o, c) * 0.99, c)
        for o, c in zip(opening.tolist(), close.tolist(), strict=True)
    ]
    return daily(symbol, bars)


class Busy(bt.Strategy):
    """Orders of all kinds at random: markets, limits, stops, brackets, groups, cancellations."""

    params = (("seed", 0),)

    def __init__(self) -> None:
        self.dice = random.Random(self.p.seed)
        self.waiting: list[Any] = []

    def next(self) -> None:
        dice = self.dice
        for d in self.datas:
            if dice.random() < 0.5:
                continue
            size, price = dice.randint(1, 400), d.close[0]
            kind = dice.randrange(6)
            method = dice.choice((self.buy, self.sell))
            if kind == 0:
                self.waiting.append(method(d, size=size))
            elif kind == 1:
                self.waiting.append(method(d, size=size, exectype=bt.Order.Limit, price=price * 0.98))
            elif kind == 2:
                first = method(d, size=size, exectype=bt.Order.Stop, price=price * 1.02)
                method(d, size=size, exectype=bt.Order.Limit, price=price * 0.97, oco=first)
            elif kind == 3:
                make = dice.choice((self.buy_bracket, self.sell_bracket))
                gap = 0.03 if make == self.buy_bracket else -0.03
                make(
                    data=d,
                    size=size,
                    exectype=bt.Order.Market,
                    stopprice=price * (1 - gap),
                    limitprice=price * (1 + gap),
                )
            elif kind == 4:
                self.close(d)
            elif self.waiting:
                self.cancel(self.waiting.pop(dice.randrange(len(self.waiting))))


class Watching(Guard):
    """A guard that keeps what the book said at each decision."""

    def __init__(self, guard: Guard) -> None:
        super().__init__(guard.rules, sectors=guard.view.sectors)
        self.seen: list[tuple[int, list[float], float]] = []
        self.exposures: list[tuple[Any, Any]] = []

    def decide(self, family: Sequence[Intent], book: Any, *, by_operator: bool = False) -> list[Decision]:
        decisions = super().decide(family, book)
        self.seen.append((book.now, list(book.session_values), book.value))
        fresh = type(self.view)(self.view.sectors)
        counted = {s: self.view.exposure(s) for s in self.view.at_risk()}
        # Told anew from the book, without what has just been let pass and the book does not have yet.
        fresh.look(book)
        mine = family[0].symbol
        for symbol in {*fresh.at_risk(), *counted} - {mine}:
            self.exposures.append((counted.get(symbol), fresh.exposure(symbol)))
        return decisions


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("fill_rules", ["honest", "stock"])
@pytest.mark.parametrize("seed", range(3))
def test_the_book_tells_what_the_record_says(seed: int, fill_rules: Any, engine: Any) -> None:
    frames = [walk(s, 10 * seed + k) for k, s in enumerate("ABC")]
    guard = Watching(default_guard())
    settings = EngineSettings(fill_rules=fill_rules, commission=0.001, engine=engine)
    record = run(frames, Busy, {"seed": seed}, settings=settings, gate=guard)
    assert record.state == "finished", record.failure
    assert len(record.fills) > 30 and guard.tally.changed
    ends, values = record.sessions.time, record.sessions.value
    for now, told, value in guard.seen:
        before = values[ends < now]
        assert told[0] == record.starting_cash
        assert told[1:] == pytest.approx(before.tolist(), rel=1e-9)
        here = np.flatnonzero(ends == now)
        if len(here):
            assert value == pytest.approx(values[here[0]], rel=1e-9)
    for counted, fresh in guard.exposures:
        assert counted == pytest.approx(fresh, abs=1e-6)


@pytest.mark.parametrize("fill_rules", ["honest", "stock"])
def test_the_fast_engine_and_the_plain_one_are_guarded_alike(fill_rules: Any) -> None:
    frames = [walk(s, 40 + k) for k, s in enumerate("ABC")]
    rows = []
    for engine in ("plain", "fast"):
        settings = EngineSettings(fill_rules=fill_rules, engine=engine)  # type: ignore[arg-type]
        record = run(frames, Busy, {"seed": 9}, settings=settings, gate=default_guard())
        assert record.path == engine
        rows.append([(o.order_id, o.size, o.filled, o.status, o.reason) for o in record.orders])
    assert rows[0] == rows[1]


def test_positions_stay_within_the_limit_when_they_are_opened() -> None:
    class Greedy(bt.Strategy):
        def next(self) -> None:
            for d in self.datas:
                self.order_target_percent(d, 0.5)

    guard = Guard({"position": Position(0.1)}, sectors=SectorMap({}))
    record = run([walk("A", 1), walk("B", 2)], Greedy, gate=guard)
    bought = dict.fromkeys("AB", 0.0)
    for fill in record.fills:
        bought[fill.symbol] += fill.size if fill.side == "BUY" else -fill.size
    assert all(0 < size * 50 < 25_000 for size in bought.values())
    reasons = [o.reason for o in record.orders]
    assert reasons[0].startswith("position: A would reach")
    assert {o.status for o in record.orders} <= {"Completed", "Rejected", "Accepted", "Submitted"}
    assert guard.tally.orders == len(record.orders)


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_time_frames_of_one_symbol_share_its_limits(engine: Any) -> None:
    flat = [(100.0, 101.0, 99.0, 100.0)] * 8

    class Both(bt.Strategy):
        def next(self) -> None:
            if len(self) in (1, 3):
                for d in self.datas:
                    self.buy(d, size=60)
            elif len(self) == 5:
                self.sell(self.datas[1], size=90)

    one = daily("SPY", flat)
    other = replace(one, symbol="SPY@1d")
    guard = Guard({"position": Position(0.1)}, sectors=SectorMap({}))
    record = run([one, other], Both, settings=EngineSettings(engine=engine), gate=guard)
    assert [(o.symbol, o.size, o.filled) for o in record.orders] == [
        ("SPY", 60.0, 60.0), ("SPY@1d", 60.0, 40.0), ("SPY", 60.0, 0.0), ("SPY@1d", 60.0, 0.0),
        ("SPY@1d", 90.0, 90.0),
    ]  # fmt: skip
    assert [d.intent.symbol for d in record.decisions] == [o.symbol for o in record.orders]
    assert record.orders[1].reason.startswith("position: SPY would reach 12 %")
    assert guard.view.at_risk() == {"SPY"}
    assert guard.view.position("SPY") == 10.0


def test_the_newest_close_of_a_symbol_counts() -> None:
    prices: list[float] = []

    class Looks(Guard):
        def decide(self, family: Sequence[Intent], book: Any, *, by_operator: bool = False) -> list[Decision]:
            prices.append(book.price("A"))
            return super().decide(family, book)

    class Buys(bt.Strategy):
        def next(self) -> None:
            self.buy(self.datas[0], size=1)

    days = daily("A", [(p, p, p, p) for p in (100.0, 110.0)])
    hours = replace(intraday("A", [(50.0 + i,) * 4 for i in range(14)]), symbol="A@1h")
    hours = replace(hours, instrument=days.instrument)
    run([hours, days], Buys, gate=Looks({}, sectors=SectorMap({})))
    assert prices == [100.0, *[57.0 + i for i in range(6)], 110.0]


def test_a_veto_is_a_rejected_order_and_the_drawdown_brake_lifts() -> None:
    falls = [100.0] * 3 + [80.0] * 40
    told: list[tuple[int, str]] = []

    class Tries(bt.Strategy):
        def next(self) -> None:
            self.buy(size=900 if len(self) == 1 else 1)

        def notify_order(self, order: Any) -> None:
            told.append((len(self), order.getstatusname()))

    guard = Guard({"drawdown": Drawdown(0.15)}, sectors=SectorMap({}))
    record = run([daily("A", [(p, p, p, p) for p in falls])], Tries, gate=guard)
    rejected = sorted({bar for bar, status in told if status == "Rejected"})
    assert rejected == list(range(5, 25)), "twenty sessions, each told with the next bar"
    assert guard.summary()["lifted"] == {"drawdown": 1}
    ends = record.sessions.time.tolist()
    assert [(halt.state, to_ns(halt.when)) for halt in guard.halts()] == [
        ("REDUCING", ends[3]), ("ACTIVE", ends[22]),
    ]  # fmt: skip
    assert record.state == "finished"


def test_a_bracket_whose_parent_only_closes_goes_without_its_exits() -> None:
    class Reverses(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.sell(size=60)
            elif len(self) == 3:
                guard.rules["deny"].symbols = DenyList(["A"]).symbols  # type: ignore[attr-defined]
                self.buy_bracket(size=200, exectype=bt.Order.Market, stopprice=90.0, limitprice=120.0)

    deny = DenyList(["B"])
    guard = Guard({"deny": deny}, sectors=SectorMap({}))
    record = run([daily("A", [(100.0, 101.0, 99.0, 100.0)] * 8)], Reverses, gate=guard)
    assert [(o.side, o.size, o.status) for o in record.orders[1:]] == [
        ("BUY", 200.0, "Completed"), ("SELL", 200.0, "Rejected"), ("SELL", 200.0, "Rejected"),
    ]  # fmt: skip
    assert [(f.side, f.size) for f in record.fills] == [("SELL", 60.0), ("BUY", 60.0)]


@pytest.mark.parametrize("part", [1, 3, 7])
def test_partial_fills_of_one_exit_shrink_the_other(part: int) -> None:
    """With a filler, a profit target filled in parts leaves no stop for what is gone."""
    least = 0.0

    class Bracketed(bt.Strategy):
        def __init__(self) -> None:
            self.broker.set_filler(
                lambda order, price, ago: (
                    min(part, abs(order.executed.remsize)) if order.parent is not None else 10
                )
            )

        def next(self) -> None:
            nonlocal least
            least = min(least, self.position.size)
            if len(self) == 1:
                self.buy_bracket(size=10, exectype=bt.Order.Market, stopprice=90.0, limitprice=105.0)

    calm = (100.0, 101.0, 99.0, 100.0)
    up, down = (100.0, 106.0, 99.0, 100.0), (100.0, 101.0, 80.0, 85.0)
    record = run([daily("A", [calm, calm, calm, up, *[down] * 12])], Bracketed)
    assert record.state == "finished", record.failure
    assert sum(f.size if f.side == "BUY" else -f.size for f in record.fills) == 0.0
    assert least == 0.0, "the stop sold what the target had sold already"
