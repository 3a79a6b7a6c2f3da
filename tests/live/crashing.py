"""A live session that can be killed at any moment, and the judge of what it left behind.

    python tests/live/crashing.py --kills 200

runs sessions in processes of their own, kills each with SIGKILL after a random number of steps, and then
checks that no event was lost, none made its signal twice, and a subscriber that keeps the number of its
last signal saw each once. Sources are real ones behind a real poller; a step is one byte that the
session writes when something was stored, read, or told.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.events.source import EventSource
from robo_trader.events.store import EventStore
from robo_trader.live.news.log import Numbered, ReadingLog
from robo_trader.live.news.pipeline import Pipeline
from robo_trader.news.polling import Poller
from robo_trader.records import Abstain, Event, View
from robo_trader.state.files import FileState

SYMBOLS = ("AAPL", "MSFT", "NVDA", "SPY")
SOURCES = ("alpha", "bravo", "charlie")


def step() -> None:
    os.write(1, b".")


class Wire(EventSource):
    """Publishes `count` events, a few more at each request; never forgets any."""

    def __init__(self, name: str, count: int, folder: Path) -> None:
        self._name, self._count = name, count
        self._start = datetime.fromisoformat((folder / "start").read_text())
        self._shown = 0

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        self._shown = min(self._count, self._shown + 3)
        for number in range(self._shown):
            word = zlib.crc32(f"{self._name}{number}".encode())
            yield Event(
                kind="news", title=f"{self._name} story {number} {word:x} {word * 7:x}",
                published_at=self._start + timedelta(milliseconds=number),
                symbols=(SYMBOLS[number % len(SYMBOLS)],),
            )  # fmt: skip


class Reader:
    """Thinks for a moment, then has a view of nine events in ten."""

    kinds = ("news",)

    async def read(self, event: Event) -> Any:
        number = zlib.crc32(event.title.encode())
        await asyncio.sleep(number % 7 / 1000)
        step()
        if number % 10 == 0:
            return Abstain("nothing in it")
        score = (number % 21 - 10) / 10
        return [View(symbol=event.symbols[0], score=score, confidence=0.8, horizon=timedelta(hours=2))]


class Witness:
    """A subscriber that writes down the number of each signal; a line is a number, whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "told"
        self._path.touch()
        whole, _, torn = self._path.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._path, len(whole) + 1 if whole else 0)

    @property
    def numbers(self) -> list[int]:
        return [int(line) for line in self._path.read_text().split()]

    def __call__(self, one: Numbered) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(b"%d\n" % one.number)
        step()


async def session(folder: Path, count: int) -> None:
    """Read until every source has told all it has and all of it was read."""
    with EventStore(folder / "events.sqlite") as store:
        pipeline = Pipeline(
            store, {"reader": Reader()}, symbols=SYMBOLS, state=FileState(folder),
            max_age=timedelta(days=1), readers=3,
        )  # fmt: skip
        witness = Witness(folder)
        pipeline.subscribe(witness)

        async def deliver(name: str, events: Sequence[Event]) -> None:
            await pipeline.deliver(name, events)
            step()

        poller = Poller(
            {name: Wire(name, count, folder) for name in SOURCES}, deliver,
            cursors=FileState(folder), every=timedelta(milliseconds=2),
        )  # fmt: skip
        stop = asyncio.Event()

        class Following:
            async def run(self, stop: asyncio.Event) -> None:
                last = max(witness.numbers, default=0)
                for one in pipeline.recent_signals:
                    if one.number > last:
                        witness(one)
                await poller.run(stop)

        async def ending() -> None:
            log = ReadingLog(folder / "events.sqlite")
            while sum(log.counts().values()) < count * len(SOURCES):
                await asyncio.sleep(0.02)
            log.close()
            stop.set()

        watching = asyncio.create_task(ending())
        await pipeline.run(Following(), stop)
        await watching
        pipeline.close()


def crash(folder: Path, count: int, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` sessions over `folder`, let the last one end by itself; return what was found."""
    dice = random.Random(seed)
    (folder / "start").write_text(clock.now().isoformat())
    command = [sys.executable, __file__, "--session", str(folder), "--count", str(count)]
    found: Counter[str] = Counter()
    for kill in range(kills + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if kill == kills:
                process.stdout.read()
            elif process.stdout.read(dice.randint(1, max(2, 4 * count // kills))):
                process.kill()
                found["killed"] += 1
            process.stdout.close()
            code = process.wait()
        if kill == kills and code:
            raise AssertionError(f"the last session ended with {code}")
    return found + judge(folder, count)


def judge(folder: Path, count: int) -> Counter[str]:
    """Raise `AssertionError` unless every event was stored and read once and told once."""
    with EventStore(folder / "events.sqlite") as store:
        events = {str(e.id): e for e in store.as_of(clock.now() + timedelta(hours=1), revisions=True)}
    log = ReadingLog(folder / "events.sqlite")
    rows = {id for id in events if (id, "reader") in log.read_already(events)}
    live, _ = log.live(0)
    counts, signals = log.counts(), log.signals()
    log.close()
    assert len(events) == count * len(SOURCES), f"{len(events)} events are stored"
    assert rows == set(events) and sum(counts.values()) == len(events), "an event was lost, or read twice"
    assert set(counts) == {"views", "abstained"}, counts
    moments = Counter((s.signal.at, s.signal.symbol) for s in signals)
    assert max(moments.values()) == 1, "a signal was doubled"
    for row in live:
        (view,) = row.views
        at_once = [s for s in signals if (s.signal.at, s.signal.symbol) == (view.at, view.symbol)]
        assert len(at_once) == 1, f"{row.event} made {len(at_once)} signals"
    numbers = Witness(folder).numbers
    assert numbers == list(range(1, len(signals) + 1)), "a subscriber missed a signal, or had one twice"
    return Counter(events=len(events), views=counts["views"], signals=len(signals))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--count", type=int, default=200, help="events of each of three sources")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.session is not None:
        asyncio.run(session(given.session, given.count))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = crash(Path(folder), given.count, given.kills, given.seed)
    sys.stdout.write(", ".join(f"{number:,} {name}" for name, number in found.items()) + "\n")


if __name__ == "__main__":
    main()
