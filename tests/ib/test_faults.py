"""The simulated gateway misbehaves; orders, fills and costs worked out from the line equal its books."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from robo_trader.ib.connection import Connection
from robo_trader.ib.executions import Conflict, Corrected, Filled, Order, Orders, State
from robo_trader.ib.messages import Execution, Lost, Opened, Problem

APPLE = dict(conId=265598, symbol="AAPL", secType="STK", exchange="SMART", currency="USD")
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "partial": dict(partial={"slices": 4, "delay": 0.01}),
    "dup_exec": dict(dup_exec=True),
    "exec_first": dict(exec_first=True),
    "dup_status": dict(dup_status=True),
    "reorder_status": dict(reorder_status=True),
    "hold_status": dict(hold_status=0.05),
    "no_status": dict(no_status=True),
    "no_filled_status": dict(no_filled_status=True),
    "comm_delay": dict(comm_delay=0.05),
    "fill_delay": dict(fill_delay=0.02),
}


class Session:
    """Orders over a line: each is announced before it is sent, and every message is applied."""

    def __init__(self, heard: Any) -> None:
        self.heard, self.line, self.orders = heard, heard.line, Orders()
        self.changes: list[Any] = []

    def send(self, ref: str, side: str, size: int) -> Order:
        line: Connection = self.line

        async def place(ib: Any) -> Order:
            number = ib.client.getReqId()
            order = self.orders.announce(
                ref, client_id=line.line.client_id, order_id=number, side=side, size=Decimal(size)
            )
            fields = dict(orderId=number, action=side, totalQuantity=size, orderType="MKT", orderRef=ref)
            ib.placeOrder(line.library.contract(**APPLE), line.library.order(**fields, tif="DAY"))
            return order

        return line.call(place)

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            self.apply(self.heard.inbox.get(timeout=60))

    def apply(self, message: Any) -> None:
        self.heard.all.append(message)
        self.changes += self.orders.apply(message)

    def known_cost(self) -> Decimal | None:
        """What the fills cost, or None while a commission is missing."""
        costs = [self.orders.commission(fill) for order in self.orders for fill in order.fills.values()]
        return None if None in costs else sum((c.amount for c in costs if c is not None), Decimal(0))


@pytest.fixture
def session(gateway: Any, heard: Any) -> Any:
    def start(**faults: Any) -> tuple[Session, Any]:
        simulated = gateway()
        one = heard(simulated.port)
        one.open()
        if faults:
            simulated.control("set", **faults)
        return Session(one), simulated

    return start


def agree(session: Session, simulated: Any) -> None:
    state = simulated.control("state")
    books = {int(k): Decimal(str(v)) for k, v in state["pos"].items()}
    assert session.orders.position("DU1234567", 265598) == books.get(265598, Decimal(0))
    filled = [c for c in session.changes if isinstance(c, Filled)]
    assert len(filled) == len({c.execution.exec_id for c in filled})
    assert not any(isinstance(c, Conflict) for c in session.changes)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone(session: Any, fault: str) -> None:
    trading, simulated = session(**FAULTS[fault])
    sent = [trading.send(f"r{i}", "BUY" if i != 1 else "SELL", 40) for i in range(3)]
    trading.until(lambda: all(order.state is State.FILLED for order in sent))
    trading.until(lambda: trading.known_cost() is not None)
    assert [order.executed for order in sent] == [40, 40, 40]
    agree(trading, simulated)


def test_random_pairs_with_the_line_cut(session: Any) -> None:
    chance = random.Random(20261120)
    for _ in range(6):
        first, second = chance.sample(sorted(FAULTS), 2)
        trading, simulated = session(**FAULTS[first], **FAULTS[second])
        sent = [trading.send(f"r{i}", chance.choice(["BUY", "SELL"]), 10 + i) for i in range(3)]
        # What was sent has arrived once the gateway knows its orders.
        trading.until(lambda sent=sent: all(o.perm_id for o in sent))
        simulated.control("drop")
        trading.until(lambda heard=trading.heard: any(isinstance(m, Lost) for m in heard.all))
        trading.until(lambda sent=sent: all(o.state is State.FILLED for o in sent))
        agree(trading, simulated)


def test_corrections_and_repetitions(session: Any) -> None:
    trading, simulated = session()
    order = trading.send("r1", "BUY", 100)
    trading.until(lambda: order.state is State.FILLED)
    trading.until(lambda: trading.known_cost() is not None)
    simulated.control("correct", price=180.25)
    trading.until(lambda: any(isinstance(c, Corrected) for c in trading.changes))
    before = len(trading.changes)
    simulated.control("resend_execs")
    simulated.control("resend_status")
    simulated.control("error", code=2110, id=-1)
    trading.until(lambda: any(isinstance(m, Problem) and m.code == 2110 for m in trading.heard.all))
    assert [c for c in trading.changes[before:] if isinstance(c, Filled | Corrected)] == []
    assert [fill.price for fill in order.fills.values()][-1] == Decimal("180.25")
    agree(trading, simulated)


@pytest.mark.parametrize("code", [201, 110, 321])
def test_rejections(session: Any, code: int) -> None:
    trading, simulated = session()
    simulated.control("reject", code=code)
    order = trading.send("r1", "BUY", 10)
    trading.until(lambda: order.state is State.REJECTED)
    assert f"error {code}" in order.refused
    agree(trading, simulated)


@pytest.mark.parametrize("code", [399, 404])
def test_warnings_leave_an_order_alive(session: Any, code: int) -> None:
    trading, simulated = session()
    simulated.control("reject", code=code)
    order = trading.send("r1", "BUY", 10)
    trading.until(lambda: order.state is State.FILLED)
    agree(trading, simulated)


def test_a_restarted_program_knows_its_fills_again(session: Any, gateway: Any, heard: Any) -> None:
    trading, simulated = session()
    order = trading.send("r1", "BUY", 30)
    trading.until(lambda: order.state is State.FILLED)
    trading.line.close()
    again = Session(heard(simulated.port))
    mine = again.orders.announce("r1", client_id=1, order_id=order.order_id, side="BUY", size=Decimal(30))
    again.heard.open()
    again.until(lambda: any(isinstance(m, Opened) for m in again.heard.all))
    assert mine.state is State.FILLED and mine.perm_id == order.perm_id
    told = [m for m in again.heard.all if isinstance(m, Execution)]
    assert {m.exec_id for m in told} == {f.exec_id for f in order.fills.values()}
