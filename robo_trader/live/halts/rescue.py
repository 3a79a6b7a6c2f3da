"""The orders of a session that does not answer, dealt with at the broker under its client id.

A line of its own asks for what is open, chooses by `choosing`, cancels, and waits until the broker has
acknowledged each cancellation. What the run holds is what its journal says, with the executions that the
broker lists and the journal does not have yet; where there is no journal to read, the account's positions
stand in.

Failure contract: everything raises `BrokerError`, or `LineDownError` where the line breaks. What was sent by
then is sent; nothing is sent twice but cancellations.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from robo_trader import clock
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.diagnosis import CLIENT_ID_IN_USE, read_only, read_only_error
from robo_trader.ib.executions import split_id
from robo_trader.ib.messages import Commission, Execution, Message, OpenOrder, OrderStatus, Position, Problem
from robo_trader.live.halts.choosing import Resting, left_bare, to_cancel
from robo_trader.records import Side

#: How long the broker may take to acknowledge cancellations, and orders to be gone, in seconds.
ACKNOWLEDGED, GONE, FILLED = 1.0, 3.0, 3.0
#: How often open orders are looked at: fills on the way may change what enlarges exposure.
_ROUNDS = 3
_DONE = frozenset({"Filled", "Cancelled", "ApiCancelled"})
#: 202 cancelled; 135, 161, 10147, 10148: it is not there, or not any more in a state to be cancelled.
_NOTHING_LEFT = frozenset({202, 135, 161, 10147, 10148})


class ClientIdInUse(BrokerError):
    """Somebody else is connected under this client id."""


@dataclass(frozen=True, slots=True)
class RunBook:
    """What the journal has of a run: signed `positions` by symbol and the executions that they contain.

    `executions` are ids without their last part, `con_ids` the broker's contracts, and `prefix` begins the
    references of the run's orders. `simulated` tells that its last session traded on a simulated gateway.
    """

    prefix: str
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    executions: Collection[str] = ()
    con_ids: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An order that the broker works under our client id; `number` and `parent` are that client's."""

    number: int
    ref: str
    con_id: int
    symbol: str
    side: Side
    type: str
    size: Decimal
    filled: Decimal
    parent: int
    group: str
    status: str

    def text(self) -> str:
        """Return the order in words."""
        left = as_text(self.size - self.filled)
        return f"{self.name} ({self.side} {left} {self.symbol} {self.type})"

    @property
    def name(self) -> str:
        """Its reference, or its number where it has none."""
        return self.ref or f"order {self.number}"

    def resting(self) -> Resting:
        """Return it for the choice; its reference there is its number."""
        return Resting(
            ref=str(self.number), instrument=self.con_id, side=self.side, remaining=self.size - self.filled,
            type=self.type, parent=str(self.parent) if self.parent else "", group=self.group,
            filled=self.filled,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flat:
    """An order that closes a position: `filled` of `size` was filled when waiting was over."""

    ref: str
    con_id: int
    symbol: str
    side: Side
    size: Decimal
    filled: Decimal = Decimal(0)

    def text(self) -> str:
        """Return the order in words, with what was filled where that is some."""
        filled = f", {as_text(self.filled)} filled" if self.filled else ""
        return f"{self.side} {as_text(self.size)} {self.symbol}{filled}"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a selective cancellation did: what went, what stays, and parents whose fills are left bare."""

    gone: tuple[Held, ...]
    stays: tuple[Held, ...]
    bare: tuple[Held, ...]


class BrokerSide:
    """A line to the broker under `line`'s client id; close it, or use it in a ``with`` block.

    `book` is what is known of the run, None where nobody knows. Opening raises `ClientIdInUse` where the
    broker says so.
    """

    def __init__(self, line: Line, book: RunBook | None = None) -> None:
        self.line, self.book = line, book
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._open: dict[tuple[int, int], OpenOrder] = {}
        self._statuses: dict[tuple[int, int], OrderStatus] = {}
        self._positions: dict[int, Position] = {}
        self.executions: dict[str, Execution] = {}
        self.commissions: dict[str, Commission] = {}
        self._problems: list[Problem] = []
        self._connection = Connection(line, self._inbox.put)
        try:
            self._connection.open()
        except BrokerError as error:
            self._take()
            if any(problem.code == CLIENT_ID_IN_USE for problem in self._problems):
                raise ClientIdInUse(error.message, hint=error.hint) from error
            raise
        self._take()

    @property
    def up(self) -> bool:
        """True while the line is up."""
        return self._connection.up

    def close(self) -> None:
        """Close the line."""
        self._connection.close()

    def __enter__(self) -> BrokerSide:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is there -----------------------------------------------------------------------------

    def orders(self, client: int | None = None) -> list[Held]:
        """Ask for the orders that the broker works for this account and our client id, or another one's."""
        self._take()
        self._open.clear()

        async def ask(ib: Any) -> dict[int, tuple[str, int, str]]:
            await (ib.reqOpenOrdersAsync() if client is None else ib.reqAllOpenOrdersAsync())
            # Family and group of an order never change, so what the library keeps of them is as good.
            return {
                t.order.permId: (t.contract.symbol, t.order.parentId, t.order.ocaGroup) for t in ib.trades()
            }

        more = self._connection.call(ask)
        self._take()
        found = []
        for (owner, number), order in self._open.items():
            if owner != (self.line.client_id if client is None else client):
                continue
            status = self._statuses.get((owner, number))
            word = status.status if status is not None else order.status
            if word in _DONE or order.status in _DONE:
                continue
            filled = status.filled if status is not None else Decimal(0)
            symbol, parent, group = more.get(order.perm_id, (str(order.con_id), 0, ""))
            found.append(
                Held(number, order.ref, order.con_id, symbol, order.side, order.type, order.size,
                     filled, int(parent or 0), group or "", word)
            )  # fmt: skip
        return found

    def enlarging(self, client: int, prefix: str, *, cancel_all: bool) -> list[Held]:
        """Return what a halt would cancel of another client's orders whose references begin with `prefix`.

        Nobody but that client can cancel them one by one.
        """
        orders = [order for order in self.orders(client) if order.ref.startswith(prefix)]
        goes = set(self._goes(orders, cancel_all))
        return [order for order in orders if str(order.number) in goes]

    def positions(self) -> dict[int, Decimal]:
        """Return what the run holds, by contract, signed.

        Where there is no book, or a symbol of it whose contract nobody can name, the account's positions.
        """
        self._take()
        if self.book is None:
            return self._account()
        held: dict[int, Decimal] = {}
        for symbol, size in self.book.positions.items():
            con_id = self.book.con_ids.get(symbol) or self._contract_of(symbol)
            if not con_id:
                return self._account()
            held[con_id] = held.get(con_id, Decimal(0)) + size
        for name, execution in self.executions.items():
            if execution.ref.startswith(self.book.prefix) and name not in self.book.executions:
                signed = execution.size if execution.side == "BUY" else -execution.size
                held[execution.con_id] = held.get(execution.con_id, Decimal(0)) + signed
        return {con_id: size for con_id, size in held.items() if size}

    def _account(self) -> dict[int, Decimal]:
        return {p.con_id: p.size for p in self._positions.values() if p.size}

    def _contract_of(self, symbol: str) -> int:
        """Return the contract of a symbol by what the account holds; 0 where that names none or several."""
        found = {p.con_id for p in self._positions.values() if p.symbol == symbol}
        return found.pop() if len(found) == 1 else 0

    def _goes(self, orders: Sequence[Held], cancel_all: bool) -> list[str]:
        """Choose among `orders`; what the run did not send is judged by what the account holds."""
        resting = [order.resting() for order in orders if order.size > order.filled]
        prefix = self.book.prefix if self.book is not None else ""
        own = {str(order.number) for order in orders if order.ref.startswith(prefix)}
        return [
            *to_cancel([one for one in resting if one.ref in own], self.positions(), cancel_all=cancel_all),
            *to_cancel(
                [one for one in resting if one.ref not in own], self._account(), cancel_all=cancel_all
            ),
        ]

    # -- cancelling --------------------------------------------------------------------------------

    def cancel(self, *, cancel_all: bool, sent: Callable[[Sequence[Held]], None]) -> Cancelled:
        """Cancel what enlarges exposure, or everything, and wait until the broker acknowledged it.

        `sent` is called with what has just been sent.
        """
        gone: dict[int, Held] = {}
        bare: dict[int, Held] = {}
        for turn in range(_ROUNDS + 1):
            orders = {str(order.number): order for order in self.orders()}
            refs = self._goes(list(orders.values()), cancel_all)
            goes = [orders[ref] for ref in refs if orders[ref].status != "PendingCancel"]
            if not goes:
                leaving = set(refs) | {str(n) for n in gone}
                stays = tuple(order for ref, order in orders.items() if ref not in leaving)
                return Cancelled(tuple(gone.values()), stays, tuple(bare.values()))
            if turn == _ROUNDS:
                break
            for one in left_bare([order.resting() for order in orders.values()], refs):
                bare[int(one.ref)] = orders[one.ref]
            self._send_cancels([order.number for order in goes])
            gone |= {order.number: order for order in goes}
            sent(goes)
            self._acknowledged({order.number for order in goes})
        raise BrokerError(f"orders that enlarge exposure are still open after {_ROUNDS} rounds of cancelling")

    def cancel_everything(self) -> None:
        """Send the global cancel."""

        async def put(ib: Any) -> None:
            ib.client.reqGlobalCancel()

        self._connection.call(put)

    def left_of_everything(self) -> int:
        """Wait until no order of the login is open, and return how many still are."""
        until = clock.monotonic() + GONE
        while True:
            left = self._everybodys()
            if not left or clock.monotonic() > until:
                return left
            self._take(0.05)

    def _everybodys(self) -> int:
        self._take()
        self._open.clear()

        async def ask(ib: Any) -> None:
            await ib.reqAllOpenOrdersAsync()

        self._connection.call(ask)
        everybody = [m for m in self._heard() if isinstance(m, OpenOrder)]
        return len({m.perm_id for m in everybody if m.status not in _DONE})

    def _send_cancels(self, numbers: Sequence[int]) -> None:
        self._problems.clear()

        async def put(ib: Any) -> None:
            for number in numbers:
                ib.client.cancelOrder(number)

        self._connection.call(put)

    def _acknowledged(self, numbers: Collection[int]) -> None:
        """Wait until the broker has said of each order that it is cancelled, or being cancelled, or gone."""
        client = self.line.client_id
        waiting = set(numbers)

        def done(told: OpenOrder | OrderStatus | None) -> bool:
            return told is not None and told.status in _DONE | {"PendingCancel"}

        def none_left() -> bool:
            for problem in self._problems:
                if read_only(problem):
                    raise read_only_error()
                if problem.code in _NOTHING_LEFT:
                    waiting.discard(problem.id)
            for number in list(waiting):
                own = client, number
                if done(self._statuses.get(own)) or done(self._open.get(own)):
                    waiting.discard(number)
            return not waiting

        if not self._wait(none_left, ACKNOWLEDGED):
            raise BrokerError(
                f"the broker has not acknowledged {len(waiting)} of {len(numbers)} cancellations "
                f"within {ACKNOWLEDGED:g} s"
            )

    # -- flattening --------------------------------------------------------------------------------

    def wait_until_gone(self) -> list[Held]:
        """Wait until no order is open, and return those that still are."""
        until = clock.monotonic() + GONE
        while True:
            left = self.orders()
            if not left or clock.monotonic() > until:
                return left
            self._take(0.05)

    def to_close(self) -> list[Flat]:
        """Return what would close the run's positions, never more than the account holds on that side."""
        self._ask_positions()
        account = {p.con_id: p for p in self._positions.values()}
        wanted = []
        for con_id, size in self.positions().items():
            there = account.get(con_id)
            held = there.size if there is not None else Decimal(0)
            if there is None or (held > 0) != (size > 0):
                continue
            side: Side = "SELL" if size > 0 else "BUY"
            symbol = next((s for s, c in (self.book.con_ids if self.book else {}).items() if c == con_id), "")
            wanted.append(Flat("", con_id, symbol or there.symbol, side, min(abs(size), abs(held))))
        return [flat for flat in wanted if flat.size > 0]

    def close_positions(self, orders: Sequence[Flat]) -> None:
        """Send market orders; each has its reference."""
        library, client = self._connection.library, self.line.client_id
        told = {*self._open, *self._statuses}
        told |= {(execution.client_id, execution.order_id) for execution in self.executions.values()}
        used = max((number for owner, number in told if owner == client), default=0)

        async def put(ib: Any) -> None:
            # What the gateway names as the next number is only a floor.
            ib.client.updateReqId(used + 1)
            for flat in orders:
                found = await ib.reqContractDetailsAsync(library.contract(conId=flat.con_id))
                if not found:
                    raise BrokerError(f"the broker does not know contract {flat.con_id} ({flat.symbol})")
                order = library.order(
                    action=flat.side, totalQuantity=_plain(flat.size), orderType="MKT", orderRef=flat.ref,
                    account=self.line.account, tif="DAY", transmit=True,
                )  # fmt: skip
                ib.client.placeOrder(ib.client.getReqId(), found[0].contract, order)

        self._problems.clear()
        self._connection.call(put)

    def filled(self, orders: Sequence[Flat]) -> list[Flat]:
        """Wait a while for the fills of `orders`, and return them with what was filled."""

        def of(flat: Flat) -> Decimal:
            return sum((e.size for e in self.executions.values() if e.ref == flat.ref), Decimal(0))

        self._wait(lambda: all(of(flat) >= flat.size for flat in orders), FILLED)
        return [Flat(f.ref, f.con_id, f.symbol, f.side, f.size, of(f)) for f in orders]

    def refusals(self) -> list[str]:
        """Return what the broker said against the orders that were sent last."""
        self._take()
        return [f"{p.code}: {p.text}" for p in self._problems if p.id > 0 and not 2100 <= p.code < 2200]

    def _ask_positions(self) -> None:
        async def ask(ib: Any) -> None:
            await ib.reqPositionsAsync()

        self._connection.call(ask)
        self._take()

    # -- listening ---------------------------------------------------------------------------------

    def _heard(self, wait: float = 0.0) -> list[Message]:
        """Return the messages that are there, waiting for the first one."""
        found: list[Message] = []
        try:
            found.append(self._inbox.get(timeout=wait) if wait > 0 else self._inbox.get_nowait())
            while True:
                found.append(self._inbox.get_nowait())
        except queue.Empty:
            return found

    def _take(self, wait: float = 0.0) -> None:
        for message in self._heard(wait):
            if isinstance(message, Problem):
                self._problems.append(message)
            elif isinstance(message, Position):
                if self.line.account in ("", message.account):
                    self._positions[message.con_id] = message
            elif isinstance(message, Execution):
                name, number = split_id(message.exec_id)
                known = self.executions.get(name)
                if known is None or number >= split_id(known.exec_id)[1]:
                    self.executions[name] = message
            elif isinstance(message, Commission):
                self.commissions[message.exec_id] = message
            elif isinstance(message, OrderStatus):
                self._statuses[message.client_id, message.order_id] = message
            elif isinstance(message, OpenOrder) and self.line.account in (
                "",
                message.account or self.line.account,
            ):
                self._open[message.client_id, message.order_id] = message

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        until = clock.monotonic() + seconds
        self._take()
        while not done():
            left = until - clock.monotonic()
            if left <= 0 or not self._connection.up:
                return False
            self._take(min(left, 0.1))
        return True


def as_text(size: Decimal) -> str:
    """Return a size for people: whole where it is whole."""
    return f"{_plain(size):,}"


def _plain(size: Decimal) -> float:
    return int(size) if size == size.to_integral_value() else float(size)
