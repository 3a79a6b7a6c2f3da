"""``--repair``: mend what has one reading only, and write down each mending as a note.

Mended: rows out of order are sorted; a row that repeats another exactly is dropped; a row without
a price, or with four zeros for prices, is dropped; a high below (low above) the bar's own open or
close is widened onto it; an empty volume cell becomes 0. Everything else (two rows of one stamp
that differ, high below low, a negative price, text for a number) stays a problem.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.examine import same_row
from robo_trader.bars.frame import PRICES
from robo_trader.bars.raw import RawColumns


def mend_values(raw: RawColumns) -> RawColumns:
    """Return `raw` with prices and volumes mended; notes say what was done to which rows.

    Cells that could not be read stay in `problems`, whatever becomes of their rows.
    """
    notes = []
    prices = np.vstack([getattr(raw, n) for n in PRICES])
    gone = np.isnan(prices).any(axis=0) | (prices == 0).all(axis=0)
    if gone.any():
        notes.append(_note("dropped", raw.rows[gone], "without a price"))
        raw = raw.take(~gone)
    top, bottom = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)
    sound = raw.high >= raw.low
    high, low = sound & (raw.high < top), sound & (raw.low > bottom)
    if (high | low).any():
        notes.append(_note("widened high or low of", raw.rows[high | low], "to hold open and close"))
        raw = replace(raw, high=np.where(high, top, raw.high), low=np.where(low, bottom, raw.low))
    if raw.volume is not None:
        empty = np.isnan(raw.volume)
        if empty.any():
            notes.append(_note("read as 0 the volume of", raw.rows[empty], "with an empty cell"))
            raw = replace(raw, volume=np.where(empty, 0.0, raw.volume))
    left = tuple(p for p in raw.problems if not p.repairable)
    if len(left) < len(raw.problems):
        rows = np.array([p.row for p in raw.problems if p.repairable])
        notes.append(_note("dropped", rows, "without any value"))
    return replace(raw, notes=(*raw.notes, *notes), problems=left)


def mend_order(raw: RawColumns, key: NDArray[np.int64]) -> tuple[RawColumns, NDArray[np.int64]]:
    """Return `raw` and `key` sorted, exact repeats dropped."""
    notes = []
    if (np.diff(key) < 0).any():
        moved = raw.rows[1:][np.diff(key) < 0]
        notes.append(_note("sorted the file:", moved, "stood out of order"))
        by_key = np.argsort(key, kind="stable")
        raw, key = raw.take(by_key), key[by_key]
    same = np.flatnonzero(np.diff(key) == 0)
    twice = [i + 1 for i in same.tolist() if same_row(raw, i, i + 1)]
    if twice:
        notes.append(_note("dropped", raw.rows[twice], "repeating the row before exactly"))
        keep = np.ones(len(raw), dtype=bool)
        keep[twice] = False
        raw, key = raw.take(keep), key[keep]
    return replace(raw, notes=(*raw.notes, *notes)), key


def _note(what: str, rows: NDArray[np.int64], why: str) -> str:
    count = len(rows)
    shown = ", ".join(str(r) for r in rows[:3].tolist()) + (", …" if count > 3 else "")
    plural = "s" if count > 1 else ""
    return f"repaired: {what} {count} row{plural} {why} (row{plural} {shown})"
