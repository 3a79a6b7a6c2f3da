"""Matching against quotes: the spread is paid, and no more trades than is offered.

A marketable order takes the levels of the other side, best first, each an execution of its own; what
is left waits for the next quote. Stops look at the last price, where there are no trades at the
side that they would meet. On-close orders trade with the last price of the session.
"""

from __future__ import annotations

from collections.abc import Iterable

from robo_trader.gateway.bar_matching import end_of_day
from robo_trader.gateway.desk import Desk
from robo_trader.gateway.market import LiveBar, Quote, ladder
from robo_trader.gateway.orders import DUST, STOPS, TRAILING, Order
from robo_trader.matching import trail

_AT_ONCE = ("IOC", "FOK")


class QuoteMatcher:
    """Fills orders from the quotes of a market."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def live(self, order: Order) -> None:
        """Try an order that has just arrived."""
        if not self._desk.may_trade(order):
            return
        spec = self._desk.universe.get(order.contract.con_id)
        if spec is None or not self._desk.market.is_open(spec):
            return
        self._try(order)
        if order.alive and order.tif in _AT_ONCE and self._desk.may_trade(order):
            self._desk.expire(order)

    def modified(self, order: Order) -> None:
        """Try an order whose size or prices were changed."""
        self.live(order)

    def tick(self, con_ids: Iterable[int]) -> None:
        """Try the orders of contracts whose market has moved."""
        for order in self._desk.working(con_ids):
            if order.alive and self._desk.may_trade(order):
                if order.good_until is not None and self._desk.market.clock.now() >= order.good_until:
                    self._desk.expire(order)
                    continue
                spec = self._desk.universe.get(order.contract.con_id)
                if spec is not None and self._desk.market.is_open(spec):
                    self._desk.to_market(order)
                    self.live(order)

    def bar_end(self, bars: dict[int, LiveBar]) -> None:
        """Trade on-close orders and end day orders where the session closes with these bars."""
        closed = {con_id: live for con_id, live in bars.items() if live.bar.last}
        for order in self._desk.working(closed):
            live = closed[order.contract.con_id]
            if order.kind in ("MOC", "LOC") and order.submitted_at < live.closed:
                limit, close = order.limit, live.bar.close
                if limit is None or (close <= limit if order.buy else close >= limit):
                    self._desk.trade(order, order.remaining, close, live.end)
        end_of_day(self._desk, closed)

    def _try(self, order: Order) -> None:
        spec = self._desk.universe.get(order.contract.con_id)
        quote = self._desk.market.quote(spec) if spec is not None else None
        if spec is None or quote is None or order.kind in ("MOC", "LOC"):
            return
        if order.kind in STOPS and not order.triggered:
            self._watch(order, quote, spec.sec_type == "CASH")
            if not order.triggered:
                return
        bound = order.limit
        levels = ladder(quote, spec, order.buy)
        if bound is not None:
            levels = [(p, s) for p, s in levels if (p <= bound + DUST if order.buy else p >= bound - DUST)]
        if order.tif == "FOK" and sum(size for _, size in levels) < order.remaining - DUST:
            return
        for price, size in levels:
            if not self._desk.may_trade(order) or order.remaining <= DUST:
                return
            self._desk.trade(order, min(size, order.remaining), price)

    def _watch(self, order: Order, quote: Quote, no_trades: bool) -> None:
        price = (quote.ask if order.buy else quote.bid) if no_trades else quote.last
        if order.kind in TRAILING:
            if order.stop is None:
                order.stop = price + order.sign * (order.trail_amount or price * order.trail_fraction)
            before = order.stop
            order.stop = trail(before, price, order.buy, order.trail_amount, order.trail_fraction)
            if order.stop != before:
                self._desk.books.save(order)
        if order.stop is not None and (price >= order.stop if order.buy else price <= order.stop):
            order.triggered = True
            self._desk.to_market(order)
