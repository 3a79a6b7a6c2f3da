"""One look at the broker's books: complete, of one moment, and of this account alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from typing import Any

import pytest

from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.messages import Commission, Execution, Lost, Opened, OpenOrder, OrderStatus
from robo_trader.ib.snapshot import Snapshot, take_snapshot

ACCOUNT = "DU1234567"
APPLE = dict(conId=265598, symbol="AAPL", secType="STK", exchange="SMART", currency="USD")
MICROSOFT = {**APPLE, "conId": 272093, "symbol": "MSFT"}
D = Decimal


def send(line: Connection, ref: str, side: str, size: float, contract: Any = APPLE, **more: Any) -> int:
    async def place(ib: Any) -> int:
        number: int = ib.client.getReqId()
        fields = dict(
            orderId=number, action=side, totalQuantity=size, orderType="MKT", orderRef=ref, tif="GTC"
        )
        ib.placeOrder(line.library.contract(**contract), line.library.order(**{**fields, **more}))
        return number

    return line.call(place)


def limit(price: float) -> dict[str, Any]:
    return dict(orderType="LMT", lmtPrice=price)


def agrees(snapshot: Snapshot, simulated: Any) -> None:
    """Assert that orders, executions and positions are those of the gateway's books."""
    state = simulated.control("state")
    alive = ("PreSubmitted", "Submitted", "PendingCancel")
    orders = {o["permId"]: o for o in state["orders"]}
    assert {o.perm_id for o in snapshot.open_orders} == {p for p, o in orders.items() if o["status"] in alive}
    for done in snapshot.completed_orders:
        theirs = orders[done.perm_id]
        assert (done.ref, done.status, done.filled) == (theirs["ref"], theirs["status"], theirs["filled"])
    assert {p.con_id: p.size for p in snapshot.positions} == {int(k): v for k, v in state["pos"].items()}
    assert len(snapshot.executions) == len({e.exec_id for e in snapshot.executions}) == state["execs"]


@pytest.fixture
def trading(gateway: Any, heard: Any) -> Any:
    def start(client_id: int = 1, **settings: Any) -> tuple[Any, Any]:
        simulated = gateway(**settings)
        one = heard(simulated.port, client_id=client_id)
        one.open()
        return one, simulated

    return start


def test_an_account_that_never_traded(trading: Any) -> None:
    one, simulated = trading()
    seen = take_snapshot(one.line, ACCOUNT)
    assert (seen.open_orders, seen.completed_orders, seen.executions, seen.positions) == ((), (), (), ())
    assert seen.value("NetLiquidation", "USD") == 1_000_000
    assert seen.value("NoSuchKey") is None and seen.value("AccountOrGroup") is None
    agrees(seen, simulated)


def test_orders_executions_costs_and_positions(trading: Any) -> None:
    one, simulated = trading()
    send(one.line, "abc-1", "BUY", 100)
    one.expect(Commission)
    send(one.line, "abc-2", "SELL", 40, **limit(500.25))
    send(one.line, "abc-3", "SELL", 10, orderType="STP LMT", auxPrice=90.5, lmtPrice=90.0)
    gone = send(one.line, "abc-4", "BUY", 7, MICROSOFT, **limit(1.0))
    one.expect(OpenOrder, lambda m: m.ref == "abc-4")

    async def cancel(ib: Any) -> None:
        ib.client.cancelOrder(gone, "")

    one.line.call(cancel)
    one.expect(OrderStatus, lambda m: m.status == "Cancelled")
    seen = take_snapshot(one.line, ACCOUNT)
    agrees(seen, simulated)
    assert [(o.ref, o.type, o.limit, o.stop, o.size) for o in seen.open_orders] == [
        ("abc-2", "LMT", D("500.25"), None, 40),
        ("abc-3", "STP LMT", D(90), D("90.5"), 10),
    ]
    first, second = seen.completed_orders
    assert (first.ref, first.con_id, first.side, first.size) == ("abc-1", 265598, "BUY", 100)
    assert (first.filled, first.status) == (100, "Filled")
    assert (second.ref, second.size, second.filled, second.status) == ("abc-4", 7, 0, "Cancelled")
    assert second.reason and second.type == "LMT"
    assert sum(e.size for e in seen.executions) == 100 and {e.ref for e in seen.executions} == {"abc-1"}
    costs = [seen.cost(e.exec_id) for e in seen.executions]
    assert all(cost is not None and cost.amount > 0 and cost.currency == "USD" for cost in costs)
    assert seen.cost("0000.none.01") is None


def test_a_line_that_was_made_to_look_sees_what_others_did(trading: Any, heard: Any) -> None:
    one, simulated = trading(client_id=7)
    send(one.line, "abc-1", "BUY", 100)
    one.expect(Commission)
    send(one.line, "abc-2", "SELL", 40, **limit(500.0))
    one.expect(OpenOrder, lambda m: m.ref == "abc-2")
    look = heard(simulated.port, client_id=0, watch_only=True)
    look.open()
    seen = take_snapshot(look.line, ACCOUNT)
    agrees(seen, simulated)
    assert seen.open_orders[0].client_id == 7
    assert all(seen.cost(e.exec_id) is not None for e in seen.executions)


@pytest.mark.parametrize(
    "fault",
    [
        dict(partial={"slices": 5, "delay": 0.002}),
        dict(dup_exec=True),
        dict(no_filled_status=True),
        dict(no_status=True),
        dict(reorder_status=True),
        dict(hold_status=0.01),
        dict(exec_first=True),
        dict(fill_delay=0.005),
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_what_changes_while_it_is_asked_for(trading: Any, fault: dict[str, Any]) -> None:
    one, simulated = trading()
    simulated.control("set", **fault)
    for i in range(3):
        send(one.line, f"abc-{i}", "SELL" if i == 1 else "BUY", 20 + i)
        seen = take_snapshot(one.line, ACCOUNT)
        # One moment: what the executions add up to is what is held, and no order is missing or twice.
        bought = sum((e.size if e.side == "BUY" else -e.size for e in seen.executions), D(0))
        assert bought == sum(p.size for p in seen.positions)
        both = [o.ref for o in seen.open_orders] + [o.ref for o in seen.completed_orders]
        assert sorted(both) == [f"abc-{n}" for n in range(i + 1)]
    while take_snapshot(one.line, ACCOUNT).open_orders:
        one.expect(Execution)
    agrees(take_snapshot(one.line, ACCOUNT), simulated)


def fill_between_the_answers(line: Connection, simulated: Any, order_id: int, sizes: list[int]) -> None:
    """In each round, fill so much of an order when all is answered but the positions."""

    async def patch(ib: Any) -> None:
        plain = ib.reqPositionsAsync

        async def positions() -> Any:
            while ib.wrapper._futures:
                await asyncio.sleep(0)
            if sizes:
                simulated.control("fill", orderId=order_id, qty=sizes.pop(0), price=1.0)
            return await plain()

        ib.reqPositionsAsync = positions

    line.call(patch)


def test_an_answer_that_is_older_than_another_is_asked_for_again(trading: Any) -> None:
    one, simulated = trading()
    number = send(one.line, "abc-1", "BUY", 7, **limit(1.0))
    one.expect(OpenOrder)
    fill_between_the_answers(one.line, simulated, number, [7])
    seen = take_snapshot(one.line, ACCOUNT)
    agrees(seen, simulated)
    assert [(o.ref, o.filled, o.status) for o in seen.completed_orders] == [("abc-1", 7, "Filled")]


def test_an_account_that_does_not_stand_still(trading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, simulated = trading()
    monkeypatch.setattr("robo_trader.ib.snapshot.ROUNDS", 3)
    number = send(one.line, "abc-1", "BUY", 7, **limit(1.0))
    one.expect(OpenOrder)
    fill_between_the_answers(one.line, simulated, number, [1, 1, 1])
    with pytest.raises(BrokerError, match="changed 3 times"):
        take_snapshot(one.line, ACCOUNT)


def test_corrected_and_late(trading: Any) -> None:
    one, simulated = trading()
    send(one.line, "abc-1", "BUY", 100)
    fill = one.expect(Execution)
    simulated.control("correct", execId=fill.exec_id, price=180.25)
    late = send(one.line, "abc-2", "BUY", 7, **limit(1.0))
    one.expect(OpenOrder, lambda m: m.ref == "abc-2")

    async def cancel(ib: Any) -> None:
        ib.client.cancelOrder(late, "")

    one.line.call(cancel)
    one.expect(OrderStatus, lambda m: m.status == "Cancelled")
    simulated.control("fill", orderId=late, qty=3, price=1.0)
    seen = take_snapshot(one.line, ACCOUNT)
    assert sorted((e.ref, e.size, e.price) for e in seen.executions if e.exec_id != fill.exec_id) == [
        ("abc-1", 100, D("180.25")),
        ("abc-2", 3, 1),
    ]
    assert [p.size for p in seen.positions] == [103]
    assert seen.completed_orders[-1].filled == 3


def test_after_the_line_was_cut_and_the_gateway_restarted(trading: Any, tmp_path: Any) -> None:
    one, simulated = trading(books=str(tmp_path / "books.sqlite"))
    send(one.line, "abc-1", "BUY", 100)
    one.expect(Commission)
    for fault in (dict(cmd="drop"), dict(cmd="restart", secs=0.05)):
        simulated.control(**fault)
        one.expect(Lost)
        one.expect(Opened)
        agrees(take_snapshot(one.line, ACCOUNT), simulated)


def test_a_closed_position_is_none(trading: Any) -> None:
    one, simulated = trading()
    for side in ("BUY", "SELL"):
        send(one.line, f"abc-{side}", side, 10)
        one.expect(Commission)
    agrees(take_snapshot(one.line, ACCOUNT), simulated)


def test_sizes_that_are_parts_of_one_add_up(trading: Any) -> None:
    one, simulated = trading()
    simulated.control("set", partial={"slices": 3, "delay": 0.0})
    for ref, size in (("one", 1), ("tenth", 0.1), ("fifth", 0.2)):
        send(one.line, ref, "BUY", size)
        for _ in range(3):
            one.expect(Commission)
    snapshot = take_snapshot(one.line, ACCOUNT)
    assert sum(done.size for done in snapshot.executions) == D("1.3")
    assert [position.size for position in snapshot.positions] == [D("1.3")]
    assert {o.filled for o in snapshot.completed_orders} == {D(1), D("0.1"), D("0.2")}


def test_another_account_has_nothing_of_this_one(trading: Any) -> None:
    one, _ = trading()
    send(one.line, "abc-1", "BUY", 10)
    one.expect(Commission)
    seen = take_snapshot(one.line, "DU7654321")
    assert (seen.executions, seen.commissions, seen.positions, seen.account_values) == ((), (), (), ())


def test_a_broker_that_does_not_answer_or_refuses(trading: Any) -> None:
    one, simulated = trading()
    simulated.control("set", mute=[53])
    with pytest.raises(BrokerError, match="did not answer within 0.3 s"):
        take_snapshot(one.line, ACCOUNT, 0.3)
    simulated.control("set", mute=[])
    agrees(take_snapshot(one.line, ACCOUNT), simulated)
    simulated.control("set", mute=[53])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(take_snapshot, one.line, ACCOUNT, 60.0)
        while not wait([asked], 0.02).done:
            simulated.control("error", code=321, id=-1, text="The API interface is in Read-Only mode.")
    with pytest.raises(BrokerError, match="read-only"):
        asked.result()
    one.line.close()
    with pytest.raises(LineDownError):
        take_snapshot(one.line, ACCOUNT)
