"""`robo plugins`: what is installed, what each plugin offers, and why one is broken."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.options import ConfigFile, Json

app = group(alone=True)


@app.callback()
@example("robo plugins", "robo plugins check my_plugin", "robo plugins --json")
def plugins(ctx: typer.Context, config_file: ConfigFile = None, as_json: Json = False) -> None:
    """List what is installed and check one plugin."""
    if ctx.invoked_subcommand is None:
        _list(config_file, as_json)


@app.command("list", cls=RoboCommand)
@example("robo plugins list", "robo plugins list --json")
def list_(config_file: ConfigFile = None, as_json: Json = False) -> None:
    """List every plugin with its version, its state and what it offers."""
    _list(config_file, as_json)


@app.command(cls=RoboCommand)
@example("robo plugins check my_plugin")
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that 'robo plugins' shows.")],
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Load one plugin and everything that it offers; exit code 1 when something is wrong."""
    host = _host(config_file)
    findings = host.check(name)
    findings += _tried(host, name, {found.subject for found in findings})
    rows = [row for row in host.rows() if name in (row.name, row.distribution)]
    if as_json:
        problems = [{"subject": f.subject, "problem": f.problem, "fix": f.fix} for f in findings]
        plugins = [{**row.as_dict(), "traceback": row.traceback} for row in rows]
        out.print_json({"plugins": plugins, "problems": problems})
    else:
        for row in rows:
            _describe(row)
        for found in findings:
            out.lines(f"{found.subject}: {found.problem}")
            if found.fix:
                out.lines(f"  fix: {found.fix}")
        out.note(f"{name}: {'everything loads' if not findings else 'not usable as it is'}")
    if findings:
        raise typer.Exit(1)


def _tried(host: Any, name: str, known: set[str]) -> list[Any]:
    """Make each analyst of a plugin, and try each signal pack on made-up bars, cut off in several places.

    Those whose subject is `known` to be broken are left out; an option or a key that an analyst misses is
    its user's to give.
    """
    from functools import partial

    from robo_trader.errors import PluginError, RoboError
    from robo_trader.plugin_rows import Finding

    findings = []
    for row in host.rows():
        if row.state != "ok" or name not in (row.name, row.distribution):
            continue
        for analyst in row.offers.get("analyst", ()):
            if f"analyst {analyst}" in known:
                continue
            try:
                host.create("analyst", analyst)
            except PluginError as error:
                findings.append(Finding(f"analyst {analyst}", error.message, error.hint))
            except RoboError:
                continue
        for signal in row.offers.get("signal", ()):
            if f"signal {signal}" in known:
                continue
            from robo_trader.signals.scoring import check

            try:
                check(signal, partial(host.create, "signal", signal))
            except RoboError as error:
                findings.append(Finding(f"signal {signal}", error.message, error.hint))
    return findings


def _host(config_file: str | None) -> Any:
    from robo_trader.config import load_config
    from robo_trader.plugins import load_host

    return load_host(load_config(config_file))


def _list(config_file: str | None, as_json: bool) -> None:
    host = _host(config_file)
    rows = host.rows()
    if as_json:
        out.print_json([row.as_dict() for row in rows])
        return
    columns = [
        out.Column("plugin"),
        out.Column("version"),
        out.Column("state"),
        out.Column("offers", fold=True),
    ]
    out.table(columns, [(row.name, row.version, row.state, _offers(row)) for row in rows])
    for row in rows:
        if row.state == "quarantined":
            out.note(f"{row.name} is quarantined: {row.error}", label="warning")
            out.note(f"  fix: {row.fix}")
    for text in host.notes():
        out.note(text, label="warning")


def _describe(row: Any) -> None:
    out.lines(out.strong(f"{row.name} {row.version}".rstrip()) + f"  {row.state}")
    for kind, names in row.offers.items():
        out.lines(f"  {kind}: {', '.join(names)}")
    for line in row.traceback.splitlines():
        out.write(f"  | {line}")


def _offers(row: Any) -> str:
    return "\n".join(f"{kind}: {', '.join(names)}" for kind, names in row.offers.items())
