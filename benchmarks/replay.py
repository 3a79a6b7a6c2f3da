"""What a replay costs: microseconds an event from the reply store, beside loading the store.

    python benchmarks/replay.py --events 5000

Records one reply for each of many made-up events from a scripted server, then reads all of them again in
the mode `replay`, where every socket is refused, and compares the two answers bit by bit. The time is
that of `LLMAnalyst.read` alone: labels, address, look-up and judgement; each figure is the best of `--times`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import socket
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from robo_trader import Abstain, Event, View, __version__
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.testing import Call, ModelServer

TEXT = "revenue guidance rose fell quarter analysts expected shares margin demand weak strong outlook"
WORDS = TEXT.split()
Said = list[View] | Abstain


def events(count: int) -> list[Event]:
    """Return made-up headlines, a third of them with a body of 100 to 300 words."""
    draw = random.Random(1)
    start = datetime(2026, 12, 1, tzinfo=UTC)
    made = []
    for i in range(count):
        body = " ".join(draw.choices(WORDS, k=draw.choice([0, 0, 100, 300])))
        title = f"AAPL {' '.join(draw.choices(WORDS, k=9))} {i}"
        when = start + timedelta(minutes=i)
        symbols = ("AAPL", "MSFT")[: draw.choice([1, 1, 2])]
        made.append(
            Event(kind="news", title=title, body=body, symbols=symbols, published_at=when, known_at=when)
        )
    return made


def reply(call: Call) -> str:
    """Answer with one view for each label; it quotes the text."""
    labels = call.user.partition("Labels: ")[2].partition("\n")[0].split(", ")
    quote = call.user.partition("TITLE: ")[2][:40]
    view = {
        "score": 0.3,
        "confidence": 0.7,
        "horizon": "1d",
        "rationale": "As scripted.",
        "evidence": [quote],
    }
    return json.dumps({"views": [{"label": label, **view} for label in labels]})


def record(analyst: LLMAnalyst, tape: list[Event]) -> list[Said]:
    """Ask about every event, some at a time."""

    async def one(event: Event) -> Said:
        found: Any = analyst.read(event)
        return found if isinstance(found, (list, Abstain)) else await found

    async def everything() -> list[Said]:
        said: list[Said] = []
        for i in range(0, len(tape), 200):
            said += await asyncio.gather(*map(one, tape[i : i + 200]))
        await analyst.close()
        return said

    return asyncio.run(everything())


def refuse(*args: Any, **kwargs: Any) -> Any:
    """Stand in for `socket.socket`: a replay needs none."""
    raise SystemExit("the replay opened a socket")


def main() -> None:
    """Record, replay, compare, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5000, help="how many (default: 5000)")
    parser.add_argument("--times", type=int, default=5, help="how often to replay (default: 5)")
    args = parser.parse_args()
    tape = events(args.events)
    with tempfile.TemporaryDirectory() as folder, ModelServer(reply) as server:
        options = {"replies": str(Path(folder) / "replies.jsonl"), "state": f"file:{folder}"}
        recorder = LLMAnalyst(
            base_url=server.url, api_key="scripted", budget_run=1000, budget_day=1000, **options
        )
        said = record(recorder, tape)
        socket.socket = refuse  # type: ignore[assignment, misc]
        loads, reads = [], []
        for _ in range(args.times):
            analyst = LLMAnalyst(mode="replay", **options)
            began = time.perf_counter()
            size = len(analyst.store)
            loaded = time.perf_counter()
            again = [analyst.read(event) for event in tape]
            reads.append(time.perf_counter() - loaded)
            loads.append(loaded - began)
            if repr(again) != repr(said):
                raise SystemExit("the replay differs from the recording")
    n = len(tape)
    print(f"robo_trader {__version__}, Python {platform.python_version()}, {n:,} events, {size:,} replies")
    print(f"replay          {min(reads) / n * 1e6:8.1f} µs an event, bit-identical, no socket")
    print(f"load the store  {min(loads) / n * 1e6:8.1f} µs a reply, once")


if __name__ == "__main__":
    main()
