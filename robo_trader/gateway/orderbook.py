"""The order book: every order, who may trade now, and how orders end.

Floor of the order desk. Every change is in the books before a client hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway.account import Account, Margin, Position
from robo_trader.gateway.books import Books
from robo_trader.gateway.contracts import Spec, Universe
from robo_trader.gateway.faults import Faults
from robo_trader.gateway.market import Market
from robo_trader.gateway.orders import STOPS, Execution, Order
from robo_trader.gateway.times import local_time


class Reports(Protocol):
    """Who tells the clients what happened to orders."""

    def order(self, order: Order) -> None:
        """Send the order as it is."""

    def status(self, order: Order) -> None:
        """Send the order's status."""

    def error(self, client: int, request: int, code: int, text: str) -> None:
        """Send an error to one client."""

    def execution(self, execution: Execution) -> None:
        """Send an execution and, when it is due, its commission."""

    def account_changed(self, position: Position) -> None:
        """Send what a fill changed in the account."""

    def what_if(self, order: Order, before: Margin, after: Margin, commission: float) -> None:
        """Answer an order that asks for its margin only."""


class Matcher(Protocol):
    """When and at which price orders trade."""

    def live(self, order: Order) -> None:
        """Take note of an order that has just become live, or was put into a group."""

    def modified(self, order: Order) -> None:
        """Take note of an order whose size or prices were changed."""


class OrderBook:
    """All orders of all clients."""

    def __init__(
        self,
        universe: Universe,
        market: Market,
        account: Account,
        books: Books,
        faults: Faults,
        reports: Reports,
    ) -> None:
        self.universe, self.market, self.account = universe, market, account
        self.books, self.faults, self.reports = books, faults, reports
        self.matcher: Matcher | None = None
        self.connected = True
        self.margin = True
        self.ticks = True
        self.latency = 0.0
        self.rejections: list[int | str] = []
        self.warn_closed = True
        self._alive = {o.perm_id: o for o in books.orders.values() if o.alive}
        for order in self._alive.values():
            order.stuck = False
        self._pending: dict[int, asyncio.TimerHandle] = {}
        self._sorted: list[Order] | None = None

    # -- what is there -----------------------------------------------------------------------------

    def find(self, client: int, order_id: int) -> Order | None:
        """Return a client's latest order of an id."""
        return self.books.find(client, order_id)

    def alive(self) -> list[Order]:
        """Return the orders that are alive, oldest first."""
        if self._sorted is None:
            self._sorted = sorted(self._alive.values(), key=lambda o: o.perm_id)
        return self._sorted

    def working(self, con_ids: Iterable[int]) -> list[Order]:
        """Return the orders that may trade now, oldest first."""
        if not self.connected or not self._alive:
            return []
        wanted = set(con_ids) - set(self.faults.halted)
        return [o for o in self.alive() if o.contract.con_id in wanted and self.may_trade(o)]

    def may_trade(self, order: Order) -> bool:
        """Tell whether an order is live: transmitted, its parent filled, and no fill of it on the way."""
        ready = self.connected and order.alive and not order.waiting and not order.stuck
        if not ready or order.perm_id in self._pending or order.contract.con_id in self.faults.halted:
            return False
        parent = self.parent(order)
        return parent is None or self._lets_children_go(parent)

    def parent(self, order: Order) -> Order | None:
        """Return the parent of a bracket's child."""
        return self.find(order.client, order.parent_id) if order.parent_id else None

    def children(self, order: Order) -> list[Order]:
        """Return the living children of an order."""
        mine = (o for o in self.alive() if o.client == order.client)
        return [o for o in mine if o.parent_id == order.order_id]

    @staticmethod
    def _lets_children_go(parent: Order) -> bool:
        return parent.status == "Filled" or (not assumed.CHILDREN_WAIT_FOR_WHOLE_PARENT and parent.filled > 0)

    # -- to the market -----------------------------------------------------------------------------

    def activate(self, order: Order) -> None:
        """Let an order work: at once where the market is open and no parent is in its way."""
        parent = self.parent(order)
        held = order.waiting or not self.connected
        if held or (parent is not None and not self._lets_children_go(parent)):
            return
        spec = self.universe.get(order.contract.con_id)
        if spec is not None and not self.market.is_open(spec) and self.warn_closed:
            opens = self.market.next_open(spec)
            # Between two bars of one session the next one starts at this very moment: nothing is held.
            if opens is None or opens > self.market.clock.now():
                self.reports.error(order.client, order.order_id, 399, _held_until(opens, spec))
        else:
            self.to_market(order)
        if self.matcher is None:
            return
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self.matcher.live, order)
        else:
            self.matcher.live(order)

    def to_market(self, order: Order) -> None:
        """Mark an order as sent to the exchange; untriggered stops stay with the broker."""
        resting = order.kind in STOPS and not order.triggered
        status = assumed.UNTRIGGERED_STOP_STATUS if resting else "Submitted"
        if order.status != status and order.alive:
            order.status = status
            self._change(order)

    # -- endings -----------------------------------------------------------------------------------

    def expire(self, order: Order) -> None:
        """End an order whose time has run out."""
        error = 202 if assumed.EXPIRY_SENDS_ERROR else None
        self.end(order, "Cancelled", "Order Canceled - reason:Expired", error=error)

    def end(self, order: Order, status: str, reason: str, error: int | None = None) -> None:
        """End a living order, and what ends with it: its children, and theirs, however many there are."""
        if not order.alive:
            return
        order.reason = reason
        if error is not None:
            self.reports.error(order.client, order.order_id, error, reason)
        orphans = self.children(order)
        self._finish(order, status)
        while orphans and assumed.CANCELLED_PARENT_CANCELS_CHILDREN:
            child = orphans.pop(0)
            if child.alive:
                orphans += self.children(child)
                child.reason = "Parent order was cancelled"
                self._finish(child, "Cancelled")
        if assumed.CANCEL_ENDS_THE_GROUP and order.group:
            for other in self._group(order):
                self.end(other, "Cancelled", "OCA group was cancelled")

    def _finish(self, order: Order, status: str) -> None:
        order.status = status
        order.completed_at = self.market.clock.now()
        self._gone(order)
        self._change(order)

    def _gone(self, order: Order) -> None:
        self._alive.pop(order.perm_id, None)
        self._sorted = None
        if (timer := self._pending.pop(order.perm_id, None)) is not None:
            timer.cancel()

    def _change(self, order: Order) -> None:
        """Keep an order and tell of it."""
        self.books.save(order)
        self._tell(order)

    def _tell(self, order: Order, status_first: bool = False) -> None:
        if status_first or not assumed.OPEN_ORDER_BEFORE_STATUS:
            self.reports.status(order)
            self.reports.order(order)
        else:
            self.reports.order(order)
            self.reports.status(order)

    def wake(self) -> None:
        """Look at every order again: the line is back, or a halt ended."""
        for order in list(self.alive()):
            if self.matcher is None or not self.may_trade(order):
                continue
            if order.status == "PreSubmitted" and order.kind not in STOPS:
                self.activate(order)
            else:
                self.matcher.live(order)

    def unstick(self) -> None:
        """Let orders that a planned partial fill had stopped go on."""
        for order in self.alive():
            order.stuck = False

    def _group(self, order: Order) -> list[Order]:
        return [o for o in self.alive() if o.group == order.group and o is not order]


def _held_until(opens: int | None, spec: Spec) -> str:
    when = local_time(opens, spec.zone) if opens is not None else "the next session"
    name = f"{spec.symbol}@{spec.contract.exchange}"
    warning = f"Warning: your order will not be placed at the exchange until {when} {spec.zone}"
    return f"Order Message:\n{name}\n{warning}"
