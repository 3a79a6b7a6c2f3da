"""Coarser bars from finer ones, before Backtrader sees them (its own resampling is slow).

Intraday bars never reach across a session: buckets are counted from the session's open, and the
last one of a day ends with the session. Daily and longer bars are made of whole sessions. A
bar's end is the end of its last possible part, so nothing is known earlier than it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.proof import bounds_of
from robo_trader.bars.timeframes import parse
from robo_trader.calendars import get_calendar
from robo_trader.errors import UsageError

Ints = NDArray[np.int64]


def resample(frame: BarFrame, timeframe: str) -> BarFrame:
    """Return `frame` at a coarser time frame; the same frame where it has it already.

    A finer one, or one that the frame's own does not divide, is a `UsageError`.
    """
    have, want = parse(frame.timeframe), parse(timeframe)
    if have.code == want.code:
        return frame
    if want.ns < have.ns:
        raise UsageError(
            f"{frame.symbol}: {want.code} bars cannot be made from {have.code} bars",
            hint=f"ask for {have.code} or longer, or load finer bars",
        )
    if not want.is_daily_or_longer and want.ns % have.ns:
        raise UsageError(
            f"{frame.symbol}: {have.code} bars do not divide {want.code}",
            hint=f"ask for a multiple of {have.code}",
        )
    if have.code == "1w" and want.code != "1w":
        raise UsageError(
            f"{frame.symbol}: weeks do not divide {want.code}", hint="load daily bars for this time frame"
        )
    calendar = get_calendar(frame.instrument.calendar)
    opens, closes, _ = bounds_of(calendar, frame.session)
    if want.is_daily_or_longer:
        group = _period(frame.session, want.code)
    else:
        bucket = (frame.start - opens) // want.ns
        group = frame.session.astype(np.int64) * (2 * 86_400) + bucket
    first = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1])
    last = np.append(first[1:] - 1, len(frame) - 1)
    if want.is_daily_or_longer:
        start, end = np.minimum(frame.start[first], opens[first]), np.maximum(frame.end[last], closes[last])
    else:
        start = opens[first] + bucket[first] * want.ns
        end = start + want.ns
        inside = (start < closes[first]) & (frame.end[last] <= closes[first])
        end = np.where(inside, np.minimum(end, closes[first]), np.maximum(end, frame.end[last]))
    return replace(
        frame,
        timeframe=want.code,
        start=start,
        end=end,
        session=frame.session[last],
        open=frame.open[first],
        high=np.maximum.reduceat(frame.high, first),
        low=np.minimum.reduceat(frame.low, first),
        close=frame.close[last],
        volume=np.add.reduceat(frame.volume, first),
        closed=None if frame.closed is None else frame.closed[last],
    )


def _period(session: NDArray[np.datetime64], code: str) -> Ints:
    """Return the number of the day, ISO week, month, quarter or year of each session date."""
    days = session.astype(np.int64)
    months = session.astype("datetime64[M]").astype(np.int64)
    if code == "1d":
        return days
    if code == "1w":
        return (days + 3) // 7
    return months // {"1mo": 1, "3mo": 3, "1y": 12}[code]
