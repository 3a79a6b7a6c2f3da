"""How late a question to a model ends whose server never does, over both SDKs and the local protocol.

    python benchmarks/deadline.py --rounds 20 --most 0.1

Each round puts one question with a deadline of 0.3 s to a scripted server on this machine: one that does not
begin, one whose answer drips, and one that is overloaded however often it is asked. The time is what
passes after the deadline, beside a bare sleep of the same length on the same event loop. It
fails where a question was answered, or, with --most, where one ended later than that.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
from datetime import UTC, datetime

from robo_trader import __version__
from robo_trader.clock import monotonic
from robo_trader.intelligence.limits import Circuit
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.intelligence.questions import complete
from robo_trader.records import Event
from robo_trader.testing import FAULTS, ModelServer

DEADLINE = 0.3
FAULTY = ("slow headers", "dripping body", "529")
VENDORS = ("anthropic", "openai", "local")
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


async def measure(server: ModelServer, vendor: str, folder: str) -> tuple[float, float]:
    """Return how late the question ended, and how late a bare sleep did (both seconds)."""
    analyst = LLMAnalyst(
        provider=vendor, base_url=server.url if vendor == "anthropic" else server.openai_url,
        model="small" if vendor == "local" else None, api_key="sk-benchmark", mode="live",
        deadline=DEADLINE, attempts=1_000_000, replies=f"{folder}/replies.jsonl", state=f"file:{folder}",
    )  # fmt: skip
    gateway = analyst.gateway
    gateway.backoff = 0.001
    gateway.routes[0].circuit = Circuit(failures=1_000_000)
    await gateway.routes[0].adapter.open()
    event = Event(kind="news", title="AAPL rises", symbols=("AAPL",), published_at=NOON, known_at=NOON)
    request, labels = analyst.request(event)
    began = monotonic()
    reply = await gateway.ask(complete(request, event, labels))
    late = monotonic() - began - DEADLINE
    assert not reply.ok, f"{vendor} answered"
    began = monotonic()
    await asyncio.sleep(DEADLINE)
    bare = monotonic() - began - DEADLINE
    await analyst.close()
    return late, bare


def main() -> None:
    """Measure, print, and fail where a question ended later than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="questions to each server (default: 10)")
    parser.add_argument("--most", type=float, help="seconds after the deadline; fail where one took more")
    asked = parser.parse_args()
    print(f"robo_trader {__version__}, Python {platform.python_version()}, deadline {DEADLINE} s")
    print("seconds after the deadline: median and longest; of a bare sleep: longest")
    longest = -DEADLINE
    for vendor in VENDORS:
        for fault in FAULTY:
            with tempfile.TemporaryDirectory() as folder, ModelServer([FAULTS[fault]]) as server:
                found = [asyncio.run(measure(server, vendor, folder)) for _ in range(asked.rounds)]
            late = [row[0] for row in found]
            longest = max(longest, *late)
            bare = max(row[1] for row in found)
            print(f"{vendor:10} {fault:14} {statistics.median(late):7.3f} {max(late):7.3f}   {bare:7.3f}")
    if asked.most is not None and longest > asked.most:
        raise SystemExit(f"one ended {longest:.3f} s after its deadline; the limit is {asked.most:g} s")


if __name__ == "__main__":
    main()
