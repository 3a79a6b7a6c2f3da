"""Orders from placing to their end, against the demo universe's quotes."""

from __future__ import annotations

from typing import Any

import pytest
from gwclient import AAPL, ES, EURUSD, Client, contract

from robo_trader.gateway.settings import Limits

OPTION = (700_000_001, "", "", "", 0.0, "", "", "SMART", "", "", "", "")


def _quote(client: Client, block: tuple[Any, ...] = AAPL) -> tuple[float, float]:
    """Return (bid, ask)."""
    client.send(1, 11, 900, *block, 0, "", 1, 0, "")
    bid = float(client.expect(1, 6, 900, 1)[4])
    ask = float(client.expect(1, 6, 900, 2)[4])
    client.expect(57)
    client.frames = [f for f in client.frames if f[0] not in ("1", "2", "45", "46", "58", "81", "21")]
    return bid, ask


def _kinds(client: Client) -> list[str]:
    """Return the order messages read so far as short words, in their order."""
    words = {
        "5": "order",
        "3": "status",
        "11": "exec",
        "59": "commission",
        "61": "position",
        "7": "portfolio",
    }
    return [words[f[0]] for f in client.frames if f[0] in words]


def test_a_market_order_is_told_in_the_usual_order(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(61, 1)
    client.send(6, 2, 1, "")
    client.expect(54)
    client.frames.clear()
    number = client.order(orderRef="robo-1")
    client.expect(7)
    client.sync()
    kinds = _kinds(client)
    assert kinds[:8] == ["order", "status", "order", "status", "status", "order", "exec", "commission"]
    assert "position" in kinds[8:]
    statuses = [f[2] for f in client.frames if f[0] == "3"]
    assert statuses == ["PreSubmitted", "Submitted", "Filled"]
    done = client.expect(11)
    assert done[2] == str(number) and "robo-1" in done
    paid = client.expect(59)
    assert float(paid[3]) == 1.0 and paid[2] == done[14]


def test_the_spread_is_paid_and_no_more_trades_than_is_offered(demo: Any, connect: Any) -> None:
    client = connect(demo(cash=1e9))
    number = client.order(totalQuantity=8_000, account="DU1234567")
    client.status(number, "Filled")
    client.sync()
    fills = client.take(11)
    prices = [float(f[20]) for f in fills]
    assert len(fills) > 1 and prices == sorted(prices) and prices[-1] > prices[0]
    assert sum(float(f[19]) for f in fills) == 8_000
    paid = sum(float(f[3]) for f in client.take(59))
    assert paid == pytest.approx(40.0)  # 8,000 shares at half a cent


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("LMT", {"lmtPrice": 150.0}),
        ("LOC", {"lmtPrice": 150.0}),
        ("MOC", {}),
        ("LMT", {"lmtPrice": 150.0, "tif": "GTC"}),
        ("LMT", {"lmtPrice": 150.0, "tif": "GTD", "goodTillDate": "20300101 10:00:00 US/Eastern"}),
    ],
)
def test_a_resting_order_works_is_changed_and_cancelled(
    demo: Any, connect: Any, kind: str, fields: Any
) -> None:
    client = connect(demo())
    number = client.order(orderType=kind, **fields)
    client.status(number, "Submitted")
    client.order(number=number, orderType=kind, totalQuantity=50, **fields)
    client.expect(5, number, where=lambda f: float(f[14]) == 50)
    client.send(4, 1, number, "")
    assert client.error(number)[0] == 202
    client.status(number, "Cancelled")
    client.send(4, 1, number, "")
    assert client.error(number)[0] == 10148


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        ("STP", {"auxPrice": 250.0}, "PreSubmitted"),
        ("STP LMT", {"auxPrice": 250.0, "lmtPrice": 251.0}, "PreSubmitted"),
        ("TRAIL", {"auxPrice": 50.0}, "PreSubmitted"),
        ("TRAIL LIMIT", {"auxPrice": 50.0, "trailStopPrice": 300.0, "lmtPriceOffset": 0.1}, "PreSubmitted"),
    ],
)
def test_stops_wait_with_the_broker(demo: Any, connect: Any, kind: str, fields: Any, status: str) -> None:
    client = connect(demo())
    number = client.order(orderType=kind, **fields)
    client.status(number, status)
    client.sync()
    assert client.take(11) == []


@pytest.mark.parametrize("kind", ["STP", "STP LMT", "TRAIL"])
def test_a_stop_that_is_reached_trades(demo: Any, connect: Any, kind: str) -> None:
    client = connect(demo())
    bid, _ = _quote(client)
    fields: dict[str, Any] = {"auxPrice": round(bid - 5, 2), "lmtPrice": round(bid + 5, 2)}
    if kind == "TRAIL":
        fields = {"auxPrice": 5.0, "trailStopPrice": round(bid - 5, 2)}
    number = client.order(orderType=kind, **fields)
    client.status(number, "Submitted")
    client.status(number, "Filled")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"totalQuantity": 0}, 321),
        ({"action": "HOLD"}, 321),
        ({"orderType": "MIDDLE"}, 387),
        ({"tif": "EVER"}, 321),
        ({"orderType": "LMT"}, 321),
        ({"orderType": "STP"}, 321),
        ({"orderType": "TRAIL"}, 321),
        ({"tif": "GTD", "goodTillDate": "tomorrow"}, 321),
        ({"account": "DU999"}, 321),
        ({"orderType": "LMT", "lmtPrice": 150.001}, 110),
        ({"orderType": "STP", "auxPrice": 150.001}, 110),
        ({"totalQuantity": 500_000}, 201),
        ({"parentId": 77}, 135),
        ({"block": (0, "DUAL", "STK", "", 0.0, "", "", "SMART", "", "", "", "")}, 200),
        ({"block": (0, "NONE", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")}, 200),
        ({"totalQuantity": "many"}, 320),
        ({"totalQuantity": "nan"}, 320),
        ({"totalQuantity": "inf"}, 321),
        ({"totalQuantity": -5}, 321),
        ({"totalQuantity": "1e-10"}, 321),
        ({"orderType": "LMT", "lmtPrice": 0}, 321),
        ({"orderType": "LMT", "lmtPrice": -5, "action": "SELL"}, 321),
        ({"orderType": "LMT", "lmtPrice": "1e300"}, 321),
        ({"orderType": "LMT", "lmtPrice": "Infinite"}, 321),
        ({"orderType": "STP", "auxPrice": "-1"}, 321),
        ({"orderType": "TRAIL", "auxPrice": -5, "action": "SELL"}, 321),
        ({"orderType": "TRAIL", "trailingPercent": -2, "action": "SELL"}, 321),
        ({"orderType": "TRAIL", "trailingPercent": 100, "action": "SELL"}, 321),
        ({"ocaType": "one"}, 320),
        ({"parentId": "1.5"}, 320),
        ({"outsideRth": "maybe"}, 320),
        ({"conditions": [(1, "a", 1, "high", 265598, "SMART", 0)]}, 320),
        ({"deltaNeutral": ("MKT", "x", "", "", "", "", 0, 0, "")}, 320),
        ({"block": contract(265_598)}, 321),
        ({"number": 2**31}, 320),
        ({"number": -1}, 320),
    ],
)
def test_what_is_refused_leaves_nothing_behind(demo: Any, connect: Any, fields: Any, code: int) -> None:
    client = connect(demo())
    number = client.order(**fields)
    assert client.error(number)[0] == code
    client.send(16, 1)
    client.expect(53)
    assert client.take(5) == []


def test_modifications_that_are_none(demo: Any, connect: Any) -> None:
    client = connect(demo())
    filled = client.order()
    client.status(filled, "Filled")
    client.order(number=filled, totalQuantity=200)
    assert client.error(filled)[0] == 104
    resting = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(resting, "Submitted")
    client.order(number=resting, action="SELL", orderType="LMT", lmtPrice=150.0)
    assert client.error(resting)[0] == 105
    client.send(4, 1, resting, "")
    client.status(resting, "Cancelled")
    assert client.error(resting)[0] == 202
    client.order(number=resting, orderType="LMT", lmtPrice=150.0)
    assert client.error(resting)[0] == 103
    client.send(4, 1, 4711, "")
    assert client.error(4711)[0] == 10147


def test_a_modification_can_fill(demo: Any, connect: Any) -> None:
    client = connect(demo())
    _, ask = _quote(client)
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Submitted")
    client.order(number=number, orderType="LMT", lmtPrice=round(ask + 1, 2))
    client.status(number, "Filled")
    assert float(client.expect(11)[20]) <= ask + 1


def test_at_once_or_not_at_all(demo: Any, connect: Any) -> None:
    client = connect(demo(cash=1e10))
    away = client.order(orderType="LMT", lmtPrice=150.0, tif="IOC")
    client.status(away, "Cancelled")
    _, ask = _quote(client)
    part = client.order(orderType="LMT", lmtPrice=round(ask + 0.02, 2), tif="IOC", totalQuantity=500_000)
    done = client.status(part, "Cancelled")
    assert 0 < float(done[3]) < 500_000
    whole = client.order(orderType="LMT", lmtPrice=round(ask + 0.02, 2), tif="FOK", totalQuantity=500_000)
    assert float(client.status(whole, "Cancelled")[3]) == 0
    good = client.order(orderType="LMT", lmtPrice=round(ask + 1, 2), tif="FOK")
    client.status(good, "Filled")


def _bracket(client: Client, entry: dict[str, Any], profit: float, loss: float) -> tuple[int, int, int]:
    parent = client.order(transmit=0, totalQuantity=10, **entry)
    first = client.order(
        action="SELL", orderType="LMT", lmtPrice=profit, parentId=parent, transmit=0, totalQuantity=10
    )
    second = client.order(action="SELL", orderType="STP", auxPrice=loss, parentId=parent, totalQuantity=10)
    return parent, first, second


def test_a_bracket_waits_for_its_last_child_and_for_its_parent(
    demo: Any, connect: Any, commands: Any
) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    parent = client.order(transmit=0, orderType="LMT", lmtPrice=150.0, totalQuantity=10)
    client.sync()
    assert client.take(5) == []
    profit = client.order(
        action="SELL", orderType="LMT", lmtPrice=400.0, parentId=parent, transmit=0, totalQuantity=10
    )
    loss = client.order(action="SELL", orderType="STP", auxPrice=100.0, parentId=parent, totalQuantity=10)
    client.status(parent, "Submitted")
    client.status(profit, "PreSubmitted")
    client.status(loss, "PreSubmitted")
    control("fill", orderId=parent, qty=4, price=150.0)
    client.status(parent, "Submitted")
    client.sync()
    assert not [f for f in client.frames if f[:3] == ["3", str(profit), "Submitted"]]
    control("fill", orderId=parent)
    client.status(parent, "Filled")
    client.status(profit, "Submitted")
    control("fill", orderId=profit, price=400.0)
    client.status(profit, "Filled")
    client.status(loss, "Cancelled")


def test_a_family_is_sent_in_its_order(demo: Any, connect: Any) -> None:
    client = connect(demo())
    parent, profit, loss = _bracket(client, {}, 400.0, 100.0)
    client.status(loss, "PreSubmitted")
    client.sync()
    firsts = list(dict.fromkeys(int(f[1]) for f in client.frames if f[0] == "5"))
    assert firsts == [parent, profit, loss]


def test_modifications_can_be_warned_about_and_rejected(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Submitted")
    control("reject", code=399)
    client.order(number=number, orderType="LMT", lmtPrice=151.0)
    assert client.error(number)[0] == 399
    control("reject", code="201")
    client.order(number=number, orderType="LMT", lmtPrice=152.0)
    assert client.error(number)[0] == 201
    control("reject", code="inactive")
    client.order(number=number, orderType="LMT", lmtPrice=153.0)
    client.status(number, "Inactive")


def test_a_child_that_is_filled_in_part_shrinks_the_other(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    _, profit, loss = _bracket(client, {}, 400.0, 100.0)
    client.status(profit, "Submitted")
    control("fill", orderId=profit, qty=4, price=400.0)
    client.expect(5, loss, where=lambda f: float(f[14]) == 6)
    control("fill", orderId=profit, price=400.0)
    client.status(loss, "Cancelled")
    state = control("state")
    assert state["pos"] == {}


def test_a_cancelled_parent_takes_its_children_along(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    parent, profit, loss = _bracket(client, {"orderType": "LMT", "lmtPrice": 150.0}, 400.0, 100.0)
    control("fill", orderId=parent, qty=4, price=150.0)
    client.status(parent, "Submitted")
    client.send(4, 1, parent, "")
    for number in (parent, profit, loss):
        client.status(number, "Cancelled")
    assert control("state")["pos"] == {"265598": 4.0}


def test_a_long_line_of_descendants_ends_with_its_ancestor(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo(limits=Limits(message_rate=1e6))
    client, control = connect(gateway), commands(gateway)
    count = 1500
    for i in range(1, count + 1):
        client.order(number=i, parentId=i - 1, orderType="LMT", lmtPrice=100.0, transmit=0)
    client.send(4, 1, 1, "")
    client.status(count, "Cancelled")
    assert {o["status"] for o in control("state")["orders"]} == {"Cancelled"}


@pytest.mark.parametrize("fields", [{"lmtPriceOffset": 1.0}, {"lmtPrice": 149.0}])
def test_a_trailing_limit_lies_beyond_its_stop(demo: Any, connect: Any, fields: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    number = client.order(
        orderType="TRAIL LIMIT", action="SELL", auxPrice=50.0, trailStopPrice=150.0, totalQuantity=1, **fields
    )
    client.status(number, "PreSubmitted")
    (order,) = gateway.server.gateway.desk.alive()
    assert order.limit == pytest.approx(order.stop - 1.0)


@pytest.mark.parametrize(("kind", "left"), [(1, 0.0), (2, 6.0), (3, 6.0)])
def test_groups_cancel_or_shrink(demo: Any, connect: Any, commands: Any, kind: int, left: float) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    first, second = (
        client.order(orderType="LMT", lmtPrice=p, totalQuantity=10, ocaGroup="g", ocaType=kind)
        for p in (150.0, 149.0)
    )
    client.status(second, "Submitted")
    control("fill", orderId=first, qty=4, price=150.0)
    if left:
        client.expect(5, second, where=lambda f: float(f[14]) == left)
    else:
        client.status(second, "Cancelled")


def test_what_if_answers_with_margin_and_nothing_else(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    number = client.order(whatIf=1)
    answer = client.expect(5, number)
    at = answer.index("PreSubmitted")
    before, change, after = (float(answer[at + i]) for i in (1, 4, 7))
    assert before == 0 and change == after and 8_000 < change < 11_000
    client.sync()
    assert client.take(3) == [] and client.take(11) == []
    assert commands(gateway)("state")["orders"] == []


def test_every_client_sees_its_own_and_client_zero_sees_all(demo: Any, connect: Any) -> None:
    gateway = demo()
    master, one, two = connect(gateway, 0), connect(gateway, 1), connect(gateway, 2)
    number = one.order(orderType="LMT", lmtPrice=150.0)
    one.status(number, "Submitted")
    assert master.expect(3, number, "Submitted")[9] == "1"
    two.send(5, 1)
    two.expect(53)
    assert two.take(5) == [] and two.take(3) == []
    two.send(16, 1)
    two.expect(53)
    assert len(two.take(5)) == 1
    # Numbers are counted for each client: the same one is another order.
    assert two.order(orderType="LMT", lmtPrice=151.0, number=number) == number
    two.status(number, "Submitted")
    two.send(58, 1)
    one.status(number, "Cancelled")
    two.status(number, "Cancelled")


def test_executions_and_completed_orders_are_told_again(demo: Any, connect: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    bought = client.order(orderRef="a")
    client.status(bought, "Filled")
    sold = client.order(action="SELL", orderRef="b", totalQuantity=40)
    client.status(sold, "Filled")
    client.sync()
    told = {f[14] for f in client.take(11)}
    client.take(59)
    client.send(7, 3, 5, 0, "", "", "", "", "", "")
    client.expect(55, 1, 5)
    again = client.take(11)
    assert {f[14] for f in again} == told and {f[1] for f in again} == {"5"}
    realized = [f[5] for f in client.take(59)]
    assert realized[0].startswith("1.797") and not realized[1].startswith("1.797")
    client.send(7, 3, 6, 0, "", "", "AAPL", "", "", "SELL")
    client.expect(55, 1, 6)
    assert len(client.take(11)) == 1
    client.send(7, 3, 7, 0, "", "20300101 00:00:00 UTC", "", "", "", "")
    client.expect(55, 1, 7)
    assert client.take(11) == []
    client.send(99, 0)
    client.expect(102)
    assert len(client.take(101)) == 2
    # After a reconnect the next id is above every one that was used.
    client.close()
    again_there = connect(gateway, 2)
    again_there.close()
    assert connect(gateway, 3).next_id == 1


def test_positions_cost_and_profit(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo(cash=1e6)
    client, control = connect(gateway), commands(gateway)
    client.send(61, 1)
    client.expect(62)
    future = client.order(block=ES, totalQuantity=2, orderType="LMT", lmtPrice=4000.0)
    client.status(future, "Submitted")
    control("fill", orderId=future, price=5000.0)
    held = client.expect(61)
    assert held[10] == ""  # the exchange
    assert (float(held[-2]), float(held[-1])) == (2.0, 250_000.0)
    out = client.order(block=ES, action="SELL", totalQuantity=2, orderType="LMT", lmtPrice=6000.0)
    client.status(out, "Submitted")
    control("fill", orderId=out, price=5010.0)
    client.status(out, "Filled")
    client.sync()
    paid = 4 * 2.25
    assert control("state")["cash"] == pytest.approx(1e6 + 2 * 10 * 50 - paid)


@pytest.mark.parametrize("block", [OPTION, EURUSD, ES])
def test_other_kinds_of_contracts_trade(demo: Any, connect: Any, block: tuple[Any, ...]) -> None:
    client = connect(demo())
    number = client.order(block=block, totalQuantity=3 if block is not EURUSD else 20_000)
    client.status(number, "Filled")
    assert float(client.expect(59)[3]) > 0


def test_a_reversal_realises_what_it_closes(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    for action, size, price in (("BUY", 10, 100.0), ("SELL", 30, 110.0), ("BUY", 20, 105.0)):
        number = client.order(
            action=action, totalQuantity=size, orderType="LMT", lmtPrice=50.0 if action == "BUY" else 500.0
        )
        client.status(number, "Submitted")
        control("fill", orderId=number, price=price)
        client.status(number, "Filled")
    client.send(6, 2, 1, "")
    client.expect(54)
    rows = {f[2]: f[3] for f in client.take(6) if f[4] == "USD"}
    assert float(rows["RealizedPnL"]) == pytest.approx(10 * 10 + 20 * 5)
    assert control("state")["pos"] == {}
