"""`Lane`: one analyst with a queue of its own, so that none waits for another.

A lane shows its analyst one event after the other, the most important first. An analyst that raises, is
not done by the deadline or answers nonsense has failed on that event, which is an abstention. A plain
``read`` runs in a thread and is left behind when it hangs; until it comes back its analyst abstains at
once. An ``async`` one that blocks its thread blocks the pipeline: nothing can be done about that from
outside.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from robo_trader.events.queue import EventQueue
from robo_trader.intelligence.judging import Failed, handed, judged, reason_of, wants_past
from robo_trader.news.polling import in_thread
from robo_trader.records import Abstain, Event, View

Answer = Sequence[View] | Abstain | Failed


class Caller:
    """Asks one analyst about one event; a plain ``read`` is called by one thread at a time."""

    def __init__(self, name: str, analyst: Any, *, timeout: timedelta, past: Callable[[Event], Any]) -> None:
        self.name, self.analyst = name, analyst
        self.kinds = frozenset(analyst.kinds)
        self._timeout = timeout.total_seconds()
        self._past = past if wants_past(analyst) else None
        self._hand = asyncio.Lock()
        self._stuck: threading.Thread | None = None

    async def ask(self, event: Event) -> Answer:
        """Return what the analyst says of `event`, or why it says nothing; never raises."""
        try:
            if inspect.iscoroutinefunction(self.analyst.read):
                said = self._read(event)
            else:
                said = await self._plainly(event)
            if inspect.isawaitable(said):
                said = await asyncio.wait_for(said, self._timeout)
            return said if isinstance(said, Failed) else judged(said)
        except TimeoutError:
            return Failed(f"no answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - a stranger's analyst may raise anything
            return Failed(reason_of(error))

    async def _plainly(self, event: Event) -> Any:
        async with self._hand:
            if self._stuck is not None and self._stuck.is_alive():
                return Failed("it has not come back from an earlier event")
            holder: list[threading.Thread] = []
            work = in_thread(lambda: self._read(event), holder)
            try:
                return await asyncio.wait_for(work, self._timeout)
            except TimeoutError:
                self._stuck = holder[0]
                raise

    def _read(self, event: Event) -> Any:
        return self.analyst.read(handed(event), *(() if self._past is None else (self._past(event),)))


class Lane:
    """`readers` readers of one queue, each awaiting ``show(caller, event)`` for one event at a time."""

    def __init__(
        self,
        caller: Caller,
        queue: EventQueue,
        show: Callable[[Caller, Event], Awaitable[None]],
        *,
        readers: int,
    ) -> None:
        self.caller, self.queue, self._show = caller, queue, show
        self._readers = readers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read."""
        self._tasks = [asyncio.create_task(self._read()) for _ in range(self._readers)]

    async def stop(self, drain: float) -> None:
        """Read what waits for up to `drain` seconds and leave the rest unread."""
        await self.queue.close()
        _, late = await asyncio.wait(self._tasks, timeout=drain)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for event in self.queue:
            await self._show(self.caller, event)
