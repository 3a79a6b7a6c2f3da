"""`robo backtest`: run a strategy over past bars, save the run, and show what came of it."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader.cli import options, out, waking
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.inputs import flags_of, params_of
from robo_trader.cli.places import program, require_writable
from robo_trader.cli.progress import Progress

if TYPE_CHECKING:
    from robo_trader.runs import Result, StoredRun

app = single()

INTERRUPTED = 130


def _money(metavar: str, name: str, text: str) -> Any:
    return options.option(options.MONEY, metavar, name, text=text)


@app.command(cls=RoboCommand)
@example(
    "robo backtest",
    "robo backtest my_strategy.py --bars data --symbols SPY,QQQ --param fast=10",
    "robo backtest buy_and_hold --start 2015-01-01 --commission 0.001 --json",
)
def backtest(
    ctx: typer.Context,
    strategy: options.Strategy = None,
    symbols: options.Symbols = None,
    bars: options.Bars = None,
    events: options.Events = None,
    analyst: options.Analyst = None,
    latency: options.Latency = None,
    start: options.Start = None,
    end: options.End = None,
    timeframe: options.Timeframe = None,
    assume_delay: options.AssumeDelay = None,
    param: options.Params = None,
    cash: options.Cash = None,
    commission: options.Commission = None,
    slippage: options.Slippage = None,
    risk: options.Risk = None,
    fill_rules: Annotated[
        str | None, _money("honest|stock", "--fill-rules", "Honest fills (default), or as plain Backtrader.")
    ] = None,
    fractional: Annotated[
        bool | None,
        typer.Option(
            "--fractional/--whole",
            help="Fractions of a share, or whole shares only.",
            rich_help_panel=options.MONEY,
        ),
    ] = None,
    benchmark: Annotated[str | None, _money("SYMBOL", "--benchmark", "Measure against holding this.")] = None,
    seed: options.Seed = None,
    engine: Annotated[
        str | None, _money("fast|plain", "--engine", "The way through the bars; both give the same.")
    ] = None,
    check_wake: Annotated[
        bool,
        typer.Option(
            "--check-wake",
            help="Run on the bars that the strategy's wake() names and on all, compare, and save nothing.",
            rich_help_panel=options.MONEY,
        ),
    ] = False,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    align: options.Align = None,
    repair: options.Repair = False,
    folder: options.Out = None,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report",
            help="No report, baselines and hindsight twin: faster.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what analysts would cost, and do nothing.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Run a strategy over past bars; alone, run the demonstration.

    Without STRATEGY it runs what robo.toml names, else the bundled demonstration on real bars and
    dated events. Every run gets a folder of its own with its tables and a report.
    """
    flags = flags_of(ctx.params)
    if check_wake:
        waking.check(strategy, flags, params_of(param), config_file, as_json=as_json)
        return
    if dry_run:
        _estimate(strategy, flags, config_file, as_json)
        return
    flags["run.report"] = False if no_report else None
    # What a strategy prints is for people; stdout is for the JSON then.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        result, demonstration = _run(
            strategy, flags, params_of(param), config_file, _command(ctx.find_root().obj or ())
        )
    from robo_trader.runs import load_run

    assert result.run_dir is not None
    run = load_run(result.run_dir)
    if as_json:
        out.print_json({**run.document, "run_dir": str(run.run_dir)})
    elif run.state != "interrupted":
        _present(run, demonstration)
    if run.state == "interrupted":
        out.note(f"interrupted; the part that was run, marked as such, is in {run.run_dir}")
        raise typer.Exit(INTERRUPTED)


def _estimate(strategy: str | None, flags: dict[str, Any], config_file: str | None, as_json: bool) -> None:
    """Print what each chosen analyst would cost."""
    from dataclasses import asdict

    from robo_trader.backtesting import estimate

    with Progress("reading") as progress:
        found = estimate(strategy, config=config_file, flags=flags, progress=progress)
    if as_json:
        out.print_json({name: {**asdict(one), "cost": str(one.cost)} for name, one in found.items()})
        return
    for name, one in found.items():
        out.lines(f"analyst={name}: {one}")


def _run(
    strategy: str | None,
    flags: dict[str, Any],
    params: dict[str, str],
    config_file: str | None,
    command: str,
) -> tuple[Result, bool]:
    """Run it with progress; return the result and whether it was the demonstration."""
    from robo_trader.config import load_config

    settings = load_config(config_file, flags=flags)
    require_writable(Path(settings.get("run.out")))
    with Progress("getting ready") as progress:
        from robo_trader.backtesting import backtest as run_backtest

        result = run_backtest(
            strategy,
            config=config_file,
            flags=flags,
            params=params,
            report=settings.get("run.report"),
            progress=progress,
            command=command,
        )
    return result, strategy is None and settings.get("run.strategy") is None


def _present(run: StoredRun, demonstration: bool) -> None:
    from robo_trader.cli import summary

    summary.show(run)
    summary.show_warnings(run)
    if demonstration:
        _tell_one_trade(run)
    summary.show_place(run)
    if demonstration:
        robo = program()
        out.steps(
            (f"{robo} runs open last", "the whole report, in the browser"),
            (f"{robo} explain last", "what else it did, and why"),
            (f"{robo} new strategy my_idea", "a strategy of your own, tests included"),
        )


def _tell_one_trade(run: StoredRun) -> None:
    """Tell the story of the trade that moved the account most."""
    from robo_trader.cli.story import story_of

    closed = [trade for trade in run.trades if trade.exit_time is not None]
    if closed:
        chosen = max(closed, key=lambda trade: abs(trade.pnl_net or 0.0))
        first, *rest = story_of(run, "trade", chosen.trade_id)
        out.write("")
        out.lines(out.strong(first))
        out.lines("\n".join(rest))


def _command(args: Iterable[str]) -> str:
    """Return the words that repeat this run, without what only shapes the output."""
    return shlex.join(["robo", *(word for word in args if word != "--json")])
