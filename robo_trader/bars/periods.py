"""Weekly, monthly, quarterly and yearly bars: which sessions a stamp stands for.

Yahoo stamps a week by its Monday, Backtrader's samples by its last session; a Monday stamp taken
for an end would show the week's close four days early. So here too the side must be said or
proven: all stamps on or before their period's first session (start), or all on or after its last
(end).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.raw import RawColumns
from robo_trader.bars.settings import Stamps
from robo_trader.bars.timeframes import Timeframe
from robo_trader.calendars import Calendar
from robo_trader.errors import DataError

Dates = NDArray[np.datetime64]
_MONTHS = {"1mo": 1, "3mo": 3, "1y": 12}


@dataclass(frozen=True, slots=True)
class LongBars:
    """Start and end (UTC ns), last session date, whether any session fell inside, and how it was read."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    session: Dates
    known: NDArray[np.bool_]
    stamps: str
    notes: list[str]


def long_bars(
    raw: RawColumns, dates: Dates, frame_of: Timeframe, said: Stamps | None, calendar: Calendar
) -> LongBars:
    """Return the bounds of bars longer than a day, stamped on `dates` (ascending)."""
    notes = []
    side: str | None = said if said in ("start", "end") else None
    if side is None and raw.stated in ("start", "end"):
        side = raw.stated
    if side is None:
        side = _proven(raw, dates, frame_of, calendar)
        notes.append(
            f"stamps mark the {side} of each {frame_of.code} bar: all lie on its {_edge(side)} session"
        )
    first, last = _spans(dates, frame_of, side)
    opening, closing, known = _sessions_within(first, last, calendar)
    start = calendar.session_bounds(opening)[0]
    end = calendar.session_bounds(closing)[1]
    return LongBars(start, end, closing, known, side, notes)


def _edge(side: str) -> str:
    return "first" if side == "start" else "last"


def _proven(raw: RawColumns, dates: Dates, frame_of: Timeframe, calendar: Calendar) -> str:
    """Return the side that the stamps themselves prove."""
    if frame_of.code == "1w":
        monday = dates - ((dates.astype(np.int64) + 3) % 7).astype("timedelta64[D]")
        first, last = monday, monday + np.timedelta64(6, "D")
        sunday = ((dates.astype(np.int64) + 3) % 7 == 6) & (not calendar.always_open)
    else:
        first, last = _month_span(dates, 1, 0)
        sunday = np.zeros(len(dates), dtype=bool)
    opening, closing, _ = _sessions_within(first, last, calendar)
    starts, ends = dates <= opening, (dates >= closing) & ~sunday
    if starts.all() and not ends.all():
        return "start"
    if ends.all() and not starts.all():
        return "end"
    raise DataError(
        f"{raw.name}: {frame_of.code} bars whose stamps prove neither start nor end "
        f"(first {dates[0]}, second {dates[min(1, len(dates) - 1)]})",
        hint="say which with --stamps start or --stamps end",
    )


def _spans(dates: Dates, frame_of: Timeframe, side: str) -> tuple[Dates, Dates]:
    """Return the first and last date of each bar's period."""
    one = np.timedelta64(1, "D")
    if frame_of.code == "1w":
        six = np.timedelta64(6, "D")
        first, last = (dates, dates + six) if side == "start" else (dates - six, dates)
    else:
        months = _MONTHS[frame_of.code]
        first, last = _month_span(dates, months, 0 if side == "start" else months - 1)
        first, last = (dates, last) if side == "start" else (first, dates)
    if side == "start":
        last = np.minimum(last, np.append(dates[1:] - one, last[-1]))
    else:
        first = np.maximum(first, np.insert(dates[:-1] + one, 0, first[0]))
    return first, last


def _month_span(dates: Dates, months: int, back: int) -> tuple[Dates, Dates]:
    """Return first and last day of `months` calendar months, the first lying `back` before the stamp's."""
    month = dates.astype("datetime64[M]") - np.timedelta64(back, "M")
    after: Any = month + np.timedelta64(months, "M")
    return month.astype("datetime64[D]"), after.astype("datetime64[D]") - np.timedelta64(1, "D")


def _sessions_within(first: Dates, last: Dates, calendar: Calendar) -> tuple[Dates, Dates, NDArray[np.bool_]]:
    """Return each span's first and last session; a span without one keeps its own dates."""
    week = np.timedelta64(7, "D")
    sessions = calendar.sessions(first.min() - week, last.max() + week)
    if not len(sessions):
        return first, last, np.zeros(len(first), dtype=bool)
    begin = np.minimum(np.searchsorted(sessions, first), len(sessions) - 1)
    finish = np.maximum(np.searchsorted(sessions, last, side="right") - 1, 0)
    opening, closing = sessions[begin], sessions[finish]
    known = (opening >= first) & (opening <= last) & (closing >= first) & (closing <= last)
    return np.where(known, opening, first), np.where(known, closing, last), known
