"""The account on the wire: values, portfolio, summary, positions, profit and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway.account import Position, dollars
from robo_trader.gateway.times import local_time
from robo_trader.gateway.wire import UNSET_DOUBLE

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields


def account_updates(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqAccountUpdates: values, portfolio and the end; then changes, until it is cancelled."""
    fields.integer()
    wanted, named = fields.flag(), fields.text()
    fields.done()
    if wanted and not _known(gateway, session, -1, named):
        return
    session.subs.account = wanted
    if wanted:
        _send_values(gateway, session)
        for position in gateway.account.positions.values():
            _send_portfolio(gateway, session, position)
        session.send(54, 1, gateway.account.name)


def _known(gateway: Gateway, session: Session, request: int, named: str) -> bool:
    """Tell whether an account is the gateway's own, or none was named; say so where it is another."""
    if named in ("", gateway.account.name):
        return True
    session.error(
        request, 321, f"Error validating request.-'bv' : cause - Invalid account code '{named[:20]}'."
    )
    return False


def _send_values(gateway: Gateway, session: Session) -> None:
    for key, value, currency in gateway.account.summary():
        session.send(6, 2, key, value, currency, gateway.account.name)
    session.send(8, 1, local_time(gateway.clock.stamp(), gateway.settings.zone)[9:14])


def _send_portfolio(gateway: Gateway, session: Session, position: Position) -> None:
    price, value, profit = gateway.account.value_of(position)
    contract = position.contract
    session.send(
        *(7, 8, contract.con_id, contract.symbol, contract.sec_type, contract.expiry, contract.strike),
        *(contract.right or "0", contract.multiplier, contract.primary_exchange, contract.currency),
        *(contract.local_symbol, contract.trading_class, position.size, price, value, position.cost),
        *(profit, position.realized, gateway.account.name),
    )


def positions(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqPositions: what is held, the end, and then changes."""
    fields.integer()
    fields.done()
    session.subs.positions = True
    for position in gateway.account.positions.values():
        if position.size:
            _send_position(gateway, session, position)
    session.send(62, 1)


def _send_position(gateway: Gateway, session: Session, position: Position) -> None:
    # The exchange stays empty, as a real gateway leaves it: a client has to fill it in before it trades.
    block = position.contract.eleven(exchange="")
    session.send(61, 3, gateway.account.name, *block, position.size, position.cost)


def cancel_positions(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelPositions."""
    fields.integer()
    fields.done()
    session.subs.positions = False


def summary(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqAccountSummary."""
    fields.integer()
    request = fields.request()
    fields.text()
    wanted = frozenset(fields.text().split(","))
    fields.done()
    session.subs.summary[request] = wanted
    _send_summary(gateway, session, request, wanted)
    session.send(64, 1, request)


def _send_summary(gateway: Gateway, session: Session, request: int, wanted: frozenset[str]) -> None:
    ledger = any(tag.startswith("$LEDGER") for tag in wanted)
    for key, value, currency in gateway.account.summary():
        if currency == "BASE" and not ledger:
            continue
        if key in wanted or ledger or "All" in wanted:
            session.send(63, 1, request, gateway.account.name, key, value, currency)


def cancel_summary(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelAccountSummary."""
    fields.integer()
    session.subs.summary.pop(fields.integer(), None)
    fields.done()


def updates_multi(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqAccountUpdatesMulti."""
    fields.integer()
    request = fields.request()
    fields.text()
    model = fields.text()
    fields.flag()
    fields.done()
    session.subs.multi[request] = model
    _send_multi(gateway, session, request, model)
    session.send(74, 1, request)


def _send_multi(gateway: Gateway, session: Session, request: int, model: str) -> None:
    for key, value, currency in gateway.account.summary():
        if key in assumed.MULTI_KEYS:
            session.send(73, 1, request, gateway.account.name, model, key, value, currency)


def cancel_multi(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelAccountUpdatesMulti."""
    fields.integer()
    session.subs.multi.pop(fields.integer(), None)
    fields.done()


def managed(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqManagedAccts."""
    fields.integer()
    fields.done()
    session.send(15, 1, gateway.account.name)


# -- profit and loss ---------------------------------------------------------------------------------


def profit(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqPnL."""
    request, named = fields.request(), fields.text()
    fields.text()
    fields.done()
    if not _known(gateway, session, request, named):
        return
    session.subs.pnl.add(request)
    session.send(*_profit(gateway, request))


def _profit(gateway: Gateway, request: int) -> tuple[Any, ...]:
    account = gateway.account
    return 94, request, account.equity - account.opening_equity, account.unrealized, account.realized


def cancel_profit(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelPnL."""
    session.subs.pnl.discard(fields.integer())
    fields.done()


def profit_single(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqPnLSingle."""
    request, named = fields.request(), fields.text()
    fields.text()
    con_id = fields.integer()
    fields.done()
    if not _known(gateway, session, request, named):
        return
    session.subs.pnl_single[request] = con_id
    session.send(*_profit_single(gateway, request, con_id))


def _profit_single(gateway: Gateway, request: int, con_id: int) -> tuple[Any, ...]:
    position = gateway.account.positions.get(con_id)
    if position is None:
        return 95, request, 0, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE
    _, value, open_profit = gateway.account.value_of(position)
    rate = dollars(position.contract.currency)
    daily = (open_profit + position.realized) * rate
    return 95, request, position.size, daily, open_profit * rate, position.realized * rate, value * rate


def cancel_profit_single(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelPnLSingle."""
    session.subs.pnl_single.pop(fields.integer(), None)
    fields.done()


def push_profit(gateway: Gateway) -> None:
    """Send profit and loss to whoever listens; the market has moved."""
    for session in list(gateway.sessions):
        for request in session.subs.pnl:
            session.send(*_profit(gateway, request))
        for request, con_id in session.subs.pnl_single.items():
            session.send(*_profit_single(gateway, request, con_id))


def push_change(gateway: Gateway, position: Position) -> None:
    """Send what a fill changed: the position, its portfolio line, and the account's values."""
    for session in list(gateway.sessions):
        subs = session.subs
        if subs.positions:
            _send_position(gateway, session, position)
        if subs.account:
            _send_portfolio(gateway, session, position)
            _send_values(gateway, session)
        for request, model in subs.multi.items():
            _send_multi(gateway, session, request, model)
        for request, wanted in subs.summary.items():
            _send_summary(gateway, session, request, wanted)
    push_profit(gateway)


HANDLERS: dict[int, Handler] = {
    6: account_updates,
    17: managed,
    61: positions,
    62: summary,
    63: cancel_summary,
    64: cancel_positions,
    76: updates_multi,
    77: cancel_multi,
    92: profit,
    93: cancel_profit,
    94: profit_single,
    95: cancel_profit_single,
}
