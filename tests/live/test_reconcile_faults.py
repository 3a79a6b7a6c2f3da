"""A journal that was cut off at any message, and a gateway that misbehaves: one comparison mends it.

`ROBO_RECONCILE_SCHEDULES` runs that many random schedules instead of a few.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from standings import put_right, stand

from robo_trader import clock
from robo_trader.errors import GatewayError
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.contracts import ContractName, Qualified
from robo_trader.ib.executions import split_id
from robo_trader.ib.messages import Commission, Execution, Lost, Message, Opened, OpenOrder, OrderStatus
from robo_trader.ib.snapshot import Snapshot, take_snapshot
from robo_trader.journal.standing import Standing, StandingFill, StandingOrder
from robo_trader.live.books.reconcile import OVER, compare

D = Decimal
ACCOUNT = "DU1234567"
CON_IDS = {"AAPL": 265598, "MSFT": 272093}
CONTRACTS = {
    symbol: Qualified(ContractName(symbol, con_id=con_id), symbol, 0.01, "US/Eastern")
    for symbol, con_id in CON_IDS.items()
}
FAULTS: dict[str, dict[str, Any]] = {
    "partial": dict(partial={"slices": 3, "delay": 0.005}),
    "stuck": dict(partial={"slices": 3, "delay": 0.0, "stop_after": 1}),
    "dup_exec": dict(dup_exec=True),
    "exec_first": dict(exec_first=True),
    "dup_status": dict(dup_status=True),
    "reorder_status": dict(reorder_status=True),
    "hold_status": dict(hold_status=0.02),
    "no_status": dict(no_status=True),
    "no_filled_status": dict(no_filled_status=True),
    "comm_delay": dict(comm_delay=0.02),
    "fill_delay": dict(fill_delay=0.01),
}
SCHEDULES = int(os.environ.get("ROBO_RECONCILE_SCHEDULES", "6"))


class Schedule:
    """Random orders and faults at one gateway; `told` is all that the line told."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        settings = GatewaySettings(port=0, control_port=0, books=str(folder / f"{seed}.sqlite"))
        self.simulated = EmbeddedGateway(lambda: demo_gateway(settings)).__enter__()
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        line = Line(port=self.simulated.port, timeout=60.0, retry_first=0.02, retry_most=0.1)
        self.line = Connection(line, self.inbox.put)
        self.orders: list[StandingOrder] = []
        self.numbers: dict[str, int] = {}
        self.told: list[Message] = []

    def close(self) -> None:
        self.line.close()
        self.simulated.close()

    def until(self, kind: type[Any], seconds: float = 60.0) -> None:
        while True:
            self.told.append(self.inbox.get(timeout=seconds))
            if isinstance(self.told[-1], kind):
                return

    def run(self) -> None:
        self.line.open()
        for name in self.chance.sample(sorted(FAULTS), 2):
            self.simulated.control("set", **FAULTS[name])
        for _ in range(self.chance.randint(4, 8)):
            self.chance.choice(
                [self.trade, self.trade, self.trade, self.cancel, self.correct, self.late, self.cut]
            )()

    def trade(self) -> None:
        number = len(self.orders) + 1
        symbol, side = self.chance.choice(sorted(CON_IDS)), self.chance.choice(["BUY", "SELL"])
        limit = None if self.chance.random() < 0.6 else D("1.01") if side == "BUY" else D("2000.01")
        order = StandingOrder(
            number, f"abc123-{number}", symbol, side, "Market" if limit is None else "Limit",  # type: ignore[arg-type]
            D(self.chance.randint(3, 90)), limit, None, None, None, "Created", D(0), "", clock.now(),
        )  # fmt: skip
        self.orders.append(order)  # Decided and journalled; a crash may come before it leaves.
        if self.chance.random() < 0.1:
            return
        fields = dict(
            action=side, totalQuantity=float(order.size), orderType="MKT" if limit is None else "LMT",
            lmtPrice=float(limit or 0), orderRef=order.ref, tif="GTC",
        )  # fmt: skip
        contract = dict(conId=CON_IDS[symbol], symbol=symbol, secType="STK", exchange="SMART", currency="USD")

        async def place(ib: Any) -> int:
            number: int = ib.client.getReqId()
            library = self.line.library
            ib.placeOrder(library.contract(**contract), library.order(orderId=number, **fields))
            return number

        self.numbers[order.ref] = self.line.call(place)

    def cancel(self) -> None:
        if not self.numbers:
            return
        number = self.chance.choice(sorted(self.numbers.values()))

        async def cancel(ib: Any) -> None:
            ib.client.cancelOrder(number, "")

        self.line.call(cancel)

    def correct(self) -> None:
        if self.simulated.control("state")["execs"]:
            self.simulated.control("correct", price=self.chance.randint(100, 300))

    def late(self) -> None:
        """Fill a part of an order by hand that was cancelled, or of one that works."""
        left = [o for o in self.simulated.control("state")["orders"] if o["filled"] + 1 < o["qty"]]
        if left:
            order = self.chance.choice(left)
            with contextlib.suppress(GatewayError):  # It may be filled by now.
                self.simulated.control("fill", orderId=order["id"], qty=1, price=100.0)

    def cut(self) -> None:
        self.simulated.control(*self.chance.choice([("drop",), ("restart",)]), secs=0.03)
        self.until(Lost)
        self.until(Opened)

    def look(self) -> Snapshot:
        """Look at the broker's books when nothing moves any more."""
        while True:
            # Told each time: a slice on its way when the fault ends still sticks.
            self.simulated.control("set", partial=None)
            seen = take_snapshot(self.line, ACCOUNT)
            if all(order.type != "MKT" for order in seen.open_orders):
                while not self.inbox.empty():
                    self.told.append(self.inbox.get())
                return seen

    def journal(self, upto: int) -> Standing:
        """What a journal has that was cut off after `upto` messages."""
        refs = {order.ref: order for order in self.orders}
        owner: dict[int, str] = {}
        fills: dict[str, StandingFill] = {}
        costs: dict[str, Decimal] = {}
        status: dict[str, str] = {}
        for message in self.told[:upto]:
            match message:
                case OpenOrder(ref=ref):
                    owner[message.perm_id] = ref
                    status.setdefault(ref, "Accepted")
                case OrderStatus(status="Cancelled") if message.perm_id in owner:
                    status[owner[message.perm_id]] = "Canceled"
                case Execution(ref=ref):
                    name, number = split_id(message.exec_id)
                    old = fills.get(name)
                    if old is None or split_id(old.execution or "")[1] < number:
                        fills[name] = StandingFill(
                            refs[ref].number, ref, message.exec_id, message.time, refs[ref].symbol,
                            message.side, message.size, message.price, D(0),
                        )  # fmt: skip
                case Commission():
                    costs[message.exec_id] = message.amount
        booked = [replace(f, commission=costs.get(f.execution or "", D(0))) for f in fills.values()]
        return stand([replace(o, status=status.get(o.ref, "Created")) for o in self.orders], booked)


@pytest.fixture
def schedule(tmp_path: Path) -> Iterator[Any]:
    made: list[Schedule] = []

    def start(seed: int) -> Schedule:
        made.append(Schedule(seed, tmp_path))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_one_comparison_mends_a_journal_that_was_cut_off(schedule: Any, seed: int) -> None:
    one = schedule(seed)
    one.run()
    seen = one.look()
    state = one.simulated.control("state")
    books = {o["ref"]: o for o in state["orders"]}
    for upto in sorted({0, len(one.told), *(one.chance.randint(0, len(one.told)) for _ in range(4))}):
        before = one.journal(upto)
        found = compare(before, seen, CONTRACTS, account=ACCOUNT)
        assert found.differences == (), (seed, upto)
        after = put_right(before, found)
        held = {CON_IDS[symbol]: float(size) for symbol, size in after.positions.items()}
        assert held == {int(k): v for k, v in state["pos"].items()}
        assert len(after.fills) == state["execs"] == len({f.execution for f in after.fills})
        for order in after.orders:
            theirs = books.get(order.ref)
            assert float(order.filled) == (theirs["filled"] if theirs else 0), order
            alive = theirs is not None and theirs["status"] in ("PreSubmitted", "Submitted", "PendingCancel")
            assert alive == (order.status not in OVER), (order, theirs)
        again = compare(after, seen, CONTRACTS, account=ACCOUNT)
        assert (again.differences, again.fills_missed, again.orders_gone, again.never_sent) == (
            (),
            (),
            (),
            (),
        )
        assert again.charges == ()
