"""The honest fill rules on fast books: `HonestBroker` without work that changes nothing.

The rules stay where they are, in `robo_trader.matching` and in `HonestBroker`; here stand the walk
over the orders of the clocks concerned, and the tests that tell that a bar leaves an order alone.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt

from robo_trader.engine.fast.account import ALONE, scheme_terms
from robo_trader.engine.fast.books import FastBooks
from robo_trader.engine.fast.cursor import Cursor
from robo_trader.engine.fast.pending import Pending
from robo_trader.engine.fast.untouched import untouched
from robo_trader.engine.honest import HonestBroker
from robo_trader.feeds.bars import to_backtrader_days

_MARKET, _CLOSE, _COMPLETED = bt.Order.Market, bt.Order.Close, bt.Order.Completed
_TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)


class FastHonestBroker(FastBooks, HonestBroker):
    """`HonestBroker` with the same fills, notifications and account.

    `clocks` are the cursors whose bars have just ended; the loop sets them.
    """

    pending: Pending

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.clocks: tuple[Cursor, ...] = ()
        self._starts: dict[Any, list[float]] = {}
        super().__init__(*args, **kwargs)

    def init(self) -> None:
        super().init()
        self.pending = Pending()

    def next(self) -> None:
        """Match the bars that have just been delivered, both steps at once."""
        self._begin()
        if self.busy:
            self._charge_interest()
        orders = self.pending.of(self.clocks)
        if orders:
            self._walk(orders, self._quick_open)
            self._walk(orders, self._quick_rest)
        if self.busy:
            self._settle_futures()

    def open_bars(self, clocks: tuple[Cursor, ...]) -> None:
        """Match what the opens of the next bars of `clocks` decide, and note what changed."""
        self._working = True
        self._begin()
        waiting = bool(self.pending)
        orders = self.pending.of(clocks)
        if orders:
            self._peek(clocks, 1)
            try:
                self._walk(orders, self._quick_open)
            finally:
                self._peek(clocks, -1)
        self._finish_work(valued=waiting)

    def end_bars(self, clocks: tuple[Cursor, ...]) -> None:
        """Match the rest of the bars of `clocks` that have just ended, and note what changed."""
        self._working = True
        self._begin()
        if self.busy:
            self._charge_interest()
        orders = self.pending.of(clocks)
        if orders:
            self._walk(orders, self._quick_rest)
        if self.busy:
            self._settle_futures()
        self._finish_work()

    def _peek(self, clocks: tuple[Cursor, ...], by: int) -> None:
        """Move the lines of `clocks` onto the bars in progress, for the broker alone, or back."""
        self._peeking = by > 0
        for clock in clocks:
            clock.i += by

    # -- steps -----------------------------------------------------------------------------------------

    def _walk(self, orders: list[Any], matcher: Any) -> None:
        """Go through `orders` as `HonestBroker._match` goes through the queue."""
        pending = self.pending
        for order in orders:
            if order.ref not in pending or not order._active:
                continue
            feed = order.data
            i = len(feed) - 1
            pending.current = order
            if order.valid is None or not self._expired(order, feed, i):
                matcher(order, feed, i)
            pending.current = None
            if not order.alive():
                pending.drop(order)
                if order.status == _COMPLETED:
                    self._after_fill(order, feed)

    def _quick_open(self, order: Any, feed: Any, i: int) -> None:
        """Match the open, for an order that was there when the bar started."""
        start = feed.frame.start.item(i)
        if self._submitted_at[order.ref] > start:
            return
        self._entered[order.ref] = i
        kind = order.exectype
        if kind == _CLOSE:
            return
        if kind == _MARKET:
            slippage = self._slippage
            if not (slippage.fraction or slippage.fixed) and self.fills_simply(feed):
                self._drop_dust(order)
                early = self._start_days(feed)[i] if self._peeking else None
                self._fill(order, 0, feed.open[0], early, start)
                return
        elif untouched(order, feed.low[0], feed.high[0]):
            return
        self._try_open(order, feed, i)

    def _start_days(self, feed: Any) -> Any:
        """Return the starts of a feed's bars as Backtrader's float days, worked out once."""
        days = self._starts.get(feed)
        if days is None:
            days = self._starts[feed] = to_backtrader_days(feed.frame.start).tolist()
        return days

    def _quick_rest(self, order: Any, feed: Any, i: int) -> None:
        kind = order.exectype
        if kind != _CLOSE:
            if kind == _MARKET or self._entered.get(order.ref) != i:
                return
            if untouched(order, feed.low[0], feed.high[0]):
                if kind in _TRAILING and self._triggered_in.get(order.ref, i) == i:
                    self._trail(order, feed.close[0])
                return
        self._try_rest(order, feed, i)

    def _expired(self, order: Any, feed: Any, i: int) -> bool:
        shared = order.executed
        order.own_executed()
        if super()._expired(order, feed, i):
            return True
        order.executed = shared
        return False

    def _after_fill(self, order: Any, feed: Any) -> None:
        if self._pchildren.get(order.ref) is not ALONE:
            super()._after_fill(order, feed)

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        if datas is not None or self._fundhist or self._cash_addition or not self._all_ordinary:
            return super()._get_value(datas, lever)
        value = unlevered = unrealized = 0.0
        for data, position in self.positions.items():
            size = position.size
            if not size:
                continue
            mult, leverage, scaled = scheme_terms(self.getcommissioninfo(data))
            close = data.close[0]
            worth = size * close * mult if scaled else size * close
            gain = size * (close - position.price) * mult
            value += worth
            unrealized += gain
            if worth > 0:
                unlevered += (worth - gain) / leverage
                unlevered += gain
            else:
                unlevered += worth
        return self._summed(value, unlevered, unrealized, lever)

    def _drop_dust(self, order: Any) -> None:
        held = self.positions[order.data].size
        if held * (held + order.executed.remsize) < 0:
            order.own_executed()  # snapshots keep what they saw
            super()._drop_dust(order)

    def _ococheck(self, order: Any) -> None:
        leader = self._ocos.get(self._ocos[order.ref])
        group = self._ocol.pop(leader, None)
        if not group or group == [order.ref]:
            return
        members = set(group)
        for other in [o for o in self.pending.backwards() if o.ref in members]:
            self.pending.drop(other)
            other.cancel()
            self.notify(other)
        for other in [o for o in self.submitted if o.ref in members and o.ref != order.ref]:
            self.submitted.remove(other)
            other.cancel()
            self.notify(other)

    def _settle_futures(self) -> None:
        for data, position in self.positions.items():
            if position:
                scheme = self.getcommissioninfo(data)
                if not scheme.stocklike:
                    close = data.close[0]
                    self.cash += scheme.cashadjust(position.size, position.adjbase, close)
                    position.adjbase = close

    def _time_of_fill(self, order: Any, ago: int, dtcoc: float | None) -> int:
        assert self._fill_time is not None
        return self._fill_time

    def get_orders_open(self, safe: bool = False) -> list[Any]:
        return [order.clone() if safe else order for order in self.pending]
