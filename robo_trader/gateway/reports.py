"""Telling the clients what happened to orders, with every fault that concerns the telling.

An order's owner and client 0 hear of it. Executions are what counts; statuses may be doubled, late,
out of order or missing, as the faults say.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from robo_trader.gateway import account_messages
from robo_trader.gateway.account import Margin, Position
from robo_trader.gateway.orders import Execution, Order
from robo_trader.gateway.orderwire import MARGINS, open_order
from robo_trader.gateway.times import zoned_time
from robo_trader.gateway.versions import PENDING_PRICE_REVISION
from robo_trader.gateway.wire import UNSET_DOUBLE

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway
    from robo_trader.gateway.session import Session


class WireReports:
    """The desk's `Reports`, as messages to the sessions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._timers: set[asyncio.TimerHandle] = set()

    # -- orders and statuses -------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        for session in self._gateway.owners(order.client):
            session.send(*order_fields(order, session.version))

    def status(self, order: Order) -> None:
        faults = self._gateway.faults
        if faults.no_status or (faults.no_filled_status and order.status == "Filled"):
            return
        fields = status_fields(order)
        for session in self._gateway.owners(order.client):
            if faults.hold_status is True:
                session.held_status.append(fields)
            elif faults.hold_status:
                self._later(float(faults.hold_status), session, fields)
            elif faults.reorder_status:
                self._reorder(session, fields)
            else:
                for _ in range(2 if faults.dup_status else 1):
                    session.send(*fields)

    def _reorder(self, session: Session, fields: tuple[Any, ...]) -> None:
        """Collect the statuses of this moment and send them backwards when it is over."""
        if not session.held_status:
            asyncio.get_running_loop().call_soon(self._flush_backwards, session)
        session.held_status.append(fields)

    @staticmethod
    def _flush_backwards(session: Session) -> None:
        held, session.held_status = session.held_status, []
        for fields in reversed(held):
            session.send(*fields)

    def release_statuses(self) -> None:
        """Send every status that was held back."""
        for session in self._gateway.sessions:
            held, session.held_status = session.held_status, []
            for fields in held:
                session.send(*fields)

    def error(self, client: int, request: int, code: int, text: str) -> None:
        for session in self._gateway.owners(client):
            if session.client == client:
                session.error(request, code, text)

    # -- executions ----------------------------------------------------------------------------------

    def execution(self, execution: Execution) -> None:
        faults = self._gateway.faults
        for session in self._gateway.owners(execution.client):
            for _ in range(2 if faults.dup_exec else 1):
                session.send(*execution_fields(self._gateway, execution, -1, session.version))
            if faults.no_comm:
                continue
            if faults.comm_delay:
                self._later(faults.comm_delay, session, commission_fields(execution))
            else:
                session.send(*commission_fields(execution))

    def account_changed(self, position: Position) -> None:
        account_messages.push_change(self._gateway, position)

    def what_if(self, order: Order, before: Margin, after: Margin, commission: float) -> None:
        figures = (
            *(before.initial, before.maintenance, before.equity),
            *(
                after.initial - before.initial,
                after.maintenance - before.maintenance,
                after.equity - before.equity,
            ),
            *(after.initial, after.maintenance, after.equity),
        )
        more = {name: f"{value:.2f}" for name, value in zip(MARGINS, figures, strict=True)}
        more |= {"commission": f"{commission:.4f}", "commissionCurrency": order.contract.currency}
        for session in self._gateway.owners(order.client):
            if session.client == order.client:
                session.send(*order_fields(order, session.version, {**more, "status": "PreSubmitted"}))

    def _later(self, delay: float, session: Session, fields: tuple[Any, ...]) -> None:
        def send() -> None:
            self._timers.discard(timer)
            session.send(*fields)

        timer = asyncio.get_running_loop().call_later(delay, send)
        self._timers.add(timer)

    def close(self) -> None:
        """Forget what was to be sent later."""
        for timer in self._timers:
            timer.cancel()


def order_fields(order: Order, version: int, more: dict[str, str] | None = None) -> list[Any]:
    """Return an openOrder message."""
    values = {
        **order.values,
        "totalQuantity": order.quantity,
        "clientId": order.client,
        "permId": order.perm_id,
        "status": order.status,
        "trailStopPrice": ""
        if order.stop is None or not order.trail_amount + order.trail_fraction
        else order.stop,
        **(more or {}),
    }
    return open_order(order.order_id, order.contract, version, values, order.groups)


def status_fields(order: Order) -> tuple[Any, ...]:
    """Return an orderStatus message."""
    return (
        *(3, order.order_id, order.status, order.filled, order.remaining, order.average, order.perm_id),
        *(order.parent_id, order.last_price, order.client, "", 0.0),
    )


def execution_fields(gateway: Gateway, execution: Execution, request: int, version: int) -> list[Any]:
    """Return an execDetails message."""
    spec = gateway.universe.get(execution.contract.con_id)
    zone = spec.zone if spec is not None else gateway.settings.zone
    tail = [False] if version >= PENDING_PRICE_REVISION else []
    return [
        *(11, request, execution.order_id, *execution.contract.eleven(), execution.exec_id),
        *(zoned_time(execution.time, version, zone, gateway.settings.zone), execution.account),
        *(execution.contract.exchange, execution.side, execution.shares, execution.price, execution.perm_id),
        *(execution.client, 0, execution.cumulative, execution.average, execution.ref, "", "", "", 1),
        *tail,
    ]


def commission_fields(execution: Execution) -> tuple[Any, ...]:
    """Return a commissionReport message."""
    realized = UNSET_DOUBLE if execution.realized is None else execution.realized
    currency = execution.contract.currency
    return 59, 1, execution.exec_id, execution.commission, currency, realized, UNSET_DOUBLE, ""
