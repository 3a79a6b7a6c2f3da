"""How long an order is good under the honest rules.

A date, a day order (`timedelta()`) and whole days on daily bars count in trading sessions: the
order takes part in bars of sessions up to that date, wherever in the day those bars end. Any other
time is a moment: the order takes part in bars that end by then. Both count from the time of the
order, not from the last bar of its feed, which may be yesterday's.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from robo_trader.clock import from_ns
from robo_trader.feeds.bars import BarsFeed

_DAY = timedelta(days=1)


def deadline(valid: timedelta, now: int, feed: BarsFeed) -> date:
    """Return when an order made at `now` (ns UTC) ends: a session date, or an aware datetime."""
    if not valid:
        return _session(now, feed)
    if feed.dated and not valid % _DAY:
        # At the moment at which a daily bar ends and the next one starts, it is still the day that ends.
        return _session(now - 1000, feed) + valid
    return from_ns(now) + valid


def is_over(order: Any, feed: BarsFeed, i: int, end: float) -> bool:
    """Return True where `order` is no longer good for bar `i` of `feed`, ending at `end` (float days)."""
    asked = order.p.valid
    if isinstance(asked, date) and not isinstance(asked, datetime):
        return bool(feed.frame.session[i] > np.datetime64(asked))
    return bool(order.valid and end > order.valid)


def _session(now: int, feed: BarsFeed) -> date:
    """Return the date of the session that `now` belongs to: the one in progress, else the UTC date."""
    today, frame, i = from_ns(now).date(), feed.frame, len(feed)
    if i < len(frame) and frame.start[i] <= now:
        session: date = frame.session[i].item()
        return max(today, session)
    return today
