"""What `halt`, `resume` and `status` share: the halt state's two places, and who is asking.

Nothing here loads a plugin: these commands work when every one of them is broken.
"""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.errors import RoboError
from robo_trader.risk.halt import Halt, HaltStore

#: The journal of a project that names no other.
JOURNAL = Path(".robo") / "journal.sqlite"

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.state import State


def open_store(config: Config) -> State:
    """Return the state store that the configuration names."""
    from robo_trader.state import open_state

    return open_state(config.resolve("state.url"))


def halt_store(config: Config, store: State) -> HaltStore:
    """Return the halt state in `store` and in its file; its changes go into the project's journal."""
    return HaltStore(store, on_change=lambda halt: journal_change(config, halt))


def journal_change(config: Config, halt: Halt) -> None:
    """Write a change into the journal that is configured, or the one that sessions have left here.

    A database that is away is waited for: where time counts this comes last.
    """
    from robo_trader.journal.halting import note_halt

    assert halt.when is not None, "a change has a time"
    try:
        url = config.resolve("journal.url")
        if not url and not JOURNAL.is_file():
            return
    except (RoboError, OSError) as error:
        # Where the journal is, nobody knows; the state is set all the same.
        trouble = str(error)
    else:
        trouble = note_halt(halt.when, halt.state, halt.who, halt.why, url, folder=JOURNAL.parent)
    if trouble:
        out.note(f"the journal does not have this change: {trouble}", label="warning")


def who() -> str:
    """Return ``user@machine``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def sessions(store: State) -> list[dict[str, Any]]:
    """Return the sessions that have given a sign of life, the freshest first."""
    found = [
        {"name": beat.name, "seconds": round(beat.age.total_seconds(), 1), **beat.about}
        for beat in store.heartbeats().values()
    ]
    return sorted(found, key=lambda row: row["seconds"])


def show(halt: Halt, as_json: bool) -> None:
    """Print the halt state that holds now."""
    if as_json:
        out.print_json(halt.as_dict())
    else:
        out.lines(out.harmless(halt.text()))
