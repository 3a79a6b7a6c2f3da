"""The account as rules see it: the book's facts and the exposures that follow from them.

Exposures are money: units times the last close times the contract's multiplier, or the price that a
working order names where that is higher. Sums over symbols are rebuilt when time moves on, and
otherwise kept up to date from what the book says has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robo_trader.instruments import Instrument
from robo_trader.records import Intent
from robo_trader.risk.book import Book, WorkingOrder
from robo_trader.risk.exposure import Span, span
from robo_trader.risk.sectors import BROAD_INDEX, SectorMap


class Facts(NamedTuple):
    """What does not change about a symbol: `sector` is its own name where nobody knows one."""

    instrument: Instrument
    multiplier: float
    lot: float
    sector: str
    is_index_fund: bool


class Exposure(NamedTuple):
    """The lowest and highest money that a symbol can stand at, and the larger of both as a size."""

    low: float
    high: float
    gross: float


#: How exposures are kept: low, high and gross, as a plain tuple, which costs a tenth to make.
_Kept = tuple[float, float, float]
_NONE: _Kept = (0.0, 0.0, 0.0)


class View:
    """A `Book` with exposures. Everything is as known at `now`; money in account currency.

    `gross`, `net_high`, `net_low` and `longs` are sums over all symbols. For the order under
    judgement `units` says how far its symbol can get on the order's side (above 0: long for a buy,
    short for a sell) without the opening part that is judged, and `reach` the same as money, in
    units of the order's price; `unit` is the money of one unit at that price, `plain_unit` at the
    last close; `after` is the money with the opening part, and `own_*` is what the symbol has in the
    sums now. `judged` are the facts of its symbol, `at_work` the working orders in it. `known` are the
    facts and `prices` the closes that somebody has asked for at this moment.
    """

    def __init__(self, sectors: SectorMap) -> None:
        self.sectors = sectors
        self.now = -1
        self.stamp = 0
        self.session_values: Sequence[float] = ()
        self.cash = self.value = 0.0
        self.gross = self.net_high = self.net_low = self.longs = 0.0
        self.unit = self.plain_unit = self.reach = self.units = self.after = 0.0
        self.own_low = self.own_high = self.own_gross = 0.0
        self.judged: Facts
        self.at_work: Sequence[WorkingOrder] = ()
        self._book: Book | None = None
        self.known: dict[str, Facts] = {}
        self._exposures: dict[str, _Kept] = {}
        self._sector_gross: dict[str, float] = {}
        self.prices: dict[str, float] = {}

    # -- what the book says ------------------------------------------------------------------

    @property
    def book(self) -> Book:
        """The broker's own book."""
        assert self._book is not None
        return self._book

    def session_end(self, n: int) -> int:
        """Return when the `n`-th session (1 is the first) ended, ns UTC."""
        return self.book.session_end(n)

    def position(self, symbol: str) -> float:
        """Return the signed position in `symbol`."""
        return self.book.position(symbol)

    def price(self, symbol: str) -> float:
        """Return the last known close; NaN before the first bar."""
        price = self.prices.get(symbol)
        if price is None:
            price = self.prices[symbol] = self.book.price(symbol)
        return price

    def working(self, symbol: str) -> Sequence[WorkingOrder]:
        """Return the working orders in `symbol`."""
        return self.book.working(symbol)

    def closes(self, symbol: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """Return the dates of the sessions known by now and the last close of each."""
        return self.book.closes(symbol)

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument behind `symbol`."""
        return self.facts(symbol).instrument

    def facts(self, symbol: str) -> Facts:
        """Return multiplier, lot and sector of `symbol`."""
        found = self.known.get(symbol)
        if found is None:
            instrument = self.book.instrument(symbol)
            sector = instrument.sector or self.sectors.sector(symbol) or symbol
            broad = sector == BROAD_INDEX
            found = Facts(instrument, instrument.multiplier, instrument.lot, sector, broad)
            self.known[symbol] = found
        return found

    def sector(self, symbol: str) -> str:
        """Return the sector of `symbol`: its own name where nobody knows one."""
        return self.facts(symbol).sector

    # -- exposures ---------------------------------------------------------------------------

    def exposure(self, symbol: str) -> Exposure:
        """Return what `symbol` can stand at, working orders counted as if filled."""
        return Exposure(*self._exposures.get(symbol, _NONE))

    def at_risk(self) -> Collection[str]:
        """Return all symbols with a position or a working order."""
        return self._exposures.keys()

    def sector_gross(self, sector: str) -> float:
        """Return the sum of the symbols' gross exposures in `sector`."""
        return self._sector_gross.get(sector, 0.0)

    def look(self, book: Book) -> None:
        """Bring everything up to date."""
        if book is not self._book:
            self._book, self.now = book, -1
            self.known.clear()
        changed, now = book.changed(), book.now
        if now == self.now and changed is not None and not changed:
            return
        # Where anything fails, everything is worked out anew the next time.
        before, self.now = self.now, -1
        self._appraise(book)
        if now != before or changed is None:
            self._rebuild(book)
        else:
            for symbol in changed:
                self.update(symbol)
        self.now = now

    def _appraise(self, book: Book) -> None:
        self.stamp += 1
        self.value, self.cash, self.session_values = book.value, book.cash, book.session_values

    def _rebuild(self, book: Book) -> None:
        """Work out every exposure; most symbols have a position and no order."""
        exposures, sectors, facts_of = self._exposures, self._sector_gross, self.known
        prices = self.prices
        prices.clear()
        exposures.clear()
        sectors.clear()
        net = gross = longs = 0.0
        for symbol, position, price in book.holdings():
            facts = facts_of.get(symbol) or self.facts(symbol)
            prices[symbol] = price
            money = position * price * facts[1]
            size = money if money > 0 else -money
            exposures[symbol] = (money, money, size)
            net += money
            gross += size
            if money > 0:
                longs += money
            sectors[facts[3]] = sectors.get(facts[3], 0.0) + size
        self.gross, self.net_high, self.net_low, self.longs = gross, net, net, longs
        for symbol in book.with_orders():
            self.update(symbol)

    def update(self, symbol: str, extra: Sequence[WorkingOrder] = ()) -> None:
        """Work out the exposure of `symbol` again; `extra` are orders that the book lacks still."""
        book = self.book
        working = book.working(symbol)
        if extra:
            working = [*working, *extra]
        position = book.position(symbol)
        facts = self.facts(symbol)
        if not working and not position:
            self._put(symbol, _NONE, facts)
        elif not working:
            self.hold(symbol, position, self.price(symbol), facts)
        else:
            price = _known(self.price(symbol))
            self._put(symbol, _money(span(position, working, price), price, facts[1]), facts)

    def hold(self, symbol: str, position: float, price: float, facts: Facts) -> None:
        """Count `symbol` at `position`, at which it will surely stand."""
        # `_put` for a certain position: of all that happens to a rebalance, this happens most.
        money = position * price * facts[1]
        size = money if money > 0 else -money
        low, high, gross = self._exposures.get(symbol, _NONE)
        self._exposures[symbol] = (money, money, size)
        self.gross += size - gross
        self.net_high += money - high
        self.net_low += money - low
        self.longs += (money if money > 0 else 0.0) - (high if high > 0 else 0.0)
        sector = facts[3]
        self._sector_gross[sector] = self._sector_gross.get(sector, 0.0) + size - gross

    def _put(self, symbol: str, after: _Kept, facts: Facts) -> None:
        low, high, gross = self._exposures.get(symbol, _NONE)
        if after is _NONE:
            self._exposures.pop(symbol, None)
        else:
            self._exposures[symbol] = after
        self.gross += after[2] - gross
        self.net_high += after[1] - high
        self.net_low += after[0] - low
        self.longs += (after[1] if after[1] > 0 else 0.0) - (high if high > 0 else 0.0)
        sector = facts[3]
        self._sector_gross[sector] = self._sector_gross.get(sector, 0.0) + after[2] - gross

    def judge(
        self,
        intent: Intent,
        closing: float,
        position: float,
        working: Sequence[WorkingOrder],
        price: float,
        group: int,
        facts: Facts,
    ) -> None:
        """Set the figures of the order under judgement.

        `closing` is the part of the order that reduces and is not in `intent`; `position`, `working`
        and `price` are the book's; `group` is the order's own, which is not counted beside it;
        `facts` are those of its symbol.
        """
        self.judged = facts
        self.at_work = working
        self.own_low, self.own_high, self.own_gross = self._exposures.get(intent.symbol, _NONE)
        buying, size, multiplier = intent.side == "BUY", intent.size, facts[1]
        named = price
        if intent.limit is not None or intent.stop is not None:
            named = max(intent.limit or 0.0, intent.stop or 0.0, price)
        if working:
            reach = span(position, working, price, without=group)
            units, worth = (reach.high, reach.bought) if buying else (-reach.low, -reach.sold)
        else:
            units = position if buying else -position
            worth = units * price
        self.plain_unit, self.unit = multiplier * price, multiplier * named
        self.reach = closing + worth / named
        self.units = closing + units
        # As long as orders only close, what they leave counts at the last close.
        whole = self.units + size
        self.after = (self.reach + size) * self.unit if whole > 0 else whole * self.plain_unit


def _known(price: float) -> float:
    """Return `price`, or 0 before a symbol's first bar, when only orders can name one."""
    return price if price > 0 else 0.0


def _money(reach: Span, price: float, multiplier: float) -> _Kept:
    high = multiplier * (reach.bought if reach.high > 0 else reach.high * price)
    low = multiplier * (reach.sold if reach.low < 0 else reach.low * price)
    return low, high, max(high, -low, 0.0)
