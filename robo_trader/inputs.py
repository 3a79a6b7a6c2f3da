"""What a run reads: bars, events, the benchmark, and the time from which it may trade.

Shared by everything that runs a strategy. Bad input raises a `RoboError` and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from robo_trader.bars.bundled import BUNDLED_SYMBOLS, bundled_events_path
from robo_trader.bars.defaults import default_instrument
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.select import load_bars, period
from robo_trader.bars.settings import BarSettings
from robo_trader.clock import from_ns
from robo_trader.config import Config
from robo_trader.engine import EngineSettings
from robo_trader.errors import DataError, UsageError, did_you_mean
from robo_trader.events.files import read_events
from robo_trader.events.source import fetch_events
from robo_trader.events.tape import EventTape
from robo_trader.plugins import PluginHost
from robo_trader.records import Event

#: What the bars' and events' own demonstration is called, as a source.
BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads: bars, events, the benchmark's bars and when trading may begin (ns UTC).

    `load` gives the bars of a further symbol from the same source.
    """

    frames: list[BarFrame]
    events: EventTape
    benchmark: BarFrame | None
    trading_from: int | None
    load: Callable[[str], BarFrame]


def read_inputs(conf: Config, host: PluginHost, bars: Any, events: Any, demonstration: bool) -> Inputs:
    """Read what `bars`, `events` and the configuration name.

    `demonstration` adds the bundled events and a benchmark where nobody named any.
    """
    source = bars if bars is not None else conf.get("bars.source")
    bundled = isinstance(source, str) and source == BUNDLED
    settings = BarSettings.from_table(conf.table("bars"))
    symbols = conf.get("run.symbols")
    warmup = conf.get("run.warmup") or 0
    period(
        conf.get("run.start"), conf.get("run.end")
    )  # With a warm-up the start is not among what is loaded.
    first = None if warmup else conf.get("run.start")

    def load(names: Sequence[str] | None) -> list[BarFrame]:
        return load_bars(
            source, names, settings,
            start=first, end=conf.get("run.end"), timeframe=conf.get("run.timeframe"), plugins=host,
        )  # fmt: skip

    if bundled and symbols is None and not demonstration:
        # An index is watched and not traded; left in, its later close would be everybody's.
        symbols = [name for name in BUNDLED_SYMBOLS if default_instrument(name).sec_type != "IND"]
    frames = load(symbols)
    trading_from = None
    if warmup and conf.get("run.start"):
        frames, trading_from = _warm(frames, np.datetime64(conf.get("run.start"), "D"), warmup)
    against = conf.get("run.benchmark") or ("SPY" if demonstration and bundled else None)
    beside = None
    if against is not None:
        beside = next((f for f in frames if f.symbol == against), None)
        if beside is None:
            _refuse_renaming(against, source, frames)
            beside = load([against])[0]
    frames = _feeds_by_name(frames)
    sources = events if events is not None else list(conf.get("events.sources"))
    if demonstration and bundled and not sources:
        sources = [BUNDLED]
    return Inputs(
        frames,
        _events(sources, conf, host, frames),
        beside,
        trading_from,
        load=lambda symbol: load([symbol])[0],
    )


def _refuse_renaming(benchmark: str, source: Any, frames: Sequence[BarFrame]) -> None:
    """Refuse a benchmark that a source of one symbol could only give by calling its bars so."""
    if hasattr(source, "columns") or (isinstance(source, str | Path) and Path(source).is_file()):
        raise DataError(
            f"no bars for the benchmark {benchmark}: the bars given are those of {frames[0].symbol} alone",
            hint="give a folder, or a dict of symbols, that holds both",
        )


def _feeds_by_name(frames: Sequence[BarFrame]) -> list[BarFrame]:
    """Give each feed a name of its own: of several time frames the first keeps the symbol's.

    The others are called ``SPY@1d``; their instrument stays the same.
    """
    taken: set[str] = set()
    named = []
    for frame in frames:
        name = f"{frame.symbol}@{frame.timeframe}" if frame.symbol in taken else frame.symbol
        taken.add(name)
        named.append(frame if name == frame.symbol else replace(frame, symbol=name))
    return named


def _warm(frames: list[BarFrame], start: np.datetime64, warmup: int) -> tuple[list[BarFrame], int]:
    """Keep `warmup` bars before the session date `start`; trading begins when the last of them has ended.

    What is said between that moment and the first bar is heard: it can be traded at the first open.
    """
    kept, firsts, lasts = [], [], []
    for frame in frames:
        i = int(np.searchsorted(frame.session, start))
        if i >= len(frame):
            last = frame.session[-1]
            raise DataError(f"{frame.symbol} has no bars from {start} on", hint=f"its last session is {last}")
        kept.append(frame.where(slice(max(0, i - warmup), None)))
        firsts.append(int(frame.end[i]))
        if i:
            lasts.append(int(frame.end[i - 1]))
    return kept, max(lasts) + 1 if lasts else min(firsts)


def _events(sources: Any, conf: Config, host: PluginHost, frames: Sequence[BarFrame]) -> EventTape:
    delay = conf.duration("events.assume_delay")
    if isinstance(sources, EventTape):
        return sources
    if isinstance(sources, str | Path):
        sources = [sources]
    items = list(sources)
    if items and all(isinstance(item, Event) for item in items):
        return EventTape.of(items, assume_delay=delay)
    for item in items:
        if not isinstance(item, str | Path | EventTape):
            raise UsageError(
                f"events cannot be read from {type(item).__name__} {item!r}",
                hint="give Event objects, an EventTape, a .jsonl file or an event source's name",
            )
    tapes = [_event_tape(item, delay, host, frames) for item in items]
    return tapes[0].merge(tapes[1:]) if tapes else EventTape.of(())


def _event_tape(item: Any, delay: timedelta, host: PluginHost, frames: Sequence[BarFrame]) -> EventTape:
    """Read one source: a tape, a file, the bundled events or an event source's name."""
    if isinstance(item, EventTape):
        return item
    if str(item) == BUNDLED:
        tape = read_events(bundled_events_path(), assume_delay=delay)
        named = tuple(replace(o, source="bundled fomc.jsonl (Federal Reserve)") for o in tape.origins)
        notes = tuple(note.replace(str(bundled_events_path()), "bundled fomc.jsonl") for note in tape.notes)
        return replace(tape, origins=named, notes=notes)
    name = str(item)
    known = host.names("event_source")
    if name in known:
        since = from_ns(min(int(frame.start[0]) for frame in frames))
        until = from_ns(max(int(frame.end[-1]) for frame in frames))
        return fetch_events(host.create("event_source", name), name, since, until, assume_delay=delay)
    path = Path(name)
    if not path.exists() and path.suffix == "":
        hint = did_you_mean(name, [*known, BUNDLED])
        raise UsageError(
            f"there is no events file and no event source {name!r}",
            hint=hint or "give a .jsonl file, 'bundled', or a name from 'robo plugins'",
        )
    return read_events(path, assume_delay=delay)


def symbol_names(symbols: Iterable[str] | str | None) -> list[str] | None:
    """Return the names in a comma list or in several, in their order; None for nothing said."""
    if symbols is None:
        return None
    parts = symbols.split(",") if isinstance(symbols, str) else list(symbols)
    return [part.strip() for part in parts if part.strip()]


def engine_settings(conf: Config, inputs: Inputs) -> EngineSettings:
    """Return the engine's settings from the table ``[run]``."""
    return EngineSettings(
        cash=conf.get("run.cash"),
        commission=conf.get("run.commission"),
        slippage=conf.get("run.slippage"),
        fill_rules=conf.get("run.fill_rules"),
        fractional=conf.get("run.fractional"),
        seed=conf.get("run.seed"),
        strategy_tz=conf.get("run.strategy_tz"),
        trading_from=inputs.trading_from,
        engine=conf.get("run.engine"),
    )


def data_rows(inputs: Inputs) -> list[dict[str, Any]]:
    """Return what `run.json` says of each source: where from, its hash and rows, what its stamps marked."""
    return [*map(_frame_row, inputs.frames), *map(_event_row, inputs.events.origins)]


def _frame_row(frame: BarFrame) -> dict[str, Any]:
    o = frame.origin
    return {
        "source": o.source, "sha256": o.sha256, "rows": o.rows, "bars": len(frame),
        "symbol": frame.symbol, "timeframe": frame.timeframe, "stamps": o.stamps, "tz": o.tz,
        "first": str(frame.session[0]), "last": str(frame.session[-1]), "adjusted": frame.adjusted,
    }  # fmt: skip


def _event_row(origin: Any) -> dict[str, Any]:
    return {
        "source": origin.source, "sha256": origin.sha256, "rows": origin.rows, "assumed": origin.assumed
    }  # fmt: skip
