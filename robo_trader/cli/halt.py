"""`robo halt`: stop trading from outside, by the state store and by a plain file."""

from __future__ import annotations

from typing import Annotated

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json

app = single()


@app.command(cls=RoboCommand)
@example("robo halt", 'robo halt --why "the data look wrong"', "robo halt --flatten --cancel-all")
def halt(
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason, kept with the change.")
    ] = "robo halt",
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Ask sessions to close every position, too.")
    ] = False,
    cancel_all: Annotated[
        bool, typer.Option("--cancel-all", help="Ask sessions to cancel protective exits, too.")
    ] = False,
    reducing: Annotated[
        bool, typer.Option("--reducing", help="Only stop openings: orders that reduce positions pass.")
    ] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Stop trading now: no strategy's order passes until 'robo resume'.

    Sets the state to HALTED in the state store and in the file .robo/HALT; sessions read both before
    each order. Orders that would enlarge positions are cancelled, protective exits stay. Anybody can
    do the same by creating that file. Where the store cannot be reached or robo.toml cannot be used, the
    file is written all the same; what it says holds, and the command then fails.
    """
    from robo_trader.cli import halts
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError, RunError, StateError, UsageError
    from robo_trader.risk.halt import HALTED, REDUCING, HaltStore

    if reducing and (flatten or cancel_all):
        raise UsageError(
            "--reducing leaves positions and exits alone", hint="leave out --flatten and --cancel-all"
        )
    state = REDUCING if reducing else HALTED
    try:
        state_store = halts.open_store(config := load_config(config_file))
        store = halts.halt_store(config, state_store)
    except RoboError:
        if state == HALTED:
            # A configuration that cannot be used must not keep trading going: the file needs none.
            file = HaltStore(None).set(HALTED, who=halts.who(), why=why)
            halts.show(file, as_json)
            out.note("only the file is set; the state store could not be opened", label="warning")
        raise
    try:
        now = store.set(state, who=halts.who(), why=why, flatten=flatten, cancel_all=cancel_all)
    except (StateError, RunError):
        halts.show(store.read(), as_json)
        raise
    halts.show(now, as_json)
    try:
        running = halts.sessions(state_store)
    except RoboError as error:
        out.note(f"who is running is not known: {error}", label="warning")
    else:
        if not running:
            out.note("no session has ever given a sign of life here; any that starts will find this state")
        for row in running:
            out.note(f"session {row['name']}: last sign of life {row['seconds']:g} s ago")
    out.note("'robo resume' lets strategies trade again")
