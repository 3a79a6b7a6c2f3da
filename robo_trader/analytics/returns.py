"""Daily returns, what a year is, and drawdowns with their dates.

Returns are close to close of the fund value (value per share of the account), so that money paid
in or out is no return. All functions take and give numpy arrays; dates are datetime64[D].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]

# Rounding of a compounded product: a flat account must not seem to be under water.
_DRY = 1e-12


@dataclass(frozen=True, slots=True)
class Sampling:
    """How often there is a return (`name`) and how many make a year (`factor`)."""

    name: str
    factor: float


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One spell under water, from a peak to the recovery of that peak.

    `depth` is a negative fraction of the peak. `peak` is the last date at the old high (the first
    date of the series where the account fell from its very start), `valley` the lowest close,
    `recovery` the first close at or above the peak, or None if it has not come. `days` are calendar
    days from peak to recovery, or to the last date; `sessions` counts the returns in between.
    """

    depth: float
    peak: np.datetime64
    valley: np.datetime64
    recovery: np.datetime64 | None
    days: int
    sessions: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields with dates as ISO text."""
        return {
            "depth": self.depth,
            "peak": str(self.peak),
            "valley": str(self.valley),
            "recovery": None if self.recovery is None else str(self.recovery),
            "days": self.days,
            "sessions": self.sessions,
        }


@dataclass(frozen=True, slots=True)
class Month:
    """The compounded return of one calendar month and the number of returns in it."""

    year: int
    month: int
    value: float
    n: int


def daily_returns(fund: Floats, start: float) -> Floats:
    """Return close-to-close returns of `fund`; the first is against `start`, the value before it."""
    fund = np.asarray(fund, dtype=np.float64)
    before = np.concatenate(([float(start)], fund[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(fund / before - 1.0)


def sampling_of(dates: Dates, always_open: bool | None = None) -> Sampling:
    """Return the sampling that `dates` show: daily (252 or, where markets never close, 365 a year),
    weekly (52), monthly (12), else the number a year that was counted.

    `always_open` None looks at the weekends: markets that never close trade on both days.
    """
    dates = np.asarray(dates, dtype="datetime64[D]")
    gap = float(np.median(np.diff(dates).astype(np.int64))) if len(dates) > 1 else 1.0
    if gap <= 1.5:
        return Sampling("daily returns", 365.0 if _never_closes(dates, always_open) else 252.0)
    if gap == 7.0:
        return Sampling("weekly returns", 52.0)
    if 28.0 <= gap <= 31.0:
        return Sampling("monthly returns", 12.0)
    days = int((dates[-1] - dates[0]).astype(np.int64))
    return Sampling("irregular returns", (len(dates) - 1) * 365.25 / days)


def _never_closes(dates: Dates, always_open: bool | None) -> bool:
    if always_open is not None:
        return always_open
    weekday = (dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    saturdays, sundays = int((weekday == 5).sum()), int((weekday == 6).sum())
    return min(saturdays, sundays) * 10 >= len(dates) > 0


def wealth(returns: Floats) -> Floats:
    """Return what 1 has grown to after each return."""
    return np.asarray(np.cumprod(1.0 + np.asarray(returns, dtype=np.float64)))


def drawdown_series(returns: Floats) -> Floats:
    """Return, for each date, the distance from the highest close so far (0 or below); the start counts."""
    # From 100, and as a difference over the peak: as empyrical does, so that both round alike.
    grown = wealth(returns) * 100.0
    peak = np.maximum.accumulate(np.maximum(grown, 100.0))
    return np.asarray((grown - peak) / peak)


def drawdowns(dates: Dates, returns: Floats, top: int | None = None) -> list[Drawdown]:
    """Return the spells under water, deepest first (all, or the `top` deepest)."""
    dates = np.asarray(dates, dtype="datetime64[D]")
    depth = drawdown_series(returns)
    if not len(depth):
        return []
    under = np.concatenate(([0], (depth < -_DRY).astype(np.int8), [0]))
    edges = np.diff(under)
    starts, ends = np.nonzero(edges == 1)[0], np.nonzero(edges == -1)[0]
    out = []
    for first, past in zip(starts.tolist(), ends.tolist(), strict=True):
        low = first + int(np.argmin(depth[first:past]))
        peak = dates[max(first - 1, 0)]
        back = dates[past] if past < len(dates) else None
        last = dates[-1] if back is None else back
        out.append(
            Drawdown(
                depth=float(depth[low]),
                peak=peak,
                valley=dates[low],
                recovery=back,
                days=int((last - peak).astype(np.int64)),
                sessions=past - first + (back is not None),
            )
        )
    out.sort(key=lambda d: (d.depth, d.peak))
    return out if top is None else out[:top]


def monthly_returns(dates: Dates, returns: Floats) -> list[Month]:
    """Return the compounded return of each calendar month, in order."""
    months = np.asarray(dates, dtype="datetime64[D]").astype("datetime64[M]").astype(np.int64)
    if not len(months):
        return []
    first = np.nonzero(np.diff(months, prepend=months[0] - 1))[0]
    grown = np.multiply.reduceat(1.0 + np.asarray(returns, dtype=np.float64), first)
    counts = np.diff(first, append=len(months))
    return [
        Month(1970 + m // 12, m % 12 + 1, value - 1.0, n)
        for m, value, n in zip(months[first].tolist(), grown.tolist(), counts.tolist(), strict=True)
    ]
