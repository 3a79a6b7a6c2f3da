"""Time frames: the words (`5m`, `1h`, `1d`, `1w`, `1mo`) and how a file's own one is found.

Failure contract: a word that is no time frame is a `UsageError`; stamps that follow no time
frame (ticks, for example) are a `DataError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.errors import DataError, UsageError, did_you_mean

KNOWN = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo", "3mo", "1y")
_WORD = re.compile(r"(\d*)\s*([A-Za-z]+)")
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hour", "hours", "hourly", "H"), "h"),
    **dict.fromkeys(("d", "day", "days", "daily", "D"), "d"),
    **dict.fromkeys(("w", "wk", "week", "weeks", "weekly", "W"), "w"),
    **dict.fromkeys(("mo", "mon", "month", "months", "monthly", "M"), "mo"),
    **dict.fromkeys(("q", "quarter", "quarters", "quarterly", "Q"), "q"),
    **dict.fromkeys(("y", "yr", "year", "years", "yearly", "Y"), "y"),
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400, "y": 365 * 86_400}


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """A bar's length. `ns` is exact below a week and nominal (30 and 365 days) above."""

    ns: int
    code: str

    @property
    def is_daily_or_longer(self) -> bool:
        """True from a day upwards: such bars end at a session's close."""
        return self.ns >= NS_PER_DAY

    def __str__(self) -> str:
        return self.code


@cache
def parse(word: str) -> Timeframe:
    """Return the time frame that `word` names.

    >>> parse("60min").code, parse("daily").code, parse("1M").code
    ('1h', '1d', '1mo')
    """
    match = _WORD.fullmatch(word.strip()) if isinstance(word, str) else None
    unit = match and (_UNITS.get(match[2]) or _UNITS.get(match[2].lower()))
    if not match or not unit:
        near = did_you_mean(str(word), KNOWN)
        raise UsageError(f"unknown time frame {word!r}", hint=near or f"one of {', '.join(KNOWN)}")
    count = int(match[1] or 1)
    if unit == "q":
        unit, count = "mo", 3 * count
    if (unit, count) in (("mo", 12), ("d", 7), ("h", 24)):
        unit, count = {"mo": "y", "d": "w", "h": "d"}[unit], 1
    long = {"d": (1,), "w": (1,), "mo": (1, 3), "y": (1,)}
    if count < 1 or (unit in long and count not in long[unit]):
        raise UsageError(f"time frame {word!r} is not offered", hint=f"one of {', '.join(KNOWN)}")
    ns = count * _SECONDS[unit] * NS_PER_SECOND
    if unit in long:
        return Timeframe(ns, f"{count}{unit}")
    if ns >= NS_PER_DAY:
        raise UsageError(f"time frame {word!r} is not offered", hint=f"one of {', '.join(KNOWN)}")
    return Timeframe(ns, _intraday_code(ns))


def _intraday_code(ns: int) -> str:
    seconds = ns // NS_PER_SECOND
    for unit in ("h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def detect(wall: NDArray[np.int64], what: str = "the bars") -> Timeframe:
    """Return the time frame of ascending wall-clock stamps (int64 ns); `what` names them in errors.

    Several stamps on one date make an intraday frame of their most common distance; else the
    usual distance in days decides.
    """
    days = wall // NS_PER_DAY
    gaps = np.diff(wall)
    within = gaps[(np.diff(days) == 0) & (gaps > 0)]
    if len(within):
        return _detect_intraday(within, what)
    if len(wall) < 2:
        if len(wall) and wall[0] % NS_PER_DAY == 0:
            return parse("1d")
        raise DataError(
            f"{what}: one bar alone does not tell its time frame",
            hint="say it with timeframe = '1h' for this symbol, or load a longer period",
        )
    usual = float(np.median(np.diff(days)))
    for code, low, high in (("1d", 0, 5), ("1w", 5, 10), ("1mo", 25, 36), ("3mo", 80, 100), ("1y", 350, 380)):
        if low <= usual < high:
            return parse(code)
    raise DataError(
        f"{what}: bars lie {usual:g} days apart, which is no time frame",
        hint="say it with timeframe = '1d' (or 1w, 1mo) for this symbol",
    )


def _detect_intraday(gaps: NDArray[np.int64], what: str) -> Timeframe:
    values, counts = np.unique(gaps, return_counts=True)
    usual = int(values[np.argmax(counts)])
    fits = counts[values % usual == 0].sum() / len(gaps)
    if usual % NS_PER_SECOND or fits < 0.5:
        raise DataError(
            f"{what}: stamps follow no time frame (commonest distance {usual / NS_PER_SECOND:g} s, "
            f"kept by {fits:.0%} of the rows)",
            hint="these look like ticks: turn them into bars first",
        )
    return Timeframe(usual, _intraday_code(usual))
