"""The seam: every order of every strategy is decided about once, and what the gate says is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import backtrader as bt
import pytest
from test_honest_rules import Script, fills, flat, once, statuses
from worlds import daily, intraday, ns, tape

from robo_trader.engine import EngineSettings, run
from robo_trader.records import Decision, Intent
from robo_trader.strategy import Strategy


class Rule:
    """A gate made of a function; keeps the families it saw."""

    def __init__(self, rule: Callable[[Intent], Decision]) -> None:
        self.rule = rule
        self.families: list[list[Intent]] = []
        self.books: list[tuple[float, float, float, float]] = []

    def decide(self, family: Sequence[Intent], book: Any) -> list[Decision]:
        self.families.append(list(family))
        symbol = family[0].symbol
        self.books.append((book.cash, book.value, book.position(symbol), book.price(symbol)))
        return [self.rule(intent) for intent in family]


def allow(intent: Intent) -> Decision:
    return Decision(intent=intent)


def veto(intent: Intent) -> Decision:
    return Decision(intent=intent, action="veto", reasons=("no trading today",))


def shrink(to: float, *, types: tuple[str, ...] = ("Market", "Limit", "Stop")) -> Any:
    """Return a rule that makes orders of `types` smaller."""

    def rule(intent: Intent) -> Decision:
        if intent.type in types and intent.size > to:
            return Decision(intent=intent, action="resize", size=to, reasons=("position 10 %",))
        return Decision(intent=intent)

    return rule


def play(do: Any, rule: Any, *, frames: Any = None, rules: Any = "honest", **more: Any) -> tuple[Any, Rule]:
    gate = Rule(rule)
    settings = EngineSettings(fill_rules=rules)
    record = run(frames or [daily("D", flat(5))], Script, {"do": do}, settings=settings, gate=gate, **more)
    assert record.state == "finished", record.failure
    return record, gate


@pytest.mark.parametrize("rules", ["honest", "stock"])
def test_a_veto_is_a_rejected_order_and_the_method_returns_it(rules: Any) -> None:
    told, returned = [], []

    def do(s: Any, name: str, order: Any) -> None:
        if name == "order":
            told.append((order.getstatusname(), order.ref))
        elif len(s) == 1:
            returned.append(s.buy(size=3))

    record, gate = play(do, veto, rules=rules)
    assert isinstance(returned[0], bt.Order)
    assert not returned[0].alive()
    assert told == [("Rejected", returned[0].ref)]
    assert [(o.status, o.filled, o.reason) for o in record.orders] == [("Rejected", 0.0, "no trading today")]
    assert [d.action for d in record.decisions] == ["veto"]
    assert not record.fills
    assert len(gate.families) == 1


def test_what_the_gate_is_told() -> None:
    def do(s: Any, name: str, _: Any) -> None:
        if name == "next" and len(s) == 2:
            s.buy(size=3, exectype=bt.Order.StopLimit, price=100.5, plimit=100.7, because="a reason")

    record, gate = play(do, allow)
    ((intent,),) = gate.families
    assert (intent.order_id, intent.symbol, intent.side, intent.size) == (1, "D", "BUY", 3.0)
    assert (intent.type, intent.stop, intent.limit, intent.because) == ("StopLimit", 100.5, 100.7, "a reason")
    assert intent.time.isoformat() == "2024-01-09T21:00:00+00:00"
    assert gate.books == [(100_000.0, 100_000.0, 0.0, 100.0)]
    assert record.decisions[0].intent == intent


@pytest.mark.parametrize("rules", ["honest", "stock"])
def test_a_resized_order_is_filled_at_its_new_size(rules: Any) -> None:
    record, _ = play(once("next", lambda s: s.sell(size=100)), shrink(40), rules=rules)
    assert [(f.side, f.size) for f in record.fills] == [("SELL", 40.0)]
    assert statuses(record) == ["Completed"]
    assert record.orders[0].reason == "position 10 %"
    assert record.sessions.sizes["D"][-1] == -40.0
    assert (record.orders[0].size, record.orders[0].filled) == (100.0, 40.0)  # asked and got
    (decision,) = record.decisions
    assert (decision.action, decision.intent.size, decision.size) == ("resize", 100.0, 40.0)


class Bracketing(Strategy):
    """Enters with a bracket and keeps the three orders."""

    params = (("made", None), ("manual", False), ("size", 100))

    def next(self) -> None:
        if len(self) != 1:
            return
        if self.p.manual:
            first = self.buy(size=self.p.size, transmit=False)
            stop = self.sell(
                size=self.p.size, exectype=bt.Order.Stop, price=99.5, parent=first, transmit=False
            )
            self.p.made.extend([first, stop, self.sell(size=self.p.size, exectype=bt.Order.Limit, price=150.0,
                                                       parent=first)])  # fmt: skip
        else:
            self.p.made.extend(
                self.buy_bracket(size=self.p.size, exectype=bt.Order.Market, stopprice=99.5, limitprice=150.0)
            )


@pytest.mark.parametrize("manual", [False, True])
def test_a_bracket_is_one_family_and_a_veto_takes_it_whole(manual: bool) -> None:
    made: list[Any] = []
    one_leg = lambda i: veto(i) if i.type == "Limit" else allow(i)  # noqa: E731
    gate = Rule(one_leg)
    record = run([daily("D", flat(5))], Bracketing, {"made": made, "manual": manual}, gate=gate)
    assert record.state == "finished", record.failure
    assert [[i.type for i in family] for family in gate.families] == [["Market", "Stop", "Limit"]]
    assert [i.parent for i in gate.families[0]] == [None, 1, 1]
    assert statuses(record) == ["Rejected"] * 3
    assert [d.action for d in record.decisions] == ["veto"] * 3
    assert [o.reason for o in record.orders] == ["its family was vetoed"] * 2 + ["no trading today"]
    assert not record.fills
    assert all(order.status == bt.Order.Rejected for order in made)


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize("to", [40.0, 33.3, 1.0])
def test_children_never_exceed_a_resized_parent(manual: bool, to: float) -> None:
    """Shrinking the parent alone would end in a short position: the family is scaled."""
    gate = Rule(shrink(to, types=("Market",)))
    made: list[Any] = []
    record = run([daily("D", flat(5))], Bracketing, {"made": made, "manual": manual}, gate=gate)
    assert record.state == "finished", record.failure
    assert [abs(order.size) for order in made] == [to] * 3
    assert [d.size for d in record.decisions] == [to] * 3
    assert statuses(record) == ["Completed", "Completed", "Canceled"]
    assert [f.size for f in record.fills] == [to, to]
    assert record.sessions.sizes["D"][-1] == 0.0
    assert [d.action for d in record.decisions] == ["resize"] * 3
    assert record.decisions[1].reasons == ("scaled with its parent",)


def test_partial_children_are_scaled_in_proportion_and_stay_whole() -> None:
    def parts(s: Any) -> None:
        parent = s.buy(size=100, transmit=False)
        s.sell(size=25, exectype=bt.Order.Limit, price=150.0, parent=parent, transmit=False)
        s.sell(size=1, exectype=bt.Order.Limit, price=160.0, parent=parent)

    record, _ = play(once("next", parts), shrink(30.0, types=("Market",)))
    assert [d.size for d in record.decisions] == [30, 7, None]


def test_a_vetoed_member_does_not_take_its_group_with_it() -> None:
    """The stop that protects a position stays when the gate refuses its take-profit."""

    def do(s: Any, name: str, _: Any) -> None:
        if name != "next":
            return
        if len(s) == 1:
            s.buy(size=1)
            s.stop_order = s.sell(size=1, exectype=bt.Order.Stop, price=98.0)
        elif len(s) == 2:
            s.sell(size=1, exectype=bt.Order.Limit, price=150.0, oco=s.stop_order)

    rule = lambda i: veto(i) if i.type == "Limit" else allow(i)  # noqa: E731
    record, _ = play(do, rule, frames=[daily("D", flat(5, bar4=[97.0, 98.0, 96.0, 97.0]))])
    assert statuses(record) == ["Completed", "Completed", "Rejected"]
    assert [f.price for f in record.fills] == [100.0, 97.0]


def test_a_group_stays_a_group_when_its_middle_member_is_vetoed() -> None:
    def group(s: Any) -> None:
        first = s.buy(size=1, exectype=bt.Order.Limit, price=99.9)
        s.buy(size=2, exectype=bt.Order.Limit, price=99.8, oco=first)
        s.buy(size=3, exectype=bt.Order.Limit, price=99.7, oco=first)

    rule = lambda i: veto(i) if i.size == 2 else allow(i)  # noqa: E731
    record, _ = play(once("next", group), rule)
    assert statuses(record) == ["Completed", "Rejected", "Canceled"]
    record, _ = play(once("next", group), lambda i: veto(i) if i.size == 1 else allow(i))
    assert statuses(record) == ["Rejected", "Completed", "Canceled"]


class Plain(bt.Strategy):
    """Uses every order method there is; knows nothing of robo_trader."""

    def next(self) -> None:
        n = len(self)
        if n == 1:
            self.buy(size=10)
        elif n == 2:
            self.sell(size=3)
            self.order_target_size(target=12)
        elif n == 3:
            self.order_target_percent(target=0.5)
            self.order_target_value(target=1_000.0)
        elif n == 4:
            self.close()
            self.buy_bracket(price=99.5, stopprice=90.0, limitprice=110.0)
        elif n == 5:
            self.sell_bracket(price=100.5, stopprice=110.0, limitprice=90.0)


@pytest.mark.parametrize("rules", ["honest", "stock"])
def test_every_order_of_a_plain_strategy_passes_the_gate(rules: Any) -> None:
    gate = Rule(allow)
    record = run([daily("D", flat(9))], Plain, settings=EngineSettings(fill_rules=rules), gate=gate)
    assert record.state == "finished", record.failure
    assert [len(family) for family in gate.families] == [1, 1, 1, 1, 1, 1, 3, 3]
    assert [d.intent.order_id for d in record.decisions] == [o.order_id for o in record.orders]
    assert len(record.orders) == 12


def test_orders_of_events_and_of_answers_pass_too() -> None:
    def do(s: Any, name: str, order: Any) -> None:
        if name == "event":
            s.buy(size=1)
        elif name == "order" and order.status == order.Completed and order.isbuy():
            s.sell(size=1)

    record, gate = play(do, allow, events=tape([ns("2024-01-08T22:00")]))
    assert [family[0].side for family in gate.families] == ["BUY", "SELL"]
    assert fills(record) == [("D", 100.0, "Tue 14:30"), ("D", 100.0, "Wed 14:30")]


def test_the_book_knows_the_position_filled_at_the_open() -> None:
    frames = [intraday("H", flat(21)), daily("D", flat(3))]

    def do(s: Any, name: str, _: Any) -> None:
        if name == "next" and len(s.datas[0]) in (7, 9):
            s.buy(s.datas[1], size=4)

    _, gate = play(do, allow, frames=frames)
    assert [book[2] for book in gate.books] == [0.0, 4.0]


@pytest.mark.parametrize("size", [0.0, -1.0, 11.0, float("nan")])
def test_a_gate_that_resizes_nonsense_ends_the_run(size: float) -> None:
    gate = Rule(lambda i: Decision(intent=i, action="resize", size=size))
    record = run([daily("D", flat(5))], Script, {"do": once("next", lambda s: s.buy(size=10))}, gate=gate)
    assert record.state == "failed"
    assert "resized order 1" in record.failure.message


def test_a_gate_that_answers_for_too_few_ends_the_run() -> None:
    class Short:
        def decide(self, family: Any, book: Any) -> list[Decision]:
            return []

    record = run([daily("D", flat(5))], Script, {"do": once("next", lambda s: s.buy(size=10))}, gate=Short())
    assert record.state == "failed"
    assert "answered 0 of 1" in record.failure.message


def test_observers_hear_of_decisions_and_fills_at_once() -> None:
    heard: list[str] = []
    record = run(
        [daily("D", flat(3))], Script, {"do": once("next", lambda s: s.buy(size=1))},
        on_decision=lambda d: heard.append(f"{d.action} {d.intent.order_id}"),
        on_fill=lambda f: heard.append(f"{f.side} {f.size} at {f.price}"),
    )  # fmt: skip
    assert record.state == "finished"
    assert heard == ["allow 1", "BUY 1.0 at 100.0"]


@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize("gate", [None, Rule(allow)])
@pytest.mark.parametrize("copied", [False, True])
def test_an_order_cannot_be_submitted_twice(engine: Any, gate: Any, copied: bool) -> None:
    def act(s: Any) -> None:
        order = s.buy(size=1, exectype=bt.Order.Limit, price=1.0)
        order = order.clone() if copied else order
        order.size = order.created.size = order.executed.remsize = 5_000
        s.broker.submit(order)

    settings = EngineSettings(engine=engine)
    record = run([daily("D", flat(4))], Script, {"do": once("next", act)}, settings=settings, gate=gate)
    assert record.failure is not None and "submitted twice" in record.failure.message
    assert len(record.orders) == 1 and not record.fills
