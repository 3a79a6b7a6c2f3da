"""`EventQueue`: the most important event first, none that is too old, and never more than fit.

Between sources and analysts of a live session. A full queue holds its producers back; with `shed` it lets
the least important event go instead, and counts it. Events published `max_age` ago or earlier are
dropped when they are taken, and counted: nobody trades on them, however late they were seen.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from robo_trader import clock
from robo_trader.errors import UsageError
from robo_trader.events.impact import impact
from robo_trader.records import Event

#: Why an event is let go.
TOO_OLD = "it was published too long ago"
NO_ROOM = "more important ones took its room"


@dataclass(frozen=True, slots=True, order=True)
class _Item:
    rank: float  # the negative impact: the heap's least is the most important
    known: datetime
    number: int
    event: Event


class EventQueue:
    """A priority queue for one asyncio loop; `size` events fit, None of `max_age` or more comes out.

    `dropped` counts events that grew too old inside, `shed` those that gave way to others; `gone` is
    told of each, with the reason.
    """

    def __init__(
        self,
        size: int = 1_000,
        *,
        max_age: timedelta | None = None,
        shed: bool = False,
        gone: Callable[[Event, str], None] | None = None,
    ) -> None:
        if size < 1:
            raise UsageError(f"an event queue needs room for at least 1 event, not {size}")
        if max_age is not None and max_age <= timedelta(0):
            raise UsageError(f"an event queue's max_age must be above 0, not {max_age}")
        self._size, self._max_age, self._shed, self._gone = size, max_age, shed, gone
        self._heap: list[_Item] = []
        self._count = 0
        self._closed = False
        self._changed = asyncio.Condition()
        self.dropped = 0
        self.shed = 0

    async def put(self, event: Event) -> bool:
        """Put `event` in, waiting for room; return False when it had to give way to others (`shed`).

        Raise `UsageError` when the queue is closed.
        """
        item = _Item(-impact(event).score, event.known_at or event.published_at, self._count, event)
        self._count += 1
        async with self._changed:
            while len(self._heap) >= self._size and not self._closed:
                self._age()
                if len(self._heap) < self._size:
                    break
                if self._shed:
                    return self._make_room(item)
                await self._changed.wait()
            if self._closed:
                raise UsageError("the event queue is closed", hint="stop the sources before closing it")
            heapq.heappush(self._heap, item)
            self._changed.notify_all()
        return True

    async def get(self) -> Event | None:
        """Return the most important event, waiting for one; None once the queue is closed and empty."""
        async with self._changed:
            while True:
                while self._heap:
                    item = heapq.heappop(self._heap)
                    self._changed.notify_all()
                    if not self._too_old(item):
                        return item.event
                    self._drop(item)
                if self._closed:
                    return None
                await self._changed.wait()

    async def close(self) -> None:
        """Take no more events; those inside can still be taken out."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._heap)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.get()) is not None:
            yield event

    def _too_old(self, item: _Item) -> bool:
        return self._max_age is not None and clock.now() - item.event.published_at >= self._max_age

    def _age(self) -> None:
        """Drop what grew too old: it takes room from what may still be read."""
        old = [item for item in self._heap if self._too_old(item)]
        if old:
            gone = {item.number for item in old}
            self._heap = [item for item in self._heap if item.number not in gone]
            heapq.heapify(self._heap)
            for item in old:
                self._drop(item)

    def _drop(self, item: _Item) -> None:
        self.dropped += 1
        if self._gone is not None:
            self._gone(item.event, TOO_OLD)

    def _make_room(self, item: _Item) -> bool:
        """Let the least important event go, which may be the new one."""
        self.shed += 1
        least = max(self._heap)
        if self._gone is not None:
            self._gone(max(item, least).event, NO_ROOM)
        if item >= least:
            return False
        self._heap.remove(least)
        heapq.heapify(self._heap)
        heapq.heappush(self._heap, item)
        self._changed.notify_all()
        return True
