"""Puts a run's parts together: Cerebro, broker, feeds and recorder, for the fast way or the plain one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from robo_trader.bars.frame import BarFrame
from robo_trader.engine.broker import RecordingBroker, StockBroker
from robo_trader.engine.cerebro import Progress, RoboCerebro
from robo_trader.engine.commission import commission_for
from robo_trader.engine.fast.cerebro import FastCerebro
from robo_trader.engine.fast.honest import FastHonestBroker
from robo_trader.engine.fast.moment import FastContext
from robo_trader.engine.fast.recorder import FastRecorder
from robo_trader.engine.fast.schedule import Clock, Schedule, clocks_of
from robo_trader.engine.fast.stock import FastStockBroker
from robo_trader.engine.honest import HonestBroker
from robo_trader.engine.recorder import Recorder
from robo_trader.engine.settings import EngineSettings
from robo_trader.engine.timeline import Timeline, one_clock
from robo_trader.events.tape import EventTape
from robo_trader.feeds.bars import BarsFeed
from robo_trader.records import Decision, Fill
from robo_trader.risk.gate import Gate
from robo_trader.signals import SignalTape
from robo_trader.strategy import StrategyContext, handles_events, handles_signals


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is told at once while a run goes on: progress, fills, decisions."""

    progress: Progress | None = None
    fill: Callable[[Fill], None] | None = None
    decision: Callable[[Decision], None] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """A run that is ready to go. `path` and `reasons` say which way it takes and why."""

    cerebro: RoboCerebro
    recorder: Recorder
    at_open: bool
    path: str
    reasons: tuple[str, ...]


def assemble(
    frames: Sequence[BarFrame],
    strategies: Sequence[tuple[type, Mapping[str, Any]]],
    settings: EngineSettings,
    tape: EventTape,
    signals: SignalTape,
    gate: Gate | None,
    hooks: Hooks,
) -> Parts:
    """Return the parts of a run of `strategies` (classes with their parameters) over `frames`."""
    told = any(handles_signals(cls) for cls, _ in strategies)
    if told:
        signals.speak()
    heard = (told and signals.may_speak) or (
        len(tape) > 0 and any(handles_events(cls) for cls, _ in strategies)
    )
    reasons = _why_plain(settings)
    clocks = clocks_of(frames)
    if reasons:
        cerebro, recorder, broker = _plain(frames, settings, tape, signals, gate, hooks, heard)
    else:
        cerebro, recorder, broker = _fast(clocks, settings, tape, signals, gate, hooks, heard)
    _fit(cerebro, broker, frames, clocks, settings)
    for cls, params in strategies:
        cerebro.addstrategy(cls, **params)
    return Parts(cerebro, recorder, cerebro.at_open, "plain" if reasons else "fast", reasons)


def _why_plain(settings: EngineSettings) -> tuple[str, ...]:
    if settings.engine == "plain":
        return ("the plain engine was asked for",)
    return ("reads ahead are checked line by line",) if settings.audit else ()


def _plain(
    frames: Sequence[BarFrame], settings: EngineSettings, tape: EventTape, signals: SignalTape,
    gate: Gate | None, hooks: Hooks, heard: bool,
) -> tuple[RoboCerebro, Recorder, RecordingBroker]:  # fmt: skip
    honest = settings.fill_rules == "honest"
    at_open = honest and (heard or not one_clock(frames))
    recorder = Recorder(hooks.fill, hooks.decision)
    cerebro = RoboCerebro(
        timeline=partial(Timeline, frames, tape.known_ns, starts=at_open),
        events=tape.events,
        recorder=recorder,
        context=StrategyContext(tape=signals, seed=settings.seed, trading_from=settings.trading_from or 0),
        at_open=at_open,
        progress=hooks.progress,
        **_cerebro_params(settings),
    )
    return cerebro, recorder, (HonestBroker if honest else StockBroker)(recorder, gate)


def _fast(
    clocks: Sequence[Clock], settings: EngineSettings, tape: EventTape, signals: SignalTape,
    gate: Gate | None, hooks: Hooks, heard: bool,
) -> tuple[RoboCerebro, Recorder, RecordingBroker]:  # fmt: skip
    honest = settings.fill_rules == "honest"
    recorder = FastRecorder(hooks.fill, hooks.decision)
    context = FastContext(tape=signals, seed=settings.seed, trading_from=settings.trading_from or 0)
    schedule = Schedule(clocks)
    cerebro = FastCerebro(
        schedule=schedule,
        tape=tape,
        gated=settings.wake,
        recorder=recorder,
        context=context,
        at_open=honest and (heard or not schedule.one_clock),
        progress=hooks.progress,
        **_cerebro_params(settings),
    )
    broker = (FastHonestBroker if honest else FastStockBroker)(recorder, gate)
    broker.moment = context
    return cerebro, recorder, broker


def _cerebro_params(settings: EngineSettings) -> dict[str, Any]:
    return {"stdstats": False, "tz": settings.strategy_tz, "cheat_on_open": settings.cheat_on_open}


def _fit(
    cerebro: RoboCerebro,
    broker: RecordingBroker,
    frames: Sequence[BarFrame],
    clocks: Sequence[Clock],
    settings: EngineSettings,
) -> None:
    """Give Cerebro its broker and feeds, and each feed its commission."""
    broker.setcash(settings.cash)
    broker.trading_from = settings.trading_from or 0
    if settings.slippage:
        broker.set_slippage_perc(settings.slippage)
    if settings.cheat_on_close:
        broker.set_coc(True)
    cerebro.broker = broker
    first_of = {i: clock.members[0] for clock in clocks for i in clock.members}
    for i, frame in enumerate(frames):
        feed = BarsFeed(  # type: ignore[call-arg]  # parameters of Backtrader's metaclass
            dataname=frame,
            tz=settings.strategy_tz,
            audit=settings.audit,
            guard=settings.fill_rules == "honest",
        )
        if first_of[i] != i:
            feed.share_times(cerebro.datas[first_of[i]])
        cerebro.adddata(feed, name=frame.symbol)
        scheme = commission_for(frame.instrument, settings.commission, fractional=settings.fractional)
        broker.addcommissioninfo(scheme, name=frame.symbol)
