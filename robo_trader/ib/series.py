"""`LiveSeries`: one series of the broker's bars on its way into a feed: when each is over, and none left out.

A bar is over when the broker's clock says so, or when a later one begins. Where bars may be missing nothing
is finished until the series was subscribed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.align import WITHIN
from robo_trader.bars.frame import BarFrame
from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_DAY, iso
from robo_trader.errors import BrokerError
from robo_trader.ib.data import IBFeed
from robo_trader.ib.history import Series, frame_of
from robo_trader.ib.messages import Bars, PriceBar
from robo_trader.ib.stream import BarJoin
from robo_trader.instruments import Instrument

#: No market is closed for so many days on end; a time that never comes.
_DAYS, _NEVER = 15, 2**63 - 1
#: After so many jumps over nothing a market is one that does not trade in every bar.
_IN_VAIN = 3


class LiveSeries:
    """One series of the broker's bars on its way into a feed.

    `calendars` are those of all daily feeds: their bars of one session date are delivered together where
    they close within an hour. `jumped` is True where an update left out bars that may exist: nothing is
    finished then until the series is subscribed again.
    """

    def __init__(self, series: Series, symbol: str, history: int) -> None:
        self.series, self.symbol = series, symbol
        self.join = BarJoin()
        self.feed: IBFeed | None = None
        self.calendars: Sequence[str] = ()
        self.jumped = False
        self._in_vain = 0
        self._jump: tuple[int, int] | None = None
        self._history = history
        self._anchor = 0
        self._heard = 0
        self._ends = (-1, 0)
        self._ready: list[PriceBar] = []

    def take(self, told: Bars) -> None:
        """Take bars of the broker's."""
        self._look_for_jumps(told)
        self._ready += self.join.take(told)

    def _look_for_jumps(self, told: Bars) -> None:
        """Hold bars back where an update left some out, unless earlier jumps went over nothing."""
        if told.snapshot:
            if self._jump is not None:
                before, after = self._jump
                nothing = not any(before < bar.at < after for bar in told.bars)
                self._in_vain = self._in_vain + 1 if nothing else 0
            self._jump = None
            return
        known = self.join.growing if self.join.growing is not None else self.join.last
        if known is None or self.join.held or self._in_vain >= _IN_VAIN:
            return
        newer = [bar.at for bar in told.bars if bar.at > known]
        if newer and newer[0] > self._following(known):
            self._jump = (known, newer[0])
            self.jumped = True
            self.join.hold()

    def named(self, at: int) -> str:
        """Return the stamp of a bar as a person writes it: a day, or a time."""
        daily = self.series.size.is_daily_or_longer
        return str(np.datetime64(at, "D")) if daily else iso(at)

    def _following(self, at: int) -> int:
        """Return the earliest stamp of a bar after the one stamped `at`, in a market that trades always."""
        calendar = get_calendar(self._instrument.calendar)
        if self.series.size.is_daily_or_longer:
            days = np.arange(at + 1, at + _DAYS)
            return int(days[calendar.session_bounds(days.astype("datetime64[D]"))[2]][0])
        end, day = self._end_of(at), at // NS_PER_DAY
        opens, closes, there = calendar.session_bounds(
            np.arange(day - 1, day + _DAYS).astype("datetime64[D]")
        )
        if ((opens <= end) & (end < closes) & there).any():
            return end
        later = opens[there & (opens >= end)]
        return int(later[0]) if self.series.regular and len(later) else _NEVER

    def finish(self, now: int) -> None:
        """Take the bar in the making, if it is over by `now` (ns UTC)."""
        self._heard = now
        end = self.next_end()
        if end is not None and end <= now:
            self._ready += self.join.finish(self.join.growing + 1)  # type: ignore[operator]

    def begin(self) -> BarFrame:
        """Return the history: everything that is finished, the latest `history` bars of it."""
        told, self._ready = self._ready, []
        bars = [bar for bar in told if self._counts(bar.at)][-self._history :]
        if told and not bars:
            raise BrokerError(
                f"{self.symbol}: none of {len(told)} bars of {self.series.size.code} lies inside the regular"
                f" session of {self._instrument.calendar}",
                hint="[live] regular = false takes every hour",
            )
        if not bars:
            raise BrokerError(
                f"{self.symbol}: the broker has no finished bars of {self.series.size.code} to begin with",
                hint="ask for a shorter time frame, or look whether the account may see this data",
            )
        frame = frame_of(bars, self.symbol, self.series)
        if not self.series.size.is_daily_or_longer:
            # Some brokers count hours by the clock, some from the open: most of the stamps tell which.
            rests, counts = np.unique([bar.at % self.series.size.ns for bar in bars], return_counts=True)
            self._anchor = int(rests[np.argmax(counts)])
        return self._ended(frame, bars)

    def _ended(self, frame: BarFrame, bars: Sequence[PriceBar]) -> BarFrame:
        """Return history with its ends as those of the bars that follow: with the session, or together."""
        own: list[int] = frame.end.tolist()
        if not self.series.size.is_daily_or_longer:
            ends = [self._end_of(bar.at) for bar in bars]
            return frame if ends == own else replace(frame, end=np.array(ends))
        if len(self.calendars) < 2:
            return frame
        found = [aligned_end(self.calendars, s, e) for s, e in zip(frame.session, own, strict=True)]
        # One that would be delivered later is over all the same.
        ends = [end if end <= self._heard else e for end, e in zip(found, own, strict=True)]
        return frame if ends == own else replace(frame, end=np.array(ends), closed=frame.end)

    def is_due(self, now: int) -> bool:
        """Tell whether a bar waits to be delivered, or is over by `now` (ns UTC)."""
        end = self.next_end()
        return bool(self._ready) or (end is not None and end <= now)

    def due(self) -> list[BarFrame]:
        """Return the bars that are finished and not yet delivered, one frame each, in order."""
        bars, self._ready = self._ready, []
        return [self._frame(bar) for bar in bars if self._counts(bar.at)]

    def next_end(self) -> int | None:
        """Return when the bar in the making ends (ns UTC); None where nobody knows of one."""
        at = self.join.growing
        return None if at is None else self._end_of(at)

    def _end_of(self, at: int) -> int:
        """Return when the bar stamped `at` ends: by its size, and with its session."""
        if self._ends[0] != at:
            self._ends = (at, self._worked_out(at))
        return self._ends[1]

    def _worked_out(self, at: int) -> int:
        size, calendar = self.series.size, get_calendar(self._instrument.calendar)
        if size.is_daily_or_longer:
            return int(calendar.session_bounds(np.array([at], dtype="datetime64[D]"))[1][0])
        end = at + size.ns - (at - self._anchor) % size.ns
        opens, closes, _ = self._sessions_near(at)
        around = (opens <= at) & (at < closes)
        return min(end, int(closes[around][0])) if self.series.regular and around.any() else end

    def _counts(self, at: int) -> bool:
        """Tell whether a backtest would have the bar stamped `at`.

        What the broker calls regular hours, of a contract that it lets trade at night for instance, may be
        longer than the session of the calendar.
        """
        if not self.series.regular or self.series.size.is_daily_or_longer:
            return True
        opens, closes, there = self._sessions_near(at)
        return bool(((at < closes) & (at + self.series.size.ns > opens) & there).any())

    def _sessions_near(self, at: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return opens, closes and whether there is one, of the days around `at` (ns UTC)."""
        days = np.arange(at // NS_PER_DAY - 1, at // NS_PER_DAY + 2).astype("datetime64[D]")
        return get_calendar(self._instrument.calendar).session_bounds(days)

    def _frame(self, bar: PriceBar) -> BarFrame:
        frame = frame_of([bar], self.symbol, self.series)
        own = int(frame.end[0])
        if not self.series.size.is_daily_or_longer:
            end = self._end_of(bar.at)
            return frame if end == own else replace(frame, end=np.array([end]))
        if len(self.calendars) < 2:
            return frame
        together = aligned_end(self.calendars, frame.session[0], own)
        return frame if together == own else replace(frame, end=np.array([together]), closed=frame.end)

    @property
    def _instrument(self) -> Instrument:
        return self.series.contract.instrument(self.symbol)


def aligned_end(calendars: Sequence[str], session: np.datetime64, own: int) -> int:
    """Return when daily bars of `session` are delivered together: their latest close within an hour."""
    bounds = [get_calendar(code).session_bounds(np.array([session])) for code in calendars]
    closes = sorted(int(close[0]) for _, close, there in bounds if bool(there[0]))
    first = None
    latest = own
    for close in closes:
        if first is None or close - first > WITHIN:
            if first is not None and first <= own <= latest:
                break
            first = latest = close
        latest = close
    return latest if first is not None and first <= own <= latest else own
