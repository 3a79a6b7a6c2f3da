"""Latency of a live session: decision to wire, fill to strategy, headline to order, beside a bare ib_async.

    python benchmarks/live.py --orders 300 --events 300
    python benchmarks/live.py --orders 20 --events 10 --json live.json

The simulated gateway (demo universe, real time) runs in a process of its own and is the judge: it notes when
an order has arrived and when it writes an execution. All processes read the machine's one monotonic clock.

- order: from the strategy's decision (the line before ``self.buy``) to the order's arrival. In between lie
  guard, journal (SQLite on disk, committed before anything is sent; `BENCHMARK_DIR` says where), the queue
  to the library's thread and the socket. A bare script's ``ib.placeOrder`` is measured beside it.
- fill: from the execution's report to ``notify_order``; in the bare script to its ``fillEvent``.
- news: from a source's delivery of a headline through store, queue, offline analyst and clamp to the
  arrival of the order that it led to, while a session trades.

Each order and each headline comes at a random moment after the one before was answered, so that nobody sends
more messages than a gateway takes: beyond 45 a second the library itself holds them back. It fails where
an order did not arrive exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from robo_trader import Event, Strategy, __version__, clock
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.live.outcome import Told
from robo_trader.live.trading import trade

#: Seconds that are asked for at the middle and at the 99th percentile; None is not asked.
ASKED: dict[str, tuple[float | None, float | None]] = {
    "order: decision to wire": (0.010, 0.050),
    "fill: report to notify_order": (None, 0.050),
    "news: headline to order at the gateway": (None, 0.250),
}
BARE = ("bare ib_async: order to wire", "bare ib_async: report to fillEvent")
_PLACE = 3
_PATIENCE = 10.0
_SILENCE = 2.0
#: Between an answer and what comes next, in seconds.
_PAUSES = (0.05, 0.15)
_CALL = "call"
#: So many orders of one share are what these two rules are there to stop; all others judge each order.
_RULES = "[risk.duplicate]\nenabled = false\n\n[risk.orders_per_minute]\nenabled = false\n"
_NOUNS = ("guidance", "forecast", "dividend", "revenue", "margin", "outlook", "profit", "sales", "buyback")


# -- the judge ---------------------------------------------------------------------------------------------


def judge() -> None:
    """Be the gateway: tell the port, and what was seen once the standard input ends."""
    came: list[float] = []
    arrived: list[tuple[str, float]] = []
    reported: list[tuple[str, float]] = []
    with EmbeddedGateway(lambda: demo_gateway(GatewaySettings(port=0, control_port=0))) as gateway:
        core = gateway.server.gateway
        read, tell = core.handlers[_PLACE], core.desk.reports.execution
        place = core.desk.place

        def arrives(at: Any, session: Any, fields: Any) -> None:
            came.append(time.monotonic())
            read(at, session, fields)

        def placed(client: int, order: Any) -> None:
            if order.values["whatIf"] in ("", "0"):  # a question before a large order is no order
                arrived.append((order.values["orderRef"], came[-1]))
            place(client, order)

        def tells(execution: Any) -> None:
            reported.append((execution.ref, time.monotonic()))
            tell(execution)

        core.handlers[_PLACE] = arrives
        core.desk.place, core.desk.reports.execution = placed, tells  # type: ignore[method-assign]
        print(gateway.port, flush=True)
        sys.stdin.read()
        print(json.dumps({"arrived": arrived, "reported": reported}), flush=True)


class Judge:
    """The gateway's process."""

    def __enter__(self) -> Judge:
        command = [sys.executable, str(Path(__file__).resolve()), "--judge"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def seen(self) -> dict[str, list[tuple[str, float]]]:
        """End it, and return what it saw."""
        out, _ = self._process.communicate("", timeout=_PATIENCE)
        found: dict[str, list[tuple[str, float]]] = json.loads(out)
        return found


# -- a bare script -----------------------------------------------------------------------------------------


async def bare(port: int, orders: int, seed: int) -> dict[str, list[tuple[str, float]]]:
    """Place market orders with ib_async alone, each a while after the one before was filled."""
    import ib_async

    dice = random.Random(seed)

    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=90, timeout=_PATIENCE)
    (contract,) = await ib.qualifyContractsAsync(ib_async.Stock("AAPL", "SMART", "USD"))
    decided, heard = [], []
    for k in range(orders):
        filled = asyncio.get_running_loop().create_future()
        order = ib_async.MarketOrder("SELL" if k % 2 else "BUY", 1, orderRef=f"bare-{k}")
        decided.append((order.orderRef, time.monotonic()))
        trade = ib.placeOrder(contract, order)

        def fills(trade: Any, fill: Any, filled: Any = filled) -> None:
            heard.append((trade.order.orderRef, time.monotonic()))
            filled.set_result(None)

        trade.fillEvent += fills
        await asyncio.wait_for(filled, _PATIENCE)
        await asyncio.sleep(dice.uniform(*_PAUSES))
    ib.disconnect()
    return {"decided": decided, "heard": heard}


# -- a session ---------------------------------------------------------------------------------------------


class Headlines:
    """The event source ``bench``: tells of the latest of `said`, and notes when it first did."""

    said: deque[Event] = deque(maxlen=20)
    delivered: dict[str, float] = {}

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Return the latest headlines of the time asked for; again and again, as feeds do."""
        found = [event for event in list(self.said) if since <= event.published_at < until]
        now = time.monotonic()
        for event in found:
            self.delivered.setdefault(str(event.id), now)
        return found


class Orders(Strategy):
    """Trades one share on each call, and on each headline's signal."""

    def __init__(self) -> None:
        self.news = self.signal("news", self.data)
        self.decided: list[float] = []
        self.heard: list[float] = []
        self.led: list[tuple[str, int]] = []
        self.known: set[str] = set()
        self.answered = threading.Event()
        RUNNING.append(self)

    def order(self, because: str) -> None:
        """Buy and sell in turns; the line before each order is its decision."""
        side = self.sell if len(self.decided) % 2 else self.buy
        self.decided.append(time.monotonic())
        side(size=1, because=because)

    def notify_event(self, event: Event) -> None:
        """Answer a call."""
        if event.kind == _CALL:
            self.order("a call")

    def notify_signal(self, signal: Any) -> None:
        """Answer a headline."""
        new = [id for id in signal.evidence if id not in self.known]
        self.known.update(new)
        if new:
            self.led += [(id, len(self.decided)) for id in new]
            self.order("a headline")

    def notify_order(self, order: Any) -> None:
        """Note that an order is filled."""
        if order.status != order.Completed:
            if order.status in (order.Rejected, order.Margin, order.Canceled):
                raise AssertionError(f"order {order.ref} ended as {order.getstatusname()}")
            return
        self.heard.append(time.monotonic())
        self.answered.set()


RUNNING: list[Orders] = []


def session(port: int, orders: int, events: int, folder: Path, seed: int) -> Orders:
    """Trade on the gateway until every order is filled and every headline answered."""
    plugin(folder)
    dice, stop = random.Random(seed), threading.Event()
    failed: list[str] = []
    alerts: list[str] = []

    def headline(number: int) -> Event:
        rises = dice.random() < 0.5
        words = f"{'raises' if rises else 'cuts'} {_NOUNS[number % len(_NOUNS)]}"
        above = "above" if rises else "below"
        what = f"AAPL {words} {above} expectations in region {number} number {dice.randrange(10**6)}"
        return Event(
            id=f"h{number}", kind="news", title=what, symbols=("AAPL",), published_at=clock.now()
        )  # fmt: skip

    def call(number: int) -> Event:
        # What says the same as another event is not told again, so that each has words of its own.
        words = ("".join(dice.choices(string.ascii_lowercase, k=8)) for _ in range(5))
        return Event(
            id=f"c{number}", kind=_CALL, title=" ".join(words), symbols=("AAPL",), published_at=clock.now()
        )  # fmt: skip

    def feed() -> None:
        try:
            until = time.monotonic() + 6 * _PATIENCE
            while not RUNNING and time.monotonic() < until:
                time.sleep(0.05)
            running = RUNNING[0]
            time.sleep(2.0)  # whatever a session does at its start is no part of the figures
            for number in range(orders + events):
                running.answered.clear()
                Headlines.said.append(call(number) if number < orders else headline(number))
                # What repeats a story moves no signal, and leads to no order.
                if not running.answered.wait(_PATIENCE if number < orders else _SILENCE) and number < orders:
                    done = f"{len(running.decided)} decided, {len(running.heard)} filled"
                    failed.append(f"order {number} was not filled: {done}")
                    return
                time.sleep(dice.uniform(*_PAUSES))
        finally:
            stop.set()

    config = folder / "robo.toml"
    config.write_text(_RULES, encoding="utf-8")
    threading.Thread(target=feed, daemon=True).start()
    trade(
        Orders, ib=f"127.0.0.1:{port}", symbols="AAPL", send=True, account="DU1234567", stop=stop, cash=1e5,
        analyst="offline", save=False, config=config,
        told=Told(alert=lambda alert: alerts.append(f"{alert.title}: {alert.text}")),
        flags={
            "live.history": 30, "events.sources": ["bench"], "events.every": "50ms",
            "journal.url": f"sqlite:///{folder / 'journal.sqlite'}", "state.url": f"file:{folder / 'state'}",
        },
    )  # fmt: skip
    if failed:
        raise SystemExit("; ".join([*failed[:5], *alerts[:5]]))
    return RUNNING[0]


def plugin(folder: Path) -> None:
    """Install the source ``bench`` for this process."""
    info = folder / "site" / "robo_bench-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: robo-bench\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[robo_trader]\nbench = robo_bench_live\n", encoding="utf-8")
    (folder / "site" / "robo_bench_live.py").write_text(
        "from robo_trader import hookimpl\n\n\n@hookimpl\ndef robo_register(add):\n"
        f'    add.event_source("bench", "{__name__}:Headlines")\n',
        encoding="utf-8",
    )
    sys.path.insert(0, str(folder / "site"))


# -- figures -----------------------------------------------------------------------------------------------


def measure(orders: int, events: int, seed: int) -> dict[str, list[float]]:
    """Return the seconds of every case, by what was measured; fail where an order came not exactly once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR"))))
        gateway = stack.enter_context(Judge())
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            "--bare",
            str(gateway.port),
            "--orders",
            str(orders),
            "--seed",
            str(seed),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60 + orders)
        script = json.loads(done.stdout)
        stack.enter_context(contextlib.chdir(folder))  # what a session keeps lies in the folder it runs in
        ours = session(gateway.port, orders, events, folder, seed)
        seen = gateway.seen()
    arrived, reported = seen["arrived"], seen["reported"]
    twice = [ref for ref, count in Counter(ref for ref, _ in arrived).items() if count != 1]
    own = [(ref, at) for ref, at in arrived if not ref.startswith("bare-")]
    if twice or len(own) != len(ours.decided) or len(arrived) - len(own) != orders:
        raise SystemExit(f"{len(own)} of {len(ours.decided)} orders arrived; more than once: {twice[:5]}")
    # References count as the strategy does.
    own.sort(key=lambda one: int(one[0].rpartition("-")[2]))
    at_wire = [at for _, at in own]
    told = dict(reported)
    return {
        "order: decision to wire": _differences(ours.decided, at_wire),
        BARE[0]: _between(script["decided"], dict(arrived)),
        "fill: report to notify_order": _differences([told[ref] for ref, _ in own], ours.heard),
        BARE[1]: _between([(ref, told[ref]) for ref, _ in script["heard"]], dict(script["heard"])),
        "news: headline to order at the gateway": [
            at_wire[number] - Headlines.delivered[id] for id, number in ours.led
        ],
    }


def _differences(first: list[float], second: list[float]) -> list[float]:
    return [b - a for a, b in zip(first, second, strict=True)]


def _between(first: Iterable[tuple[str, float]], second: dict[str, float]) -> list[float]:
    return [second[ref] - at for ref, at in first]


def percentile(values: list[float], part: float) -> float:
    """Return the value below which `part` of all lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def table(found: dict[str, list[float]]) -> str:
    """Return the figures as a Markdown table; times in milliseconds."""
    lines = ["| | n | p50 ms | p99 ms | most ms | asked | |", "|---|---:|---:|---:|---:|---|---|"]
    for name, values in found.items():
        if not values:
            continue
        half, most = percentile(values, 0.5), percentile(values, 0.99)
        asked = [
            (limit, value, f"p{part} ≤ {limit * 1e3:.0f}")
            for part, limit, value in zip((50, 99), ASKED.get(name, (None, None)), (half, most), strict=True)
            if limit is not None
        ]
        verdict = "met" if all(value <= limit for limit, value, _ in asked) else "**missed**"
        cells = [name, len(values), *(f"{1e3 * one:.1f}" for one in (half, most, max(values)))]
        cells += [", ".join(text for *_, text in asked), verdict if asked else ""]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--orders", type=int, default=300, help="orders that no headline leads to")
    parser.add_argument("--events", type=int, default=300, help="headlines, each of which leads to an order")
    parser.add_argument("--seed", type=int, default=1, help="of the headlines and the pauses between them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every measurement")
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge:
        judge()
        return
    if given.bare:
        print(json.dumps(asyncio.run(bare(given.bare, given.orders, given.seed))))
        return
    found = measure(given.orders, given.events, given.seed)
    import ib_async

    print(
        f"robo_trader {__version__}, Python {platform.python_version()}, ib_async {ib_async.__version__}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n{table(found)}"
    )
    if given.json:
        given.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
