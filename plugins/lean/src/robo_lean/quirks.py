"""What looks odd in a series of bars, in sentences for the reader of a report.

Nothing is changed here: a split that the factor file does not know, a wrong print, a stretch of
missing days are named with their dates, and people decide.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from robo_lean.factors import Factors
from robo_trader import BarFrame

#: An open of a third more or a quarter less than the close before it is rare enough to be named.
JUMP: Final = 4 / 3
#: Weekdays without a bar that no holiday explains; the markets once closed for four in a row.
GAP_DAYS: Final = 5
#: US markets close on nine or ten weekdays a year; half again as many are worth a word.
HOLIDAYS_A_YEAR: Final = 15
_LISTED: Final = 3


def quirks(frame: BarFrame, factors: Factors | None) -> list[str]:
    """Return sentences about jumps and gaps of unadjusted bars; `factors` explain splits and dividends."""
    first = np.flatnonzero(
        np.diff(frame.session, prepend=frame.session[:1] - np.timedelta64(1, "D")).astype(np.int64)
    )
    if len(first) < 2:
        return []
    dates = frame.session[first]
    scale = factors.of(dates, "total") if factors else np.ones(len(dates))
    # The rows of `first` begin a day, so the row before each is the last of the day before.
    ratio = frame.open[first[1:]] * scale[1:] / (frame.close[first[1:] - 1] * scale[:-1])
    missing = _weekdays_between(dates)
    found = [*_jumps(dates, ratio, missing), *_gaps(dates, ratio, missing), *_holes(dates, missing)]
    return [f"{frame.symbol}: {sentence}" for sentence in found]


def _jumps(
    dates: NDArray[np.datetime64], ratio: NDArray[np.float64], missing: NDArray[np.int64]
) -> list[str]:
    """Name the days that open far from the close of the day before."""
    odd = np.flatnonzero((missing <= GAP_DAYS) & _far(ratio))
    said = [
        f"{dates[i + 1]} opens at {ratio[i]:.3g} times the close before it and no factor row says why: "
        "a split that is not recorded, a wrong print, or news"
        for i in odd[:_LISTED].tolist()
    ]
    more = len(odd) - _LISTED
    return [*said, f"{more} more opens lie as far from the close before them"] if more > 0 else said


def _gaps(dates: NDArray[np.datetime64], ratio: NDArray[np.float64], missing: NDArray[np.int64]) -> list[str]:
    """Name the longest stretches without bars, and what the price did meanwhile where that is much."""
    long = np.flatnonzero(missing > GAP_DAYS)
    longest = np.sort(long[np.argsort(-missing[long], kind="stable")[:_LISTED]])
    said = []
    for i in longest.tolist():
        change = f", after which the price is {ratio[i]:.3g} times what it was" if _far(ratio)[i] else ""
        said.append(f"no bars for {missing[i]} weekdays between {dates[i]} and {dates[i + 1]}{change}")
    more = len(long) - _LISTED
    return [*said, f"{more} more gaps of over {GAP_DAYS} weekdays"] if more > 0 else said


def _holes(dates: NDArray[np.datetime64], missing: NDArray[np.int64]) -> list[str]:
    """Name the years in which more single weekdays are missing than there are holidays."""
    years = dates[:-1].astype("datetime64[Y]").astype(np.int64) + 1970
    holes = np.where(missing > GAP_DAYS, 0, missing)
    sparse = [year for year in np.unique(years).tolist() if holes[years == year].sum() > HOLIDAYS_A_YEAR]
    if not sparse:
        return []
    count = int(sum(holes[years == year].sum() for year in sparse))
    when = f"{sparse[0]} to {sparse[-1]}" if len(sparse) > 1 else f"{sparse[0]}"
    return [f"sparse in {when}: {count} single weekdays without a bar, holidays among them"]


def _far(ratio: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (ratio > JUMP) | (ratio < 1 / JUMP)


def _weekdays_between(dates: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return how many Mondays to Fridays lie strictly between each date and the next."""
    return np.busday_count(dates[:-1] + np.timedelta64(1, "D"), dates[1:]).astype(np.int64)
