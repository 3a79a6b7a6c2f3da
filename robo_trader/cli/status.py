"""`robo status`: the halt state, who is running and what they did, and each limit with its headroom."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from robo_trader.cli import figures, out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json
from robo_trader.cli.style import coloured, is_drawn_on

if TYPE_CHECKING:
    from robo_trader.cli.situation import Observer, Session, Situation
    from robo_trader.risk.halt import Halt

app = single()

#: Seconds between two looks.
_EVERY = 1.0


@app.command(cls=RoboCommand)
@example("robo status", "robo status --watch", "robo status --json")
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show the halt state, the sessions, and each limit with its use and headroom.

    With --watch on a terminal a page that follows what goes on; with --watch --json one object a line.
    Use and headroom are what the last session published; without one only the limits are known.
    """
    from robo_trader.cli.situation import Observer
    from robo_trader.config import load_config

    observer = Observer(load_config(config_file))
    if watch and (as_json or is_drawn_on(sys.stdout)):
        with contextlib.suppress(KeyboardInterrupt):
            (_stream if as_json else _follow)(observer)
        return
    now = observer.look()
    if as_json:
        out.print_json(now.as_dict())
    else:
        _print(now)


def _stream(observer: Observer) -> None:
    """Write a line of JSON each second."""
    pause = threading.Event()
    while True:
        out.write(json.dumps(out.plain(observer.look().as_dict())))
        sys.stdout.flush()  # whoever reads a pipe wants it now
        pause.wait(_EVERY)


def _follow(observer: Observer) -> None:
    """Draw the page each second, over the whole terminal, which is given back as it was."""
    from rich.console import Console
    from rich.live import Live

    from robo_trader.cli.watch import fitting

    console = Console(highlight=False, markup=False, emoji=False, no_color=not coloured(sys.stdout))
    pause = threading.Event()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(fitting(observer.look(), console), refresh=True)
            pause.wait(_EVERY)


def _print(now: Situation) -> None:
    """Print it once, plainly."""
    out.lines(out.strong(out.harmless(now.halt.text())))
    for session in now.current:
        _print_session(session, now.halt)
    if now.past:
        out.lines(out.harmless(now.past))
    out.write("")
    columns = [out.Column("limit"), out.Column("of", fold=True)]
    columns += [out.Column(name, right=True) for name in ("limit", "used", "headroom")]
    out.table(columns, [[row["rule"], figures.limited(row), *figures.limit(row)] for row in now.rows])
    if now.profile == "off":
        out.note("the risk profile is off: nothing is limited", label="warning")
    elif now.used is None:
        out.note("no session has published what it uses; these are the limits alone", label="note")
    else:
        out.note(f"used as published at {now.used.at:%Y-%m-%d %H:%M:%S}Z", label="note")
    for text in now.problems:
        out.note(text, label="warning")


def _print_session(session: Session, halt: Halt) -> None:
    about = session.about
    told = figures.age(session.seconds)
    told = f"silent for {told}" if session.silent else f"last sign of life {told} ago"
    phase = "stopped, " if session.stopped else ""
    words = [f"{session.name}: {phase}{told}"]
    mode = f"was {session.mode}" if session.stopped else session.mode
    words += [f"{about['strategy']}, {mode}"] if about.get("strategy") and session.mode else []
    # What has ended has no line, and what is silent does not know of it.
    shown = ("account",) if session.stopped or session.silent else ("account", "line")
    words += [f"{name} {about[name]}" for name in shown if about.get(name)]
    words += [
        f"{name} {figures.money(about[name])}" for name in ("value", "cash") if about.get(name) is not None
    ]
    held = [
        f"{figures.size(size)} {symbol}"
        for symbol, size in sorted((about.get("positions") or {}).items())
        if figures.number(size)
    ]
    words += ["holds " + ", ".join(held)] if held else []
    out.lines(out.harmless("; ".join(words)))
    if about.get("blocked"):
        out.lines(out.harmless(f"  no new orders: {about['blocked']}"))
    for text in session.troubles(halt):
        out.lines(out.harmless(f"  trouble: {text}"))
