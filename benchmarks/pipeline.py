"""What the live pipeline adds between seeing a headline and telling its signal, at a given rate.

    python benchmarks/pipeline.py --rate 1000 --seconds 60
    python benchmarks/pipeline.py --rate 6000 --seconds 30
    python benchmarks/pipeline.py --feed --seconds 75

Everything runs in real time through the real store (SQLite, synchronised to the disk; `BENCHMARK_DIR` says on
which one), queue, analysts, clamp and log. Arrivals are open-loop: headlines come at moments drawn
beforehand (a Poisson process over five sources), whether or not the pipeline keeps up, and time counts from
the drawn moment. Two analysts are timed: a double that takes 50 ms like a very fast model, whose own time is
subtracted, and the offline analyst, whose time is not. With ``--feed`` headlines are published in an RSS
feed on the loopback that is polled every 15 s and read by the model analyst through its real SDK from a
scripted server that takes 2 s; the time is that from publication to signal, all included.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import json
import os
import platform
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from robo_trader import Event, View, __version__, clock
from robo_trader.events.store import EventStore
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.live.news.log import Numbered
from robo_trader.live.news.pipeline import Pipeline
from robo_trader.news.linking import Linker
from robo_trader.news.polling import Poller
from robo_trader.news.sources import FeedSource
from robo_trader.state.files import FileState
from robo_trader.testing import Call, ModelServer
from robo_trader.testing.model_server import answer

SYMBOLS = tuple(f"S{number:02d}" for number in range(50))
SOURCES = ("alpha", "bravo", "charlie", "delta", "echo")
TITLES = (
    "{0} raises its full-year guidance on strong demand for {1}", "{0} beats estimates by {1} percent",
    "{0} cuts its outlook as sales of {1} fall", "Regulators approve the {1} of {0}",
    "{0} misses quarterly profit estimates by {1} cents", "{0} recalls {1} after complaints",
)  # fmt: skip


class Model:
    """A double that takes `seconds` and then has a view; keeps what each event really took."""

    kinds = ("news", "earnings")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.took: dict[str, float] = {}

    async def read(self, event: Event) -> list[View]:
        began = time.perf_counter()
        await asyncio.sleep(self._seconds)
        self.took[str(event.id)] = time.perf_counter() - began
        return [View(symbol=event.symbols[0], score=0.5, confidence=0.7, horizon=timedelta(hours=1))]


class Ears:
    """Hears signals, and keeps when each event was first behind one."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}

    def __call__(self, one: Numbered) -> None:
        now = time.perf_counter()
        for id in one.signal.evidence:
            self.heard.setdefault(id, now)


class Arrivals:
    """Delivers headlines at moments drawn beforehand, without waiting for one before the next."""

    def __init__(self, rate: float, seconds: float, seed: int) -> None:
        dice = random.Random(seed)
        self.moments: list[float] = []
        at = 0.0
        while (at := at + dice.expovariate(rate / 60)) < seconds:
            self.moments.append(at)
        self.seen: dict[str, float] = {}
        self._dice = dice
        self.pipeline: Pipeline

    async def run(self, stop: asyncio.Event) -> None:
        began = time.perf_counter()
        tasks = []
        for number, at in enumerate(self.moments):
            wait = began + at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            self.seen[f"b{number}"] = began + at
            tasks.append(asyncio.create_task(self._one(number)))
        await asyncio.gather(*tasks)

    async def _one(self, number: int) -> None:
        symbol = self._dice.choice(SYMBOLS)
        title = self._dice.choice(TITLES).format(f"Company {symbol}", number)
        event = Event(kind="news", title=title, symbols=(symbol,), published_at=clock.now(), id=f"b{number}")
        await self.pipeline.deliver(self._dice.choice(SOURCES), [event])


def overhead(rate: float, seconds: float, analyst: Any, seed: int) -> tuple[list[float], int, float]:
    """Return seconds from seen to signal by event, model time subtracted, how many came, and CPU seconds."""
    arrivals, ears = Arrivals(rate, seconds, seed), Ears()

    async def session(folder: Path) -> None:
        with EventStore(folder / "events.sqlite") as store:
            pipeline = Pipeline(
                store, {"reader": analyst}, symbols=SYMBOLS, state=FileState(folder), readers=32
            )
            pipeline.subscribe(ears)
            arrivals.pipeline = pipeline
            await pipeline.run(arrivals, asyncio.Event(), drain=timedelta(seconds=30))
            pipeline.close()

    cpu = time.process_time()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as folder:
        asyncio.run(session(Path(folder)))
    cpu = time.process_time() - cpu
    took = getattr(analyst, "took", {})
    times = [heard - arrivals.seen[id] - took.get(id, 0.0) for id, heard in ears.heard.items()]
    return times, len(arrivals.moments), cpu


class Site:
    """An RSS feed on the loopback that shows what was published by now."""

    def __init__(self) -> None:
        self.items: list[tuple[datetime, str]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/rss+xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/feed"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self) -> str:
        item = "<item><guid>{0}</guid><title>{0}</title><pubDate>{1}</pubDate></item>"
        rows = [item.format(title, format_datetime(at)) for at, title in self.items if at <= clock.now()]
        return f'<rss version="2.0"><channel><title>feed</title>{"".join(rows)}</channel></rss>'


def reply(call: Call) -> Any:
    """Answer after two seconds with a view of every label."""
    labels = call.user.partition("Labels: ")[2].partition("\n")[0].split(", ")
    view = {"score": 0.5, "confidence": 0.7, "horizon": "1d", "rationale": "As scripted.", "evidence": []}
    said = answer(call, json.dumps({"views": [{"label": label, **view} for label in labels]}))
    return type(said)(body=said.body, wait=2.0)


def published(seconds: float, seed: int) -> list[float]:
    """Return the seconds from publication to signal of headlines of a feed polled every 15 s."""
    dice = random.Random(seed)
    site, ears = Site(), Ears()
    start = clock.now()
    offset = time.perf_counter()
    names = {"Apple Inc": "AAPL", "Microsoft Corp": "MSFT", "Nvidia Corp": "NVDA"}
    for number in range(int(seconds / 1.5)):
        title = dice.choice(TITLES).format(dice.choice(list(names)), f"unit {number}")
        site.items.append((start + timedelta(seconds=dice.uniform(0, seconds)), title))
    titles: dict[str, str] = {}

    async def session(folder: Path, server: ModelServer) -> None:
        model = LLMAnalyst(
            provider="anthropic", base_url=server.url, api_key="none", mode="live", state=f"file:{folder}",
            replies=str(folder / "replies.jsonl"), budget_run=100, budget_day=100, concurrency=16,
        )  # fmt: skip
        with EventStore(folder / "events.sqlite") as store:
            pipeline = Pipeline(
                store, {"llm": model}, symbols=names.values(), state=FileState(folder), readers=16,
                offline=OfflineAnalyst(),
            )  # fmt: skip
            pipeline.subscribe(ears)
            poller = Poller(
                {"feed": FeedSource(feeds=[site.url], every="15s")}, pipeline.deliver,
                cursors=FileState(folder), linker=Linker(names.values()),
            )  # fmt: skip
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds + 20, stop.set)
            await pipeline.run(poller, stop)
            titles.update((str(e.id), e.title) for e in store.as_of(clock.now()))
            pipeline.close()
            await model.close()

    with tempfile.TemporaryDirectory() as folder, ModelServer(reply) as server:
        asyncio.run(session(Path(folder), server))
    site.server.shutdown()
    site.server.server_close()
    at = {title: (when - start).total_seconds() + offset for when, title in site.items}
    return [heard - at[titles[id]] for id, heard in ears.heard.items()]


def line(name: str, times: Sequence[float], came: int, scale: float, unit: str) -> str:
    """Return one line of figures."""
    ordered = sorted(times)

    def at(share: float) -> str:
        return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))] * scale:.1f}"

    shares = f"p50 {at(0.5)}, p95 {at(0.95)}, p99 {at(0.99)}, most {ordered[-1] * scale:.1f} {unit}"
    return f"{name}: {len(ordered):,} of {came:,} headlines made a signal; {shares}"


def disk() -> float:
    """Return the median seconds that the disk takes to make 4 KiB safe; a headline waits for two of these."""
    times = []
    with tempfile.TemporaryFile(dir=os.environ.get("BENCHMARK_DIR")) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[50]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=1_000, help="headlines a minute")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--feed", action="store_true", help="from publication to signal, by a polled feed")
    given = parser.parse_args()
    print(
        f"robo_trader {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{datetime.now(UTC):%Y-%m-%d}, real time, load {os.getloadavg()[0]:.1f}, fsync {disk() * 1e3:.1f} ms"
    )
    if given.feed:
        times = published(given.seconds, given.seed)
        print(line("publication to signal", times, int(given.seconds / 1.5), 1.0, "s"))
        return
    offline = OfflineAnalyst()
    offline.judge("Profit rose and beat estimates")  # it reads its data with the first sentence
    for name, analyst in {"model of 50 ms": Model(0.05), "offline": offline}.items():
        times, came, cpu = overhead(given.rate, given.seconds, analyst, given.seed)
        print(line(f"{name}, {given.rate:,.0f} a minute", times, came, 1e3, "ms"))
        print(f"  {cpu / came * 1e3:.2f} ms of CPU a headline")


if __name__ == "__main__":
    main()
