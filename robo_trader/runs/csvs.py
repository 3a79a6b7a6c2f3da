"""The CSV files of a run directory: columns, how a value is written, and how it is read back.

Formats (documented in `docs/run_directory.md`): UTF-8, LF, a header line; times ISO-8601 with
``Z``; a float is the shortest text that reads back to the same double; a size that is whole is
written without ``.0``; what is absent is empty. Reading is strict: another header, or a cell that
is not of its column's kind, raises `RunError` with file, line and column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.analytics.trades import times_ns
from robo_trader.clock import NS_PER_SECOND, iso, to_ns
from robo_trader.errors import RunError

# A whole float below this is exactly its integer, and its repr has no exponent.
_WHOLE = 1e15

# What the csv module is given: it writes a float by its repr, an int by its digits, None as nothing.
Cells = list[Any]


def numbers(values: Sequence[Any]) -> Cells:
    """Floats as the shortest text that reads back equal; None and what is not finite stay empty."""
    array = np.array(values, dtype=np.float64) + 0.0  # None becomes NaN, -0.0 becomes 0.0
    cells: Cells = array.tolist()
    bad = np.nonzero(~np.isfinite(array))[0]
    for i in bad.tolist():
        cells[i] = None
    return cells


def sizes(values: Sequence[Any]) -> Cells:
    """Like `numbers`, and without ``.0`` where a size is whole."""
    return [
        int(cell) if cell is not None and cell.is_integer() and abs(cell) < _WHOLE else cell
        for cell in numbers(values)
    ]


def integers(values: Sequence[Any]) -> Cells:
    """Whole numbers; None stays empty."""
    return [None if value is None else int(value) for value in values]


def moments(values: Sequence[datetime | None]) -> Cells:
    """Aware times in UTC with ``Z``; None stays empty."""
    there = [i for i, value in enumerate(values) if value is not None]
    cells: Cells = [None] * len(values)
    written = nanoseconds(times_ns(value for value in values if value is not None))
    for i, cell in zip(there, written, strict=True):
        cells[i] = cell
    return cells


def nanoseconds(values: Sequence[int] | NDArray[np.int64]) -> Cells:
    """Integer nanoseconds UTC as ISO-8601 with ``Z``, as `clock.iso` writes them."""
    array = np.asarray(values, dtype=np.int64)
    cells: Cells = np.datetime_as_string(array.view("datetime64[ns]").astype("datetime64[s]")).tolist()
    cells = [f"{cell}Z" for cell in cells]
    for i in np.nonzero(array % NS_PER_SECOND)[0].tolist():
        cells[i] = iso(int(array[i]))
    return cells


def texts(values: Sequence[str | None]) -> Cells:
    """Text with every line break as LF, so that a reader on any system sees the same."""
    clean = {v: (v or "").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "") for v in set(values)}
    return [clean[value] for value in values]


def several(values: Sequence[Sequence[str]]) -> Cells:
    """Several ids in one cell, separated by ``;``."""
    return texts([";".join(value) for value in values])


def read_moment(cell: str) -> datetime:
    """Read an ISO-8601 time with ``Z``."""
    value = datetime.fromisoformat(cell)
    if value.tzinfo is None:
        raise ValueError("no time zone")
    return value.astimezone(UTC)


def read_ns(cell: str) -> int:
    """Read an ISO-8601 time as integer nanoseconds UTC."""
    return to_ns(read_moment(cell))


def read_ids(cell: str) -> tuple[str, ...]:
    """Read ids separated by ``;``."""
    return tuple(cell.split(";")) if cell else ()


def optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read an empty cell as None."""
    return lambda cell: None if cell == "" else read(cell)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, how its values are written and how a cell is read."""

    name: str
    write: Callable[[Sequence[Any]], Cells]
    read: Callable[[str], Any]


def _column(name: str, kind: str) -> Column:
    """`kind` is a name of `_KINDS`, with ``?`` where the cell may be empty."""
    write, read = _KINDS[kind.rstrip("?")]
    return Column(name, write, optional(read) if kind.endswith("?") else read)


_KINDS: dict[str, tuple[Callable[[Sequence[Any]], Cells], Callable[[str], Any]]] = {
    "float": (numbers, float),
    "size": (sizes, float),
    "int": (integers, int),
    "text": (texts, str),
    "ids": (several, read_ids),
    "time": (moments, read_moment),
    "ns": (nanoseconds, read_ns),
    "date": (list, str),
}


def _columns(**kinds: str) -> tuple[Column, ...]:
    return tuple(_column(name, kind) for name, kind in kinds.items())


EQUITY = (*_columns(date="date", value="float", cash="float"), _column("return", "float?"))
ORDERS = _columns(
    order_id="int",
    time="ns",
    symbol="text",
    side="text",
    type="text",
    size="size",
    limit="float?",
    stop="float?",
    parent="int?",
    oco="int?",
    status="text",
    filled="size",
    reason="text",
    because="text",
)
FILLS = _columns(
    time="time",
    symbol="text",
    side="text",
    size="size",
    price="float",
    commission="float",
    order_id="int",
    because="text",
)
TRADES = _columns(
    trade_id="int",
    symbol="text",
    side="text",
    size="size",
    entry_time="time",
    entry_price="float",
    exit_time="time?",
    exit_price="float?",
    pnl="float?",
    commission="float",
    pnl_net="float?",
    bars="int?",
    because="text",
)
SIGNALS = _columns(
    at="time",
    symbol="text",
    name="text",
    value="float",
    confidence="float",
    expires_at="time?",
    evidence="ids",
)


def encode(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> bytes:
    """Return the CSV file of `values`, one sequence per column, as bytes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows(zip(*(c.write(v) for c, v in zip(columns, values, strict=True)), strict=True))
    # A lone surrogate cannot be encoded; a broken headline must not cost a run.
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def encode_records(columns: Sequence[Column], records: Sequence[Any]) -> bytes:
    """Return the CSV file of records whose attributes bear the columns' names."""
    return encode(columns, [list(map(attrgetter(column.name), records)) for column in columns])


def decode(columns: Sequence[Column], path: Path) -> list[list[Any]]:
    """Return the rows of the CSV file at `path`, each value read by its column."""
    names = [column.name for column in columns]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            if header != names:
                raise RunError(f"{path}: the header is {','.join(header)!r}, not {','.join(names)!r}")
            return [_row(columns, row, path, lines.line_num) for row in lines]
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: is damaged: {error}") from error


def _row(columns: Sequence[Column], cells: list[str], path: Path, line: int) -> list[Any]:
    if len(cells) != len(columns):
        raise RunError(f"{path}, line {line}: {len(cells)} cells, not {len(columns)}")
    out = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            out.append(column.read(cell))
        except ValueError as error:
            raise RunError(f"{path}, line {line}: column {column.name} has {cell!r}") from error
    return out
