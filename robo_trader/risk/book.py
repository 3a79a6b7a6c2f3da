"""What the guard may know of the account at the moment of a decision.

Brokers, simulated or real, offer a `Book`; the guard reads it and never changes it. A book never
raises for a symbol it does not know: it answers position 0, price NaN and no working orders.

A symbol is the instrument's. A name under which orders are made may be another (a second time frame of
one symbol, ``SPY@1d``); `Book.instrument` knows it, and everything else adds up by the instrument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from robo_trader.instruments import Instrument
from robo_trader.records import Side

#: Order types that are filled at the next price, whatever it is.
CERTAIN = ("Market", "Close")


class WorkingOrder(NamedTuple):
    """An order that was sent and is neither filled, cancelled nor expired.

    `size` is what remains of it, above 0; `limit` and `stop` are prices or None. Of the orders of
    one `group` at most one is filled: a lone order is its own group (its id), an OCO group bears
    the id of its leader, the children of one bracket minus the id of their parent. `dormant` is a
    bracket child on the other side of a parent that still works: it lives only after that fill.
    """

    order_id: int
    side: Side
    size: float
    type: str
    limit: float | None = None
    stop: float | None = None
    group: int = 0
    dormant: bool = False


class Book(Protocol):
    """The account: money in its own currency, positions signed, times in ns since 1970 UTC."""

    @property
    def now(self) -> int: ...

    @property
    def cash(self) -> float: ...

    @property
    def value(self) -> float: ...

    @property
    def session_values(self) -> Sequence[float]:
        """The account's value at the end of each finished session, the starting cash in front.

        The last one is the opening equity of the session in progress.
        """
        ...

    def session_end(self, n: int) -> int:
        """Return when the account's `n`-th session (1 is the first) ended, ns UTC."""
        ...

    def position(self, symbol: str) -> float: ...

    def price(self, symbol: str) -> float:
        """Return the last known close of `symbol`, NaN before its first bar."""
        ...

    def working(self, symbol: str) -> Sequence[WorkingOrder]:
        """Return the working orders in `symbol`, in the order of their arrival."""
        ...

    def holdings(self) -> Iterable[tuple[str, float, float]]:
        """Return symbol, signed position and last close of everything that is held."""
        ...

    def with_orders(self) -> Iterable[str]:
        """Return every symbol with a working order."""
        ...

    def changed(self) -> Collection[str] | None:
        """Return the symbols whose position or orders changed since the last call.

        Orders that the guard has let pass in between need not be named: it counts them itself. None
        says that nobody keeps count: everything may have changed.
        """
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument that orders for `symbol`, or under this name, are for."""
        ...

    def closes(self, symbol: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """Return the dates of the sessions known by now and the last close of each, as views."""
        ...
