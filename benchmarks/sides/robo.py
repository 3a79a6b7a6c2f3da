"""robo_trader's engine, with the honest fill rules that users get.

``engine=plain``, ``wake=1``, ``events=N`` (beside the bars, heard by nobody), ``metrics=1`` (returns,
drawdown and trade statistics as well), ``guard=1`` (behind the guard's default rules, and with the journal
written), ``idle=1`` (a strategy that does nothing).
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from _measure import Job

job = Job()

import numpy as np  # noqa: E402
import workloads as w  # noqa: E402

import strategies  # noqa: E402
from robo_trader.bars.frame import BarFrame  # noqa: E402
from robo_trader.clock import from_ns  # noqa: E402
from robo_trader.config import load_config  # noqa: E402
from robo_trader.engine import EngineSettings, run  # noqa: E402
from robo_trader.events.tape import EventTape  # noqa: E402
from robo_trader.instruments import Instrument  # noqa: E402
from robo_trader.plugins import load_host  # noqa: E402
from robo_trader.records import Event  # noqa: E402
from robo_trader.risk.profile import load_guard  # noqa: E402
from robo_trader.runs import Result, RunInfo, journalling  # noqa: E402

STRATEGY = {"a": strategies.SmaCross, "b": strategies.TopMomentum, "apart": strategies.OneAtATime}


def frame(b: w.Bars) -> BarFrame:
    """Return the bars as the engine takes them."""
    timeframe, calendar = {"a": ("1m", "24/7"), "apart": ("128m", "24/7"), "b": ("1d", "XNYS")}[job.workload]
    return BarFrame(b.symbol, timeframe, b.start, b.end, b.day, b.open, b.high, b.low, b.close, b.volume,
                    Instrument(b.symbol, calendar=calendar))  # fmt: skip


def tape(bars: list[w.Bars], count: int) -> EventTape:
    """Return `count` events spread over the bars."""
    times = np.linspace(bars[0].end[0], bars[0].end[-1], count).astype(np.int64) // 1000 * 1000
    moments = [from_ns(int(time)) for time in times]
    return EventTape.of(
        (Event(kind="news", title=f"event {k}", published_at=m, known_at=m) for k, m in enumerate(moments)),
        assume_delay=timedelta(),
    )


bars = w.load(job.workload, job.size)
strategy: Any = strategies.Idle if job.flag("idle") else STRATEGY[job.workload]
if job.flag("wake"):
    strategy = strategies.WokenSmaCross
settings = EngineSettings(cash=w.CASH, commission=w.COMMISSION, engine=job.options.get("engine", "fast"))
events = tape(bars, int(job.options["events"])) if "events" in job.options else None
frames = [frame(b) for b in bars]
scratch = tempfile.TemporaryDirectory()
guard = None
if job.flag("guard"):
    config = load_config(flags={"risk.profile": "default"}, environ={})
    guard = load_guard(config, load_host(config, third_party=False, environ={}))


def go() -> tuple[Any, Any]:
    """Run the workload; with ``metrics=1`` work its numbers out too."""
    record = run(frames, strategy, settings=settings, events=events, gate=guard)
    result = Result(record, RunInfo(strategy="bench"), bars=frames)
    if guard is not None:
        journalling.write(result, Path(scratch.name) / journalling.FILE)
    return record, result.metrics if job.flag("metrics") else None


record, metrics = job.time(go)
number = {b.symbol: i for i, b in enumerate(bars)}
rows = []
for fill in record.fills:
    symbol = number[fill.symbol]
    start = int(np.datetime64(fill.time.replace(tzinfo=None), "ns").astype(np.int64))
    bar = int(np.searchsorted(bars[symbol].start, start))
    size = fill.size if fill.side == "BUY" else -fill.size
    rows.append((bar, symbol, size, fill.price, fill.commission))
job.tell(rows, value=float(record.sessions.value[-1]), path=record.path, reasons=record.path_reasons)
