"""`run`: bars, events and a strategy in, a `RunRecord` out.

Failure contract: an exception in the strategy ends the run with ``state="failed"`` and says where;
Ctrl-C ends it with ``state="interrupted"``; both keep everything recorded so far.
"""

from __future__ import annotations

import os
import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import backtrader as bt
import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import iso, monotonic
from robo_trader.engine.assemble import Hooks, assemble
from robo_trader.engine.cerebro import Progress, RoboCerebro
from robo_trader.engine.garbage import tidy
from robo_trader.engine.record import Failure, RunRecord
from robo_trader.engine.recorder import Recorder
from robo_trader.engine.settings import EngineSettings
from robo_trader.engine.timeline import Phase
from robo_trader.errors import DataError, ModelError, PluginError, RoboError, UsageError
from robo_trader.events.tape import EventTape
from robo_trader.records import Decision, Fill
from robo_trader.risk.gate import Gate, SeesTheEnd
from robo_trader.signals import SignalTape

#: Errors before the first bar that are no fault of the strategy's code.
_THEIRS = (UsageError, PluginError, ModelError)
_HERE = Path(__file__).parent
#: Where indicators are computed, in Backtrader and in the fast way.
_COMPUTING = ("_once", "_next", "_compute", "_compute_indicator")
_OWN_CODE = tuple(f"{folder}{os.sep}" for folder in (_HERE, _HERE.parent / "feeds", Path(bt.__file__).parent))


def run(
    frames: Sequence[BarFrame],
    strategy: type | Sequence[type],
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    *,
    settings: EngineSettings | None = None,
    events: EventTape | None = None,
    signals: SignalTape | None = None,
    gate: Gate | None = None,
    progress: Progress | None = None,
    on_fill: Callable[[Fill], None] | None = None,
    on_decision: Callable[[Decision], None] | None = None,
) -> RunRecord:
    """Run `strategy` (any `bt.Strategy` subclass) with `params` over `frames` and return the record.

    One feed a frame, named by its symbol; names must differ. Several strategies, each with its own
    `params`, share one account. `progress` is called with steps done and steps in all.
    """
    with tidy():
        return _run(
            frames,
            _strategies(strategy, params),
            settings or EngineSettings(),
            events if events is not None else EventTape.of(()),
            signals if signals is not None else SignalTape(),
            gate,
            Hooks(progress, on_fill, on_decision),
        )


def _strategies(
    strategy: type | Sequence[type], params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
) -> list[tuple[type, dict[str, Any]]]:
    """Return each strategy with its own parameters."""
    classes = [strategy] if isinstance(strategy, type) else list(strategy)
    given: Sequence[Mapping[str, Any]]
    if params is None:
        given = [{} for _ in classes]
    else:
        given = [params] if isinstance(params, Mapping) else params
    if not classes or len(given) != len(classes):
        raise UsageError(f"{len(classes)} strategies were given {len(given)} sets of parameters")
    return [(cls, dict(own)) for cls, own in zip(classes, given, strict=True)]


def _run(
    frames: Sequence[BarFrame],
    strategies: Sequence[tuple[type, Mapping[str, Any]]],
    settings: EngineSettings,
    tape: EventTape,
    signals: SignalTape,
    gate: Gate | None,
    hooks: Hooks,
) -> RunRecord:
    _check_names(frames)
    began = monotonic()
    parts = assemble(frames, strategies, settings, tape, signals, gate, hooks)
    cerebro, recorder = parts.cerebro, parts.recorder
    prepared = monotonic()
    state: Literal["finished", "interrupted", "failed"] = "finished"
    failure = None
    with _seeded(settings.seed):
        try:
            cerebro.run()
        except KeyboardInterrupt:
            state = "interrupted"
        except (Exception, SystemExit) as error:
            # Whatever a strategy raises belongs to the record; but parameters that it refuses
            # before its first bar are wrong words of the caller's, and a signal that cannot be made
            # is its plugin's fault.
            if cerebro.position is None and isinstance(error, _THEIRS):
                raise
            state, failure = "failed", _failure(error, cerebro, frames)
    ran = monotonic()
    if isinstance(gate, SeesTheEnd) and state == "finished":
        gate.close(cerebro.broker.book)
    orders = recorder.order_records()
    record = RunRecord(
        starting_cash=settings.cash,
        sessions=recorder.sessions(cerebro.datas),
        orders=orders,
        fills=recorder.fill_records(),
        decisions=recorder.decision_records(orders),
        signals=list(signals.signals),
        events_delivered=recorder.events,
        bars_processed=sum(len(feed) for feed in cerebro.datas),
        state=state,
        failure=failure,
        fill_rules=settings.fill_rules,
        notify="at_open" if parts.at_open else "with_bar",
        path=parts.path,
        path_reasons=(*parts.reasons, *cerebro.why),
        wake=cerebro.woken,
        cheats=tuple(recorder.cheats),
        warnings=tuple(_warnings(cerebro, tape, recorder)),
        timings={"prepare": prepared - began, "run": ran - prepared, "record": monotonic() - ran},
    )
    recorder.forget()
    cerebro.broker.forget()
    return record


def _check_names(frames: Sequence[BarFrame]) -> None:
    if not frames:
        raise DataError("there are no bars to run on", hint="name symbols or a folder of bars")
    seen: set[str] = set()
    for frame in frames:
        if frame.symbol in seen:
            raise DataError(
                f"{frame.symbol} is given twice", hint="give each series of bars a symbol of its own"
            )
        seen.add(frame.symbol)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's and numpy's global generators for strategies that use them; put them back after."""
    state, np_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(np_state)


def _failure(error: BaseException, cerebro: RoboCerebro, frames: Sequence[BarFrame]) -> Failure:
    """Say in one line what the strategy did wrong, at which bar of which symbol and on which line."""
    stack = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in stack if not f.filename.startswith(_OWN_CODE)]
    # The last line of the strategy's own file, not of a library that it called.
    frame = next(f for f in reversed(theirs or stack) if not theirs or f.filename == theirs[0].filename)
    where = f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
    if isinstance(error, RoboError):
        text, where = error.message, where if theirs else error.hint or where
    else:
        indicator = _indicator_in(error)
        who = f"the indicator {type(indicator).__name__}" if indicator is not None else "the strategy"
        text = f"{who} raised {type(error).__name__}: {error}"
        needs = indicator._minperiod if isinstance(error, IndexError) and indicator is not None else 0
        short = next((feed for feed in cerebro.datas if feed.buflen() < needs), None)
        if short is not None:
            text = f"{who} needs {needs} bars, and {short._name} has {short.buflen()}"
            return Failure(text, "give it more bars, or a shorter period", None, traceback.format_exc())
    step = cerebro.position
    if step is None:
        return Failure(f"{text} before its first bar", where, None, traceback.format_exc())
    if step.phase is Phase.EVENT:
        at = f"at the event of {iso(step.time)}"
    elif step.phase is Phase.SIGNAL:
        at = f"at the signal of {iso(step.time)}"
    else:
        names = ", ".join(frames[i].symbol for i in step.members[:3])
        more = f" and {len(step.members) - 3} more" if len(step.members) > 3 else ""
        edge = "starting" if step.phase is Phase.START else "ending"
        at = f"at the bar of {names}{more} {edge} {iso(step.time)}"
    return Failure(f"{text} {at}", where, step.time, traceback.format_exc())


def _indicator_in(error: BaseException) -> Any:
    """Return the indicator whose values were being computed when `error` was raised, or None."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name in _COMPUTING:
            for name in ("self", "item", "indicator"):
                if isinstance(frame.f_locals.get(name), bt.Indicator):
                    return frame.f_locals[name]
    return None


def _warnings(cerebro: RoboCerebro, tape: EventTape, recorder: Recorder) -> Iterator[str]:
    if cerebro.complete:
        early = len(tape) - len(recorder.events)
        if early:
            yield f"{early} events were known before the first bar that may be traded and were not delivered"
    for cheat in recorder.cheats:
        yield f"{cheat} was asked for: fills use prices printed before the order"
