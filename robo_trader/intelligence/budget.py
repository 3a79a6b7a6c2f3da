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
    day: str | None = None


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
        # Two queues: room in the run's budget also comes back when the day has none for somebody.
        self._for_run: list[_Waiting] = []
        self._for_day: list[_Waiting] = []
        #: Calls that are open or just asking the day's account.
        self._open = 0
        self._settlements = 0

    async def reserve(self, worst: Decimal) -> Reservation:
        """Set `worst` dollars aside; wait while open calls may make room, else raise `BudgetSpent`."""
        while True:
            with self._lock:
                broke = self.run is not None and self.settled + worst > self.run
                fits = self.run is None or self.settled + self.reserved + worst <= self.run
                settlements = self._settlements
                waiter = None
                if fits:
                    self.reserved += worst
                    self._open += 1
                elif not broke:
                    waiter = _wait_in(self._for_run)
            if broke:
                self._next()
                raise BudgetSpent(
                    f"${self.settled:.4f} of this run's ${self.run} are spent; a call may cost ${worst:.4f}"
                )
            if waiter is None:
                if self.ledger is None or not worst:
                    return Reservation(worst)
                day = self.ledger.take(worst) or await self._reserve(self.ledger, worst)
                if day is not None:
                    self._next()
                    return Reservation(worst, day)
                waiter = self._step_back(worst, settlements)
                if waiter is None:
                    raise BudgetSpent(
                        f"a call may cost ${worst:.4f}, more than is left of ${self.ledger.cap} a day"
                    )
            try:
                await waiter
            except asyncio.CancelledError:
                self._next()
                raise

    async def settle(self, reservation: Reservation, model: str, usage: Usage | None, cost: Decimal) -> None:
        """Replace a reservation by what the call cost."""
        try:
            ledger, day = self.ledger, reservation.day
            if ledger is not None and day is not None:
                due = ledger.settle(day, reservation.worst, model, usage, cost)
                if due:
                    await asyncio.shield(asyncio.to_thread(ledger.flush))
        finally:
            with self._lock:
                self.reserved -= reservation.worst
                self.settled += cost
                self._open -= 1
                self._settlements += 1
                woken, self._for_run = self._for_run, []
            _wake(woken)
            self._next()

    async def close(self) -> None:
        """Write down what was spent, and give back what was set aside for the day."""
        if self.ledger is not None:
            await asyncio.to_thread(self.ledger.flush)

    async def _reserve(self, ledger: Ledger, worst: Decimal) -> str | None:
        asking = _Asking(ledger, worst)
        try:
            return await asyncio.to_thread(asking.reserve)
        except BaseException:
            asking.leave()
            self._step_back(worst, -1)
            raise

    def _next(self) -> None:
        """Let the first who waits for the day's budget ask again; all at once would crowd its account."""
        with self._lock:
            while self._for_day:
                first = self._for_day.pop(0)
                if not first[1].done():
                    _wake([first])
                    return

    def _step_back(self, worst: Decimal, settlements: int) -> asyncio.Future[None] | None:
        """Give back what the day has no room for; return what to wait for, None where nothing is open."""
        with self._lock:
            self.reserved -= worst
            self._open -= 1
            woken, self._for_run = self._for_run, []
            if not self._open:
                # Whoever waited for this one has nothing to wait for any more.
                woken, self._for_day = woken + self._for_day, []
            waiter = None
            if settlements != self._settlements:
                # Somebody settled while we asked: ask again at once.
                waiter = asyncio.get_running_loop().create_future()
                waiter.set_result(None)
            elif self._open:
                waiter = _wait_in(self._for_day)
        _wake(woken)
        return waiter


class _Asking:
    """A question to the day's account that goes on in its thread when the asker has left."""

    def __init__(self, ledger: Ledger, worst: Decimal) -> None:
        self._ledger = ledger
        self._worst = worst
        self._lock = threading.Lock()
        self._left = False
        self._day: str | None = None

    def reserve(self) -> str | None:
        return self._ledger.reserve(self._worst, self._keep)

    def leave(self) -> None:
        """Give back what was reserved, or refuse what will be."""
        with self._lock:
            self._left = True
            if self._day is not None:
                self._ledger.give_back(self._day, self._worst)

    def _keep(self, day: str) -> bool:
        with self._lock:
            if not self._left:
                self._day = day
            return not self._left


def _wait_in(queue: list[_Waiting]) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    queue.append((loop, waiter))
    return waiter


def _wake(woken: list[_Waiting]) -> None:
    for loop, waiter in woken:
        # A loop that has ended has nobody waiting any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_finish, waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
