"""Journal against broker: what both know is no difference, and what one lacks is found exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standings import put_right, stand

from robo_trader.ib.contracts import ContractName, Qualified
from robo_trader.ib.desk import TYPES
from robo_trader.ib.messages import Commission, CompletedOrder, Execution, OpenOrder, Position
from robo_trader.ib.snapshot import Snapshot
from robo_trader.journal.standing import Standing, StandingFill, StandingOrder
from robo_trader.live.books.reconcile import OVER, Reconciliation, compare
from robo_trader.records import Side

D = Decimal
WHEN = datetime(2026, 11, 20, 15, tzinfo=UTC)
ACCOUNT = "DU1"
CON_IDS = {"AAA": 11, "BBB": 22}
CONTRACTS = {
    symbol: Qualified(ContractName(symbol, con_id=con_id), symbol, 0.01, "US/Eastern")
    for symbol, con_id in CON_IDS.items()
}


# --- what truly happened


@dataclass(frozen=True)
class Deal:
    """An execution in its latest correction."""

    name: str
    size: int
    price: str
    cost: str
    number: int = 1

    @property
    def id(self) -> str:
        return f"{self.name}.{self.number:02}"


@dataclass(frozen=True)
class Truth:
    """One order: `end` is empty while the broker works it, else the broker's word; `sent` or never."""

    number: int
    symbol: str
    side: Side
    type: str
    size: int
    deals: tuple[Deal, ...] = ()
    end: str = ""
    sent: bool = True

    @property
    def ref(self) -> str:
        return f"abc123-{self.number}"

    @property
    def filled(self) -> int:
        return sum(deal.size for deal in self.deals)

    @property
    def status(self) -> str:
        if not self.sent:
            return "Rejected"
        if self.end:
            return {"Filled": "Completed", "Inactive": "Rejected"}.get(self.end, "Canceled")
        return "Partial" if self.deals else "Accepted"

    def price(self, kind: str) -> Decimal | None:
        return D("10.005") if kind in self.type else None


@dataclass
class World:
    """What happened, as the journal that knows all tells it, and as the broker does."""

    orders: Sequence[Truth]
    strangers: dict[int, int] = field(default_factory=dict)

    def standing(self, *, without: Iterable[str] = (), told: dict[int, str] | None = None) -> Standing:
        """What the journal has without the executions `without`, with the states `told` instead."""
        left, told = set(without), told or {}
        fills = tuple(
            StandingFill(o.number, o.ref, d.id, WHEN, o.symbol, o.side, D(d.size), D(d.price), D(d.cost))
            for o in self.orders
            for d in o.deals
            if d.id not in left
        )
        return stand(
            (
                StandingOrder(
                    o.number, o.ref, o.symbol, o.side, o.type, D(o.size), o.price("Limit"), o.price("Stop"),
                    None, None, told.get(o.number, o.status), D(0), "", WHEN,
                )
                for o in self.orders
            ),
            fills,
        )  # fmt: skip

    def snapshot(self, *, hidden: Iterable[str] = (), forgotten: Iterable[int] = ()) -> Snapshot:
        """What the broker lists: without the executions `hidden` and the ends of `forgotten` orders."""
        out, lost = set(hidden), set(forgotten)
        held: dict[int, int] = dict(self.strangers)
        for o in self.orders:
            signed = o.filled if o.side == "BUY" else -o.filled
            held[CON_IDS[o.symbol]] = held.get(CON_IDS[o.symbol], 0) + signed
        deals = [(o, d) for o in self.orders for d in o.deals if d.id not in out]
        return Snapshot(
            account=ACCOUNT,
            at=WHEN,
            open_orders=tuple(opened(o) for o in self.orders if o.sent and not o.end),
            completed_orders=tuple(
                CompletedOrder(
                    ref=o.ref, perm_id=900 + o.number, con_id=CON_IDS[o.symbol], account=ACCOUNT,
                    side=o.side, size=D(o.size), filled=D(o.filled), type=TYPES[o.type],
                    status=o.end, reason=f"is {o.end}",
                )
                for o in self.orders
                if o.sent and o.end and o.number not in lost
            ),
            executions=tuple(executed(o, d, n) for o, d in deals for n in range(1, d.number + 1)),
            commissions=tuple(Commission(exec_id=d.id, amount=D(d.cost), currency="USD") for _, d in deals),
            positions=tuple(
                Position(account=ACCOUNT, con_id=c, symbol=str(c), size=D(n), average_cost=D(1))
                for c, n in held.items()
                if n
            ),
        )  # fmt: skip


def opened(o: Truth, **more: Any) -> OpenOrder:
    fields: dict[str, Any] = dict(
        order_id=o.number, client_id=1, perm_id=900 + o.number, ref=o.ref, con_id=CON_IDS[o.symbol],
        account=ACCOUNT, side=o.side, size=D(o.size), type=TYPES[o.type], status="Submitted",
        limit=D("10.01") if "Limit" in o.type else None, stop=D("10.01") if "Stop" in o.type else None,
    )  # fmt: skip
    return OpenOrder(**{**fields, **more})


def executed(o: Truth, d: Deal, number: int | None = None, **more: Any) -> Execution:
    """One correction of a deal; each but the last had another price."""
    number = number or d.number
    price = D(d.price) + (d.number - number)
    fields: dict[str, Any] = dict(
        exec_id=f"{d.name}.{number:02}", order_id=o.number, client_id=1, perm_id=900 + o.number, ref=o.ref,
        con_id=CON_IDS[o.symbol], symbol=o.symbol, account=ACCOUNT, side=o.side, size=D(d.size),
        price=price, time=WHEN + timedelta(seconds=o.number),
    )  # fmt: skip
    return Execution(**{**fields, **more})


def against(standing: Standing, snapshot: Snapshot, **more: Any) -> Reconciliation:
    return compare(standing, snapshot, CONTRACTS, account=ACCOUNT, **more)


def nothing(found: Reconciliation) -> bool:
    """Tell whether there is nothing to do but to follow what works."""
    todo = (found.fills_missed, found.orders_gone, found.never_sent, found.charges, found.differences)
    return not any(todo)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    orders = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        size = draw(st.integers(1, 60))
        sent = draw(st.integers(0, 9)) > 0
        deals: list[Deal] = []
        left = size
        for i in range(draw(st.integers(0, 3)) if sent else 0):
            part = draw(st.integers(1, 60))
            if part <= left:
                cost, price = str(draw(st.integers(0, 3))), str(draw(st.integers(5, 20)))
                deals.append(Deal(f"0000.{number}.{i}", part, price, cost, draw(st.integers(1, 3))))
                left -= part
        end = "Filled" if not left else draw(st.sampled_from(["", "Cancelled", "ApiCancelled", "Inactive"]))
        if deals and end == "Inactive":
            end = "Cancelled"
        symbol, side = draw(st.sampled_from(["AAA", "BBB"])), draw(st.sampled_from(["BUY", "SELL"]))
        kind = draw(st.sampled_from(sorted(TYPES)))
        orders.append(Truth(number, symbol, side, kind, size, tuple(deals), end if sent else "", sent))
    return World(orders, draw(st.dictionaries(st.sampled_from([77, 88]), st.integers(-5, 5), max_size=2)))


# --- properties


@given(worlds(), st.data())
def test_a_journal_that_knows_all_has_no_differences(world: World, data: st.DataObject) -> None:
    """Also where the broker no longer lists what is old."""
    ids = [d.id for o in world.orders for d in o.deals]
    hidden = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    forgotten = data.draw(st.lists(st.sampled_from([o.number for o in world.orders]), unique=True))
    found = against(world.standing(), world.snapshot(hidden=hidden, forgotten=forgotten))
    assert nothing(found) and found.clean and found.texts == ()
    working = [o.ref for o in world.orders if o.sent and not o.end]
    assert [held.order.ref for held in found.orders_held] == working
    assert len(found.notes) == sum(bool(size) for size in world.strangers.values())


@given(worlds(), st.data())
def test_an_execution_that_the_journal_lacks_is_the_one_to_book(world: World, data: st.DataObject) -> None:
    deals = [(o, d) for o in world.orders for d in o.deals]
    if not deals:
        return
    order, deal = data.draw(st.sampled_from(deals))
    found = against(world.standing(without=[deal.id]), world.snapshot())
    assert [m.execution for m in found.fills_missed] == [executed(order, deal)]
    (missed,) = found.fills_missed
    assert missed.commission is not None and missed.commission.amount == D(deal.cost)
    assert (missed.order.ref, missed.corrects) == (order.ref, None)
    assert found.clean and not found.never_sent and not found.charges


@given(worlds(), st.data())
def test_whatever_a_crash_cost_the_journal_is_put_right(world: World, data: st.DataObject) -> None:
    """Executions, corrections, commissions and states were lost; one pass mends all, a second finds none."""
    ids = [d.id for o in world.orders for d in o.deals]
    lost = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    states = st.sampled_from(["Created", "Submitted", "Accepted", "Partial"])
    told = {o.number: data.draw(states) for o in world.orders if o.sent and data.draw(st.booleans())}
    before = world.standing(without=lost, told=told)
    older = [
        replace(f, execution=f"{d.name}.01", price=f.price + 1, commission=D(9))
        if d.number > 1 and data.draw(st.booleans())
        else replace(f, commission=D(data.draw(st.sampled_from([0, 7]))))
        for f in before.fills
        for o in world.orders
        for d in o.deals
        if d.id == f.execution
    ]
    before = stand(before.orders, older)
    found = against(before, world.snapshot())
    assert found.clean
    after = put_right(before, found)
    again = against(after, world.snapshot())
    assert nothing(again)
    assert [held.broker for held in again.orders_held] == [held.broker for held in found.orders_held]
    truth = world.standing()
    assert after.positions == truth.positions
    assert sorted((f.execution, f.price, f.commission) for f in after.fills) == sorted(
        (f.execution, f.price, f.commission) for f in truth.fills
    )
    assert {o.number: o.filled for o in after.orders} == {o.number: o.filled for o in truth.orders}
    over = {o.number for o in truth.orders if o.status in OVER}
    assert {o.number for o in after.orders if o.status in OVER} == over


@given(worlds(), st.data())
def test_executions_that_nobody_can_show_any_more_are_differences(world: World, data: st.DataObject) -> None:
    deals = [(o, d) for o in world.orders for d in o.deals]
    if not deals:
        return
    order, deal = data.draw(st.sampled_from(deals))
    standing, snapshot = world.standing(without=[deal.id]), world.snapshot(hidden=[deal.id])
    found = against(standing, snapshot)
    signed = deal.size if order.side == "BUY" else -deal.size
    text = (
        f"{order.symbol} ({CON_IDS[order.symbol]}): DU1 holds {abs(signed)} "
        f"{'more' if signed > 0 else 'less'} than our executions explain"
    )
    assert text in found.texts and not found.fills_missed
    kinds = {d.kind for d in found.differences}
    assert kinds == ({"position", "filled"} if order.end else {"position"})
    assert found.clean is False
    taken = against(standing, snapshot, accepted=found.texts)
    assert taken.clean and taken.texts == found.texts and taken.lapsed == ()


# --- single cases


BUY = Truth(1, "AAA", "BUY", "Limit", 100)


def only(found: Reconciliation, kind: str) -> Any:
    (difference,) = found.differences
    assert difference.kind == kind, difference
    assert difference.todo and difference.journal and difference.broker
    return difference


def test_an_accepted_position_is_a_baseline_while_we_trade() -> None:
    strange = World([replace(BUY, deals=(Deal("e", 40, "10", "1"),))], {11: 50})
    first = against(strange.standing(), strange.snapshot())
    assert only(first, "position").text == "AAA (11): DU1 holds 50 more than our executions explain"
    assert (first.differences[0].journal, first.differences[0].broker) == ("40", "90")
    later = World(
        [replace(BUY, deals=(Deal("e", 40, "10", "1"), Deal("f", 60, "10", "1")), end="Filled")], {11: 50}
    )
    assert against(later.standing(), later.snapshot(), accepted=first.texts).clean
    other = World(later.orders, {11: 49})
    found = against(other.standing(), other.snapshot(), accepted=first.texts)
    assert not found.clean and found.lapsed == first.texts and found.accepted == ()
    gone = World(later.orders)
    found = against(gone.standing(), gone.snapshot(), accepted=first.texts)
    assert found.clean and found.lapsed == first.texts


def test_orders_that_the_broker_never_saw_or_no_longer_tells_of() -> None:
    world = World([replace(BUY, end="Cancelled"), replace(BUY, number=2, end="Cancelled")])
    standing = world.standing(told={1: "Submitted", 2: "Accepted"})
    found = against(standing, world.snapshot(forgotten=[1, 2]))
    assert [order.ref for order in found.never_sent] == ["abc123-1"] and found.clean
    (gone,) = found.orders_gone
    assert (gone.order.ref, gone.status, gone.filled) == ("abc123-2", "Canceled", 0)
    assert "neither holds it" in gone.reason
    known = against(standing, world.snapshot())
    assert [(g.status, g.reason) for g in known.orders_gone] == [("Canceled", "is Cancelled")] * 2


def test_executions_say_how_an_order_ended_where_the_broker_does_not() -> None:
    full, part = Deal("e", 100, "10", "1"), Deal("f", 30, "10", "1")
    done = World(
        [replace(BUY, deals=(full,), end="Filled"), replace(BUY, number=2, deals=(part,), end="Cancelled")]
    )
    standing = done.standing(told={1: "Submitted", 2: "Created"}, without=["e.01"])
    late = opened(done.orders[0])  # its last status has not arrived
    found = against(standing, replace(done.snapshot(forgotten=[1, 2]), open_orders=(late,)))
    assert found.clean and not found.orders_held and not found.never_sent
    assert [(g.status, g.filled) for g in found.orders_gone] == [("Completed", 100), ("Canceled", 30)]


def test_an_order_that_is_lost_is_named_beside_the_position_that_it_may_explain() -> None:
    world = World([replace(BUY, deals=(Deal("e", 100, "10", "1"),), end="Filled")])
    standing = world.standing(without=["e.01"], told={1: "Accepted"})
    found = against(standing, world.snapshot(hidden=["e.01"], forgotten=[1]))
    assert only(found, "position").broker == "100; no trace of abc123-1"


@pytest.mark.parametrize(
    "more",
    [
        dict(size=D(90)),
        dict(side="SELL"),
        dict(limit=D("10.02")),
        dict(limit=None),
        dict(type="MKT"),
        dict(con_id=22),
    ],
    ids=lambda more: next(iter(more)),
)
def test_an_order_that_is_another_at_the_broker(more: dict[str, Any]) -> None:
    snapshot = replace(World([BUY]).snapshot(), open_orders=(opened(BUY, **more),))
    found = against(World([BUY]).standing(), snapshot)
    difference = only(found, "order")
    assert "order abc123-1: the broker has " in difference.text
    assert [held.order.ref for held in found.orders_held] == ["abc123-1"]


def test_a_part_of_a_share_that_left_with_nine_decimals() -> None:
    part, left = D("0.6666666666666666"), D("0.666666667")
    stands = World([BUY]).standing()
    stands = replace(stands, orders=tuple(replace(o, size=part) for o in stands.orders))
    snapshot = replace(World([BUY]).snapshot(), open_orders=(opened(BUY, size=left),))
    assert against(stands, snapshot).clean
    (done,) = World([replace(BUY, deals=(Deal("e", 1, "10", "1"),))]).snapshot().executions
    filled = replace(snapshot, open_orders=(), executions=(replace(done, size=left),))
    held = Position(account=ACCOUNT, con_id=11, symbol="AAA", size=left, average_cost=D(10))
    filled = replace(filled, positions=(held,))
    found = against(stands, filled)
    assert found.clean and [gone.status for gone in found.orders_gone] == ["Completed"]


def test_a_trailing_stop_may_have_moved() -> None:
    trail = replace(BUY, type="StopTrail")
    snapshot = replace(World([trail]).snapshot(), open_orders=(opened(trail, stop=D(12)),))
    assert against(World([trail]).standing(), snapshot).clean


def test_an_order_that_is_over_here_and_works_there() -> None:
    found = against(World([BUY]).standing(told={1: "Canceled"}), World([BUY]).snapshot())
    assert "is over here (Canceled)" in only(found, "order").text and not found.orders_held


def test_an_order_that_went_out_twice() -> None:
    snapshot = replace(World([BUY]).snapshot(), open_orders=(opened(BUY), opened(BUY, perm_id=7)))
    assert only(against(World([BUY]).standing(), snapshot), "order").text == (
        "order abc123-1 is at the broker 2 times: 901, 7"
    )


@pytest.mark.parametrize("what", ["open", "done", "filled"])
def test_a_reference_of_ours_that_the_journal_does_not_know(what: str) -> None:
    done = what != "open"
    deals = (Deal("e", 100, "10", "1"), Deal("f", 0, "10", "1")) if what == "filled" else ()
    world = World([replace(BUY, number=9, end="Cancelled" if done else "", deals=deals)])
    found = against(stand((), ()), world.snapshot())
    texts = [d.text for d in found.differences if d.kind == "unknown"]
    assert texts and all(t.startswith("reference abc123-9 is ours and not in the journal") for t in texts)
    assert len(texts) == len(set(texts)) and not found.fills_missed


def test_executions_that_contradict() -> None:
    filled = World([replace(BUY, deals=(Deal("e", 40, "10", "1"),))])
    (fill,) = filled.snapshot().executions
    for change in (dict(price=D(11)), dict(size=D(41)), dict(side="SELL"), dict(con_id=22)):
        told = replace(filled.snapshot(), executions=(replace(fill, **change),))  # type: ignore[arg-type]
        found = against(filled.standing(), told)
        assert only(found, "execution").text.startswith("execution e.01 of order abc123-1: ")
        assert not found.fills_missed
        # Nor is it booked where the journal has none, if it cannot be the order's.
        if "side" in change or "con_id" in change:
            found = against(filled.standing(without=["e.01"]), told)
            assert not found.fills_missed and {d.kind for d in found.differences} == {"execution", "position"}
    both = replace(filled.snapshot(), executions=(fill, replace(fill, price=D(12))))
    assert "the broker also lists BUY 40 at 10" in only(against(filled.standing(), both), "execution").text


def test_more_executions_than_the_order_had() -> None:
    world = World([replace(BUY, deals=(Deal("e", 100, "10", "1"), Deal("f", 20, "10", "1")), end="Filled")])
    assert only(against(world.standing(), world.snapshot()), "filled").text == (
        "order abc123-1: executions add up to 120 of 100"
    )


def test_a_late_fill_of_a_cancelled_order_is_booked() -> None:
    world = World([replace(BUY, deals=(Deal("e", 30, "10", "1"),), end="Cancelled")])
    found = against(world.standing(without=["e.01"]), world.snapshot())
    assert found.clean and [m.execution.size for m in found.fills_missed] == [30]


def test_a_correction_is_booked_in_the_place_of_the_old_one() -> None:
    world = World([replace(BUY, deals=(Deal("e", 40, "10", "1", number=2),))])
    first = World([replace(BUY, deals=(Deal("e", 40, "11", "1"),))])
    (missed,) = against(first.standing(), world.snapshot()).fills_missed
    assert (missed.corrects, missed.execution.exec_id, missed.execution.price) == ("e.01", "e.02", 10)
    # The broker may still list the old one alone.
    found = against(world.standing(), first.snapshot())
    assert found.clean and not found.fills_missed


def test_orders_and_positions_of_others() -> None:
    here = replace(BUY, number=5)
    orders = (opened(here, ref="", perm_id=55), opened(here, ref="fff000-5", con_id=77, perm_id=56))
    snapshot = replace(World([], {77: 3}).snapshot(), open_orders=orders)
    found = against(stand((), ()), snapshot)
    assert (
        only(found, "foreign").text
        == "AAA (11): an order of others, BUY 100 LMT, limit 10.01, permanent id 55"
    )
    assert len(found.notes) == 2
    assert against(stand((), ()), snapshot, accepted=found.texts).clean
    theirs = executed(here, Deal("x", 5, "10", "1"), ref="")
    found = against(stand((), ()), replace(World([], {11: 5}).snapshot(), executions=(theirs,)))
    assert only(found, "position") and found.notes == ("AAA: executions of others add up to +5",)


def test_what_belongs_to_other_accounts_does_not_count() -> None:
    world = World([replace(BUY, deals=(Deal("e", 100, "10", "1"),), end="Filled")])
    snapshot = world.snapshot()
    other = replace(
        snapshot,
        executions=(*snapshot.executions, replace(snapshot.executions[0], exec_id="y.01", account="DU2")),
        positions=(*snapshot.positions, replace(snapshot.positions[0], account="DU2", size=D(7))),
        open_orders=(opened(BUY, account="DU2", ref=""),),
    )
    assert nothing(against(world.standing(), other))


def test_a_position_in_what_is_no_longer_traded() -> None:
    world = World([replace(BUY, deals=(Deal("e", 100, "10", "1"),), end="Filled")])
    found = compare(world.standing(), world.snapshot(), {}, account=ACCOUNT)
    assert only(found, "position").text == "AAA: we hold 100, and nobody knows the broker's contract"
