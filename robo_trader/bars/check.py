"""Everything that is wrong with a folder of bars, as one list: what ``robo data check`` prints.

Never raises for bad data: what would be an error while loading is a `Problem` here. A missing
folder is still an error.
"""

from __future__ import annotations

from pathlib import Path

from robo_trader.bars.build import assemble, stage
from robo_trader.bars.folder import bar_files, read_raw
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.raw import Problem
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import RoboError

__all__ = ["Problem", "check_file", "check_folder"]


def check_folder(path: str | Path, settings: BarSettings | None = None) -> list[Problem]:
    """Return all problems of a folder's files (or of one file), by file and row; empty where all is well."""
    where = Path(path)
    files = {where.name: where} if where.is_file() else bar_files(where)
    return [p for file in files.values() for p in check_file(file, settings)[0]]


def check_file(path: Path, settings: BarSettings | None = None) -> tuple[list[Problem], BarFrame | None]:
    """Return one file's problems, and its bars where it has none."""
    try:
        staged = stage(read_raw(path), settings or BarSettings())
        if staged.problems:
            return list(staged.problems), None
        return [], assemble(staged)
    except RoboError as error:
        message = error.message
        for lead in (f"{path.name}: ", f"{path.name}, ", f"{path.name} "):
            message = message.removeprefix(lead)
        return [Problem(path.name, 0, "", "", message, error.hint)], None
