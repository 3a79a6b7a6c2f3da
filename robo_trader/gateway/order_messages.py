"""Orders on the wire: placing, cancelling, asking for what is open, done and executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robo_trader.clock import NS_PER_DAY
from robo_trader.gateway.orders import Order, read_time
from robo_trader.gateway.orderwire import completed_order, read_order
from robo_trader.gateway.reports import commission_fields, execution_fields, order_fields, status_fields
from robo_trader.gateway.times import zoned_time
from robo_trader.gateway.versions import MANUAL_ORDER_TIME

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields


def place(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take placeOrder."""
    gateway.desk.place(session.client, read_order(fields, session.version))


def cancel(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelOrder."""
    fields.integer()
    order_id = fields.request()
    if session.version >= MANUAL_ORDER_TIME:
        fields.text()
    fields.done()
    gateway.desk.cancel(session.client, order_id)


def cancel_all(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqGlobalCancel: every order of every client."""
    fields.integer()
    fields.done()
    if gateway.faults.readonly:
        gateway.desk.cancel(session.client, -1)
    else:
        gateway.desk.cancel_all()


def open_orders(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqOpenOrders: this client's living orders; client 0 sees all."""
    fields.integer()
    fields.done()
    _send_open(gateway, session, [o for o in gateway.desk.alive() if session.client in (o.client, 0)])


def all_open_orders(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqAllOpenOrders: every client's living orders."""
    fields.integer()
    fields.done()
    _send_open(gateway, session, gateway.desk.alive())


def _send_open(gateway: Gateway, session: Session, orders: list[Order]) -> None:
    for order in orders:
        if not order.waiting:
            session.send(*order_fields(order, session.version))
            session.send(*status_fields(order))
    session.send(53, 1)


def completed(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqCompletedOrders: filled, cancelled and rejected orders of the days that are kept."""
    fields.flag()
    fields.done()
    since = gateway.clock.now() - int(gateway.settings.execution_days * NS_PER_DAY)
    for order in gateway.books.orders.values():
        if order.alive or order.completed_at < since:
            continue
        spec = gateway.universe.get(order.contract.con_id)
        zone = spec.zone if spec is not None else gateway.settings.zone
        values = {
            **order.values,
            "totalQuantity": order.quantity,
            "permId": order.perm_id,
            "status": order.status,
            "filledQuantity": order.filled,
            "completedTime": zoned_time(order.completed_at, 174, zone, zone),
            "completedStatus": order.reason or f"{order.status} Size: {order.filled:g}",
        }
        session.send(*completed_order(order.contract, session.version, values, order.groups))
    session.send(102)


def executions(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqExecutions: this client's executions that pass the filter; client 0 sees all."""
    fields.integer()
    request, client = fields.request(), fields.integer()
    account, time, symbol, kind, exchange, side = (fields.text() for _ in range(6))
    fields.done()
    now = gateway.clock.now()
    since = max(
        now - int(gateway.settings.execution_days * NS_PER_DAY), read_time(time, gateway.settings.zone) or 0
    )
    sides = {"": "", "BUY": "BOT", "SELL": "SLD"}.get(side.upper(), side.upper())
    for execution in gateway.books.latest():
        contract = execution.contract
        if (
            session.client in (execution.client, 0)
            and client in (0, execution.client)
            and account in ("", execution.account)
            and execution.time - gateway.clock.skew_ns >= since
            and symbol in ("", contract.symbol)
            and kind in ("", contract.sec_type)
            and exchange in ("", contract.exchange)
            and sides in ("", execution.side)
        ):
            session.send(*execution_fields(gateway, execution, request, session.version))
            if not gateway.faults.no_comm:
                session.send(*commission_fields(execution))
    session.send(55, 1, request)


def next_id(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqIds."""
    fields.integer()
    fields.integer()
    fields.done()
    session.send(9, 1, gateway.next_order_id(session.client))


def auto_open(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqAutoOpenOrders; the answer is nothing."""
    fields.integer()
    fields.flag()
    fields.done()


HANDLERS: dict[int, Handler] = {
    3: place,
    4: cancel,
    5: open_orders,
    7: executions,
    8: next_id,
    15: auto_open,
    16: all_open_orders,
    58: cancel_all,
    99: completed,
}
