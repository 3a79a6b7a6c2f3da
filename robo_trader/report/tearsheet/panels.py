"""What a panel of the tear sheet is, and the conditions under which one applies.

Each panel states its own conditions; `reason` is what a reader sees where they are not met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from robo_trader.report.tearsheet.draw import WIDE
from robo_trader.report.tearsheet.frames import Frames

HALF_YEAR = 126
_DAY_OPEN, _DAY_CLOSE = 9 * 60 + 30, 16 * 60

Paint = Callable[[Any, Frames, Any], object]
Need = Callable[[Frames], str]


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: `paint(pyfolio, frames, axes)`; each of `needs` gives a reason or an empty string.

    `shows` completes the image's alternative text and stands under it as its caption.
    `fit` makes room for long names.
    """

    group: str
    title: str
    shows: str
    paint: Paint
    needs: Sequence[Need] = ()
    size: tuple[float, float] = WIDE
    fit: bool = False

    def reason(self, frames: Frames) -> str:
        """Why the panel does not apply, or an empty string."""
        return next((why for need in self.needs if (why := need(frames))), "")


def sessions(n: int) -> Need:
    """Need `n` daily returns."""
    return lambda f: "" if len(f.returns) >= n else f"needs {n} sessions; the run has {len(f.returns)}"


def months(n: int) -> Need:
    """Need returns in `n` calendar months."""

    def need(f: Frames) -> str:
        index: Any = f.returns.index
        seen = len(set(index.strftime("%Y-%m")))
        return "" if seen >= n else f"needs {n} months; the run has {seen}"

    return need


def benchmark(f: Frames) -> str:
    """Need a benchmark that shares dates with the run."""
    if f.benchmark is None:
        return "needs a benchmark with two dates of the run (set one with --benchmark)"
    return ""


def long_benchmark(f: Frames) -> str:
    """Need half a year and a day of shared dates, for a rolling window."""
    have = 0 if f.benchmark is None else len(f.benchmark)
    return (
        "" if have > HALF_YEAR else f"needs {HALF_YEAR + 1} sessions beside the benchmark; there are {have}"
    )


def fills(f: Frames) -> str:
    """Need at least one fill."""
    return "" if len(f.transactions) else "needs a fill; the run has none"


def held(f: Frames) -> str:
    """Need a position at some session's close."""
    book = f.positions.drop(columns="cash")
    return "" if book.size and (book != 0).to_numpy().any() else "needs a position held at a session's close"


def solvent(f: Frames) -> str:
    """Need an account above 0 all along: fractions of it mean nothing otherwise."""
    below = f.positions.sum(axis="columns") <= 0
    return f"the account was at or below 0 on {int(below.sum())} sessions" if below.any() else ""


def moves(f: Frames) -> str:
    """Need an account that moved."""
    return "" if (f.returns != 0).any() else "the account never moved"


def trips(n: int) -> Need:
    """Need `n` closed trades."""
    return lambda f: "" if len(f.trips) >= n else f"needs {n} closed trades; the run has {len(f.trips)}"


def winners_and_losers(f: Frames) -> str:
    """Need both: the distribution of the chance to win is a point otherwise."""
    won = int((f.trips["pnl"] > 0).sum())
    return "" if 0 < won < len(f.trips) else f"needs winners and losers; {won} of {len(f.trips)} trades won"


def york_hours(f: Frames) -> str:
    """pyfolio's clock runs from 09:30 to 16:00 New York; fills outside of it would vanish."""
    index: Any = f.executions.index
    at = index.tz_convert("America/New_York")
    minute = at.hour * 60 + at.minute
    outside = int(((minute < _DAY_OPEN) | (minute > _DAY_CLOSE)).sum())
    if outside:
        return f"pyfolio shows 09:30 to 16:00 New York only; {outside} of {len(at)} fills lie outside"
    return ""


def not_charged(f: Frames) -> str:
    """Slippage on top of slippage answers no question."""
    return "the run was charged slippage already" if f.charged else ""


def named_sectors(f: Frames) -> str:
    """Need sectors of at least two kinds."""
    if len(set(f.sectors.values())) < 2:
        return "needs two sectors (name them in [bars.symbols.X])"
    return ""
