"""What is wrong with raw columns: every problem, with row, column and value.

`examine` answers for prices and volumes, `order_problems` for the order of stamps. Both look at
whole arrays and cost nothing where all is well. High and low may miss the open or close by a
rounding error (1e-9 of the price, as adjusted prices do): `snap` closes that gap silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import PRICES
from robo_trader.bars.raw import Problem, RawColumns
from robo_trader.errors import DataError

#: Relative distance by which high and low may miss the body of their bar.
ROUNDING = 1e-9


def snap(raw: RawColumns) -> RawColumns:
    """Return `raw` with high and low moved onto open and close where rounding alone parts them."""
    top, bottom = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)
    high = (raw.high < top) & (raw.high >= top * (1 - ROUNDING))
    low = (raw.low > bottom) & (raw.low <= bottom * (1 + ROUNDING))
    if high.any():
        raw = replace(raw, high=np.where(high, top, raw.high))
    if low.any():
        raw = replace(raw, low=np.where(low, bottom, raw.low))
    return raw


def examine(raw: RawColumns) -> list[Problem]:
    """Return the problems of prices and volumes, by row; those of single cells come from reading."""
    told = {(p.row, p.column) for p in raw.problems}
    found: list[Problem] = list(raw.problems)

    def add(bad: NDArray[np.bool_], column: str, problem: str, fix: str, repairable: bool = False) -> None:
        if not bad.any():
            return
        values = getattr(raw, column)
        for i in np.flatnonzero(bad).tolist():
            row = int(raw.rows[i])
            if (row, column) not in told:
                seen = "" if np.isnan(values[i]) else f"{values[i]:.15g}"
                found.append(Problem(raw.name, row, column, seen, problem, fix, repairable))

    empty = ~np.isfinite(raw.open + raw.high + raw.low + raw.close)
    nothing = (raw.open == 0) & (raw.high == 0) & (raw.low == 0) & (raw.close == 0)
    some = empty | nothing | (np.minimum(np.minimum(raw.open, raw.close), np.minimum(raw.high, raw.low)) <= 0)
    if some.any():
        add(nothing, "close", "all four prices are 0", "delete the row, or --repair drops it", True)
        for name in PRICES:
            column = getattr(raw, name)
            gone = "delete the row, or --repair drops it"
            add(np.isnan(column), name, "no price", gone, True)
            add(np.isinf(column), name, "price is infinite", "correct the price in the source")
            add((column <= 0) & ~nothing, name, "price is not above 0", "correct the price in the source")
    usable = ~some
    top, bottom = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)
    crossed = usable & (raw.high < raw.low)
    add(crossed, "high", "high is below low", "correct the row in the source")
    widen = "correct the row, or --repair widens it to hold open and close"
    add(
        usable & ~crossed & (raw.high < top * (1 - ROUNDING)),
        "high",
        "high is below open or close",
        widen,
        True,
    )
    add(
        usable & ~crossed & (raw.low > bottom * (1 + ROUNDING)),
        "low",
        "low is above open or close",
        widen,
        True,
    )
    if raw.volume is not None:
        zero = "fill the cell, or --repair reads it as 0"
        add(np.isnan(raw.volume), "volume", "empty volume cell", zero, True)
        add(np.isinf(raw.volume), "volume", "volume is infinite", "correct the volume in the source")
        add(raw.volume < 0, "volume", "volume is negative", "correct the volume in the source")
    found.sort(key=lambda p: p.row)
    return found


def order_problems(raw: RawColumns, key: NDArray[np.int64]) -> list[Problem]:
    """Return problems of stamps that repeat or are out of order; `key` is what orders the rows."""
    steps = np.diff(key)
    if (steps > 0).all():
        return []
    found = []
    for i in np.flatnonzero(steps < 0).tolist():
        found.append(
            Problem(
                raw.name,
                int(raw.rows[i + 1]),
                "stamp",
                stamp_text(raw, i + 1),
                "row is out of order",
                "sort the file by its stamps, or --repair sorts it",
                True,
            )
        )
    by_key = np.argsort(key, kind="stable")
    same = np.flatnonzero(np.diff(key[by_key]) == 0)
    for first, second in zip(by_key[same].tolist(), by_key[same + 1].tolist(), strict=True):
        exact = same_row(raw, first, second)
        problem = f"stamp repeats that of row {int(raw.rows[first])}" + (
            "" if exact else " with other values"
        )
        fix = "delete the row" + (", or --repair drops it" if exact else " that is wrong")
        found.append(
            Problem(raw.name, int(raw.rows[second]), "stamp", stamp_text(raw, second), problem, fix, exact)
        )
    found.sort(key=lambda p: p.row)
    return found


def same_row(raw: RawColumns, i: int, j: int) -> bool:
    """Return whether two rows hold the same prices and volume."""
    names = [*PRICES] + (["volume"] if raw.volume is not None else [])
    return all(np.array_equal(getattr(raw, n)[i], getattr(raw, n)[j], equal_nan=True) for n in names)


def stamp_text(raw: RawColumns, i: int) -> str:
    """Return row `i`'s stamp as its file means it."""
    text = str(raw.wall[i : i + 1].view("datetime64[ns]").astype("datetime64[s]")[0]).replace("T", " ")
    return text[:10] if raw.dates_only else text


def refuse(problems: Sequence[Problem]) -> None:
    """Raise a `DataError` about the first problem, saying how many more there are."""
    if not problems:
        return
    first = problems[0]
    more = f"; {len(problems) - 1} more of this file's rows or cells are wrong" if len(problems) > 1 else ""
    hint = first.fix + ("; 'robo data check DIR' lists all" if more else "")
    raise DataError(f"{first}{more}", hint=hint)
