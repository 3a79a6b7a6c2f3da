"""`robo audit`: proofs about a strategy: no look-ahead, and the same live as in a backtest."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from robo_trader.cli import options, out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.inputs import flags_of, params_of
from robo_trader.cli.progress import Progress
from robo_trader.errors import RoboError, UsageError

if TYPE_CHECKING:
    from robo_trader.audit import AuditReport, Finding
    from robo_trader.audit.parity import ParityReport

app = group()


@app.callback()
@example("robo audit lookahead my_strategy.py --bars data", "robo audit parity my_strategy.py --bars data")
def audit() -> None:
    """Prove that a strategy does not look ahead, and that it trades live as in a backtest."""


@app.command(cls=RoboCommand)
@example(
    "robo audit lookahead my_strategy.py --bars data --symbols SPY",
    "robo audit lookahead fomc_drift --cuts 40",
)
def lookahead(
    ctx: typer.Context,
    strategy: Annotated[
        str,
        typer.Argument(
            metavar="STRATEGY", help="A name from 'robo plugins', file.py, file.py:Class or module:Class."
        ),
    ],
    cuts: Annotated[
        str, typer.Option("--cuts", metavar="N", help="Moments to try, 20 or more (default 20).")
    ] = "20",
    symbols: options.Symbols = None,
    bars: options.Bars = None,
    events: options.Events = None,
    analyst: options.Analyst = None,
    start: options.Start = None,
    end: options.End = None,
    timeframe: options.Timeframe = None,
    assume_delay: options.AssumeDelay = None,
    param: options.Params = None,
    seed: options.Seed = None,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    align: options.Align = None,
    repair: options.Repair = False,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Prove that a strategy does not look ahead.

    Runs it again and again with everything after a random moment replaced by other data: what it
    did before that moment must stay the same to the byte, and reading data[1] is an error. Exit
    code 1 when it knew something of the future, does not repeat itself, or never traded.
    """
    if not cuts.isdigit():
        raise UsageError(f"--cuts must be a whole number, not {cuts!r}", hint="write --cuts 20")
    report = _audit(strategy, flags_of(ctx.params), params_of(param), int(cuts), config_file)
    if as_json:
        out.print_json(report.as_dict())
    else:
        _present(report)
    if not report.clean:
        raise typer.Exit(1)
    if not report.decisions:
        raise RoboError(
            f"{report.strategy} made no order here, so nothing is proven",
            hint="name bars, events or parameters with which it trades",
        )


def _audit(
    strategy: str, flags: dict[str, object], params: dict[str, str], cuts: int, config_file: str | None
) -> AuditReport:
    from robo_trader.config import load_config

    settings = load_config(config_file, flags=flags)
    if settings.get("bars.source") == "bundled" and not settings.get("events.sources"):
        flags = {**flags, "events.sources": ["bundled"]}
    # The strategy runs dozens of times; what it prints would drown the answer.
    with Progress("getting ready") as progress, open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stdout(nowhere):
            return _call(strategy, flags, params, cuts, settings.get("run.seed"), config_file, progress)


def _call(
    strategy: str,
    flags: dict[str, object],
    params: dict[str, str],
    cuts: int,
    seed: int,
    config_file: str | None,
    progress: Progress,
) -> AuditReport:
    from robo_trader.audit import audit_lookahead

    return audit_lookahead(
        strategy, params=params, cuts=cuts, seed=seed, config=config_file, flags=flags, progress=progress
    )


def _present(report: AuditReport) -> None:
    did = f"{report.runs} runs, {len(report.cuts)} moments, {report.decisions} orders"
    if report.clean and report.decisions:
        out.lines(out.strong(f"{report.strategy}: no look-ahead found"))
        out.lines(f"  {did}: before each moment every order and fill stayed the same to the byte")
    elif not report.clean:
        out.lines(out.strong(f"{report.strategy}: {len(report.findings)} findings"))
        out.lines(f"  {did}")
        out.write("")
        columns = [out.Column("what"), out.Column("when"), out.Column("seen", fold=True)]
        shown = _first_of_each_kind(report.findings)
        out.table(columns, [[f.kind, f.time, f.detail] for f in shown])
        if len(shown) < len(report.findings):
            out.note(f"and {len(report.findings) - len(shown)} more; --json lists all")


def _first_of_each_kind(findings: list[Finding], most: int = 5) -> list[Finding]:
    """Return the first few findings of each kind: the rest says the same again."""
    seen: Counter[str] = Counter()
    kept = []
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= most:
            kept.append(finding)
    return kept


@app.command(cls=RoboCommand)
@example(
    "robo audit parity my_strategy.py --bars data --symbols SPY --start 2023-01-03",
    "robo audit parity news_momentum --bars data --events news.jsonl --commission 0.0005",
)
def parity(
    ctx: typer.Context,
    strategy: Annotated[
        str,
        typer.Argument(
            metavar="STRATEGY", help="A name from 'robo plugins', file.py, file.py:Class or module:Class."
        ),
    ],
    symbols: options.Symbols = None,
    bars: options.Bars = None,
    events: options.Events = None,
    analyst: options.Analyst = None,
    latency: options.Latency = None,
    start: options.Start = None,
    end: options.End = None,
    timeframe: options.Timeframe = None,
    assume_delay: options.AssumeDelay = None,
    cash: options.Cash = None,
    commission: options.Commission = None,
    slippage: options.Slippage = None,
    risk: options.Risk = None,
    fill_rules: Annotated[
        str | None,
        options.option(options.MONEY, "honest", "--fill-rules", text="Only honest ones exist on both sides."),
    ] = None,
    param: options.Params = None,
    seed: options.Seed = None,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    align: options.Align = None,
    repair: options.Repair = False,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Prove that a strategy trades live as in a backtest.

    Runs one tape of bars and events through the backtest and through the live path on the simulated
    gateway, and compares decisions, orders, fills, the account at each session's end, events and
    signals. Each difference is listed with its cause; exit code 1 where there is one. Bars before
    --start are history for both; without it the first third of them is.
    """
    with Progress("getting ready") as progress, open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stdout(nowhere):
            report = _compare(strategy, flags_of(ctx.params), params_of(param), config_file, progress)
    if as_json:
        out.print_json(report.as_dict())
    else:
        _present_parity(report)
    if not report.equal:
        raise typer.Exit(1)
    if not report.backtest["orders"]:
        raise RoboError(
            f"{report.strategy} made no order here, so nothing is proven",
            hint="name bars, events or parameters with which it trades",
        )


def _compare(
    strategy: str,
    flags: dict[str, object],
    params: dict[str, str],
    config_file: str | None,
    progress: Progress,
) -> ParityReport:
    from robo_trader.audit.parity import audit_parity
    from robo_trader.config import load_config

    settings = load_config(config_file, flags=flags)
    if settings.get("bars.source") == "bundled" and not settings.get("events.sources"):
        flags = {**flags, "events.sources": ["bundled"]}
    return audit_parity(strategy, params=params, config=config_file, flags=flags, progress=progress)


def _present_parity(report: ParityReport) -> None:
    if report.equal:
        out.lines(out.strong(f"{report.strategy}: the backtest and the live path did the same"))
    else:
        title = f"{report.strategy}: the backtest and the live path differ in {report.rows} rows"
        out.lines(out.strong(title))
    out.lines(f"  from {report.first} on; each in seconds: " + _seconds(report))
    out.write("")
    columns = [out.Column("what"), out.Column("backtest", right=True), out.Column("live path", right=True)]
    out.table(columns, [[k, str(n), str(report.live.get(k, 0))] for k, n in report.backtest.items()])
    for one in report.differences:
        out.write("")
        more = f", the first of {one.rows}" if one.rows > 1 else ""
        out.lines(out.strong(" ".join(filter(None, (one.kind, one.symbol, one.time))) + more))
        rows = {"differs in": one.what, "backtest": one.backtest, "live path": one.live, "cause": one.cause}
        for name, text in rows.items():
            out.lines(f"  {name:<11} {text}")


def _seconds(report: ParityReport) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in report.seconds.items())
