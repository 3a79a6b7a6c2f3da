"""What `halt`, `resume` and `status` share: the halt state's two places, and who is asking.

Nothing here loads a plugin: these commands work when every one of them is broken.
"""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.risk.halt import Halt, HaltStore

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.state import State


def open_store(config: Config) -> State:
    """Return the state store that the configuration names."""
    from robo_trader.state import open_state

    return open_state(config.resolve("state.url"))


def halt_store(config: Config) -> HaltStore:
    """Return the halt state's store and file."""
    return HaltStore(open_store(config))


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
        out.lines(halt.text())
