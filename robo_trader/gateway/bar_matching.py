"""Matching bar by bar with the backtest's own rules (`robo_trader.matching`).

What a bar's open decides happens at its start, the rest at its end. An order takes part in bars whose
start is not before its submission; on-close orders may use the bar in progress; an order whose
validity ends inside a bar is not matched in it. A limit-on-close compares its limit with the close.
"""

from __future__ import annotations

from robo_trader.gateway.desk import Desk
from robo_trader.gateway.market import LiveBar
from robo_trader.gateway.orders import TRAILING, Order
from robo_trader.matching import (
    CLOSE,
    LIMIT,
    MARKET,
    STOP,
    STOP_LIMIT,
    STOP_TRAIL,
    STOP_TRAIL_LIMIT,
    Slippage,
    Terms,
    at_open,
    in_bar,
    trail,
)

_KINDS = {
    "MKT": MARKET,
    "LMT": LIMIT,
    "STP": STOP,
    "STP LMT": STOP_LIMIT,
    "TRAIL": STOP_TRAIL,
    "TRAIL LIMIT": STOP_TRAIL_LIMIT,
    "MOC": CLOSE,
}
_AT_ONCE = ("IOC", "FOK")


class BarMatcher:
    """Fills orders from the bars of a replay."""

    def __init__(self, desk: Desk, slippage: float = 0.0) -> None:
        self._desk = desk
        self._slippage = Slippage(fraction=slippage)
        self._entered: dict[int, int] = {}
        self._triggered_in: dict[int, int] = {}

    def live(self, order: Order) -> None:
        """Give a trailing order without a stop its first one; nothing trades before the next bar."""
        if order.kind in TRAILING and order.stop is None:
            spec = self._desk.universe.get(order.contract.con_id)
            quote = self._desk.market.quote(spec) if spec is not None else None
            if quote is not None:
                order.stop = _first_stop(order, quote.last)

    def modified(self, order: Order) -> None:
        """The bar in progress may have printed the new prices already: it is not for this order."""
        self._entered.pop(order.perm_id, None)
        self.live(order)

    def bar_start(self, bars: dict[int, LiveBar]) -> None:
        """Match what the opens decide."""
        for order in self._desk.working(bars):
            live = bars[order.contract.con_id]
            if not (order.alive and max(order.submitted_at, order.eligible_at) <= live.start):
                continue
            if order.good_until is not None and order.good_until < live.closed:
                self._desk.expire(order)
                continue
            self._entered[order.perm_id] = live.start
            self._desk.to_market(order)
            if order.kind not in ("MOC", "LOC"):
                self._apply(order, at_open(_terms(order), live.bar, self._slippage), live.start, live.start)
            if order.alive and order.tif in _AT_ONCE:
                self._desk.expire(order)

    def bar_end(self, bars: dict[int, LiveBar]) -> None:
        """Match the rest of the bars, move trailing stops, and end day orders with the session."""
        for order in self._desk.working(bars):
            live = bars[order.contract.con_id]
            if not order.alive:
                continue
            if order.kind in ("MOC", "LOC"):
                self._close(order, live)
            elif self._entered.get(order.perm_id) == live.start:
                self._apply(order, in_bar(_terms(order), live.bar, self._slippage), live.start, live.end)
                if (
                    order.alive
                    and order.kind in TRAILING
                    and self._triggered_in.get(order.perm_id, live.start) == live.start
                ):
                    self._trail(order, live.bar.close)
        if any(live.bar.last for live in bars.values()):
            end_of_day(self._desk, {con_id: live for con_id, live in bars.items() if live.bar.last})

    def _close(self, order: Order, live: LiveBar) -> None:
        if not live.bar.last or order.submitted_at >= live.closed:
            return
        limit, close = order.limit, live.bar.close
        if limit is None or (close <= limit if order.buy else close >= limit):
            self._desk.trade(order, order.remaining, close, live.end)

    def _apply(self, order: Order, match: tuple[float | None, bool], start: int, time: int) -> None:
        price, triggered = match
        if triggered and not order.triggered:
            order.triggered = True
            self._triggered_in[order.perm_id] = start
            self._desk.to_market(order)
        if price is not None:
            self._desk.trade(order, order.remaining, price, time)

    def _trail(self, order: Order, close: float) -> None:
        if order.stop is None:
            order.stop = _first_stop(order, close)
        else:
            order.stop = trail(order.stop, close, order.buy, order.trail_amount, order.trail_fraction)
        self._desk.books.save(order)


def end_of_day(desk: Desk, closed: dict[int, LiveBar]) -> None:
    """End the day orders of contracts whose session has just closed, those made in it or before."""
    for order in list(desk.alive()):
        live = closed.get(order.contract.con_id)
        if live is None or not order.alive or order.submitted_at >= live.end:
            continue
        if order.tif in ("DAY", "OPG") and not (order.waiting and order.parent_id):
            desk.expire(order)


def _terms(order: Order) -> Terms:
    return Terms(_KINDS.get(order.kind, CLOSE), order.buy, order.limit, order.stop, order.triggered)


def _first_stop(order: Order, price: float) -> float:
    distance = order.trail_amount or price * order.trail_fraction
    return price + order.sign * distance
