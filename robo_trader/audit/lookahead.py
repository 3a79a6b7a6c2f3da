"""`audit_lookahead`: prove that a strategy does not know the future, or show where it does.

The run is repeated with everything after a moment replaced by other data, once by a boom and once
by a crash, at many moments, and at a few of them with data that end soon after. What the strategy
did up to each moment must be the same to the byte: orders, their sizes, prices and reasons, and
fills. One repetition on unchanged data shows whether the strategy repeats at all, and one in which
reading ahead (``data[1]``) raises.

What it cannot see: a strategy that reads the future from a file of its own, or by luck does the
same in every future that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from robo_trader.audit.futures import REPLACED, Mood, cut_times, ended, other_bars, other_events
from robo_trader.clock import iso, to_ns
from robo_trader.config import load_config
from robo_trader.engine import EngineSettings
from robo_trader.engine import run as run_engine
from robo_trader.engine.record import OrderRecord, RunRecord
from robo_trader.errors import StrategyError, UsageError
from robo_trader.inputs import Inputs, engine_settings, read_inputs
from robo_trader.plugins import load_host
from robo_trader.records import Event
from robo_trader.roles import Roles
from robo_trader.signals import SignalTape
from robo_trader.strategy_manager import coerce_params, find_strategy

LEAST_CUTS = 20
_ENDS = 5
_MOODS: tuple[Mood, ...] = ("boom", "crash")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a strategy cannot have known.

    `kind` is ``reads ahead``, ``knows the future`` or ``does not repeat``; `time` is ISO-8601 UTC.
    """

    kind: str
    time: str
    detail: str


@dataclass(slots=True)
class AuditReport:
    """What an audit did and found. `decisions` counts the orders of the unchanged run."""

    strategy: str
    cuts: list[str] = field(default_factory=list)
    runs: int = 0
    decisions: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True where nothing was found."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"clean": self.clean, **asdict(self)}


def audit_lookahead(
    strategy: str | type,
    *,
    bars: Any = None,
    symbols: Sequence[str] | None = None,
    events: Any = None,
    start: Any = None,
    end: Any = None,
    timeframe: str | None = None,
    params: Mapping[str, Any] | None = None,
    cuts: int = LEAST_CUTS,
    seed: int = 0,
    config: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> AuditReport:
    """Audit `strategy` on the given bars and events; the arguments are those of `backtest()`.

    `cuts` random moments are tried (20 or more), and half as many moments of decisions beside them;
    `seed` chooses them. Raises `UsageError` for fewer cuts and `StrategyError` where the strategy
    does not run at all.
    """
    if cuts < LEAST_CUTS:
        raise UsageError(f"{cuts} cuts prove too little", hint=f"use --cuts {LEAST_CUTS} or more")
    given = {"run.symbols": list(symbols) if symbols else None, "run.start": start, "run.end": end}
    given |= {"run.timeframe": timeframe}
    set_here = {key: value for key, value in {**given, **(flags or {})}.items() if value is not None}
    conf = load_config(config, flags=set_here)
    host = load_host(conf)
    ref = find_strategy(strategy, host)
    with host.masking():
        wanted = coerce_params(ref.cls, {**host.options("strategy", ref.name), **(params or {})})
        inputs = read_inputs(conf, host, bars, events, False)
    settings = engine_settings(conf, inputs)
    return audit(
        ref.cls, wanted, inputs, settings, name=ref.name, cuts=cuts, seed=seed, progress=progress,
        signals=lambda changed: Roles(conf, host, changed, _quiet, legible=_as_it_was).tape(),
    )  # fmt: skip


def _quiet(stage: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def _as_it_was(event: Event) -> bool:
    """Tell an event of the run from one that took its place: no model is paid to read the latter."""
    return event.title != REPLACED


def audit(
    strategy: type,
    params: Mapping[str, Any],
    inputs: Inputs,
    settings: EngineSettings,
    *,
    name: str,
    cuts: int = LEAST_CUTS,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    signals: Callable[[Inputs], SignalTape] | None = None,
) -> AuditReport:
    """Audit a strategy class on inputs that were read already; see `audit_lookahead`.

    `signals` makes the signals that follow from inputs, anew for each run.
    """
    tell = progress or (lambda stage, done, total: None)
    report = AuditReport(name)

    def play(changed: Inputs, **more: Any) -> RunRecord:
        report.runs += 1
        return run_engine(
            changed.frames,
            strategy,
            params,
            settings=replace(settings, **more),
            events=changed.events,
            signals=signals(changed) if signals is not None else None,
        )

    truth = play(inputs)
    if truth.failure is not None:
        raise StrategyError(truth.failure.message, hint=truth.failure.where)
    report.decisions = len(truth.orders)
    watched = play(inputs, audit=True)
    if watched.failure is not None:
        time = iso(watched.failure.bar_time) if watched.failure.bar_time is not None else ""
        report.findings.append(
            Finding("reads ahead", time, f"{watched.failure.message}; {watched.failure.where}")
        )
    again = _difference(truth, play(inputs))
    if again:
        report.findings.append(Finding("does not repeat", again[0], f"the same data, twice: {again[1]}"))
        return report
    rng = np.random.default_rng(seed)
    moments = cut_times(inputs.frames, [order.time for order in truth.orders], cuts, rng)
    report.cuts = [iso(cut) for cut in moments]
    for i, cut in enumerate(moments):
        tell("replacing the future", i, len(moments))
        for mood in _MOODS:
            changed = replace(
                inputs,
                frames=[other_bars(frame, cut, mood, rng) for frame in inputs.frames],
                events=other_events(inputs.events, cut),
                benchmark=None,
            )
            found = _difference(truth, play(changed), cut)
            if found:
                detail = f"with a {mood} after {iso(cut)}: {found[1]}"
                report.findings.append(Finding("knows the future", found[0], detail))
                break
    for cut in moments[:: -(-len(moments) // _ENDS) or 1]:
        early = play(replace(inputs, frames=[ended(frame, cut) for frame in inputs.frames], benchmark=None))
        # Indicators may fail on data shorter than their period, which says nothing of the strategy.
        found = _difference(truth, early, cut) if early.state == "finished" else None
        if found:
            detail = f"with data that end soon after {iso(cut)}: {found[1]}"
            report.findings.append(Finding("knows the future", found[0], detail))
    return report


def _deeds(record: RunRecord, cut: int | None) -> tuple[list[Row], list[Row]]:
    """Return what was ordered and what was filled up to `cut` (ns UTC), each row with its time first."""
    orders: list[Row] = [
        (o.time, "order", o.order_id, o.side, o.size, o.symbol, *_terms(o)) for o in record.orders
    ]
    fills: list[Row] = [
        (to_ns(f.time), "fill", f.order_id, f.side, f.size, f.symbol, f.price, f.commission, f.because)
        for f in record.fills
    ]
    known = [[row for row in rows if cut is None or row[0] <= cut] for rows in (orders, fills)]
    return known[0], known[1]


def _terms(order: OrderRecord) -> Row:
    return order.type, order.limit, order.stop, order.parent, order.oco, order.because


def _difference(truth: RunRecord, other: RunRecord, cut: int | None = None) -> tuple[str, str] | None:
    """Return the first difference up to `cut` as (time, words), or None."""
    for expected, seen in zip(_deeds(truth, cut), _deeds(other, cut), strict=True):
        for a, b in zip_longest(expected, seen):
            if a != b:
                return iso((a or b)[0]), f"{_say(a)} became {_say(b)}"
    return None


def _say(row: Row | None) -> str:
    if row is None:
        return "nothing"
    time, what, number, side, size, symbol, *_ = row
    return f"{what} {number} ({side} {size:g} {symbol} at {iso(time)})"
