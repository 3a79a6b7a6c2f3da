"""The gateway: the only way to a model, with deadline, retries, budget, circuit, fallback and store.

`ask` answers every question with a typed `Reply`; a model's failure is never an exception. The modes:

- ``record``: what the store holds is taken from there; the rest is asked, and how it ended recorded.
- ``replay``: the store alone. No connection is made; a reply that is not there raises `ReplyMissing`.
- ``live``: every question is asked; how it ended is recorded where there is a store.

The deadline runs from the moment a call may go out, over all attempts and all models of the chain, and
ends a body that drips. Waiting for a free slot, for the pace or for the budget comes before it; with
`patience` that has an end too. A reply counts as recorded once somebody was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, TypeVar
from weakref import WeakKeyDictionary

from robo_trader.clock import monotonic
from robo_trader.errors import StateError
from robo_trader.intelligence.adapters import Adapter
from robo_trader.intelligence.budget import Budget, BudgetSpent, Reservation
from robo_trader.intelligence.limits import Circuit, Pace
from robo_trader.intelligence.models import FREE, Model, Price
from robo_trader.intelligence.replies import ReplyStore, Stored, address
from robo_trader.intelligence.reply import RETRIED, TROUBLE, BadAnswer, Reply, Request, Status, Usage, plain

Mode = Literal["record", "replay", "live"]
MODES: tuple[Mode, ...] = ("record", "replay", "live")

#: Tokens that a provider may add to what we send, for the schema's sake.
_ADDED_TOKENS = 500
#: How often a question may be paid for, one model.
_MOST_BILLED = 2
#: Ways to end that say nothing about the question, so that they are not recorded.
_NOT_RECORDED = frozenset({Status.BUDGET, Status.AUTH})

T = TypeVar("T")


@dataclass(eq=False)
class Route:
    """A model and the way to it."""

    model: Model
    adapter: Adapter
    circuit: Circuit = field(default_factory=Circuit)
    pace: Pace = field(default_factory=Pace)

    @property
    def name(self) -> str:
        """The model's name with the settings that change its answers: what replies are filed under."""
        effort = self.adapter.effort
        return f"{self.model.name}@{effort}" if effort else self.model.name

    @property
    def price(self) -> Price:
        """The model's price; free where none is known, which only a replay lets happen."""
        return self.model.price or FREE


class Gateway:
    """A chain of routes, tried in order until one answers.

    `deadline` and `patience` are seconds (`patience` None: wait as long as it takes). `attempts`
    counts per route; `backoff` is the first pause between them in seconds, doubled each time.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        mode: Mode = "record",
        store: ReplyStore | None = None,
        budget: Budget | None = None,
        deadline: float = 20.0,
        patience: float | None = None,
        attempts: int = 4,
        backoff: float = 0.5,
        concurrency: int = 8,
    ) -> None:
        self.routes = tuple(routes)
        self.mode = mode
        self.store = store
        self.budget = budget or Budget()
        self.deadline = deadline
        self.patience = patience
        self.attempts = attempts
        self.backoff = backoff
        self._concurrency = concurrency
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._asking: dict[str, asyncio.Future[None]] = {}
        self._ended: dict[str, Reply] = {}
        # Only spreads retries over time; no answer depends on it.
        self._random = random.Random()

    # -- what is recorded --------------------------------------------------------------------------

    def recorded(self, request: Request) -> Reply | None:
        """Return what the store holds for `request`: the first good reply of the chain, else a failure.

        None where nobody was asked, and in the mode ``live``.
        """
        if self.store is None or self.mode == "live":
            return None
        failed = None
        for route in self.routes:
            stored = self.store.get(address(route.name, request))
            if stored is None:
                continue
            reply = _replayed(stored, request)
            if reply.ok:
                return reply
            failed = reply
        return failed

    def recall(self, request: Request, title: str = "") -> Reply | None:
        """Return the reply that needs no call, or None where one is due.

        In the mode ``replay`` a call never is: what is not recorded raises `ReplyMissing`.
        """
        found = self.recorded(request)
        if self.mode != "replay":
            return found if found is not None and found.ok else None
        if found is None:
            assert self.store is not None
            raise self.store.missing(address(self.routes[0].name, request), title)
        return found

    # -- asking ------------------------------------------------------------------------------------

    async def ask(self, request: Request) -> Reply:
        """Put `request` to the chain and return how it ended; the cost is over all attempts.

        While recording, one question is put once, however many events ask it and whatever came of it:
        a replay knows one answer to it.
        """
        found = self.recall(request)
        if found is not None:
            return found
        if self.mode == "live":
            return await self._asked(request)
        key = address(self.routes[0].name, request).key
        loop = asyncio.get_running_loop()
        while key not in self._ended:
            other = self._asking.get(key)
            if other is not None and other.get_loop() is loop:
                await asyncio.wait([other])
                continue
            mine = self._asking[key] = loop.create_future()
            try:
                self._ended[key] = await self._asked(request)
                return self._ended[key]
            finally:
                self._asking.pop(key, None)  # another thread's loop may have been here
                mine.set_result(None)
        return replace(self._ended[key], cost=Decimal(0), attempts=0)

    async def _asked(self, request: Request) -> Reply:
        """Wait for a slot and ask."""
        try:
            for route in self.routes:
                await route.adapter.open()
        except Exception as error:  # noqa: BLE001 - whatever an SDK raises when it is set up
            detail = f"the client cannot be made: {type(error).__name__}: {error}"
            return Reply(status=Status.UNAVAILABLE, detail=plain(detail), billed=False)
        began = monotonic()
        try:
            async with asyncio.timeout(self.patience):
                await self._slot().acquire()
        except TimeoutError:
            return Reply(status=Status.TIMEOUT, detail="no free slot in time", billed=False)
        try:
            reply = await self._chain(request)
        finally:
            self._slot().release()
        return replace(reply, seconds=monotonic() - began)

    async def close(self) -> None:
        """Close the connections of this event loop, and write down what was spent.

        Both also happen by themselves, at the end of the loop and of the process.
        """
        for route in self.routes:
            await route.adapter.close()
        with contextlib.suppress(StateError):  # what is not written down stays set aside
            await self.budget.close()

    def worst(self, route: Route, request: Request) -> Decimal:
        """Return the most that one call may cost, in dollars: no token is shorter than a byte."""
        size = characters(request, encoded=True)
        return route.price.worst(size + _ADDED_TOKENS, request.max_tokens)

    async def _chain(self, request: Request) -> Reply:
        deadline = _Deadline(self.deadline)
        cost, attempts = Decimal(0), 0
        reply = Reply(status=Status.UNAVAILABLE, detail="there is no model to ask", billed=False)
        for number, route in enumerate(self.routes):
            # Each gets its share of what is left, so that a slow first one leaves time for the next.
            share = deadline.share(len(self.routes) - number)
            reply = await self._route(route, request, share)
            deadline.extend(share.waited)
            cost, attempts = cost + reply.cost, attempts + reply.attempts
            if reply.attempts and reply.status not in _NOT_RECORDED and self.store is not None:
                self.store.put(address(route.name, request), reply, characters(request))
            if reply.ok or deadline.left <= 0:
                break
        return replace(reply, cost=cost, attempts=attempts)

    async def _route(self, route: Route, request: Request, deadline: _Deadline) -> Reply:
        """Ask one model, again where that may help, and return how it ended."""
        cost, attempts, billed, pause = Decimal(0), 0, 0, self.backoff
        while True:
            if not route.circuit.enter():
                wait = route.circuit.closed_for
                reply = Reply(
                    status=Status.UNAVAILABLE,
                    detail=f"not asked: {route.model.name} failed too often; again in {wait:.0f} s",
                    model=route.model.name,
                    billed=False,
                )
                break
            trouble: bool | None = None
            try:
                reply = await self._attempt(route, request, deadline)
                trouble = reply.status in TROUBLE if reply.attempts else None
            finally:
                route.circuit.report(trouble, reply.retry_after if trouble else None)
            cost += reply.cost
            attempts += reply.attempts
            billed += reply.billed
            wait = max(pause * self._random.uniform(0.5, 1.0), reply.retry_after or 0.0)
            pause *= 2
            done = reply.status not in RETRIED or attempts >= self.attempts or billed >= _MOST_BILLED
            if done or wait >= deadline.left:
                break
            await asyncio.sleep(wait)
        return replace(reply, cost=cost, attempts=attempts)

    async def _attempt(self, route: Route, request: Request, deadline: _Deadline) -> Reply:
        """Call once, with money reserved before and settled after."""
        unsent = Reply(status=Status.BUDGET, model=route.model.name, billed=False)
        worst = self.worst(route, request)
        try:
            await self._wait(route.pace.wait(), deadline)
            reservation = await self._wait(self.budget.reserve(worst), deadline)
        except BudgetSpent as spent:
            return replace(unsent, detail=str(spent))
        except StateError as error:
            return replace(unsent, detail=f"the spending cannot be written down: {error.message}")
        except TimeoutError:
            return replace(unsent, status=Status.TIMEOUT, detail="it waited too long for pace or budget")
        usage: Usage | None = None
        cost = worst
        try:
            reply = await self._call(route, request, deadline)
            usage = reply.usage
            cost = Decimal(0) if not reply.billed else worst if usage is None else route.price.cost(usage)
        finally:
            # Whoever was cancelled in the middle of a call pays the worst case.
            problem = await self._settle(reservation, route, usage, cost)
        detail = f"{reply.detail}; {problem}".removeprefix("; ") if problem else reply.detail
        return replace(reply, cost=cost, attempts=1, detail=detail)

    async def _call(self, route: Route, request: Request, deadline: _Deadline) -> Reply:
        left = deadline.left
        try:
            async with asyncio.timeout(left):
                reply = await route.adapter.ask(route.model.name, request, max(left, 0.001))
        except TimeoutError:
            detail = f"no answer within {self.deadline:g} s"
            return Reply(status=Status.TIMEOUT, detail=detail, model=route.model.name)
        if not reply.ok:
            return reply
        assert request.check is not None
        try:
            return replace(reply, answer=request.check(reply.text))
        except BadAnswer as bad:
            return replace(reply, status=bad.status, detail=bad.detail)

    async def _settle(
        self, reservation: Reservation, route: Route, usage: Usage | None, cost: Decimal
    ) -> str:
        try:
            await self.budget.settle(reservation, route.model.name, usage, cost)
        except StateError as error:
            # The reservation stays in the day's account at its worst case.
            return f"its cost could not be written down: {error.message}"
        return ""

    async def _wait(self, thing: Awaitable[T], deadline: _Deadline) -> T:
        """Wait for `thing`, at the deadline's expense only where there is no patience without end."""
        if self.patience is not None:
            async with asyncio.timeout(deadline.left):
                return await thing
        began = monotonic()
        try:
            return await thing
        finally:
            deadline.extend(monotonic() - began)

    def _slot(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        slot = self._slots.get(loop)
        if slot is None:
            slot = self._slots[loop] = asyncio.Semaphore(self._concurrency)
        return slot


class _Deadline:
    """A moment that time spent in a queue moves on."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self.waited = 0.0

    @property
    def left(self) -> float:
        return self._end - monotonic()

    def share(self, parts: int) -> _Deadline:
        return _Deadline(self.left / parts)

    def extend(self, seconds: float) -> None:
        self._end += seconds
        self.waited += seconds


def characters(request: Request, *, encoded: bool = False) -> int:
    """Return the length of what is sent: instructions, input and schema; in bytes if `encoded`."""
    parts = (request.system, request.user, str(request.schema))
    return sum(len(part.encode()) if encoded else len(part) for part in parts)


def _replayed(stored: Stored, request: Request) -> Reply:
    """Return the reply that a store's line holds."""
    answer = None
    status, detail = stored.status, stored.detail
    if status is Status.OK:
        try:
            answer = request.load(stored.answer)
        except BadAnswer as bad:
            status, detail = bad.status, bad.detail
    return Reply(
        status=status,
        text=stored.text,
        answer=answer,
        usage=stored.usage,
        detail=detail,
        model=stored.model.partition("@")[0],
    )
