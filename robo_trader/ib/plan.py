"""What capital is left once the orders that are on their way are filled.

A backtest looks at the cash for all orders together that were made since a bar last started or ended. Live
they leave one by one, at night for instance, and each must count those before it. Once a bar has started
they are filled or resting; what rests is not counted, as in a backtest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_DAY


class Plan:
    """The cash and positions of an account as they will be; `positions` holds copies, by feed."""

    def __init__(self) -> None:
        self.cash = 0.0
        self.positions: dict[Any, Any] = {}
        self._since: int | None = None

    def begin(self, cash: float, now: int, feeds: Iterable[Any], *, opening: bool) -> None:
        """Begin with `cash` unless orders are on their way since an earlier moment; times are ns UTC.

        `opening` says that what starts at `now` has started already.
        """
        started = max((_latest_start(feed, now, opening) for feed in feeds), default=now)
        if self._since is None or started >= self._since:
            self.cash, self.positions = cash, {}
        self._since = now + 1 if opening else now

    def size(self, feed: Any) -> float | None:
        """Return the position in `feed` as it will be; None where nothing of it is on its way."""
        position = self.positions.get(feed)
        return None if position is None else float(position.size)

    def forget(self) -> None:
        """A bar has ended: nothing is on its way any more."""
        self._since = None


def _latest_start(feed: Any, now: int, opening: bool) -> int:
    """Return when a bar of `feed` last started before `now`, or at it with `opening`; 0 outside sessions."""
    at = now if opening else now - 1
    calendar = get_calendar(feed.frame.instrument.calendar)
    days = np.arange(at // NS_PER_DAY - 1, at // NS_PER_DAY + 2).astype("datetime64[D]")
    opens, closes, there = calendar.session_bounds(days)
    inside = there & (opens <= at) & (at < closes)
    if not inside.any():
        return 0
    opened = int(opens[inside][0])
    if feed.dated:
        return opened
    length = int(feed.frame.end[0] - feed.frame.start[0])
    return at - (at - opened) % length
