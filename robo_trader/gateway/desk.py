"""The order desk: takes orders from clients, checks them, changes and cancels them.

A matcher says when and at which price an order trades. What is refused is an error to the client that
sent it and leaves nothing behind.
"""

from __future__ import annotations

from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway.contracts import Spec
from robo_trader.gateway.fills import Fills
from robo_trader.gateway.market import on_tick
from robo_trader.gateway.orders import DUST, Order, OrderError
from robo_trader.gateway.orderwire import Placed


class Desk(Fills):
    """All orders of all clients."""

    def place(self, client: int, placed: Placed) -> None:
        """Take a placeOrder message: a new order, or the modification of one that is alive."""
        try:
            self._place(client, placed)
        except OrderError as error:
            self.reports.error(client, placed.order_id, error.code, error.text)

    def _place(self, client: int, placed: Placed) -> None:
        if self.faults.readonly:
            raise OrderError(321, _READ_ONLY)
        if not placed.contract.exchange:
            # Positions are told without one: whoever trades such a contract as it came is refused.
            raise OrderError(321, "Error validating request.-'bW' : cause - Missing order exchange")
        spec = self.universe.one(placed.contract)
        if isinstance(spec, str):
            raise OrderError(200, spec)
        contract = spec.routed(placed.contract.exchange)
        order = Order.of(client, 0, contract, placed)
        self._check(order, spec)
        old = self.find(client, placed.order_id)
        if old is not None and not order.what_if:
            self._modify(old, order, spec)
            return
        answer = self._rejection(order)
        if order.what_if:
            self._answer_what_if(order, spec)
            return
        self._check_margin(order, spec)
        order.perm_id = self.books.next_perm_id()
        order.submitted_at = order.eligible_at = self.market.clock.now()
        order.waiting = True
        if answer == "inactive":
            # Nothing lets it go later: neither its parent nor the last of its brothers.
            order.status, order.reason, order.waiting = "Inactive", "Rejected by the exchange", False
            order.completed_at = order.submitted_at
            self.books.save(order)
            self._tell(order)
            return
        self._keep(order)
        if order.transmit:
            self._transmit(order, answer)

    def _check(self, order: Order, spec: Spec) -> None:
        named = order.values["account"]
        if named and named != self.account.name:
            raise OrderError(
                321, f"Error validating request.-'bW' : cause - Invalid account code '{named[:20]}'."
            )
        if spec.sec_type == "IND":
            raise OrderError(201, "Order rejected - reason:An index cannot be traded.")
        prices = (order.limit if order.kind != "TRAIL LIMIT" else None, order.stop)
        if self.ticks and not all(p is None or on_tick(p, spec.min_tick) for p in prices):
            raise OrderError(
                110, "The price does not conform to the minimum price variation for this contract."
            )
        if order.parent_id:
            parent = self.parent(order)
            if parent is None or parent.status in ("Cancelled", "Inactive"):
                raise OrderError(135, f"Can't find order with id = {order.parent_id}")
            if assumed.CHILDREN_ARE_A_GROUP and not order.group:
                order.group = f"children of {parent.perm_id}"

    def _rejection(self, order: Order) -> int | str | None:
        """Return the next planned rejection; raise where it leaves no order behind."""
        if not self.rejections:
            return None
        code = self.rejections.pop(0)
        if code in (399, 404, "inactive"):
            return code
        raise OrderError(int(code), _REJECTED.get(int(code), "Order rejected - reason:Rehearsal."))

    def _answer_what_if(self, order: Order, spec: Spec) -> None:
        price = self._price_of(order, spec)
        before = self.account.margin()
        after = self.account.margin((spec.contract, order.sign * order.quantity, price))
        self.reports.what_if(
            order, before, after, self.account.commission(spec.contract, order.quantity, price)
        )

    def _check_margin(self, order: Order, spec: Spec, filled: float = 0.0) -> None:
        if not self.margin:
            return
        before = self.account.margin()
        signed = order.sign * (order.quantity - filled)
        after = self.account.margin((spec.contract, signed, self._price_of(order, spec)))
        if after.initial > before.initial and after.initial > after.equity:
            raise OrderError(
                201,
                "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION "
                f"YOUR EQUITY WITH LOAN VALUE [{after.equity:.2f} USD] MUST EXCEED THE INITIAL MARGIN "
                f"[{after.initial:.2f} USD]",
            )

    def _price_of(self, order: Order, spec: Spec) -> float:
        if order.limit is not None:
            return order.limit
        quote = self.market.quote(spec)
        return order.stop or (quote.mid if quote is not None else spec.base)

    def _keep(self, order: Order) -> None:
        self._alive[order.perm_id] = order
        self._sorted = None
        self.books.save(order)

    def _transmit(self, order: Order, warning: int | str | None = None) -> None:
        """Send an order, and with it the parent and brothers that waited for it, in their order."""
        parent = self.parent(order)
        family = [order] if parent is None else [parent, *self.children(parent)]
        for member in family:
            # One of them may have been filled meanwhile, which ended its brothers.
            if member.waiting and member.alive:
                self._accept(member, warning if member is order else None)

    def _accept(self, order: Order, warning: int | str | None) -> None:
        order.status, order.waiting = "PreSubmitted", False
        self._change(order)
        if warning is not None:
            self._warn(order, warning)
        self.activate(order)

    def _warn(self, order: Order, code: int | str) -> None:
        self.reports.error(order.client, order.order_id, int(code), _REJECTED[int(code)])

    def _modify(self, old: Order, new: Order, spec: Spec) -> None:
        if old.status == "Filled":
            raise OrderError(104, "Cannot modify a filled order.")
        if not old.alive:
            raise OrderError(103, "Duplicate order id")
        if (old.action, old.contract.con_id, old.kind) != (new.action, new.contract.con_id, new.kind):
            raise OrderError(105, "Order being modified does not match original order")
        if new.quantity < old.filled - DUST:
            raise OrderError(
                105, "Order being modified does not match original order: size below what is filled"
            )
        answer = self._rejection(new)
        if answer == "inactive":
            self.end(old, "Inactive", "Rejected by the exchange")
            return
        if new.quantity > old.quantity:
            self._check_margin(new, spec, filled=old.filled)
        same = _asks(old) == _asks(new)
        old.values, old.groups, old.quantity = new.values, new.groups, new.quantity
        old.good_until, old.group = new.good_until, new.group or old.group
        old.stop = new.stop if new.stop is not None else old.stop
        old.submitted_at = old.eligible_at = max(old.eligible_at, self.market.clock.now())
        if old.remaining <= DUST:
            self._finish(old, "Filled")
            return
        if old.waiting and new.transmit:
            self._transmit(old, answer)
            return
        self._change(old)
        if answer is not None:
            self._warn(old, answer)
        if not old.waiting and self.matcher is not None and self.may_trade(old):
            (self.matcher.live if same else self.matcher.modified)(old)

    def cancel(self, client: int, order_id: int) -> None:
        """Cancel a client's order; errors 10147 and 10148 say why not."""
        if self.faults.readonly:
            self.reports.error(client, order_id, 321, _READ_ONLY)
            return
        order = self.find(client, order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            self.reports.error(client, order_id, 10147, text)
        elif not order.alive:
            text = (
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            )
            self.reports.error(client, order_id, 10148, text)
        else:
            self.end(order, "Cancelled", "Order Canceled - reason:", error=202)

    def cancel_all(self) -> None:
        """Cancel every order of every client."""
        for order in list(self.alive()):
            if order.alive:
                self.end(order, "Cancelled", "Order Canceled - reason:", error=202)


def _asks(order: Order) -> tuple[str, ...]:
    """Return the size and the prices that a client has given to an order, as they came."""
    names = ("totalQuantity", "lmtPrice", "auxPrice", "trailStopPrice", "trailingPercent", "lmtPriceOffset")
    return tuple(order.values[name] for name in names)


_READ_ONLY = "Error validating request.-'bW' : cause - The API interface is currently in Read-Only mode."
_REJECTED = {
    201: "Order rejected - reason:The simulated gateway was told to reject it.",
    110: "The price does not conform to the minimum price variation for this contract.",
    321: _READ_ONLY,
    399: "Order Message: Warning: the simulated gateway was told to send a warning.",
    404: "Order held while securities are located.",
}
