"""`robo paper`: a strategy on the simulated gateway, or on a paper account at a real one."""

from __future__ import annotations

from typing import Annotated

import typer

from robo_trader.cli import options
from robo_trader.cli import trading as shared
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.inputs import flags_of, params_of

app = single()


@app.command(cls=RoboCommand)
@example(
    "robo paper my_strategy.py --bars data --start 2024-01-02 --speed max",
    "robo paper my_strategy.py --ib 127.0.0.1:4002 --symbols SPY,QQQ --timeframe 5m",
    "robo paper my_strategy.py --ib 127.0.0.1:4002 --send --account DU1234567",
)
def paper(
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
    speed: Annotated[
        str | None,
        options.option(options.DATA, "1d/s|60x|max", "--speed", text="Pace of a rehearsal (default 1d/s)."),
    ] = None,
    param: options.Params = None,
    seed: options.Seed = None,
    ib: shared.Ib = None,
    client_id: shared.ClientId = None,
    account: shared.Account = None,
    send: shared.Send = None,
    fresh: shared.Fresh = False,
    cash: options.Cash = None,
    commission: options.Commission = None,
    slippage: options.Slippage = None,
    risk: options.Risk = None,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    align: options.Align = None,
    folder: options.Out = None,
    no_report: shared.NoReport = False,
    quiet: shared.Quiet = False,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Trade on paper: a rehearsal here, or a paper account through a gateway.

    Without --ib the simulated gateway is started and plays the bars; orders are sent to it, and no
    money moves. With --ib nothing is sent unless --send and --account say so; an account that is no
    paper account is refused. Each start goes on with the run of the same strategy and account.
    """
    shared.trade(
        ctx,
        "paper",
        strategy,
        flags_of(ctx.params),
        params_of(param),
        config_file=config_file,
        as_json=as_json,
        quiet=quiet,
        report=not no_report,
        account=account,
        send=send,
        fresh=fresh,
    )
