"""`robo config`: every setting with where its value came from, and a commented file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.options import ConfigFile, Json
from robo_trader.errors import RoboError

app = group(alone=True)


@app.callback()
@example("robo config show", "robo config show run --json")
def config(ctx: typer.Context) -> None:
    """Show every setting and where its value came from.

    A flag beats the environment (ROBO_RUN__CASH), which beats robo.toml, which beats the default.
    """
    if ctx.invoked_subcommand is None:
        show()


@app.command(cls=RoboCommand)
@example("robo config show", "robo config show bars.calendar")
def show(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Only this key or table, such as run.cash or run.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Print every value with its origin; secrets are masked."""
    from robo_trader.config import load_config

    settings = load_config(config_file)
    rows = settings.rows()
    if key:
        rows = [row for row in rows if row.key == key or row.key.startswith(f"{key}.")]
        if not rows:
            rows = _unknown(settings, key)
    if as_json:
        _print_json(settings, [row.key for row in rows], {row.key: row.origin for row in rows})
        return
    columns = [out.Column("key"), out.Column("value", fold=True), out.Column("from", fold=True)]
    out.table(columns, [(row.key, row.value_shown, row.origin) for row in rows])
    if settings.path is None:
        out.note("no robo.toml in this folder; 'robo config init' writes one to start from", label="note")


@app.command(cls=RoboCommand)
@example("robo config init")
def init(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="What to write (default: robo.toml).")
    ] = "robo.toml",
) -> None:
    """Write a robo.toml in which every setting stands, explained and commented out."""
    target = Path(path)
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(template())
    except FileExistsError:
        raise RoboError(f"{target} is there already", hint="name another file, or remove it first") from None
    out.note(f"wrote {target}; remove the # in front of what you change")


def template() -> str:
    """Return the text of a robo.toml that changes nothing yet."""
    from robo_trader.config_schema import SCHEMA

    parts = ["# robo.toml: remove the # in front of a line to change it; each shows its default.\n"]
    table = ""
    for key in SCHEMA:
        owner, _, name = key.name.partition(".")
        if owner != table:
            table = owner
            parts.append(f"\n[{table}]\n")
        choices = f" ({' or '.join(key.choices)})" if key.choices else ""
        parts.append(f"# {key.about}{choices}\n")
        if key.type == "table":
            parts.append(f"# written as [{key.name}.NAME]\n")
        else:
            parts.append(f"#{name} = {_toml(key.default) or '…'}\n")
    return "".join(parts)


def _toml(value: Any) -> str:
    """Return `value` as TOML, or an empty string for what is unset."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _unknown(settings: Any, key: str) -> Any:
    """Let the configuration say what is near an unknown key."""
    settings.get(key)
    raise RoboError(f"nothing is set under {key!r}")


def _print_json(settings: Any, keys: list[str], origins: dict[str, str]) -> None:
    """Print a nested table of values and a flat one of origins, both cut down to `keys`."""
    values: dict[str, Any] = {}
    everything = settings.resolved()
    for key in keys:
        *path, last = key.split(".")
        source, target = everything, values
        for part in path:
            source, target = source[part], target.setdefault(part, {})
        target[last] = source[last]
    file = str(settings.path) if settings.path else None
    out.print_json({"file": file, "values": values, "origins": origins})
