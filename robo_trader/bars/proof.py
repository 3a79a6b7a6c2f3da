"""What intraday stamps mark: said by a setting, stated by the header, or proven by the data.

The proof: a file in which a stamp at the session's open (09:30) occurs and none at its close
(16:00) stamps its bars' starts; the reverse stamps ends. A file with both, with neither, or with
bars before the open (after the close of a whole day) proves nothing and is refused until somebody
says it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.raw import RawColumns
from robo_trader.bars.settings import Stamps
from robo_trader.calendars import Calendar
from robo_trader.errors import DataError
from robo_trader.zones import to_wall

Ints = NDArray[np.int64]


def bounds_of(calendar: Calendar, session: NDArray[np.datetime64]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return (open, close, is_session) for each row, asking the calendar once per run of dates."""
    edges = np.flatnonzero(np.diff(session).astype(np.int64)) + 1
    first = np.concatenate([[0], edges])
    counts = np.diff(np.concatenate([first, [len(session)]]))
    opens, closes, known = calendar.session_bounds(session[first])
    return np.repeat(opens, counts), np.repeat(closes, counts), np.repeat(known, counts)


def full_days(opens: Ints, closes: Ints, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows lie on a session of full length (half days are shorter)."""
    length = closes - opens
    longest: NDArray[np.bool_] = known & (length == length[known].max(initial=0))
    return longest


def what_stamps_mark(
    raw: RawColumns, utc: Ints, said: Stamps | None, calendar: Calendar
) -> tuple[Literal["start", "end"], str]:
    """Return ``start`` or ``end``, and a note where it was proven rather than said."""
    if said == "date":
        raise DataError(
            f"{raw.name}: stamps = 'date', but a date has several bars",
            hint="say 'start' or 'end', or nothing",
        )
    if said is not None:
        return said, ""
    if raw.stated in ("start", "end"):
        return raw.stated, f"stamps mark the {raw.stated} of each bar, as the header says"
    say = "say which with --stamps start or --stamps end"
    if calendar.always_open:
        raise DataError(
            f"{raw.name}: stamps prove neither start nor end, since {calendar.code} never opens or closes",
            hint=f"{say}; most crypto-currency exchanges stamp the start",
        )
    session = calendar.sessions_of(utc, utc)
    opens, closes, known = bounds_of(calendar, session)
    full = full_days(opens, closes, known)
    last = np.append(np.diff(session).astype(np.int64) != 0, True)
    at_open = bool((known & (utc == opens)).any())
    # Prints after a half day's close are common; its close then says nothing.
    at_close = bool((known & (full | last) & (utc == closes)).any())
    outside = bool(((known & (utc < opens)) | (full & (utc > closes))).any())
    opening, closing = _times(opens, closes, known, calendar)
    if at_open and not at_close and not outside:
        return "start", f"stamps mark the start of each bar: {opening} occurs and {closing} does not"
    if at_close and not at_open and not outside:
        return "end", f"stamps mark the end of each bar: {closing} occurs and {opening} does not"
    if outside:
        why = f"bars lie outside the session {opening} to {closing}"
    elif at_open:
        why = f"both {opening} and {closing} occur"
    else:
        why = f"neither {opening} nor {closing} occurs"
    why += ", so the stamps prove neither start nor end"
    wall = to_wall(utc[[0, -1]], calendar.tz).view("datetime64[ns]").astype("datetime64[m]")
    seen = f"first {str(wall[0]).replace('T', ' ')}, last {str(wall[1]).replace('T', ' ')}, {calendar.tz}"
    raise DataError(f"{raw.name}: {why} ({seen})", hint=f"{say}, and check tz and calendar ({calendar.code})")


def _times(opens: Ints, closes: Ints, known: NDArray[np.bool_], calendar: Calendar) -> tuple[str, str]:
    """Return the session's usual opening and closing time of day in the exchange's zone."""
    pick = np.flatnonzero(known)[:1] if known.any() else np.array([0])
    wall = to_wall(np.concatenate([opens[pick], closes[pick]]), calendar.tz).view("datetime64[ns]")
    return str(wall[0])[11:16], str(wall[1])[11:16]
