"""`Ledger`: cash and positions of a live session, moved by executions in the backtest's own arithmetic.

Nothing is matched and nothing is refused for want of cash: what the broker tells has happened. Groups and
brackets are ended by the broker, so that Backtrader's own ways of ending them do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.clock import from_ns
from robo_trader.engine.honest import HonestBroker
from robo_trader.feeds.bars import BarsFeed, to_backtrader_days
from robo_trader.ib.messages import Execution

#: How an order ends other than by being filled.
ENDED = (bt.Order.Canceled, bt.Order.Expired, bt.Order.Rejected, bt.Order.Margin)
#: Sizes that differ by less are the same: no market trades such fractions.
_DUST = 1e-9


class Ledger(HonestBroker):
    """Backtrader's books without a market; see the module."""

    scales_exits = False
    cash: float

    def book_fill(self, order: Any, size: float, price: float, commission: float, time: int) -> float:
        """Move cash and position as Backtrader's broker does, in its order of operations; return the size.

        Unlike there an execution is never refused for want of cash: it has happened.
        """
        data, comminfo = order.data, self.getcommissioninfo(order.data)
        held, left = self.positions[data].size, order.executed.remsize
        # Sums of fractions miss by a rounding error what adds up to nothing.
        size = next((float(whole) for whole in (-held, left) if whole and abs(size - whole) < _DUST), size)
        before = self.positions[data].price
        psize, pprice, opened, closed, pnl = self.shift(data, comminfo, size, price, commission)
        of_closed = commission * abs(closed) / (abs(opened) + abs(closed))
        was = order.status
        order.execute(
            float(to_backtrader_days(np.array([time], np.int64))[0]), closed + opened, price,
            closed, comminfo.getvaluesize(-closed, before) if closed else 0.0, of_closed,
            opened, comminfo.getvaluesize(opened, price) if opened else 0.0, commission - of_closed,
            comminfo.margin, pnl, psize, pprice,
        )  # fmt: skip
        order.addcomminfo(comminfo)
        if was in ENDED and order.executed.remsize:
            order.status = was  # A fill that was on its way does not bring the rest back.
        return size

    def shift(
        self, data: Any, comminfo: Any, size: float, price: float, commission: float
    ) -> tuple[float, float, float, float, float]:
        """Book `size` (signed) at `price`; return position, its price, opened, closed and the gain."""
        position = self.positions[data]
        before = position.price
        psize, pprice, opened, closed = position.pseudoupdate(size, price)
        pnl = comminfo.profitandloss(-closed, before, price)
        cash, worth = self.cash, comminfo.getvaluesize if self.p.shortcash else comminfo.getoperationcost
        if closed:
            value = worth(-closed if self.p.shortcash else closed, before)
            cash += (value / comminfo.get_leverage() if value > 0 else value) + pnl * comminfo.stocklike
            cash += comminfo.cashadjust(-closed, position.adjbase, price)
        if opened:
            value = worth(opened, price)
            cash -= value / comminfo.get_leverage() if value > 0 else value
            if abs(psize) > abs(opened):
                cash += comminfo.cashadjust(psize - opened, position.adjbase, price)
            position.adjbase = price
        self.cash = cash - commission
        comminfo.confirmexec(size, price)
        position.update(size, price, from_ns(self.now).replace(tzinfo=None))
        return psize, pprice, opened, closed, pnl

    def amend(self, order: Any, old: Execution, new: Execution) -> float:
        """Take back what `old` did and book what `new` says; return its signed size.

        The order's own sums follow.
        """
        comminfo = self.getcommissioninfo(order.data)
        sign = 1.0 if old.side == "BUY" else -1.0
        self.shift(order.data, comminfo, -sign * float(old.size), float(old.price), 0.0)
        signed = float(new.size) if new.side == "BUY" else -float(new.size)
        self.shift(order.data, comminfo, signed, float(new.price), 0.0)
        done = order.executed
        value = done.price * done.size - sign * float(old.size * old.price) + signed * float(new.price)
        done.size += signed - sign * float(old.size)
        done.remsize -= signed - sign * float(old.size)
        done.price = value / done.size if done.size else 0.0
        if order.status not in ENDED or not done.remsize:
            order.status = bt.Order.Completed if not done.remsize else bt.Order.Partial
        return signed

    def revalue(self) -> None:
        """Value the account at the latest closes: nothing else does before the next bar."""
        self._finish()

    def _ococheck(self, order: Any) -> None:
        """The broker cancels the rest of a group itself and tells of it."""

    def _bracketize(self, order: Any, cancel: bool = False) -> None:
        """The broker lets children go and cancels them itself."""

    def match_opens(self, feeds: Iterable[BarsFeed]) -> None:
        """Nothing is matched here."""

    def match_rest(self, feeds: Iterable[BarsFeed]) -> None:
        """Nothing is matched here."""
