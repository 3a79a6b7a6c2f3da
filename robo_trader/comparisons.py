"""What stands beside a run: baselines, a benchmark and the hindsight twin.

The twin is the same run with every daily bar stamped at midnight, as most data vendors deliver
them and plain Backtrader takes them. An event at 14:00 then sees the close of its own day, two
hours before it was printed: what the twin earns more is what look-ahead would have "earned".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import NS_PER_SECOND
from robo_trader.engine import EngineSettings
from robo_trader.engine import run as run_engine
from robo_trader.engine.record import RunRecord
from robo_trader.events.tape import EventTape
from robo_trader.risk.gate import Gate
from robo_trader.runs import Baseline, Benchmark, Result, RunInfo, benchmark_of
from robo_trader.signals import SignalTape
from robo_trader.strategies import BuyAndHold, RandomEntry
from robo_trader.strategy import handles_events

BASELINES: Mapping[str, type] = {"buy_and_hold": BuyAndHold, "random_entry": RandomEntry}
_TWIN_METRICS = ("total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor", "final_value")


def baseline(
    name: str, frames: Sequence[BarFrame], settings: EngineSettings, clean_from: datetime | None = None
) -> Baseline:
    """Run the built-in baseline `name` on the tradable ones of `frames`, with the run's own costs.

    With `clean_from` its metrics are of the sessions from then on, as the run's are.
    """
    # Of an instrument's several time frames one is enough.
    first = {frame.instrument.symbol: frame for frame in reversed(frames)}.values()
    traded = [f for f in frames if f.instrument.sec_type != "IND" and any(f is one for one in first)]
    if not traded:
        return Baseline(np.array([], "datetime64[D]"), np.array([]), note="nothing here can be traded")
    record = run_engine(traded, BASELINES[name], settings=settings)
    note = f"seed {settings.seed}" if name == "random_entry" else "equal parts of every tradable symbol"
    info = RunInfo(strategy=name, clean_from=clean_from)
    return Result(record, info, bars=traded).as_baseline(note)


def benchmark(frame: BarFrame, record: RunRecord) -> Benchmark:
    """Return the returns of `frame` on the run's sessions."""
    return benchmark_of(frame, record.sessions.date)


def hindsight_twin(
    result: Result,
    strategy: type,
    params: Mapping[str, Any],
    settings: EngineSettings,
    events: EventTape,
    gate: Gate | None = None,
    signals: SignalTape | None = None,
) -> dict[str, Any]:
    """Repeat a run with midnight stamps and return what that would have "earned".

    `gate` guards the twin as the run was guarded; it must be a new one, since rules remember.
    `signals` are the run's, which the twin meets on its own clock.
    ``state`` is ``compared`` with the twin's ``metrics``, its ``fills`` and the ``sessions`` that
    its decisions knew too early; or ``not applicable`` with the reason in ``why``.
    """
    why = _not_applicable(result, strategy, events)
    if why:
        return {"state": "not applicable", "why": why}
    frames = [_at_midnight(frame) for frame in result.bars]
    # What the strategy prints was printed by the run itself.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        record = run_engine(
            frames,
            strategy,
            params,
            settings=replace(settings, trading_from=None),
            events=events,
            signals=signals,
            gate=gate,
        )
    if record.state != "finished":
        return {"state": "not applicable", "why": "the strategy did not finish on midnight stamps"}
    info = RunInfo(strategy=result.info.strategy, clean_from=result.info.clean_from)
    twin = Result(record, info, bars=frames)
    return {
        "state": "compared",
        "metrics": {name: twin.metrics[name] for name in _TWIN_METRICS if name in twin.metrics},
        "own": {name: result.metrics[name] for name in _TWIN_METRICS if name in result.metrics},
        "fills": len(record.fills),
        "own_fills": len(result.record.fills),
        "dates": [str(date) for date in record.sessions.date],
        "value": [float(value) for value in record.sessions.value],
    }


def _not_applicable(result: Result, strategy: type, events: EventTape) -> str:
    if not len(events):
        return "there are no events in this run"
    if not (handles_events(strategy) or result.record.signals):
        return "the strategy listens to no events or signals"
    if not all(frame.timeframe.endswith("d") for frame in result.bars):
        return "midnight stamps mislead only on daily bars"
    return ""


def _at_midnight(frame: BarFrame) -> BarFrame:
    """Return `frame` with each bar known at 00:00 UTC of its session date, as vendors stamp them."""
    end = frame.session.astype("datetime64[ns]").astype(np.int64)
    return replace(frame, start=end - NS_PER_SECOND, end=end, closed=None)
