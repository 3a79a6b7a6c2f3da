"""Everything that the broker has of an account at one moment: orders, executions, positions and values.

All questions are asked together, and again until two rounds of answers agree; what is told meanwhile counts
too. So no part is older than another: an order that fills while it is asked for stands among the executions
and in the position, or in neither. Executions and commissions are those that the broker lists (of the present
day, as a rule, and all clients' to client 0 alone), with what the library heard earlier.

Failure contract: `take_snapshot` raises `BrokerError` where the broker does not answer, refuses, or goes on
changing, and `LineDownError` where the line is down or breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from robo_trader import clock
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection
from robo_trader.ib.diagnosis import read_only, read_only_error
from robo_trader.ib.executions import split_id
from robo_trader.ib.library import exact
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

#: So often an account may change while it is asked for.
ROUNDS = 20
#: The broker's words for an order that it no longer works.
ENDED = frozenset(("Filled", "Cancelled", "ApiCancelled"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the broker told of `account`; `at` is when the asking was over (aware UTC, this machine's clock).

    Orders without an account are taken for this one's. Positions of size 0 are left out; of the
    commissions of an execution the last one told is here.
    """

    account: str
    at: datetime
    open_orders: tuple[OpenOrder, ...] = ()
    completed_orders: tuple[CompletedOrder, ...] = ()
    executions: tuple[Execution, ...] = ()
    commissions: tuple[Commission, ...] = ()
    positions: tuple[Position, ...] = ()
    account_values: tuple[AccountValue, ...] = ()

    def cost(self, exec_id: str) -> Commission | None:
        """Return what an execution cost; a correction keeps the old one's until its own is told."""
        name, number = split_id(exec_id)
        known = {split_id(c.exec_id)[1]: c for c in self.commissions if split_id(c.exec_id)[0] == name}
        told = [n for n in known if n <= number]
        return known[max(told)] if told else None

    def value(self, key: str, currency: str = "") -> Decimal | None:
        """Return a number among the account's values, in whichever currency where none is named."""
        for item in self.account_values:
            if item.key == key and currency in ("", item.currency):
                try:
                    return Decimal(item.value)
                except ArithmeticError:
                    return None
        return None


def take_snapshot(connection: Connection, account: str, timeout: float | None = None) -> Snapshot:
    """Ask over an open `connection` for all that the broker has of `account`; `timeout` is in seconds."""

    async def ask(ib: Any) -> _Heard:
        heard = _Heard(account)
        for fill in ib.fills():
            # Only here do commissions stand that were told before: a new answer has none for them.
            report = fill.commissionReport
            if report.execId:
                heard.take(
                    Commission(
                        exec_id=report.execId, amount=exact(report.commission), currency=report.currency
                    )
                )
        with connection.overheard(heard.take):
            await _answers(heard, _values(ib, account))
            before = None
            for _ in range(ROUNDS):
                heard.begin()
                await _answers(
                    heard,
                    ib.reqAllOpenOrdersAsync(),
                    ib.reqCompletedOrdersAsync(False),
                    ib.reqExecutionsAsync(),
                    ib.reqPositionsAsync(),
                )
                if (now := heard.facts()) == before:
                    return heard
                before = now
        raise BrokerError(
            f"account {account} changed {ROUNDS} times while it was asked for", hint="try again in a moment"
        )

    return connection.call(ask, timeout).snapshot()


async def _values(ib: Any, account: str) -> None:
    """Ask for the account's values once."""
    number = ib.client.getReqId()
    answer = ib.wrapper.startReq(number)
    ib.client.reqAccountUpdatesMulti(number, account, "", False)
    try:
        await answer
    finally:
        ib.client.cancelAccountUpdatesMulti(number)


async def _answers(heard: _Heard, *questions: Awaitable[Any]) -> None:
    """Wait for every answer, or raise where the broker says that it gives none."""
    answers = asyncio.gather(*questions)
    either: set[asyncio.Future[Any]] = {answers, heard.refused}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            raise read_only_error()
        answers.result()
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)


class _Heard:
    """What was told: orders and positions since a round began, all else since the first one did."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._executions: dict[Execution, None] = {}
        self._commissions: dict[str, Commission] = {}
        self._values: dict[tuple[str, str], AccountValue] = {}
        self.begin()

    def begin(self) -> None:
        """Forget what the next answers tell in full; what is over or gone is not in them."""
        self._open: dict[object, OpenOrder] = {}
        self._completed: dict[object, CompletedOrder] = {}
        self._positions: dict[int, Position] = {}

    def take(self, message: Message) -> None:
        """Take a message; those of other accounts are left aside."""
        match message:
            case OpenOrder(account=account) if account in ("", self.account):
                self._open[_key(message)] = message
                if message.status in ENDED:
                    del self._open[_key(message)]
            case OrderStatus(status=status) if status in ENDED:
                self._open.pop(_key(message), None)
            case CompletedOrder(account=account) if account in ("", self.account):
                self._completed[message.perm_id or message] = message
            case Execution(account=self.account):
                self._executions[message] = None
            case Commission():
                self._commissions[message.exec_id] = message
            case Position(account=self.account):
                self._positions[message.con_id] = message
            case AccountValue(account=self.account):
                self._values[message.key, message.currency] = message
            case Problem() if read_only(message) and not self.refused.done():
                self.refused.set_result(None)

    def facts(self) -> object:
        """Return what must be the same in two rounds; values and prices move all the time."""
        held = {con_id: position.size for con_id, position in self._positions.items() if position.size}
        return dict(self._open), dict(self._completed), dict(self._executions), held

    def snapshot(self) -> Snapshot:
        """Return what is known, each kind in a fixed order."""
        names = {split_id(execution.exec_id)[0] for execution in self._executions}
        return Snapshot(
            account=self.account,
            at=clock.now(),
            open_orders=tuple(
                sorted(self._open.values(), key=lambda o: (o.client_id, o.order_id, o.perm_id))
            ),
            completed_orders=tuple(sorted(self._completed.values(), key=lambda o: (o.perm_id, o.ref))),
            executions=tuple(sorted(self._executions, key=lambda e: (e.time, e.exec_id))),
            commissions=tuple(
                commission
                for exec_id, commission in sorted(self._commissions.items())
                if split_id(exec_id)[0] in names
            ),
            positions=tuple(p for _, p in sorted(self._positions.items()) if p.size),
            account_values=tuple(value for _, value in sorted(self._values.items())),
        )


def _key(message: OpenOrder | OrderStatus) -> object:
    return message.perm_id or (message.client_id, message.order_id)
