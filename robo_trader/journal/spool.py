"""The place where rows wait while the database is away: a file of JSON lines, forced to the disk.

A row that stands here is as good as committed: the next session of the project writes it before it
does anything else, and writing it twice is writing it once. A line cut off by a crash was never
promised to anybody and is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from robo_trader.errors import JournalError
from robo_trader.journal.tables import BY_NAME

#: A row: its table and its values by column.
Row = tuple[str, dict[str, Any]]
_PREFIX, _ENDING = "journal-spool-", ".jsonl"


class Spool:
    """The waiting rows of the run `run_id`, in `folder`. Not for several threads at once."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.path = folder / f"{_PREFIX}{run_id}{_ENDING}"

    def add(self, rows: Sequence[Row]) -> None:
        """Append `rows` as one line that counts whole or not at all; on the disk when this returns."""
        line = json.dumps([[name, _encoded(values)] for name, values in rows], ensure_ascii=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                start = _after_last_line(file)
                try:
                    file.write(line.encode("ascii") + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(start)
                    raise
        except OSError as error:
            raise JournalError(
                f"{self.path}: cannot be written: {error.strerror or error}",
                hint="free some space; these rows wait in memory",
            ) from error

    def clear(self) -> None:
        """Remove the file: everything in it is in the database now."""
        self.path.unlink(missing_ok=True)


def _after_last_line(file: BinaryIO) -> int:
    """Return where the next line goes; a line that a crash cut off is removed."""
    end = file.seek(0, os.SEEK_END)
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            end = file.read().rfind(b"\n") + 1
            file.truncate(end)
    return end


def waiting(folder: Path) -> list[Path]:
    """Return the spools that earlier sessions left in `folder`."""
    return sorted(folder.glob(f"{_PREFIX}*{_ENDING}"))


def read(path: Path) -> list[Row]:
    """Return the rows of a spool, in order."""
    rows: list[Row] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines[:-1], 1):
        try:
            rows += [(name, _decoded(name, values)) for name, values in json.loads(line)]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{path}, line {number}: is damaged: {error}",
                hint="mend the line, or move the file away and ask the broker for what it held",
            ) from error
    return rows


def _encoded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, Decimal | date) else value  # a datetime is a date
        for key, value in values.items()
    }


def _decoded(name: str, values: dict[str, Any]) -> dict[str, Any]:
    read_by: dict[str, Callable[[str], Any]] = {
        "time": datetime.fromisoformat, "date": date.fromisoformat, "exact": Decimal,
    }  # fmt: skip
    kinds = {column.name: column.kind for column in BY_NAME[name].columns}
    return {
        key: read_by[kinds[key]](value) if value is not None and kinds[key] in read_by else value
        for key, value in values.items()
    }
