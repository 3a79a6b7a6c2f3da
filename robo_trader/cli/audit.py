"""`robo audit`: proofs about a strategy."""

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

app = group()


@app.callback()
@example("robo audit lookahead my_strategy.py --bars data")
def audit() -> None:
    """Prove that a strategy does not look ahead."""


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
