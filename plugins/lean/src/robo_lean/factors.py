"""Factor files: what a share of an earlier day is worth in today's shares.

Each row holds a date, the price factor (dividends), the split factor and a reference price (absent in
old files). **A row's factors apply to all dates after the row before it, up to and including its own**: the
row of 2000-03-17 with split factor 0.5 says that the shares split before the open of the next session.
The first row is the day on which the history begins, the last lies in the future with factors of 1.

A file that cannot be understood is a `DataError` with the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robo_trader import DataError

Adjust = Literal["none", "splits", "total"]
ADJUSTMENTS: tuple[Adjust, ...] = ("none", "splits", "total")


@dataclass(frozen=True, slots=True)
class Factors:
    """The rows of a factor file in order of their dates; factors are above 0."""

    dates: NDArray[np.datetime64]
    price: NDArray[np.float64]
    split: NDArray[np.float64]

    def of(self, dates: NDArray[np.datetime64], adjust: Adjust) -> NDArray[np.float64]:
        """Return what prices of `dates` are multiplied with."""
        if adjust == "none":
            return np.ones(len(dates))
        rows = np.searchsorted(self.dates, dates, side="left")
        column = self.split if adjust == "splits" else self.split * self.price
        return np.append(column, 1.0)[rows]

    def splits(self, dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return the split factor of each date; volumes are divided by it."""
        return self.of(dates, "splits")


def parse_factors(raw: bytes, name: str) -> Factors:
    """Return the factors in the bytes of a factor file.

    Rows whose price factor is infinite mark the history of another company before them and are left out.
    """
    rows: list[tuple[np.datetime64, float, float]] = []
    for number, line in enumerate(raw.decode("latin-1").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            date, price, split = line.split(",")[:3]
            stamp = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:8]}", "D")
            row = (stamp, float(price), float(split))
        except ValueError:
            raise DataError(
                f"{name}, row {number}: {line.strip()[:60]!r} is no date with two factors",
                hint="a row reads date,price factor,split factor,reference price",
            ) from None
        if np.isinf(row[1]):
            continue
        if not (row[1] > 0 and 0 < row[2] < np.inf):
            raise DataError(f"{name}, row {number}: factors must be above 0, not {price} and {split}")
        rows.append(row)
    if not rows:
        raise DataError(f"{name} holds no factors", hint="download the file again")
    rows.sort(key=lambda r: r[0])
    dates, prices, splits = zip(*rows, strict=True)
    return Factors(np.array(dates, dtype="datetime64[D]"), np.array(prices), np.array(splits))
