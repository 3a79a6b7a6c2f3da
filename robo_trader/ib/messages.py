"""What the line tells: immutable records, safe to hand from one thread to another.

Sizes, prices and commissions are exact decimals of what was on the wire; times are aware UTC. An order is
named by its reference (ours, chosen before sending), by client id and order id, and by the broker's
permanent id; a message carries those that its frame carried.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from robo_trader.records import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The line is up and the library has read the broker's state.

    `accounts` are those of the login, `server_version` is the protocol's, `skew` how many seconds the
    gateway's clock is ahead of ours (to a second). `simulated` tells that the gateway named itself the
    project's own. `attempt` counts connections, from 1. All that is known of open orders and executions
    has been told before this message.
    """

    accounts: tuple[str, ...]
    server_version: int
    skew: float
    simulated: bool
    attempt: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The line is down and will be tried again; `reason` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A try to connect again failed; the next one comes `retry_in` seconds later."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """The broker holds this order: `size` in shares or contracts, `status` in the broker's word.

    `limit` and `stop` are prices where its type has them; what a trailing stop stands at moves and is None.
    """

    order_id: int
    client_id: int
    perm_id: int
    ref: str
    con_id: int
    account: str
    side: Side
    size: Decimal
    type: str
    status: str
    limit: Decimal | None = None
    stop: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedOrder:
    """An order that the broker no longer works: how it ended and how much of `size` was `filled`.

    Its frame names no client and no order id. `reason` is the broker's text.
    """

    ref: str
    perm_id: int
    con_id: int
    account: str
    side: Side
    size: Decimal
    filled: Decimal
    type: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """A status as it was on the wire; it may be old, doubled or missing."""

    order_id: int
    client_id: int
    perm_id: int
    status: str
    filled: Decimal
    remaining: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution: `size` positive at `price`. A correction has the same id but for its last part."""

    exec_id: str
    order_id: int
    client_id: int
    perm_id: int
    ref: str
    con_id: int
    symbol: str
    account: str
    side: Side
    size: Decimal
    price: Decimal
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What an execution cost: `amount` of `currency`."""

    exec_id: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error frame: `id` is an order's or a request's, -1 for the line's own; `request` tells which."""

    id: int
    code: int
    text: str
    request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds: `size` signed; `average_cost` includes the multiplier."""

    account: str
    con_id: int
    symbol: str
    size: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValue:
    """One value of an account, as text: ``NetLiquidation`` in ``USD``, for example."""

    account: str
    key: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True)
class PriceBar:
    """A bar as the broker tells it, perhaps still growing.

    `at` is its start in ns UTC, or its session's day since 1970 for daily bars.
    """

    at: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of the series `key`, in time order. A `snapshot` begins a subscription; others are its latest."""

    key: str
    bars: tuple[PriceBar, ...]
    snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a contract is quoted at, as it stood `at` our clock: all that is known, not only what changed.

    A price that there is none of is None, and its size then 0. `traded_at` is when `last` was traded.
    `delayed` data are some fifteen minutes old; `halted` also holds in a volatility pause.
    """

    con_id: int
    symbol: str
    at: datetime
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    bid_size: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)
    last_size: Decimal = Decimal(0)
    traded_at: datetime | None = None
    halted: bool = False
    delayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One tick of a tick-by-tick line, `at` the broker's time, in whole seconds.

    Of the kinds ``Last`` and ``AllLast`` it has `price` and `size`, of ``BidAsk`` the other four.
    """

    con_id: int
    symbol: str
    kind: Literal["Last", "AllLast", "BidAsk"]
    at: datetime
    price: float = 0.0
    size: Decimal = Decimal(0)
    bid: float = 0.0
    ask: float = 0.0
    bid_size: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stirred:
    """Nothing of the broker's: something else waits for whoever waits for messages."""


Message = (
    Opened
    | Lost
    | Failed
    | OpenOrder
    | CompletedOrder
    | OrderStatus
    | Execution
    | Commission
    | Problem
    | Position
    | AccountValue
    | Bars
    | Quote
    | Tick
    | Stirred
)
