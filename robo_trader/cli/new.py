"""`robo new`: a strategy or a plugin as a package of its own, with tests that pass as written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.places import interpreter, program

app = group()

Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, - and _: my_idea.")]
Parent = Annotated[
    str, typer.Option("--in", metavar="DIR", help="The folder to make it in (default: this one).")
]


@app.callback()
@example("robo new strategy my_idea", "robo new plugin my_data")
def new() -> None:
    """Start a strategy or a plugin as a package of its own."""


@app.command(cls=RoboCommand)
@example("robo new strategy my_idea")
def strategy(name: Name, parent: Parent = ".") -> None:
    """Write a package with one strategy, its tests and a README; nothing is ever overwritten."""
    folder, called = _write("strategy", name, parent)
    _next(folder, f"backtest {called}", "run it on the bundled bars")


@app.command(cls=RoboCommand)
@example("robo new plugin my_data")
def plugin(name: Name, parent: Parent = ".") -> None:
    """Write a package with a bar source and a signal, its tests and a README."""
    folder, called = _write("plugin", name, parent)
    _next(folder, f"data list {called}", "see the bars that it brings")


def _write(kind: str, name: str, parent: str) -> tuple[Path, str]:
    """Write it, print where, and return the folder and the name that it registers."""
    from robo_trader.cli.scaffold import write

    folder = write(kind, name, Path(parent))
    out.write(str(folder))
    return folder, name.replace("-", "_").removeprefix("robo_")


def _next(folder: Path, command: str, what: str) -> None:
    python = interpreter()
    out.steps(
        (f"{python} -m pip install -e {folder}", "so that robo finds it"),
        (f"{python} -m pytest {folder}", "its own tests"),
        (f"{program()} {command}", what),
    )
