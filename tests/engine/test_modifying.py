"""`broker.modify()` in a backtest: when a change counts, what is refused, and both paths of the engine."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plainbt import run_plain
from planned import SINGLE, plans
from scripted import fills, flat, once, play, statuses
from test_fast_honest import CASH, COSTS, same
from watching import Accounting, Outcome, Setup, Watching, setups
from worlds import World, daily, ns, worlds

from robo_trader.engine import EngineSettings, run
from robo_trader.records import Decision
from robo_trader.risk.guard import Guard
from robo_trader.risk.rules.exposure import Position
from robo_trader.risk.sectors import SectorMap

Order = bt.Order
ENGINES = ("plain", "fast")
RULES = ("honest", "stock")
HOOKS = ("next", "order", "event", "timer", "trade")
KINDS = (*SINGLE, "cancel", "bracket", "short bracket", "trailing bracket", "market bracket")


def scripted(*acts: tuple[int, Any]) -> Any:
    """Return a script that calls `act(strategy)` in the `n`-th next(), counted from 1."""

    def do(s: Any, name: str, arg: Any) -> None:
        if name == "order":
            s.__dict__.setdefault("told", []).append(
                (len(s), arg.getstatusname(), arg.info.get("refused", ""))
            )
        for n, act in acts:
            if name == "next" and len(s) == n:
                act(s)

    return do


def rest(price: float = 90.0, **more: Any) -> Any:
    """Return an act that rests a buy limit far below."""

    def act(s: Any) -> None:
        s.first = s.buy(**{"size": 10, "exectype": Order.Limit, "price": price, **more})

    return act


def change(asked: dict[str, Any], answers: list[Any] | None = None) -> Any:
    """Return an act that changes the first order and keeps the answer with what the order says of it."""

    def act(s: Any) -> None:
        answer = s.broker.modify(s.first, **asked)
        if answers is not None:
            answers.append((answer, s.first.info.get("refused", "")))

    return act


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fill_rules", RULES)
def test_a_change_counts_from_the_next_bar(engine: str, fill_rules: str) -> None:
    """99 is printed in every bar, also in the one after which the limit is raised to it."""
    record = play(
        [daily("A", flat(6))], scripted((1, rest()), (3, change({"price": 99.0, "because": "up"}))),
        engine=engine, fill_rules=fill_rules,
    )  # fmt: skip
    assert fills(record) == [("A", 99.0, "Thu 21:00")]
    assert [(o.limit, o.size, o.status) for o in record.orders] == [(99.0, 10.0, "Completed")]
    first, second = (d.intent for d in record.decisions)
    assert (first.limit, first.modifies) == (90.0, False)
    assert (second.limit, second.modifies, second.order_id, second.because) == (99.0, True, 1, "up")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bar_in_progress_is_not_for_a_changed_order(engine: str) -> None:
    """At noon the morning's low is known to have been 99: the raised limit may not have it."""
    frames = [daily("A", flat(4))]
    do_first = scripted((1, rest()))

    def do(s: Any, name: str, arg: Any) -> None:
        do_first(s, name, arg)
        if name == "event":
            s.broker.modify(s.first, price=99.0)

    record = play(frames, do, events=[ns("2024-01-09T17:00")], engine=engine)
    assert fills(record) == [("A", 99.0, "Wed 21:00")]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_notification_will_do_and_tells_of_itself(engine: str) -> None:
    kept: list[Any] = []

    def do(s: Any, name: str, arg: Any) -> None:
        if name == "next" and len(s) == 1:
            rest()(s)
        if name == "order":
            kept.append((len(s), arg.getstatusname()))
            if len(kept) == 2:
                assert s.broker.modify(arg, price=95.0, size=4)
                assert s.first.created.price == 95.0 and s.first.created.size == 4

    record = play([daily("A", flat(5))], do, engine=engine)
    assert [status for _, status in kept] == ["Submitted", "Accepted", "Accepted"]
    assert record.orders[0].size == 4.0


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"price": float("nan")}, "nan is no price"),
    ({}, {"price": float("inf")}, "inf is no price"),
    ({}, {"price": "9"}, "'9' is no price"),
    ({}, {"price": 10**400}, "0 is no price"),
    ({}, {"size": True}, "True is no size"),
    ({}, {"size": 0}, "a size of 0 leaves nothing of it, 0 being filled; cancel it"),
    ({}, {"size": -3}, "a size of -3 leaves nothing"),
    ({}, {"pricelimit": 5.0}, "a Limit order has no pricelimit that could be changed"),
    ({}, {"size": 1e9}, "not enough cash"),
    ({"exectype": Order.StopTrail, "price": None, "trailamount": 5.0}, {"price": 80.0}, "has no price"),
    (
        {"exectype": Order.StopTrail, "price": None, "trailamount": 5.0},
        {"trailpercent": 0.1},
        "has no trailper",
    ),
    (
        {"exectype": Order.StopTrail, "price": None, "trailamount": 5.0},
        {"trailamount": 0.0},
        "is no trailamount",
    ),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("order", "asked", "why"), REFUSED)
def test_a_refused_change_leaves_the_order_as_it_was(
    engine: str, order: dict[str, Any], asked: dict[str, Any], why: str
) -> None:
    answers: list[Any] = []
    told: list[Any] = []
    do = scripted((1, rest(**order)), (3, change(asked, answers)))

    def listening(s: Any, name: str, arg: Any) -> None:
        do(s, name, arg)
        told[:] = s.__dict__.get("told", [])

    record = play([daily("A", flat(6))], listening, engine=engine)
    ((answer, said),) = answers
    assert answer is False and why in said
    assert told[-1] == (4, "Accepted", said)
    assert record.orders[0].size == 10 and record.orders[0].status == "Accepted"
    assert not any(d.intent.modifies for d in record.decisions)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_over_or_was_never_sent_is_not_changed(engine: str) -> None:
    answers: list[Any] = []

    def early(s: Any) -> None:
        s.parent = s.buy(size=1, exectype=Order.Limit, price=90.0, transmit=False)
        answers.append((s.broker.modify(s.parent, price=91.0), s.parent.info.get("refused")))
        s.first = s.buy(size=1)
        answers.append((s.broker.modify(s.first, size=2), s.first.info.get("refused")))

    play([daily("A", flat(5))], scripted((1, early), (4, change({"size": 3}, answers))), engine=engine)
    assert answers == [
        (False, "it has not been sent yet"),
        (False, "a Market order is on its way and cannot be changed; cancel it"),
        (False, "a Market order is on its way and cannot be changed; cancel it"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_changes_nothing_is_neither_judged_nor_told(engine: str) -> None:
    told: list[Any] = []
    do = scripted((1, rest()), (3, change({"price": 90.0, "size": 10})))

    def listening(s: Any, name: str, arg: Any) -> None:
        do(s, name, arg)
        told[:] = s.__dict__.get("told", [])

    record = play([daily("A", flat(5))], listening, engine=engine)
    assert len(record.decisions) == 1 and [status for _, status, _ in told] == ["Submitted", "Accepted"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fill_rules", RULES)
def test_a_partly_filled_order_is_changed_as_a_whole(engine: str, fill_rules: str) -> None:
    """Three a bar are filled; shrunk to 7 after two of them, one more is left."""
    answers: list[Any] = []

    def begin(s: Any) -> None:
        s.broker.set_filler(bt.broker.fillers.FixedSize(size=3))
        rest(price=100.0)(s)

    do = scripted((1, begin), (3, change({"size": 6}, answers)), (3, change({"size": 7}, answers)))
    record = play([daily("A", flat(7))], do, engine=engine, fill_rules=fill_rules)
    assert [f.size for f in record.fills] == [3.0, 3.0, 1.0]
    assert answers == [(False, "a size of 6 leaves nothing of it, 6 being filled; cancel it"), (True, "")]
    assert [(o.size, o.filled, o.status) for o in record.orders] == [(7.0, 7.0, "Completed")]
    change_ = record.decisions[-1].intent
    assert (change_.size, change_.filled) == (1.0, 6.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("which", "asked", "sold"),
    [
        (1, {"price": 91.0}, [4.0, 6.0]),
        (1, {"size": 9}, [4.0, 5.0]),
        (2, {"size": 8}, [4.0, 4.0]),
        (1, {"size": 4}, [4.0, 6.0]),
    ],
)
def test_an_exit_does_not_grow_again_when_another_was_filled_in_part(
    engine: str, which: int, asked: dict[str, Any], sold: list[float]
) -> None:
    """What the profit target has sold is off the stop, whatever else of it changes."""

    def begin(s: Any) -> None:
        s.broker.set_filler(
            lambda order, price, ago: min(10 if price < 105.0 else 4, abs(order.executed.remsize))
        )
        s.family = s.buy_bracket(size=10, exectype=Order.Market, stopprice=90.0, limitprice=105.0)

    def act(s: Any) -> None:
        s.broker.modify(s.family[which], **asked)

    up, down = [100.0, 106.0, 99.0, 100.0], [100.0, 101.0, 80.0, 85.0]
    record = play(
        [daily("A", flat(8, bar3=up, bar5=down, bar6=down, bar7=down))],
        scripted((1, begin), (4, act)), engine=engine,
    )  # fmt: skip
    assert [f.size for f in record.fills if f.side == "SELL"] == sold


@pytest.mark.parametrize("engine", ENGINES)
def test_exits_shrink_with_their_entry(engine: str) -> None:
    def bracket(s: Any) -> None:
        family = s.buy_bracket(size=10, price=90.0, stopprice=80.0, limitprice=120.0)
        s.first = family[0]

    record = play([daily("A", flat(6))], scripted((1, bracket), (3, change({"size": 4}))), engine=engine)
    assert [o.size for o in record.orders] == [4.0, 4.0, 4.0]
    record = play([daily("A", flat(6))], scripted((1, bracket), (3, change({"size": 14}))), engine=engine)
    assert [o.size for o in record.orders] == [14.0, 10.0, 10.0], (
        "what is to be closed is the strategy's word"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stop_that_follows_and_a_distance_that_shrinks(engine: str) -> None:
    def begin(s: Any) -> None:
        s.buy(size=2)
        s.first = s.sell(size=1, exectype=Order.StopLimit, price=90.0, plimit=89.0)
        s.trail = s.sell(size=1, exectype=Order.StopTrail, trailamount=10.0)

    def tighter(s: Any) -> None:
        assert s.broker.modify(s.first, price=99.5, pricelimit=99.2)
        assert s.broker.modify(s.trail, trailamount=0.5)

    bars = flat(7, bar5=[100.0, 101.0, 99.0, 100.0])
    record = play([daily("A", bars)], scripted((1, begin), (3, tighter)), engine=engine)
    assert fills(record)[1:] == [("A", 99.5, "Thu 21:00"), ("A", 99.5, "Fri 21:00")]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("distance", "nearer", "seen"),
    [
        ({"trailamount": 20.0}, {"trailamount": 5.0}, 105.0),
        ({"trailpercent": 0.2}, {"trailpercent": 0.05}, 105.0),
        ({"trailamount": 20.0}, {"trailamount": 30.0}, 120.0),
        ({"trailamount": 20.0}, {"size": 4}, 120.0),
    ],
)
def test_the_guard_is_told_how_near_a_shorter_distance_comes(
    engine: str, distance: dict[str, Any], nearer: dict[str, Any], seen: float
) -> None:
    def begin(s: Any) -> None:
        s.first = s.buy(size=10, exectype=Order.StopTrail, **distance)

    record = play([daily("A", flat(5))], scripted((1, begin), (3, change(nearer))), engine=engine)
    assert record.decisions[-1].intent.stop == pytest.approx(seen)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_guard_trims_what_is_added_and_never_what_works(engine: str) -> None:
    """A tenth of 100,000 is 111 shares at the limit of 90, 100 at the close of 100."""
    answers: list[Any] = []
    guard = Guard({"position": Position(limit=0.1)}, sectors=SectorMap({}))

    def more(s: Any) -> None:
        for size in (500, 500, 40, 60):
            answers.append((s.broker.modify(s.first, size=size), abs(s.first.created.size)))

    record = run(
        [daily("A", flat(6))], Listener, {"do": scripted((1, rest(size=50)), (3, more))},
        settings=EngineSettings(engine=engine), gate=guard,
    )  # fmt: skip
    assert record.state == "finished", record.failure
    sizes = [size for _, size in answers]
    assert sizes[0] == 100.0 and sizes[2:] == [40.0, 60.0]
    actions = [d.action for d in record.decisions]
    assert actions[1] == "resize" and actions[3:] == ["allow", "allow"]
    # What the guard leaves of 500 is what works already: nothing is added.
    assert sizes[1] == 100.0


class Listener(bt.Strategy):
    params = (("do", None),)

    def next(self) -> None:
        self.p.do(self, "next", None)

    def notify_order(self, order: Any) -> None:
        self.p.do(self, "order", order)


def test_without_changes_plain_backtrader_is_what_it_was() -> None:
    """The method is there and costs nothing: see `test_fast_stock` for the bits."""
    do = scripted((1, rest(price=99.5)))
    theirs = run_plain([daily("A", flat(4))], Listener, {"do": do})
    ours = play([daily("A", flat(4))], do, fill_rules="stock")
    assert [f.price for f in ours.fills] == [theirs.position.price]
    assert statuses(ours) == ["Completed"]


class TooMuch:
    """A gate that lets changes pass at half of what they ask for."""

    def decide(self, family: Any, book: Any) -> list[Decision]:
        return [
            Decision(intent=i, action="resize", size=i.size / 2, reasons=("half",))
            if i.modifies
            else Decision(intent=i)
            for i in family
        ]


@pytest.mark.parametrize("engine", ENGINES)
def test_any_gate_may_make_a_change_smaller(engine: str) -> None:
    record = run(
        [daily("A", flat(6))], Listener, {"do": scripted((1, rest(size=8)), (3, change({"size": 20})))},
        settings=EngineSettings(engine=engine), gate=TooMuch(),
    )  # fmt: skip
    assert [o.size for o in record.orders] == [10.0]


def changing_plans() -> Any:
    return plans(hooks=HOOKS, what=(*KINDS, "modify", "modify", "modify"))


def both_ways(world: World, plan: Any, cls: type, gate: Any, setup: Setup, **settings: Any) -> Any:
    records, logs = [], []
    for engine in ENGINES:
        out = Outcome()
        params = {"plan": plan, "tick": world.tick, "out": out, "setup": setup, "label": "0"}
        records.append(
            run(
                world.frames, [cls], [params], settings=EngineSettings(engine=engine, **settings),
                events=world.tape, gate=gate(),
            )
        )  # fmt: skip
        logs.append(out.log)
    plain, fast = records
    if plain.failure is not None and "ZeroDivisionError" in plain.failure.message:
        return fast
    for theirs, mine in zip(*logs, strict=False):
        assert mine == theirs
    assert len(logs[0]) == len(logs[1])
    same(fast, plain)
    return fast


@given(
    world=worlds(), plan=changing_plans(), cls=st.sampled_from([Watching, Accounting]), cash=CASH,
    costs=COSTS, setup=setups(stock=False), guarded=st.booleans(),
)  # fmt: skip
def test_both_paths_agree_under_the_honest_rules(
    world: World, plan: Any, cls: type, cash: float, costs: Any, setup: Setup, guarded: bool
) -> None:
    def gate() -> Any:
        return Guard({"position": Position(limit=0.1)}, sectors=SectorMap({})) if guarded else None

    both_ways(world, plan, cls, gate, setup, cash=cash, commission=costs[0], slippage=costs[1])


@given(world=worlds(events=False), plan=changing_plans(), cash=CASH, setup=setups(stock=False))
def test_both_paths_agree_under_the_stock_rules(world: World, plan: Any, cash: float, setup: Setup) -> None:
    both_ways(world, plan, Watching, lambda: None, setup, cash=cash, fill_rules="stock")


def test_an_order_of_this_moment_and_one_that_waits_are_changed_alike() -> None:
    frames = [daily("A", flat(5))]
    do = once("next", lambda s: s.broker.modify(s.buy(size=1, exectype=Order.Limit, price=90.0), price=99.0))
    for engine in ENGINES:
        assert fills(play(frames, do, engine=engine)) == [("A", 99.0, "Tue 21:00")]
