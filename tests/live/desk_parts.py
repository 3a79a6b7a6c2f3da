"""What tests of the news desk install as a plugin: sources that say what a test wants, and analysts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from robo_trader.records import Event, View

#: What the source `wire` brings next, and what the source `hangs` waits for.
TOLD: queue.SimpleQueue[Event] = queue.SimpleQueue()
GATE = threading.Event()
#: Gets an item whenever `hangs` comes back.
LEFT: queue.SimpleQueue[None] = queue.SimpleQueue()


class Wire:
    """Brings what a test has put into `TOLD`."""

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        waiting = [TOLD.get() for _ in range(TOLD.qsize())]
        for event in waiting:
            if event.published_at >= until:
                TOLD.put(event)
        return [event for event in waiting if event.published_at < until]


class Dead:
    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        raise OSError("the line is dead")


class Hangs:
    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        GATE.wait(300)
        LEFT.put(None)
        return []


class Hopeful:
    """Says 1 of every symbol; what counts of it is bounded by the host."""

    kinds = ("news",)
    score = 1.0

    def read(self, event: Event) -> Any:
        return [
            View(symbol=s, score=self.score, confidence=1.0, horizon=timedelta(hours=4), because="hope")
            for s in event.symbols
        ]


class Gloomy(Hopeful):
    score = -1.0


class Wrong(Hopeful):
    def read(self, event: Event) -> Any:
        raise ValueError("as planned")


class Looks(Hopeful):
    """Says something where it sees three bars."""

    def read(self, event: Event, past: Any = None) -> Any:
        bars = past.bars("AAPL")
        return super().read(event) if bars is not None and len(bars) == 3 else []


class Rising:
    """A signal pack: the sign of the last move."""

    def score(self, bars: Any) -> Any:
        return np.sign(np.concatenate(([np.nan], np.diff(bars.close))))
