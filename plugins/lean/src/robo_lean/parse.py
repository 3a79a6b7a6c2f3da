"""Lean's lines of figures to numpy columns; prices in the files are x 10,000.

A line that is not what the format says is a `DataError` with the file, its row (1 is the first)
and the value.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from robo_trader import DataError

PRICE_SCALE: Final = 10_000.0
_NAMES = ("open", "high", "low", "close", "volume")
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Bars as the file has them: `local` is the New York wall clock (datetime64[ns], no zone)."""

    local: NDArray[np.datetime64]
    prices: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.local)

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """The calendar date of each row."""
        return self.local.astype("datetime64[D]")

    def where(self, keep: NDArray[np.bool_]) -> Rows:
        """Return the rows that a mask selects."""
        return Rows(self.local[keep], self.prices[keep], self.volume[keep])


def parse_dated(raw: bytes, name: str) -> Rows:
    """Return the rows of a daily or hourly file: ``YYYYMMDD HH:MM,open,high,low,close,volume``."""
    table = _table(raw.replace(b" ", b",").replace(b":", b","), name, first=("date", "hour", "minute"))
    day = _dates(table[:, 0], name)
    minutes = table[:, 1].astype(np.int64) * 60 + table[:, 2].astype(np.int64)
    _refuse((minutes < 0) | (minutes >= 1440), name, "is no time of day", minutes)
    local = day.astype("datetime64[ns]") + minutes.astype("timedelta64[m]")
    return Rows(local, table[:, 3:7] / PRICE_SCALE, table[:, 7].copy())


def parse_minutes(raw: bytes, day: str, name: str) -> Rows:
    """Return the rows of one day's minute file: ``ms since midnight,open,high,low,close,volume``."""
    table = _table(raw, name, first=("milliseconds",))
    ms = table[:, 0].astype(np.int64)
    _refuse((ms < 0) | (ms >= _MS_PER_DAY), name, "is no time of day in milliseconds", ms)
    start = _dates(np.array([float(day)]), name)[0].astype("datetime64[ns]")
    return Rows(start + ms.astype("timedelta64[ms]"), table[:, 1:5] / PRICE_SCALE, table[:, 5].copy())


def joined(parts: list[Rows]) -> Rows:
    """Return several days' rows as one."""
    return Rows(
        np.concatenate([p.local for p in parts]),
        np.concatenate([p.prices for p in parts]),
        np.concatenate([p.volume for p in parts]),
    )


def _table(text: bytes, name: str, *, first: tuple[str, ...]) -> NDArray[np.float64]:
    """Return all numbers of a file, a row a line."""
    if not text.strip():
        raise DataError(f"{name} is empty", hint="download the file again")
    width = len(first) + len(_NAMES)
    try:
        table: NDArray[np.float64] = np.loadtxt(io.BytesIO(text), delimiter=",", ndmin=2, comments=None)
    except ValueError:
        raise _bad_line(text, name, (*first, *_NAMES)) from None
    if table.shape[1] != width:
        raise _bad_line(text, name, (*first, *_NAMES))
    unreal = ~np.isfinite(table).all(axis=1)
    if unreal.any():
        row = int(np.argmax(unreal))
        raise DataError(f"{name}, row {row + 1}: {table[row].tolist()} holds a value that is no number")
    return table


def _bad_line(text: bytes, name: str, columns: tuple[str, ...]) -> DataError:
    """Return the error for the first line that is not numbers in the expected columns."""
    hint = "Lean's files hold a stamp, four prices x 10,000 and a volume; is this one of them?"
    for row, line in enumerate(text.decode("latin-1").splitlines(), start=1):
        cells = line.split(",")
        if not line.strip():
            continue
        if len(cells) != len(columns):
            return DataError(
                f"{name}, row {row}: {line[:60]!r} has {len(cells)} columns, not {len(columns)}", hint=hint
            )
        for column, cell in zip(columns, cells, strict=True):
            try:
                float(cell)
            except ValueError:
                return DataError(f"{name}, row {row}, column {column}: {cell!r} is not a number", hint=hint)
    return DataError(f"{name} cannot be read as numbers", hint=hint)


def _dates(numbers: NDArray[np.float64], name: str) -> NDArray[np.datetime64]:
    """Return YYYYMMDD numbers as dates; 20230230 is refused."""
    number = numbers.astype(np.int64)
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    dates: NDArray[np.datetime64] = first + (day - 1).astype("timedelta64[D]")
    good = (
        (year >= 1900)
        & (month >= 1)
        & (month <= 12)
        & (dates.astype("datetime64[M]").astype(np.int64) == months)
    )
    _refuse(~good, name, "is no date", number)
    return dates


def _refuse(bad: NDArray[np.bool_], name: str, what: str, values: NDArray[np.int64]) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{name}, row {row + 1}: {values[row]} {what}", hint="download the file again")
