"""The event queue: order, back-pressure, age, shedding and an ordered end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from robo_trader import clock
from robo_trader.errors import UsageError
from robo_trader.events.queue import NO_ROOM, EventQueue
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)
BIG, MIDDLE, SMALL = "Boeing files for Chapter 11 bankruptcy", "Apple earnings beat estimates", "A quiet day"


def news(title: str, seconds: float = 0) -> Event:
    at = AT + timedelta(seconds=seconds)
    return Event(kind="news", title=title, published_at=at, known_at=at)


def test_the_most_important_first_then_the_oldest() -> None:
    async def run() -> list[str]:
        queue = EventQueue()
        for event in (news(SMALL, 1), news(SMALL + "!", 0), news(BIG, 9), news(MIDDLE, 5)):
            await queue.put(event)
        await queue.close()
        return [event.title async for event in queue]

    assert asyncio.run(run()) == [BIG, MIDDLE, SMALL + "!", SMALL]


def test_a_full_queue_holds_its_producer_back() -> None:
    async def run() -> None:
        queue = EventQueue(2)
        await queue.put(news("a"))
        await queue.put(news("b"))
        third = asyncio.create_task(queue.put(news("c")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not third.done() and len(queue) == 2
        assert await queue.get() is not None
        assert await third
        assert len(queue) == 2

    asyncio.run(run())


def test_nothing_too_old_comes_out() -> None:
    async def run() -> None:
        queue = EventQueue(2, max_age=timedelta(seconds=30))
        with clock.fixed(AT + timedelta(seconds=10)):
            await queue.put(news(BIG, -25))
            await queue.put(news(SMALL, 5))
        with clock.fixed(AT + timedelta(seconds=20)):
            await queue.put(news(MIDDLE, 6))  # what grew too old makes room
            await queue.close()
            assert [e.title async for e in queue] == [MIDDLE, SMALL]
        assert queue.dropped == 1

    asyncio.run(run())


def test_the_least_important_gives_way() -> None:
    async def run() -> None:
        gone: list[tuple[str, str]] = []
        queue = EventQueue(2, shed=True, gone=lambda event, why: gone.append((event.title, why)))
        assert await queue.put(news(SMALL))
        assert await queue.put(news(MIDDLE))
        assert await queue.put(news(BIG))
        assert not await queue.put(news(SMALL, 5))
        await queue.close()
        assert [e.title async for e in queue] == [BIG, MIDDLE]
        assert queue.shed == 2
        assert gone == [(SMALL, NO_ROOM), (SMALL, NO_ROOM)]

    asyncio.run(run())


def test_a_closed_queue_ends_those_that_wait() -> None:
    async def run() -> None:
        queue = EventQueue(1)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        await queue.close()
        assert await waiting is None
        with pytest.raises(UsageError, match="closed"):
            await queue.put(news("x"))

    asyncio.run(run())


def test_a_producer_that_waits_hears_of_the_end() -> None:
    async def run() -> None:
        queue = EventQueue(1)
        await queue.put(news("a"))
        waiting = asyncio.create_task(queue.put(news("b")))
        await asyncio.sleep(0)
        await queue.close()
        with pytest.raises(UsageError, match="closed"):
            await waiting

    asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"size": 0}, {"max_age": timedelta(0)}])
def test_absurd_limits_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        EventQueue(**wrong)  # type: ignore[arg-type]
