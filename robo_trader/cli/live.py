"""`robo live`: a strategy on an account with real money, behind the gate; a preview unless told to send."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from robo_trader.cli import options, out
from robo_trader.cli import trading as shared
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.inputs import flags_of, params_of
from robo_trader.cli.style import is_terminal

app = single()


@app.command(cls=RoboCommand)
@example(
    "robo live my_strategy.py --ib 127.0.0.1:4001 --cash 2000",
    "robo live my_strategy.py --ib 127.0.0.1:4001 --cash 2000 --send --account U1234567",
)
def live(
    ctx: typer.Context,
    strategy: options.Strategy = None,
    symbols: options.Symbols = None,
    events: options.Events = None,
    analyst: options.Analyst = None,
    timeframe: options.Timeframe = None,
    param: options.Params = None,
    seed: options.Seed = None,
    ib: shared.Ib = None,
    client_id: shared.ClientId = None,
    account: shared.Account = None,
    send: shared.Send = None,
    fresh: shared.Fresh = False,
    override: Annotated[
        str | None,
        options.option(
            shared.BROKER,
            "REASON",
            "--override",
            text="Sign that conditions may be unmet.",
        ),
    ] = None,
    retyped: Annotated[
        str | None,
        options.option(
            shared.BROKER,
            "ID",
            "--override-account",
            text="The account once more, for an override.",
        ),
    ] = None,
    cash: options.Cash = None,
    risk: options.Risk = None,
    folder: options.Out = None,
    no_report: shared.NoReport = False,
    quiet: shared.Quiet = False,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Trade through Interactive Brokers: a preview, unless --send and --account say otherwise.

    Sending to real money needs 30 days of paper trading with the same code and limits, a capital
    within bounds, a recent reconcile, no broken plugin, every symbol's sector and the account's id
    typed in full. What is not met is listed, and the exit code is 3; --override signs for it.
    """
    if override is not None and send and retyped is None and is_terminal(sys.stdin):
        out.note(f"you override the gate for real money: {override}", label="warning")
        retyped = typer.prompt("type the account's id once more", err=True)
    shared.trade(
        ctx,
        "live",
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
        override=override,
        retyped=retyped,
    )
