"""Where things are: the folder of the runs, and the program that a user calls."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from robo_trader.errors import RunError


def runs_folder(folder: str | None, config_file: str | None = None) -> Path:
    """Return the folder that holds the runs: `folder`, else what the configuration says."""
    from robo_trader.config import load_config

    return Path(str(load_config(config_file, flags={"run.out": folder}).get("run.out")))


def require_writable(folder: Path) -> None:
    """Raise `RunError` when nothing could be written below `folder`; leaves nothing behind.

    Asked before a run, because an hour's work must not end in finding out.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{folder}: runs cannot be written there: {reason}", hint="name another folder with --out"
        ) from error


def program() -> str:
    """Return the words that call this `robo` from the current folder's shell.

    ``robo`` where the shell finds this one; else its path, as ``.venv/bin/robo`` in an environment
    that was not activated.
    """
    script = Path(sys.executable).parent / ("robo.exe" if os.name == "nt" else "robo")
    found = shutil.which("robo")
    if found is not None and Path(found).parent.resolve() == script.parent.resolve():
        return "robo"
    if not script.exists():
        return f"{_near(Path(sys.executable))} -m robo_trader"
    return _near(script)


def interpreter() -> str:
    """Return the words that call this Python from the current folder's shell."""
    found = shutil.which("python")
    mine = Path(sys.executable)
    if found is not None and Path(found).parent.resolve() == mine.parent.resolve():
        return "python"
    return _near(mine)


def _near(path: Path) -> str:
    """Return `path` from the current folder if it lies below, quoted where a shell needs it."""
    here = Path.cwd()
    # Not resolved: an environment's python is a link to the one it was made from.
    shown = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f'"{shown}"' if " " in shown else shown
