"""The budget of a run and of a day: reserved before a call, settled from its usage after it.

A call is made only if its worst case fits beside everything spent and reserved, so that the caps hold
whatever the models answer. A call that does not fit now but may fit once others are settled waits for
them; refused is only what cannot fit any more. Safe across tasks, threads and event loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from decimal import Decimal

from robo_trader.intelligence.ledger import Ledger
from robo_trader.intelligence.reply import Usage

_Waiting = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


@dataclass(slots=True, eq=False)
class Reservation:
    """Money set aside for one call."""

    worst: Decimal
    entry: str | None = None


class BudgetSpent(Exception):
    """The call does not fit into the budget, whatever the open ones turn out to cost."""


class Budget:
    """Dollars for one run (`run`, None for no cap) and, through `ledger`, for one day."""

    def __init__(self, run: Decimal | None = None, ledger: Ledger | None = None) -> None:
        self.run = run
        self.ledger = ledger
        #: What calls have cost, and what open ones may cost at worst.
        self.settled = Decimal(0)
        self.reserved = Decimal(0)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._settlements = 0

    async def reserve(self, worst: Decimal) -> Reservation:
        """Set `worst` dollars aside; wait while open calls may make room, else raise `BudgetSpent`."""
        while True:
            waiter = None
            with self._lock:
                if self.run is not None and self.settled + worst > self.run:
                    raise BudgetSpent(
                        f"${self.settled:.4f} of this run's ${self.run} are spent, and a call may cost "
                        f"${worst:.4f}"
                    )
                settlements = self._settlements
                if self.run is None or self.settled + self.reserved + worst <= self.run:
                    self.reserved += worst
                else:
                    waiter = self._waiter()
            if waiter is None:
                if self.ledger is None or not worst:
                    return Reservation(worst)
                entry = await self._enter(self.ledger, worst)
                if entry is not None:
                    return Reservation(worst, entry)
                waiter = self._step_back(worst, settlements)
            await waiter

    async def settle(self, reservation: Reservation, model: str, usage: Usage | None, cost: Decimal) -> None:
        """Replace a reservation by what the call cost."""
        try:
            if reservation.entry is not None and self.ledger is not None:
                # Even a cancelled caller's money must be accounted for.
                await asyncio.shield(
                    asyncio.to_thread(self.ledger.settle, reservation.entry, model, usage, cost)
                )
        finally:
            with self._lock:
                self.reserved -= reservation.worst
                self.settled += cost
                self._settlements += 1
                woken = self._take_waiting()
            _wake(woken)

    async def _enter(self, ledger: Ledger, worst: Decimal) -> str | None:
        try:
            return await asyncio.to_thread(ledger.reserve, worst)
        except BaseException:
            with self._lock:
                self.reserved -= worst
                woken = self._take_waiting()
            _wake(woken)
            raise

    def _step_back(self, worst: Decimal, settlements: int) -> asyncio.Future[None]:
        """Give back what the day has no room for; return what to wait for, or raise `BudgetSpent`."""
        assert self.ledger is not None
        with self._lock:
            self.reserved -= worst
            woken = self._take_waiting()
            hope = self.reserved > 0 or settlements != self._settlements
            waiter = self._waiter() if hope else None
            if waiter is not None and settlements != self._settlements:
                # Somebody settled while we asked: ask again at once.
                self._waiting.pop()
                waiter.set_result(None)
        _wake(woken)
        if waiter is None:
            raise BudgetSpent(f"a call may cost ${worst:.4f}, more than is left of ${self.ledger.cap} a day")
        return waiter

    def _waiter(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append((loop, waiter))
        return waiter

    def _take_waiting(self) -> list[_Waiting]:
        woken, self._waiting = self._waiting, []
        return woken


def _wake(woken: list[_Waiting]) -> None:
    for loop, waiter in woken:
        # A loop that has ended has nobody waiting any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_finish, waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
