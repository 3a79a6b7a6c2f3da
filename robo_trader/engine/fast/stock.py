"""Backtrader's own fill rules on fast books: `BackBroker.next` (1.9.78) without what changes nothing."""

from __future__ import annotations

from typing import Any

import backtrader as bt

from robo_trader.engine.broker import StockBroker, _stock_fill_time
from robo_trader.engine.fast.books import FastBooks
from robo_trader.engine.fast.untouched import untouched

_COMPLETED = bt.Order.Completed
_TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)


class FastStockBroker(FastBooks, StockBroker):
    """`StockBroker` with the same fills, notifications and account."""

    notes_bars = True

    def next(self) -> None:
        if self._userhist or self._fundhist:
            super().next()
            return
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit and self.submitted:
            self.check_submitted()
        if self.busy:
            self._charge_interest()
        if self.pending:
            self._walk()
        if self.busy:
            self._settle_futures()

    def _walk(self) -> None:
        """Go once through the pending orders; Backtrader's cancellations rely on the sentinel."""
        pending = self.pending
        pending.append(None)
        while (order := pending.popleft()) is not None:
            if order.valid is not None and order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
            elif not order._active:
                pending.append(order)
            else:
                data = order.data
                if order.exectype in _TRAILING or not untouched(order, data.low[0], data.high[0]):
                    self._try_exec(order)
                if order.alive():
                    pending.append(order)
                elif order.status == _COMPLETED:
                    self._bracketize(order)

    def _settle_futures(self) -> None:
        for data, position in self.positions.items():
            if position:
                scheme, close = self.getcommissioninfo(data), data.close[0]
                self.cash += scheme.cashadjust(position.size, position.adjbase, close)
                position.adjbase = close

    def _catch_up(self, data: Any, position: Any) -> None:
        super()._catch_up(data, position)
        position.adjbase = data.close[0]

    def _time_of_fill(self, order: Any, ago: int, dtcoc: float | None) -> int:
        if dtcoc is None and order.exectype == bt.Order.Market:
            return int(order.data.frame.start[len(order.data) - 1 + ago])
        return _stock_fill_time(order, ago, dtcoc, self._was_triggered)
