"""`backtest()`: configuration → data → tape → engine → analytics → run directory.

Failure contract: bad words or bad data raise a `RoboError` before anything is written. A strategy
that raises leaves a run directory marked ``failed`` and raises `StrategyError`, whose `result` is
what there is of it. Ctrl-C leaves one marked ``interrupted`` and returns it.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader import comparisons
from robo_trader.clock import monotonic, to_ns
from robo_trader.config import Config, load_config, parse_duration
from robo_trader.engine import EngineSettings
from robo_trader.engine import run as run_engine
from robo_trader.errors import RoboError, RunError, StrategyError, UsageError
from robo_trader.inputs import Inputs, data_rows, engine_settings, read_inputs, symbol_names
from robo_trader.masking import mask
from robo_trader.plugins import PluginHost, load_host
from robo_trader.risk.guard import Guard
from robo_trader.risk.profile import load_guard
from robo_trader.roles import Roles, analyst_names
from robo_trader.runs import Result, RunInfo, check_writable
from robo_trader.strategy_manager import StrategyRef, coerce_params, find_strategy, stop_if_loading
from robo_trader.versions import installed_versions

if TYPE_CHECKING:
    from robo_trader.engine.record import RunRecord
    from robo_trader.intelligence.estimate import Estimate

ProgressFn = Callable[[str, int, int], None]

#: What runs when nobody named a strategy: the bundled demonstration.
DEMONSTRATION = "fomc_drift"


def backtest(
    strategy: str | type | None = None,
    *,
    bars: Any = None,
    symbols: Iterable[str] | str | None = None,
    events: Any = None,
    analyst: str | Iterable[str] | None = None,
    start: Any = None,
    end: Any = None,
    timeframe: str | None = None,
    assume_delay: str | timedelta | None = None,
    latency: str | timedelta | None = None,
    cash: float | None = None,
    commission: float | None = None,
    slippage: float | None = None,
    risk: str | None = None,
    fill_rules: str | None = None,
    params: Mapping[str, Any] | None = None,
    benchmark: str | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    report: bool = False,
    fractional: bool | None = None,
    config: str | Path | Config | None = None,
    progress: ProgressFn | None = None,
    flags: Mapping[str, Any] | None = None,
    command: str | None = None,
    save: bool = True,
) -> Result:
    """Run `strategy` over `bars` and return its `Result`.

    `strategy` is a class, a plugin's name, ``file.py``, ``file.py:Class`` or ``module:Class``; None
    runs what `robo.toml` names, else the bundled demonstration. `bars` is a folder of SYMBOL.csv, a
    file, a bar source's name, a DataFrame, a `BarFrame`, a mapping of symbols to these, or None for
    the configured source. `events` is an events file, an event source's name, an `EventTape`, or
    several. `analyst` names who reads the events, by comma or as a list, `latency` what passes from
    an event to its signal. `start` and `end` are session dates, inclusive. `cash` is in account
    currency; `commission` and `slippage` are fractions of value. What is None comes from `robo.toml` (or
    the file `config`), the environment and the defaults; `flags` are further configuration keys.

    The run is written below `out` unless `save` is False; `report` writes `report.html` too.
    Raises a `RoboError` that says what to do; see the module's failure contract.
    """
    stop_if_loading()
    began = monotonic()
    tell = progress or _silent
    given = {
        "run.symbols": symbol_names(symbols), "run.start": _date(start), "run.end": _date(end),
        "run.timeframe": timeframe, "run.cash": cash, "run.commission": commission,
        "run.slippage": slippage, "run.fill_rules": fill_rules, "run.benchmark": benchmark,
        "run.out": str(out) if out is not None else None, "run.seed": seed,
        "run.fractional": fractional, "risk.profile": risk,
        "events.assume_delay": _duration(assume_delay, "assume_delay"),
        "intelligence.analyst": ",".join(analyst_names(analyst)) if analyst is not None else None,
        "intelligence.latency": _duration(latency, "latency"),
        **(flags or {}),
    }  # fmt: skip
    conf = _config(config, {k: v for k, v in given.items() if v is not None})
    host = load_host(conf)
    demonstration = strategy is None and conf.get("run.strategy") is None
    ref = find_strategy(strategy or conf.get("run.strategy") or DEMONSTRATION, host)
    with host.masking():
        wanted = coerce_params(ref.cls, {**host.options("strategy", ref.name), **(params or {})})
        shown = _shown(wanted, params or {}, conf.plugin_table("strategies", ref.name))
        tell("reading bars", 0, 0)
        plan = read_inputs(conf, host, bars, events, demonstration)
        roles = Roles(conf, host, plan, tell)
    read = monotonic()
    settings = engine_settings(conf, plan)
    if save:
        check_writable(Path(conf.get("run.out")))
    info = RunInfo(
        strategy=ref.name,
        command=command or _command(conf, None if demonstration else ref, shown, bars, events),
        config=conf.resolved(),
        params=shown,
        seed=settings.seed,
        versions=installed_versions(),
        data=data_rows(plan),
        warnings=[*ref.notes, *_cost_warnings(settings), *plan.events.notes, *_plugin_warnings(host)],
        notes=[note for frame in plan.frames for note in frame.notes],
        extra={"strategy_origin": ref.origin, "assumed_arrivals": plan.events.assumed},
    )
    guard = load_guard(conf, host)
    watch = host.hook
    watch.robo_run_started(run=info)
    record = run_engine(
        plan.frames,
        ref.cls,
        wanted,
        settings=settings,
        events=plan.events,
        signals=roles.tape(),
        gate=guard,
        progress=lambda done, total: tell("running", done, total),
        on_fill=(lambda fill: watch.robo_fill(fill=fill)) if watch.wanted("robo_fill") else None,
        on_decision=(lambda d: watch.robo_order_decided(decision=d))
        if watch.wanted("robo_order_decided")
        else None,
    )
    if record.failure is not None:
        record.failure.message = host.scrub(record.failure.message)
        record.failure.traceback = host.scrub(record.failure.traceback)
    record.views = roles.views
    info.extra = {**info.extra, **roles.recorded()}
    info.clean_from = roles.clean_from
    info.warnings.extend([*roles.warnings, *_carried(record, roles.clean_from)])
    info.notes.extend(roles.notes)
    info.timings.update(read=read - began, **record.timings)
    info.warnings.extend(watch.take_warnings())
    _tell_of_guard(guard, info)
    result = Result(record, info, bars=plan.frames)
    if record.state == "finished" and plan.benchmark is not None:
        info.benchmark = comparisons.benchmark(plan.benchmark, record)
    if record.state == "finished" and report:
        compared = monotonic()
        _compare(result, plan, ref, wanted, settings, conf, host, roles, tell)
        info.timings["compare"] = monotonic() - compared
    if save:
        tell("writing", 0, 0)
        result.save(conf.get("run.out"))
        # Who presses Ctrl-C wants to be back at the prompt, not to wait for a report of half a run.
        if report and record.state != "interrupted":
            tell("drawing the report", 0, 0)
            _draw(result)
    watch.robo_run_finished(result=result)
    info.warnings.extend(watch.take_warnings())
    if record.failure is not None:
        raise _failed(record, result)
    return result


def estimate(
    strategy: str | type | None = None,
    *,
    bars: Any = None,
    events: Any = None,
    analyst: str | Iterable[str] | None = None,
    config: str | Path | Config | None = None,
    flags: Mapping[str, Any] | None = None,
    progress: ProgressFn | None = None,
) -> dict[str, Estimate]:
    """Return what a backtest with these words would pay its analysts, by name; nothing is asked or written.

    The arguments are those of `backtest`.
    """
    chosen = {"intelligence.analyst": ",".join(analyst_names(analyst))} if analyst is not None else {}
    conf = _config(config, {**chosen, **{k: v for k, v in (flags or {}).items() if v is not None}})
    host = load_host(conf)
    demonstration = strategy is None and conf.get("run.strategy") is None
    with host.masking():
        plan = read_inputs(conf, host, bars, events, demonstration)
        return Roles(conf, host, plan, progress or _silent).estimates()


def _silent(stage: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def _config(config: str | Path | Config | None, flags: Mapping[str, Any]) -> Config:
    if isinstance(config, Config):
        if flags:
            raise UsageError(
                f"config is complete already, but {', '.join(flags)} came beside it",
                hint="give the path of robo.toml instead, or put the values into load_config(flags=…)",
            )
        return config
    return load_config(config, flags=flags)


def _shown(wanted: Mapping[str, Any], given: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as they may be recorded: ``env:NAME`` for its value, secret text masked."""
    out = dict(wanted)
    for key, value in wanted.items():
        own = written.get(key) if key not in given else None
        if isinstance(own, str) and own.startswith("env:"):
            out[key] = own
        elif isinstance(value, str):
            out[key] = mask(key, value)
    return out


def _compare(
    result: Result,
    plan: Inputs,
    ref: StrategyRef,
    params: Mapping[str, Any],
    settings: EngineSettings,
    conf: Config,
    host: PluginHost,
    roles: Roles,
    tell: Callable[..., None],
) -> None:
    """Run the baselines and the hindsight twin beside a finished run.

    The twin is the same run and has a guard of its own; baselines are yardsticks and have none.
    """
    if conf.get("run.baselines"):
        for name in comparisons.BASELINES:
            tell(f"running the baseline {name}", 0, 0)
            result.info.baselines[name] = comparisons.baseline(
                name, plan.frames, settings, result.info.clean_from
            )
    tell("running the hindsight twin", 0, 0)
    guard = load_guard(conf, host)
    result.info.twin = comparisons.hindsight_twin(
        result, ref.cls, params, settings, plan.events, guard, roles.tape()
    )


def _carried(record: RunRecord, clean_from: datetime | None) -> list[str]:
    """Return a warning where positions that hindsight may have opened count in the figures after it."""
    closes = record.sessions.time
    if clean_from is None or not len(closes) or to_ns(clean_from) > int(closes[-1]):
        return []
    held: dict[str, float] = defaultdict(float)
    for fill in record.fills:
        if fill.time < clean_from:
            held[fill.symbol] += fill.size if fill.side == "BUY" else -fill.size
    names = sorted(symbol for symbol, size in held.items() if abs(size) > 1e-9)
    if not names:
        return []
    return [
        f"opened before {clean_from:%Y-%m-%d} and still held then: {', '.join(names)}; what these positions "
        "earn afterwards is in the figures, though a model may have known better when they were opened"
    ]


def _tell_of_guard(guard: Guard | None, info: RunInfo) -> None:
    """Write down what the guard did: a warning where it changed orders, else a note."""
    if guard is None:
        info.extra = {**info.extra, "risk": {"profile": "off"}}
        return
    info.extra = {**info.extra, "risk": {**guard.summary(), "line": guard.line()}}
    info.halts = guard.halts()
    (info.warnings if guard.tally.changed else info.notes).append(guard.line())


def _draw(result: Result) -> None:
    """Write the report; the run itself is saved already and stays."""
    try:
        result.report()
    except RoboError:
        raise
    except Exception as error:
        raise RunError(
            f"the report could not be drawn: {type(error).__name__}: {error}",
            hint=f"the run's figures are safe in {result.run_dir}",
        ) from error


def _failed(record: RunRecord, result: Result) -> RoboError:
    failure = record.failure
    assert failure is not None
    where = f"{failure.where}" if failure.where else "see the traceback with --debug"
    saved = f"; what there is stands in {result.run_dir}" if result.run_dir else ""
    error = StrategyError(failure.message, hint=where + saved)
    error.result = result  # type: ignore[attr-defined]
    error.__notes__ = [failure.traceback]
    return error


def _cost_warnings(settings: EngineSettings) -> list[str]:
    if settings.commission or settings.slippage:
        return []
    return ["costs are 0: real fills pay commission and slippage (--commission 0.001 --slippage 0.0005)"]


def _plugin_warnings(host: PluginHost) -> list[str]:
    broken = [f"plugin {row.name} is quarantined: {row.error} ({row.fix})" for row in host.quarantined()]
    return [*host.notes(), *broken]


def _date(value: Any) -> str | None:
    if value is None:
        return None
    return str(value.date() if hasattr(value, "date") and callable(value.date) else value)


def _duration(value: str | timedelta | None, name: str) -> str | None:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if value is not None:
        parse_duration(value, name)
    return value


def _command(conf: Config, ref: StrategyRef | None, params: Mapping[str, Any], bars: Any, events: Any) -> str:
    """Return the command line that repeats a run made from Python, as far as words can."""
    words = ["robo", "backtest"]
    if ref is not None:
        words.append(str(ref.source_path) if ref.source_path and ":" in ref.origin else ref.name)
    if isinstance(bars, str | Path):
        words += ["--bars", str(bars)]
    elif bars is not None:
        name = ref.cls.__qualname__ if ref is not None else ""
        return f"robo_trader.backtest({name}, bars=<{type(bars).__name__}>, …)"
    for item in [events] if isinstance(events, str | Path) else events if isinstance(events, list) else []:
        words += ["--events", str(item)]
    flags = {"run.symbols": "--symbols", "run.start": "--start", "run.end": "--end",
             "run.timeframe": "--timeframe", "run.cash": "--cash", "run.commission": "--commission",
             "run.slippage": "--slippage", "run.fill_rules": "--fill-rules",
             "run.benchmark": "--benchmark", "run.seed": "--seed",
             "intelligence.analyst": "--analyst", "intelligence.latency": "--latency"}  # fmt: skip
    for key, flag in flags.items():
        if not conf.is_default(key):
            value = conf.get(key)
            words += [flag, ",".join(value) if isinstance(value, list | tuple) else str(value)]
    for key, value in params.items() if ref is not None else ():
        words += ["--param", f"{key}={value}"]
    return shlex.join(words)
