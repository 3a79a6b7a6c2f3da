"""`robo doctor`: what is missing on this machine, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import Json

app = single()


@app.command(cls=RoboCommand)
@example("robo doctor")
def doctor(
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Look at this file instead of robo.toml.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Look at this output folder, not at [run] out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find what is missing on this machine and how to mend it.

    Looks at Python, the required packages, plugins, robo.toml, time zones, the output folder, the
    disk and caches; works when plugins or packages are broken. Exit code 1 when something has to
    be mended.
    """
    from robo_trader.cli.checks import as_dict, run_checks, verdict
    from robo_trader.cli.progress import Progress

    with Progress("looking at this machine"):
        checks = run_checks(config_path=config, out=folder)
    if as_json:
        out.print_json(as_dict(checks))
    else:
        columns = [out.Column(""), out.Column("checked"), out.Column("found", fold=True)]
        rows = [(c.state, c.name, c.detail + (f"\n→ {c.fix}" if c.fix else "")) for c in checks]
        out.table(columns, rows)
        out.note(verdict(checks))
    if any(c.state == "fail" for c in checks):
        raise typer.Exit(1)
