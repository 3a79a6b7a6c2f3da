"""Sums, extremes and recursions over whole columns, equal to Python's own to the last bit.

Backtrader sums with `math.fsum`, which rounds the exact sum once. A running float sum does not, so
sums are taken over fixed-point integers: exact, whatever the order, and cut down to one rounding at
the end. Where a column does not fit, the functions return None and the caller takes the plain way.
Columns are float64 without NaN or infinities unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Column = NDArray[np.float64]

#: Bits of a float's mantissa, and the integer bits that a sum of int64 may use.
_MANTISSA, _INTEGER = 53, 62
_MOST_EXPONENT = 900
_BLOCK = 1 << 18


def window_sums(values: Column, period: int) -> Column | None:
    """Return ``math.fsum`` of each window of `period` values; n - period + 1 of them, or None."""
    spread = _exponents(values)
    if spread is None:
        return None
    (lowest, highest), room = spread, (period - 1).bit_length()
    shift = _MANTISSA - lowest  # every value times 2**shift is an integer
    if highest + shift + room <= _INTEGER:
        whole = (values * 2.0**shift).astype(np.int64)
        return _scaled(_windows(whole, period), -shift)
    # Two halves whose window sums are exact floats; adding them rounds once.
    half = _MANTISSA - room
    if highest + shift > 2 * half:
        return None
    high, low = _halves(values, shift, half)
    return _scaled(_windows(high, period), half - shift) + _scaled(_windows(low, period), -shift)


def _halves(values: Column, shift: int, half: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split values times 2**shift into integers: high times 2**half plus low, exactly."""
    high = np.floor(values * 2.0 ** (shift - half))
    low = (values - high * 2.0 ** (half - shift)) * 2.0**shift
    return high.astype(np.int64), low.astype(np.int64)


def _scaled(whole: NDArray[np.int64], shift: int) -> Column:
    """Return integers times 2**shift, rounded once."""
    return whole.astype(np.float64) * 2.0**shift


def _exponents(values: Column) -> tuple[int, int] | None:
    """Return the least and the greatest binary exponent of non-zero values; zeros alone count as 0."""
    size = np.abs(values)
    top = float(size.max())
    if not np.isfinite(top):
        return None
    if top == 0.0:
        return 0, 0
    bottom = float(size.min())
    if bottom == 0.0:
        bottom = float(size[size > 0].min())
    lowest, highest = int(np.frexp(bottom)[1]), int(np.frexp(top)[1])
    return (lowest, highest) if lowest > -_MOST_EXPONENT and highest < _MOST_EXPONENT else None


def _windows(whole: NDArray[np.int64], period: int) -> NDArray[np.int64]:
    """Return the window sums of integers; a running total that wraps around cancels out."""
    total = np.cumsum(whole)
    sums = total[period - 1 :].copy()
    sums[1:] -= total[:-period]
    return sums


def weighted_sums(values: Column, weights: Sequence[float]) -> Column | None:
    """Return ``math.fsum`` of each window times `weights`, each product rounded first; or None."""
    factors, period = np.asarray(weights, dtype=np.float64), len(weights)
    windows = sliding_window_view(values, period)
    sums = np.empty(len(windows))
    rows = max(1, _BLOCK // period)
    for first in range(0, len(windows), rows):
        products = windows[first : first + rows] * factors
        block = _row_sums(products, period)
        if block is None:
            return None
        sums[first : first + rows] = block
    return sums


def _row_sums(products: NDArray[np.float64], period: int) -> Column | None:
    spread = _exponents(products.ravel())
    if spread is None:
        return None
    (lowest, highest), room = spread, (period - 1).bit_length()
    shift, half = _MANTISSA - lowest, _MANTISSA - room
    if highest + shift + room <= _INTEGER:
        whole: NDArray[np.int64] = (products * 2.0**shift).astype(np.int64).sum(axis=1)
        return _scaled(whole, -shift)
    if highest + shift > 2 * half:
        return None
    high, low = _halves(products, shift, half)
    return _scaled(high.sum(axis=1), half - shift) + _scaled(low.sum(axis=1), -shift)


def window_extremes(values: Column, period: int, *, highest: bool) -> Column | None:
    """Return the greatest or least of each window; None where zeros of both signs would matter."""
    zeros = values == 0
    if zeros.any() and np.signbit(values[zeros]).any():
        return None
    choose = np.maximum if highest else np.minimum
    best, width = values, 1
    while width < period:
        step = min(width, period - width)
        best = choose(best[:-step], best[step:])
        width += step
    return best


def smoothed(seed: float, terms: Column, keep: float | Column) -> list[float]:
    """Return ``previous * keep + term`` from `seed` on, one value for each term; NaN passes through."""
    out: list[float] = []
    add, value = out.append, seed
    if isinstance(keep, float | int):
        for term in terms.tolist():
            value = value * keep + term
            add(value)
    else:
        for term, factor in zip(terms.tolist(), keep.tolist(), strict=True):
            value = value * factor + term
            add(value)
    return out


def running_total(seed: float, values: Column) -> Column:
    """Return the running total from `seed` on, added one by one; NaN passes through."""
    return np.add.accumulate(np.concatenate(([seed], values)))[1:]


def last_non_zero(seed: float, values: Column) -> Column:
    """Return each value, or where it is zero the last non-zero one before it (`seed` at first)."""
    where = np.maximum.accumulate(np.where(values != 0, np.arange(len(values)), -1))
    return np.where(where < 0, seed, values[where])
