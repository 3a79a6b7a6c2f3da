"""The one place that imports ib_insync or ib_async, and where what they do differently is made equal.

What the libraries make of an error differs (a rejected order that stays pending, a cancelled one that is
alive), so their trades are not used: `tap` reads each frame as the library has decoded it, before it
draws conclusions. It thus also sees executions of orders that the library does not know, and those that are
repeated at a reconnect, for which neither library raises an event.

Failure contract: no library and two of them are a `UsageError` with the command that mends it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from robo_trader.errors import UsageError
from robo_trader.ib.messages import (
    AccountValue,
    Commission,
    CompletedOrder,
    Execution,
    Message,
    OpenOrder,
    OrderStatus,
    Position,
    Problem,
)
from robo_trader.records import Side

LIBRARIES = ("ib_async", "ib_insync")
#: "No value" on the wire: the largest double and the largest 32-bit integer.
UNSET_DOUBLE, UNSET_INTEGER = sys.float_info.max, 2**31 - 1
#: No market trades smaller parts of a size.
_DECIMALS = 9
#: What of an order is not its size or its price, and is lost where a change does not say it again.
_KEPT = ("tif", "goodTillDate", "parentId", "ocaGroup", "ocaType", "outsideRth")


@dataclass(frozen=True, slots=True)
class Library:
    """The library in use: its import name, its version and its module."""

    name: str
    version: str
    module: ModuleType

    def new(self) -> Any:
        """Return a new ``IB`` whose failed requests raise; made in the thread whose loop it will use."""
        ib = self.module.IB()
        ib.RaiseRequestErrors = True
        return ib

    def contract(self, **fields: Any) -> Any:
        """Return a plain ``Contract``; all of the library's kinds are this one with fields set."""
        return self.module.Contract(**fields)

    def order(self, **fields: Any) -> Any:
        """Return a plain ``Order``."""
        return self.module.Order(**fields)

    @property
    def request_error(self) -> Any:
        """The class that a failed request raises; it has a `code` and a `message`."""
        return importlib.import_module(f"{self.name}.wrapper").RequestError


def choose(installed: Iterable[str]) -> str:
    """Return which of the `installed` libraries to import; raise `UsageError` unless there is just one."""
    there = set(installed)
    found = [name for name in LIBRARIES if name in there]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            "ib_async and ib_insync are both installed, and each breaks the other's event library",
            hint="run 'pip uninstall -y ib_insync eventkit ib_async aeventkit', then 'pip install ib_async'",
        )
    raise UsageError(
        "no library for Interactive Brokers is installed",
        hint="run 'pip install \"ib_async>=2.1\"' (or 'ib_insync', never both)",
    )


@cache
def load() -> Library:
    """Import the library that is installed.

    ib_insync asks for an event loop while it is imported, in any thread: one is lent to it where none runs.
    """
    name = choose(name for name in LIBRARIES if find_spec(name) is not None)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        lent = asyncio.new_event_loop()
        asyncio.set_event_loop(lent)
        try:
            module = importlib.import_module(name)
        finally:
            asyncio.set_event_loop(None)
            lent.close()
    else:
        module = importlib.import_module(name)
    # What it logs is told by messages and errors; whoever wants its log adds a handler.
    logging.getLogger(name).addHandler(logging.NullHandler())
    return Library(name, version(name), module)


def tap(ib: Any, deliver: Callable[[Message], None]) -> None:
    """Hand every frame about orders, executions, positions, account and errors to `deliver`, as it came."""
    wrapper = ib.wrapper

    def listen(name: str, translate: Callable[..., Message | None]) -> None:
        plain = getattr(wrapper, name)

        def heard(*args: Any, **more: Any) -> Any:
            message = translate(*args, **more)
            if message is not None:
                deliver(message)
            return plain(*args, **more)

        setattr(wrapper, name, heard)

    def problem(id: int, code: int, text: str, *_: Any) -> Message:
        return Problem(id=id, code=code, text=text, request=id in wrapper._futures)

    listen("openOrder", _open_order)
    listen("completedOrder", _completed_order)
    listen("orderStatus", _order_status)
    listen("execDetails", _execution)
    listen("commissionReport", _commission)
    listen("error", problem)
    listen("position", _position)
    listen("updateAccountValue", _account_value)
    listen("accountUpdateMulti", _account_multi)
    # A decoder looks its handlers up when it is made: it has to be made again to find these.
    ib.client.decoder = type(ib.client.decoder)(wrapper, 0)


@contextmanager
def at_once(ib: Any) -> Iterator[None]:
    """Put what the block sends on the wire in one write: who ends in its midst has sent all or nothing.

    The library leaves a margin below the broker's rate, which one family may use; where its own rate is
    reached, or it holds messages back already, this waits behind them.
    """
    line = ib.client.conn
    if line is None:
        raise ConnectionError("not connected")
    kept: list[bytes] = []
    line.sendMsg = kept.append
    client, now = ib.client, asyncio.get_running_loop().time()
    rate = client.MaxRequests
    lately = sum(now - at <= client.RequestsInterval for at in client._timeQ)
    if not client._msgQ and lately < rate:
        client.MaxRequests = 0
    try:
        yield
    finally:
        client.MaxRequests = rate
        del line.sendMsg
    if kept:
        line.sendMsg(b"".join(kept))


def as_told(ib: Any, client_id: int, order_id: int) -> dict[str, Any]:
    """Return what the broker has told of an order besides its size and prices: nothing of an unknown one.

    Who changes an order says all of it again, and an earlier session's validity stands nowhere else.
    """
    trade = ib.wrapper.trades.get((client_id, order_id))
    if trade is None:
        return {}
    return {name: getattr(trade.order, name) for name in _KEPT}


def exact(value: Any) -> Decimal:
    """Return a number as the decimal that was on the wire; 0 where it was unset."""
    number = float(value or 0)
    return Decimal(0) if number == UNSET_DOUBLE else Decimal(repr(number)).normalize() + 0


def _size(value: Any) -> Decimal:
    """Return a size without what adding up fractions leaves behind, here or at the broker."""
    return exact(round(float(value or 0), _DECIMALS))


def _side(word: str) -> Side:
    return "BUY" if word.upper() in ("BUY", "BOT") else "SELL"


def _price(value: Any) -> Decimal | None:
    """Return a price that was set, or None: 0 is one, for a spread."""
    return None if value is None or float(value) == UNSET_DOUBLE else exact(value)


def _known(number: int) -> int:
    return 0 if number == UNSET_INTEGER else int(number)


def _open_order(order_id: int, contract: Any, order: Any, state: Any) -> Message | None:
    if order.whatIf:
        return None
    return OpenOrder(
        order_id=order_id,
        client_id=order.clientId,
        perm_id=order.permId,
        ref=order.orderRef,
        con_id=contract.conId,
        account=order.account,
        side=_side(order.action),
        size=_size(order.totalQuantity),
        type=order.orderType,
        status=state.status,
        limit=_price(order.lmtPrice) if "LMT" in order.orderType or order.orderType == "LOC" else None,
        stop=_price(order.auxPrice) if order.orderType.startswith("STP") else None,
    )


def _completed_order(contract: Any, order: Any, state: Any) -> Message:
    return CompletedOrder(
        ref=order.orderRef,
        perm_id=order.permId,
        con_id=contract.conId,
        account=order.account,
        side=_side(order.action),
        size=_size(order.totalQuantity),
        filled=_size(order.filledQuantity),
        type=order.orderType,
        status=state.status,
        reason=state.completedStatus,
    )


def _order_status(
    order_id: int,
    status: str,
    filled: float,
    remaining: float,
    _price: float,
    perm_id: int,
    _parent: int,
    _last: float,
    client_id: int,
    *_: Any,
) -> Message:
    return OrderStatus(
        order_id=order_id,
        client_id=client_id,
        perm_id=perm_id,
        status=status,
        filled=_size(filled),
        remaining=_size(remaining),
    )


def _execution(_request: int, contract: Any, execution: Any) -> Message:
    return Execution(
        exec_id=execution.execId,
        order_id=_known(execution.orderId),
        client_id=execution.clientId,
        perm_id=execution.permId,
        ref=execution.orderRef,
        con_id=contract.conId,
        symbol=contract.symbol,
        account=execution.acctNumber,
        side=_side(execution.side),
        size=_size(execution.shares),
        price=exact(execution.price),
        time=execution.time.astimezone(UTC),
    )


def _commission(report: Any) -> Message:
    return Commission(exec_id=report.execId, amount=exact(report.commission), currency=report.currency)


def _position(account: str, contract: Any, size: float, cost: float) -> Message:
    return Position(
        account=account,
        con_id=contract.conId,
        symbol=contract.symbol,
        size=_size(size),
        average_cost=exact(cost),
    )


def _account_value(key: str, value: str, currency: str, account: str) -> Message:
    return AccountValue(account=account, key=key, value=value, currency=currency)


def _account_multi(_request: int, account: str, _model: str, key: str, value: str, currency: str) -> Message:
    return AccountValue(account=account, key=key, value=value, currency=currency)
