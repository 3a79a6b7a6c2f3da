"""The slow road through a CSV file: row by row, so that each bad cell is named with row and column.

Takes what the fast road leaves: quoted cells, stamps of varying width, decimal commas, thousands
separators, currency signs, separate date and time columns, and everything that is wrong.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.csv_layout import Layout
from robo_trader.bars.frame import PRICES, Origin
from robo_trader.bars.raw import Problem, RawColumns
from robo_trader.bars.stamptext import DAY_FIRST, Stamp, needs_day_first, parse_stamp
from robo_trader.errors import DataError

_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9}
_CURRENCY = "$€£"
_EMPTY = frozenset(("", "nan", "null", "none", "n/a", "na", "-", "--"))
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_GROUPED_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")


def read_slow(path: Path, symbol: str, data: bytes, layout: Layout, origin: Origin) -> RawColumns:
    """Return the file's columns; cells that cannot be read are NaN and stand in `problems`."""
    text = data.decode(layout.encoding, errors="replace")
    try:
        lines = list(_lines(text, layout))
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV file: {error}", hint="look for a stray quote") from None
    names = [n for n in (*PRICES, "volume", "adj_close") if n in layout.columns]
    problems: list[Problem] = []
    stamps, rows, cells = [], [], []
    texts = [_stamp_text(row, layout) for _, row in lines]
    day_first = needs_day_first(texts)
    comma = _decimal_comma([row for _, row in lines], layout)
    for (number, row), stamp_text in zip(lines, texts, strict=True):
        if any(cell.strip() for cell in row[layout.width :]):
            seen = f"{len(row)} cells"  # an unquoted 1,234 would shift what follows it
            fix = f"the header names {layout.width} columns: quote or mend the row"
            problems.append(_problem(path, number, "", seen, "row is too long", fix))
            continue
        if len(row) < max(layout.columns.values()) + 1:
            problems.append(
                _problem(path, number, "", f"{len(row)} cells", "row is too short", "complete the row")
            )
            continue
        stamp = parse_stamp(stamp_text, day_first=day_first)
        if stamp is None:
            empty = not any(cell.strip() for cell in row)
            problem = "not a date or time" if stamp_text else "no date"
            fix = "write it as 2024-12-31 or 2024-12-31 16:00"
            if empty:
                problem, fix = "row is empty", "delete the row, or --repair drops it"
            problems.append(_problem(path, number, "date", stamp_text, problem, fix, empty))
            continue
        stamps.append(stamp)
        rows.append(number)
        values = []
        for name in names:
            cell = row[layout.columns[name]].strip()
            value = _number(cell, comma) if name != "volume" else _volume(cell, comma)
            if value is None:
                problems.append(_problem(path, number, name, cell, "not a number", "correct the cell"))
                value = math.nan
            values.append(value)
        cells.append(values)
    _one_symbol(path, lines, layout)
    _one_kind(path, stamps, rows)
    wall, utc, dates_only = _times(stamps, layout)
    table = np.array(cells, dtype=np.float64).reshape(len(rows), len(names))
    columns = {n: np.ascontiguousarray(table[:, i]) for i, n in enumerate(names)}
    notes = (DAY_FIRST,) if day_first else ()
    return RawColumns(
        symbol=symbol,
        wall=wall,
        utc=utc,
        dates_only=dates_only,
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns.get("volume"),
        adj_close=columns.get("adj_close"),
        rows=np.array(rows, dtype=np.int64),
        origin=origin,
        stated=layout.stated,
        problems=tuple(problems),
        notes=notes,
    )


def _lines(text: str, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Return each row of data with its line number; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=layout.separator)
    for row in reader:
        if reader.line_num > layout.skip and row and (len(row) > 1 or row[0].strip()):
            yield reader.line_num, row


def _problem(
    path: Path, row: int, column: str, value: str, problem: str, fix: str, repairable: bool = False
) -> Problem:
    return Problem(path.name, row, column, value and repr(value[:40]), problem, fix, repairable)


def _stamp_text(row: list[str], layout: Layout) -> str:
    at = [layout.columns[k] for k in ("stamp", "time") if k in layout.columns]
    return " ".join(row[i].strip() for i in at if i < len(row))


def _decimal_comma(rows: list[list[str]], layout: Layout) -> bool:
    """Return whether numbers are written 1.234,5: some price has a comma and none has a point for
    its last mark, and cells are separated by something else."""
    if layout.separator == ",":
        return False
    at = [layout.columns[n] for n in PRICES]
    cells = [row[i] for row in rows for i in at if i < len(row)]
    return any("," in c for c in cells) and not any(c.rfind(".") > c.rfind(",") for c in cells)


def _number(cell: str, comma: bool) -> float | None:
    """Return the number in a cell, NaN where it is empty, None where it is no number."""
    if comma and ("," in cell or "." in cell):
        cell = cell.lstrip(_CURRENCY)
        if "." in cell and not _GROUPED_POINT.fullmatch(cell):
            return None
        cell = cell.replace(".", "").replace(",", ".")
    try:
        # Python also reads 1_000, which no source of data means.
        return float(cell) if "_" not in cell else None
    except ValueError:
        pass
    if cell.lower() in _EMPTY:
        return math.nan
    cell = cell.lstrip(_CURRENCY)
    if _GROUPED.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        return float(cell)
    except ValueError:
        return None


def _volume(cell: str, comma: bool) -> float | None:
    """Return a volume, which may be written 1.2M."""
    unit = _UNITS.get(cell[-1:].upper())
    if unit is None:
        return _number(cell, comma)
    number = _number(cell[:-1].rstrip(), comma)
    return None if number is None or math.isnan(number) else number * unit


def _one_symbol(path: Path, lines: list[tuple[int, list[str]]], layout: Layout) -> None:
    at = layout.columns.get("symbol")
    if at is None:
        return
    seen = sorted({row[at].strip() for _, row in lines if at < len(row)} - {""})
    if len(seen) > 1:
        raise DataError(
            f"{path.name} holds several symbols ({', '.join(seen[:4])})", hint="write one file per symbol"
        )


def _one_kind(path: Path, stamps: list[Stamp], rows: list[int]) -> None:
    """Refuse a file in which some stamps carry an offset and some do not."""
    aware = [s.offset is not None for s in stamps]
    if any(aware) and not all(aware):
        odd = aware.index(not aware[0])
        has = "carries an offset" if aware[odd] else "carries no offset"
        raise DataError(
            f"{path.name}, row {rows[odd]}: its stamp {has}, unlike those before it",
            hint="write all stamps with an offset or none of them",
        )
    if len({s.epoch for s in stamps}) > 1:
        odd = [s.epoch for s in stamps].index(not stamps[0].epoch)
        raise DataError(
            f"{path.name}, row {rows[odd]}: epoch numbers and dates are mixed",
            hint="write all stamps in one way",
        )


def _times(stamps: list[Stamp], layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, bool]:
    wall = np.array([s.wall for s in stamps], dtype=np.int64)
    dates_only = not any(s.has_time for s in stamps)
    if stamps and stamps[0].offset is not None:
        return wall, wall - np.array([s.offset for s in stamps], dtype=np.int64), dates_only
    return wall, wall.copy() if layout.utc else None, dates_only
