"""Which waiting orders a bar cannot change, told from its low and high alone."""

from __future__ import annotations

from typing import Any

import backtrader as bt

_LIMIT = bt.Order.Limit
_STOPS = (bt.Order.Stop, bt.Order.StopTrail)
_STOP_LIMITS = (bt.Order.StopLimit, bt.Order.StopTrailLimit)


def untouched(order: Any, low: float, high: float) -> bool:
    """Return True where a bar between `low` and `high` does not reach the prices of `order`.

    False says nothing: market and closing orders always have to be looked at.
    """
    kind = order.exectype
    if kind == _LIMIT:
        price = order.created.price
        return bool(low > price if order.isbuy() else high < price)
    if kind in _STOPS or (kind in _STOP_LIMITS and not order.triggered):
        price = order.created.price
        return bool(high < price if order.isbuy() else low > price)
    if kind in _STOP_LIMITS:
        price = order.created.pricelimit
        return bool(low > price if order.isbuy() else high < price)
    return False
