"""Backtrader's orders in the words of the wire: sizes, prices, validity.

Failure contract: a validity that is no time is a `BrokerError` before anything is sent.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_SECOND, to_ns
from robo_trader.engine.recorder import order_prices
from robo_trader.errors import BrokerError
from robo_trader.ib.desk import Outgoing

TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)
#: Backtrader's float day of 1970-01-01.
_EPOCH_DAYS = float(date(1970, 1, 1).toordinal())
#: Seconds from then to the year 2200: later than any order ends.
_LAST_SECOND = 7_258_118_400


def outgoing(order: Any, ref: str, parent: str, group: str) -> Outgoing:
    """Return `order` as it leaves: under its reference, with its parent's and its group's name."""
    limit, stop = order_prices(order)
    trailing = order.exectype in TRAILING
    offset = getattr(order, "_limitoffset", None) if trailing else None
    if offset is not None:
        offset = -offset if order.isbuy() else offset
    return Outgoing(
        ref=ref,
        symbol=order.data._name,
        side="BUY" if order.isbuy() else "SELL",
        size=_exact(abs(float(order.created.size))),
        type=order.getordername(),
        limit=limit,
        stop=stop,
        trail_amount=order.trailamount if trailing and order.trailamount else None,
        trail_fraction=order.trailpercent if trailing and not order.trailamount else None,
        limit_offset=offset,
        good_until=good_until(order),
        day=order.exectype == bt.Order.Close,
        parent=parent,
        group=group,
    )


def good_until(order: Any) -> int | None:
    """Return when an order's validity ends, ns UTC; a date lasts to that session's close."""
    valid = order.p.valid
    if valid is None or not order.valid or order.exectype in (bt.Order.Market, bt.Order.Close):
        return None
    if isinstance(valid, datetime) and valid.tzinfo is not None:
        return to_ns(valid)
    if isinstance(valid, date) and not isinstance(valid, datetime):
        calendar = get_calendar(order.data.frame.instrument.calendar)
        return int(calendar.session_bounds(np.array([valid], "datetime64[D]"))[1][0])
    seconds = round((float(order.valid) - _EPOCH_DAYS) * 86_400)
    if not 0 < seconds < _LAST_SECOND:
        raise BrokerError(
            f"{order.data._name}: valid={valid!r} is no time at which an order could end",
            hint="give a date, an aware datetime or a timedelta",
        )
    return seconds * NS_PER_SECOND


def bar_length(feed: Any) -> int:
    """Return how long a bar of a feed is, ns: an order may end before the bar with its last moment."""
    frame = feed.frame
    return int(frame.end[-1] - frame.start[-1])


def _exact(size: float) -> Decimal:
    """Return a size as it is meant: without what adding up fractions leaves behind."""
    return Decimal(repr(round(size, 9))) if size < 1e9 else Decimal(repr(size))
