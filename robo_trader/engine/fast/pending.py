"""The orders that wait in the market, found by the clock of their instrument.

A bar concerns the orders of its own clock alone. With a queue for all, a hundred clocks would make
each look at the orders of all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from robo_trader.engine.fast.cursor import Cursor


class Pending(dict[int, Any]):
    """Waiting orders by ref, in the order of their acceptance; iterating gives the orders.

    It stands in the place of Backtrader's queue. While the broker walks over orders, `current` is
    the one in its hands: it is not found here then, as it would not be found in the queue.
    """

    def __init__(self) -> None:
        super().__init__()
        self.current: Any = None
        self._serials: dict[int, int] = {}
        self._serial = count()
        self._by_clock: dict[Cursor, dict[int, Any]] = {}

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def append(self, order: Any) -> None:
        """Add an order at the end."""
        self[order.ref] = order
        self._serials[order.ref] = next(self._serial)
        self._by_clock.setdefault(order.data._robo_cursor, {})[order.ref] = order

    def remove(self, order: Any) -> None:
        """Take an order out; `ValueError` where it is not, as from Backtrader's queue."""
        if order.ref not in self or order == self.current:
            raise ValueError(f"order {order.ref} does not wait")
        self.drop(order)

    def drop(self, order: Any) -> None:
        """Take an order out for good."""
        del self[order.ref], self._serials[order.ref], self._by_clock[order.data._robo_cursor][order.ref]

    def waits(self, clocks: tuple[Cursor, ...]) -> bool:
        """Return True where an order of `clocks` waits."""
        by_clock = self._by_clock
        for clock in clocks:  # noqa: SIM110  # asked on every bar: a generator takes twice as long
            if by_clock.get(clock):
                return True
        return False

    def of(self, clocks: tuple[Cursor, ...]) -> list[Any]:
        """Return the orders of `clocks`, in the order of their acceptance."""
        if len(clocks) == 1:
            return list(self._by_clock.get(clocks[0], {}).values())
        found = [order for clock in clocks for order in self._by_clock.get(clock, {}).values()]
        return sorted(found, key=lambda order: self._serials[order.ref])

    def backwards(self) -> list[Any]:
        """Return the orders from the end of Backtrader's queue to its beginning.

        In the middle of a walk the queue has been turned: those before `current` stand at the end.
        """
        orders = list(self.values())[::-1]
        if self.current is None:
            return orders
        at = self._serials[self.current.ref]
        before = [order for order in orders if self._serials[order.ref] < at]
        return before + [order for order in orders if self._serials[order.ref] > at]
