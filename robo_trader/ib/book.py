"""The account of a live session as the risk guard reads it.

It is the backtest's, but for what grows while the session lives: the value at the end of each session is
what was marked, and bars are looked up among those known by now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.calendars import get_calendar
from robo_trader.engine.book import BrokerBook


class LiveBook(BrokerBook):
    """A `robo_trader.risk.book.Book` over a broker whose bars and sessions come one by one.

    `earlier` are (end in ns UTC, value) of sessions before this one's life, oldest first.
    """

    earlier: Sequence[tuple[int, float]] = ()
    _closing: dict[tuple[str, np.datetime64], int] = {}

    @property
    def session_values(self) -> Sequence[float]:
        """The account's value at the end of each session that is over, the starting cash in front."""
        marks = self._recorder.marks
        start = float(self._broker.startingcash)
        return [start, *(value for _, value in self.earlier), *(float(mark[2]) for mark in marks)]

    def session_end(self, n: int) -> int:
        """When the `n`-th session (1 is the first) ended, ns UTC; the 0th is the account's beginning."""
        ends = [*(end for end, _ in self.earlier), *(int(mark[0]) for mark in self._recorder.marks)]
        return ends[n - 1] if n else int(self._broker.trading_from)

    def closes(self, symbol: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """The dates of the sessions known by now and the last close of each."""
        group = self._groups.get(symbol)
        if group is None:
            return np.array([], "datetime64[D]"), np.array([])
        feed = group[0][0]
        frame, n = feed.frame, len(feed)
        session, close = frame.session[:n], frame.close[:n]
        last = np.flatnonzero(np.append(session[1:] != session[:-1], True)[:n])
        if len(last) and not feed.dated and int(frame.end[n - 1]) < self._closes_at(frame, session[-1]):
            last = last[:-1]
        return session[last], close[last]

    def _closes_at(self, frame: BarFrame, session: np.datetime64) -> int:
        """When the session in progress closes, ns UTC."""
        key = (frame.instrument.calendar, session)
        if key not in self._closing:
            bounds = get_calendar(key[0]).session_bounds(np.array([session], "datetime64[D]"))
            self._closing = {key: int(bounds[1][0])}
        return self._closing[key]
