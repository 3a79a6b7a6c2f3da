"""`robo resume`: let strategies trade again after a halt."""

from __future__ import annotations

from typing import Annotated

import typer

from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json

app = single()


@app.command(cls=RoboCommand)
@example("robo resume", 'robo resume --why "the data are mended"')
def resume(
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason, kept with the change.")
    ] = "robo resume",
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Let strategies trade again after a halt.

    Sets the state to ACTIVE and removes the file .robo/HALT. Daily loss and drawdown are measured
    anew from this moment.
    """
    from robo_trader.cli import halts
    from robo_trader.config import load_config

    config = load_config(config_file)
    store = halts.halt_store(config, halts.open_store(config))
    halts.show(store.set("ACTIVE", who=halts.who(), why=why), as_json)
