"""What tests of the live pipeline share: a source that says what a test wants, analysts, and a bench."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.events.store import EventStore
from robo_trader.live.news.log import Numbered, ReadingLog
from robo_trader.live.news.pipeline import Pipeline
from robo_trader.records import Event, Signal, View
from robo_trader.state.files import FileState

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
TITLES = (
    "alpha bravo charlie delta", "echo foxtrot golf hotel", "india juliett kilo lima",
    "mike november oscar papa", "quebec romeo sierra tango", "uniform victor whiskey xray",
)  # fmt: skip


def event(number: int, *, minutes: float = 0, **more: Any) -> Event:
    """Return event `number`, published so many minutes after noon, with a story of its own."""
    given = {"kind": "news", "title": TITLES[number % len(TITLES)], "symbols": ("AAPL",), **more}
    return Event(id=f"e{number:03d}", published_at=NOON + timedelta(minutes=minutes), **given)


class Says:
    """Answers with a view of the event's symbols, or with whatever a function makes of the event."""

    kinds: Sequence[str] = ("news",)

    def __init__(self, answer: Any = 1.0, *, hours: float = 4) -> None:
        self.answer, self.hours = answer, hours
        self.seen: list[str] = []

    def read(self, event: Event) -> Any:
        self.seen.append(str(event.id))
        if callable(self.answer):
            return self.answer(event)
        return [
            View(symbol=s, score=self.answer, confidence=1.0, horizon=timedelta(hours=self.hours))
            for s in event.symbols
        ]


class Batches:
    """A source that delivers (name, events) one after the other, then ends, or waits for `until`."""

    def __init__(
        self, bench: Bench, batches: Iterable[tuple[str, Sequence[Event]]], until: Callable[[], bool] | None
    ) -> None:
        self._bench, self._batches, self._until = bench, batches, until

    async def run(self, stop: asyncio.Event) -> None:
        for name, events in self._batches:
            await self._bench.pipeline.deliver(name, events)
        while self._until is not None and not self._until():
            await asyncio.sleep(0.001)


class Bench:
    """A store, a state and pipelines over them, one after the other; `got` is what was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = EventStore(folder / "events.sqlite")
        self.state = FileState(folder)
        self.log = ReadingLog(folder / "events.sqlite")
        self.got: list[Numbered] = []
        self.said: list[str] = []
        self.pipeline: Pipeline

    def run(
        self,
        analysts: Any,
        *batches: tuple[str, Sequence[Event]],
        at: datetime = NOON,
        until: Callable[[], bool] | None = None,
        drain: float = 60,
        **more: Any,
    ) -> list[Signal]:
        """Run a new pipeline to its end at the time `at` and return the signals that it told."""
        before = len(self.got)
        given = analysts if isinstance(analysts, dict) else {"one": analysts}
        with clock.fixed(at):
            asyncio.run(self._run(given, batches, until, drain, more))
        return [one.signal for one in self.got[before:]]

    async def _run(self, analysts: Any, batches: Any, until: Any, drain: float, more: Any) -> None:
        self.pipeline = Pipeline(
            self.store, analysts, state=self.state, report=self.said.append,
            **{"symbols": ["AAPL", "MSFT"], **more},
        )  # fmt: skip
        self.pipeline.subscribe(self.got.append)
        try:
            await self.pipeline.run(
                Batches(self, batches, until), asyncio.Event(), drain=timedelta(seconds=drain)
            )
        finally:
            self.pipeline.close()

    def close(self) -> None:
        self.store.close()
        self.log.close()
