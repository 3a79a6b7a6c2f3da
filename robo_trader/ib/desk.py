"""The sending side: orders that are decided and journalled, put on the wire; cancellations.

An order leaves under the reference that the journal holds already. Nothing is queued while the line is down:
`send` raises `LineDownError`, and what became of an order whose line broke meanwhile is found out by asking
the broker for its reference, never by sending again.

Failure contract: `send` raises `BrokerError` before the first byte where an order cannot be said in the
broker's words; everything that the broker answers arrives as messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

from robo_trader.clock import from_ns
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.executions import Orders, Terms
from robo_trader.ib.library import as_told, at_once, exact
from robo_trader.records import Side

#: Backtrader's order types in the broker's words.
TYPES = {
    "Market": "MKT",
    "Close": "MOC",
    "Limit": "LMT",
    "Stop": "STP",
    "StopLimit": "STP LMT",
    "StopTrail": "TRAIL",
    "StopTrailLimit": "TRAIL LIMIT",
}
_LIMITED = ("Limit", "StopLimit")
_STOPPED = ("Stop", "StopLimit")
_TRAILING = ("StopTrail", "StopTrailLimit")
#: Of a group at most one order is filled, and the others are cancelled, guarded against overfills.
_CANCEL_WITH_BLOCK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An order on its way: `ref` is the journal's, `symbol` the feed's name, `type` Backtrader's.

    `limit`, `stop` and `trail_amount` are prices, `trail_fraction` a fraction of the price; `good_until` is
    ns UTC, None for good until cancelled; `day` ends it with the session. `parent` is the reference of
    the bracket's parent, `group` the name of an OCO group.
    """

    ref: str
    symbol: str
    side: Side
    size: Decimal
    type: str
    limit: float | None = None
    stop: float | None = None
    trail_amount: float | None = None
    trail_fraction: float | None = None
    limit_offset: float | None = None
    good_until: int | None = None
    day: bool = False
    parent: str = ""
    group: str = ""


class OrderDesk:
    """Sends the orders of one session over `connection` to `account`.

    `contracts` are the broker's contracts by the names of the feeds; `orders` learns of each order before it
    leaves.
    """

    def __init__(
        self,
        connection: Connection,
        orders: Orders,
        contracts: Mapping[str, Qualified],
        account: str,
    ) -> None:
        self.orders = orders
        self._connection = connection
        self._contracts = contracts
        self._account = account
        #: Over which line each order of this session left, and each changed one.
        self._over: dict[str, int] = {}
        self._changed_over: dict[str, int] = {}
        #: The highest number that was given to an order.
        self._used = 0

    def send(self, family: Sequence[Outgoing]) -> None:
        """Put a family on the wire, in order; the broker holds all of it until the last has come.

        Raises `LineDownError` where the line is down or breaks; `was_sent` then tells which may have left.
        """
        ready = [(order, self._fields(order)) for order in family]
        client = self._connection.line.client_id

        async def number(ib: Any) -> tuple[list[int], int]:
            # After a break the gateway may count from 1 again, and a used number means a modification.
            ib.client.updateReqId(self._used + 1)
            numbers = [ib.client.getReqId() for _ in ready]
            self._used = numbers[-1]
            return numbers, self._connection.attempt

        self._used = max(self._used, self.orders.highest(client))
        numbers, line = self._connection.call(number)
        placed: list[tuple[int, str, dict[str, Any]]] = []
        for i, (own, (order, fields)) in enumerate(zip(numbers, ready, strict=True)):
            self.orders.announce(order.ref, client_id=client, order_id=own, side=order.side, size=order.size)
            self._over[order.ref] = line
            more = {"parentId": self._number(order.parent), "transmit": i + 1 == len(ready)}
            placed.append((own, order.symbol, fields | more))

        async def put(ib: Any) -> None:
            if self._connection.attempt != line:
                raise ConnectionError("the line broke since the orders were numbered")
            with at_once(ib):
                for own, symbol, fields in placed:
                    self._place(ib, own, symbol, fields)

        self._connection.call(put)

    def join_group(self, order: Outgoing) -> None:
        """Put an order that is at the broker already into the OCO group that it names."""
        own = self._number(order.ref)
        fields = self._fields_again(order)

        async def put(ib: Any) -> None:
            self._place(ib, own, order.symbol, fields)

        self._connection.call(put)

    def modify(self, order: Outgoing, number: int) -> bool:
        """Change an order that is at the broker to what `order` says, under its own number and reference.

        `number` is the change's own. True once it is on the wire; False where the line broke meanwhile, so
        that the broker has to be asked. Raises `LineDownError` where the line is down, and `BrokerError`
        where the order is not this client's to change: then nothing has left.
        """
        own, fields = self._number(order.ref), self._fields_again(order)
        if not own:
            raise BrokerError(
                f"{order.ref} rests under another client id, which alone may change it",
                hint="cancel it there and make a new order",
            )
        earlier, left, line = order.ref not in self._over, False, self._connection.attempt
        self.orders.change(order.ref, number, terms(order, self._contracts[order.symbol].tick))

        async def put(ib: Any) -> None:
            nonlocal left
            if self._connection.attempt != line:
                raise ConnectionError("the line broke since the change was made")
            kept = as_told(ib, self._connection.line.client_id, own) if earlier else {}
            left = True
            self._place(ib, own, order.symbol, fields | kept)

        arrived = True
        try:
            self._connection.call(put)
        except LineDownError:
            if not left:
                self.orders.unchanged(order.ref, "", number)
                raise
            arrived = False
        self._changed_over[order.ref] = line
        return arrived

    def change_in_flight(self, ref: str) -> bool:
        """Tell whether a change of an order left over the line as it is now: its answer is still to come."""
        return self._changed_over.get(ref) == self._connection.attempt

    def was_sent(self, ref: str) -> bool:
        """Tell whether an order may have left in this session."""
        return ref in self._over

    def in_flight(self, ref: str) -> bool:
        """Tell whether an order left over the line as it is now: its answer is still to come."""
        return self._over.get(ref) == self._connection.attempt

    def cancel(self, refs: Iterable[str]) -> None:
        """Ask the broker to cancel our orders; those without a number of this client are left out."""
        known = {ref: number for ref in refs if (number := self._number(ref))}
        numbers = list(known.values())
        for ref in known:
            self.orders.call_back(ref)

        async def put(ib: Any) -> None:
            for number in numbers:
                ib.client.cancelOrder(number)

        if numbers:
            self._connection.call(put)

    def ask_executions(self) -> None:
        """Ask for the day's executions again; they arrive as messages."""

        async def ask(ib: Any) -> None:
            await ib.reqExecutionsAsync()

        self._connection.call(ask)

    # -- how ---------------------------------------------------------------------------------------

    def _number(self, ref: str) -> int:
        """Return the client's own number of an order, 0 where it has none under this client id."""
        if not ref:
            return 0
        known = self.orders.get(ref)
        if known is not None and known.client_id == self._connection.line.client_id:
            return known.order_id
        return 0

    def _place(self, ib: Any, number: int, symbol: str, fields: Mapping[str, Any]) -> None:
        library = self._connection.library
        contract = library.contract(**self._contracts[symbol].name.fields())
        ib.client.placeOrder(number, contract, library.order(**fields))

    def _fields_again(self, order: Outgoing) -> dict[str, Any]:
        """Return the fields of an order that the broker holds: all but how far its stop has moved since."""
        fields = {**self._fields(order), "parentId": self._number(order.parent), "transmit": True}
        fields.pop("trailStopPrice", None)
        return fields

    def _fields(self, order: Outgoing) -> dict[str, Any]:
        """Return the fields of the library's order."""
        kind = TYPES.get(order.type)
        if kind is None:
            raise BrokerError(
                f"{order.symbol}: the broker takes no order of type {order.type}",
                hint=f"use one of {', '.join(TYPES)}",
            )
        tick = self._contracts[order.symbol].tick
        fields: dict[str, Any] = {
            "action": order.side,
            "totalQuantity": _plain(order.size),
            "orderType": kind,
            "orderRef": order.ref,
            "account": self._account,
            "tif": "DAY" if order.day else "GTC",
        }
        if order.good_until is not None:
            fields |= {"tif": "GTD", "goodTillDate": f"{from_ns(order.good_until):%Y%m%d-%H:%M:%S}"}
        limit, stop = _limit_and_stop(order, tick)
        if limit is not None:
            fields["lmtPrice"] = limit
        if stop is not None:
            fields["auxPrice"] = stop
        if order.type in _TRAILING:
            fields["trailStopPrice"] = _on_tick(order.stop, tick, ROUND_HALF_EVEN)
            if order.trail_amount is not None:
                # A distance is a price to the broker: off its steps the protection would be refused.
                fields["auxPrice"] = max(_on_tick(order.trail_amount, tick, ROUND_HALF_EVEN), tick)
            else:
                fields["trailingPercent"] = (order.trail_fraction or 0.0) * 100.0
            if order.type == "StopTrailLimit":
                fields["lmtPriceOffset"] = _on_tick(order.limit_offset or 0.0, tick, ROUND_HALF_EVEN)
        if order.group:
            fields |= {"ocaGroup": order.group, "ocaType": _CANCEL_WITH_BLOCK}
        return fields


def terms(order: Outgoing, tick: float) -> Terms:
    """Return what the broker will tell of an order, its prices being on their step."""
    limit, stop = _limit_and_stop(order, tick)
    return Terms(
        order.size,
        None if limit is None else exact(limit),
        None if stop is None else exact(stop),
    )


def _limit_and_stop(order: Outgoing, tick: float) -> tuple[float | None, float | None]:
    """Return the prices that an order leaves with, None where its type has none or follows the market."""
    limit = stop = None
    if order.type in _LIMITED:
        # Rounding must not make it worse than what was asked for.
        limit = _on_tick(order.limit, tick, ROUND_FLOOR if order.side == "BUY" else ROUND_CEILING)
    if order.type in _STOPPED:
        stop = _on_tick(order.stop, tick, ROUND_HALF_EVEN)
    return limit, stop


def _plain(size: Decimal) -> float:
    """Return a size as the library wants it: whole where it is whole."""
    return int(size) if size == size.to_integral_value() else float(size)


def _on_tick(price: float | None, tick: float, rounding: str) -> float:
    """Return `price` on the contract's tick; one that lies on it already comes back as it is."""
    if price is None:
        raise BrokerError("an order with a price was made without one", hint="give it its price")
    step = Decimal(repr(tick))
    if step <= 0:
        return price
    exact = Decimal(repr(float(price)))
    nearest = (exact / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step
    if abs(nearest - exact) <= step * Decimal("1e-6"):
        return float(nearest)
    return float((exact / step).quantize(Decimal(1), rounding) * step)
