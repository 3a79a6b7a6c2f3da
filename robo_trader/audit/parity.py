"""`audit_parity`: one tape of bars and events through the backtest and through the live path, compared.

The live path is the one that trades: the simulated gateway replays the bars in lockstep and fills by the
backtest's rules, orders leave through the broker's line, fills come back as executions. Strategy,
parameters, risk profile, seed, history, costs, bars, events and analysts are the same. Decisions, orders,
fills, the account at the end of each session, events and signals must be equal; where they are not, both
runs are repeated with a diary of the strategy's calls, and the first page that differs is the cause.

Failure contract: what cannot be compared is a `UsageError` before anything runs; a strategy that fails in
both runs is the `StrategyError` of the backtest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robo_trader.audit.parity_causes import Evidence, causes_of
from robo_trader.audit.parity_diary import Page, with_diary
from robo_trader.audit.parity_rows import Parting, Row, compare, counts
from robo_trader.clock import iso, monotonic
from robo_trader.config import Config, load_config
from robo_trader.engine import EngineSettings
from robo_trader.engine import run as run_engine
from robo_trader.engine.record import RunRecord
from robo_trader.errors import RoboError, StrategyError, UsageError
from robo_trader.inputs import Inputs, engine_settings, read_inputs
from robo_trader.live.rehearsal import UNTRADED, first_session
from robo_trader.live.trading import Told, trade
from robo_trader.plugins import PluginHost, load_host
from robo_trader.risk.profile import load_guard
from robo_trader.roles import Roles
from robo_trader.strategy_manager import StrategyRef, coerce_params, find_strategy

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two runs part in one kind of thing about one symbol.

    `kind` is ``decision``, ``order``, ``fill``, ``session``, ``signal``, ``event``, ``bars`` or ``end``;
    `time` is ISO-8601 UTC; `what` names the fields that differ; `rows` counts all that differ of this kind
    and symbol.
    """

    kind: str
    symbol: str
    time: str
    what: str
    backtest: str
    live: str
    cause: str
    rows: int


@dataclass(slots=True)
class ParityReport:
    """What two runs of one strategy on one tape did. `seconds` are wall time by run."""

    strategy: str
    first: str
    backtest: dict[str, int] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """True where both runs did the same."""
        return not self.differences

    @property
    def rows(self) -> int:
        """How many rows differ in all."""
        return sum(one.rows for one in self.differences)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"equal": self.equal, "rows": self.rows, **asdict(self)}


def audit_parity(
    strategy: str | type,
    *,
    bars: Any = None,
    symbols: Sequence[str] | None = None,
    events: Any = None,
    start: Any = None,
    end: Any = None,
    timeframe: str | None = None,
    params: Mapping[str, Any] | None = None,
    config: Any = None,
    progress: Progress | None = None,
    flags: Mapping[str, Any] | None = None,
) -> ParityReport:
    """Run `strategy` through the backtest and through the live path, and compare what it did.

    The arguments are those of `backtest()`. Without `start` the first third of the bars (``[live] history``
    of them at most) is history, as in a rehearsal; with it ``[run] warmup`` bars before it are, else
    ``[live] history``. Nothing is written but to a folder that is gone afterwards.
    """
    given = {"run.symbols": list(symbols) if symbols else None, "run.start": start, "run.end": end}
    given |= {"run.timeframe": timeframe}
    chosen = {key: value for key, value in {**given, **(flags or {})}.items() if value is not None}
    tell = progress or (lambda stage, done, total: None)
    with tempfile.TemporaryDirectory(prefix="robo-parity-") as folder:
        conf = _same_for_both(config, chosen, bars, events, Path(folder))
        host = load_host(conf)
        ref = find_strategy(strategy, host)
        with host.masking():
            wanted = coerce_params(ref.cls, {**host.options("strategy", ref.name), **(params or {})})
            inputs = read_inputs(conf, host, bars, events, False)
        _refuse(inputs)
        return _Pair(conf, host, ref, wanted, bars, inputs, tell).report()


def _same_for_both(config: Any, chosen: dict[str, Any], bars: Any, events: Any, folder: Path) -> Config:
    """Return one configuration for both runs: where trading begins, and how much history goes before."""
    conf = load_config(config, flags=chosen)
    if conf.get("run.fill_rules") != "honest":
        raise UsageError(
            f"the fill rules {conf.get('run.fill_rules')!r} exist in backtests only: nothing to compare",
            hint="leave out --fill-rules: the live path is compared under the honest ones",
        )
    history = conf.get("run.warmup") or conf.get("live.history")
    first = conf.get("run.start")
    if not first:
        everything = read_inputs(conf, load_host(conf), bars, events, False)
        first = str(first_session(everything.frames, None, history))
    own = {
        "run.start": first, "run.warmup": history, "live.history": history, "live.speed": "max",
        "live.ib": "", "live.account": "", "journal.url": f"sqlite:///{folder / 'journal.sqlite'}",
        "state.url": f"file:{folder / 'state'}",
    }  # fmt: skip
    return load_config(config, flags={**chosen, **own})


def _refuse(inputs: Inputs) -> None:
    for frame in inputs.frames:
        if frame.instrument.sec_type in UNTRADED:
            raise UsageError(
                f"{frame.symbol} is of the kind {frame.instrument.sec_type}, which is not traded live",
                hint="leave it out: --symbols names the others",
            )


class _Pair:
    """Both runs of one strategy."""

    def __init__(
        self,
        conf: Config,
        host: PluginHost,
        ref: StrategyRef,
        params: Mapping[str, Any],
        bars: Any,
        inputs: Inputs,
        tell: Progress,
    ) -> None:
        self.conf, self.host, self.ref, self.params = conf, host, ref, params
        self.bars, self.inputs, self.tell = bars, inputs, tell
        self.failure: RoboError = StrategyError("")
        self.settings: EngineSettings = engine_settings(conf, inputs)

    def report(self) -> ParityReport:
        """Run both ways, compare, and explain."""
        report = ParityReport(self.ref.name, str(self.conf.get("run.start")))
        began = monotonic()
        ours = self._backtest(self.ref.cls)
        report.seconds["backtest"] = monotonic() - began
        began = monotonic()
        theirs = self._live(self.ref.cls)
        report.seconds["live"] = monotonic() - began
        report.backtest = counts(ours)
        if theirs is None:
            if ours.failure is not None:
                raise StrategyError(ours.failure.message, hint=ours.failure.where)
            report.differences = [self._failed_live()]
            return report
        report.live = counts(theirs)
        partings = compare(ours, theirs)
        if partings:
            evidence = self._evidence(ours, theirs)
            causes = causes_of(partings, evidence)
            report.differences = [_told(*pair) for pair in zip(partings, causes, strict=True)]
        return report

    def _failed_live(self) -> Difference:
        said = self.failure.message
        return Difference("end", "", "", "state", "finished", f"failed: {said}", f"live {said}", 1)

    def _backtest(self, strategy: type) -> RunRecord:
        self.tell("backtest: running", 0, 0)
        with self.host.masking():
            return run_engine(
                self.inputs.frames, strategy, self.params, settings=self.settings, events=self.inputs.events,
                signals=Roles(self.conf, self.host, self.inputs, self.tell).tape(),
                gate=load_guard(self.conf, self.host),
                progress=lambda done, total: self.tell("backtest: running", done, total),
            )  # fmt: skip

    def _live(self, strategy: type) -> RunRecord | None:
        """Return what the live path did; None where the strategy failed in it."""
        self.tell("live path: beginning", 0, 0)
        told = Told(progress=lambda stage, done, total: self.tell(f"live path: {stage}", done, total))
        try:
            outcome = trade(
                strategy, mode="paper", bars=self.bars, events=self.inputs.events, params=self.params,
                config=self.conf, told=told, save=False, fresh=True,
            )  # fmt: skip
        except StrategyError as error:
            self.failure = error
            return None
        assert outcome.result is not None
        return outcome.result.record

    def _evidence(self, ours: RunRecord, theirs: RunRecord) -> Evidence:
        """Repeat both runs with a diary."""
        self.tell("looking for the cause", 0, 0)
        pages: tuple[list[Page], list[Page]] = ([], [])
        again = self._backtest(with_diary(self.ref.cls, pages[0]))
        live_again = self._live(with_diary(self.ref.cls, pages[1]))
        ticks = {frame.symbol: frame.instrument.tick for frame in self.inputs.frames}
        kinds = {frame.symbol: frame.instrument.sec_type for frame in self.inputs.frames}
        return Evidence(
            backtest=ours, live=theirs, pages=pages, ticks=ticks, kinds=kinds,
            repeats=not compare(ours, again) and live_again is not None and not compare(theirs, live_again),
        )  # fmt: skip


def _told(parting: Parting, cause: str) -> Difference:
    names = list(parting.fields)
    whole = names in (["there"], ["order of symbols"])

    def say(row: Row | None) -> str:
        if row is None:
            return "nothing"
        return row.say(None if whole else names)

    return Difference(
        kind=parting.kind, symbol=parting.symbol, time=iso(parting.time) if parting.time else "",
        what="missing" if names == ["there"] else ", ".join(names), backtest=say(parting.backtest),
        live=say(parting.live), cause=cause, rows=parting.rows,
    )  # fmt: skip
