"""The account of a running backtest as the risk guard reads it.

Nothing here is done on bars without orders: the book remembers which orders passed the gate and
which symbols were spoken of since the guard last looked, and works out the rest when it is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.engine.recorder import Recorder, order_prices
from robo_trader.engine.session_values import SessionValues, trades_of
from robo_trader.instruments import Instrument
from robo_trader.risk.book import WorkingOrder


class BrokerBook:
    """A `robo_trader.risk.book.Book` over a `RecordingBroker`.

    Feeds of one instrument (``SPY`` and ``SPY@1d``) are one symbol here. The broker calls `took` with
    orders that passed the gate, and `touch` whenever it notifies of an order, so that `changed` can
    say what is new.
    """

    def __init__(self, broker: Any, recorder: Recorder) -> None:
        self._broker = broker
        self._recorder = recorder
        self._fills: list[Any] = recorder.fills
        self._feeds: dict[str, Any] = {}
        #: By symbol: the feeds of its instrument, and of each its line of closes.
        self._groups: dict[str, list[tuple[Any, Any]]] = {}
        #: The only feed of an instrument, and its symbol and line of closes; most are the only one.
        self._only: dict[str, Any] = {}
        self._lines: dict[Any, tuple[str, Any]] = {}
        self._symbols: dict[str, str] = {}
        self._prices: dict[str, float] = {}
        self._priced = -1
        self._orders: dict[str, list[Any]] = {}
        self._touched: set[str] = set()
        self._history: SessionValues | None = None
        self._fills_valued = 0
        self._valued: tuple[int, int] = (-1, -1)
        self._value = 0.0
        self._sessions: dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}

    # -- what the broker tells ---------------------------------------------------------------

    def know(self, feed: Any) -> None:
        """Learn of all feeds when an order is made for the first."""
        if feed._name not in self._feeds:
            for each in (*self._broker.cerebro.datas, feed):
                if each._name not in self._feeds:
                    symbol = each.frame.instrument.symbol
                    self._feeds[each._name] = each
                    self._symbols[each._name] = symbol
                    self._groups.setdefault(symbol, []).append((each, each.lines.close))
            alone = {symbol: group[0] for symbol, group in self._groups.items() if len(group) == 1}
            self._only = {symbol: each for symbol, (each, _) in alone.items()}
            self._lines = {each: (symbol, line) for symbol, (each, line) in alone.items()}

    def took(self, orders: Iterable[Any]) -> None:
        """Learn of orders that passed the gate."""
        for order in orders:
            symbol = self._symbols[order.data._name]
            if symbol in self._orders:
                self._orders[symbol].append(order)
            else:
                self._orders[symbol] = [order]

    def touch(self, order: Any) -> None:
        """Learn that an order was filled, cancelled, or anything else that changes what is to come."""
        symbol = self._symbols[order.data._name]
        self._touched.add(symbol)
        orders = self._orders.get(symbol)
        if orders is not None and not order.alive():
            left = [other for other in orders if other is not order]
            if left:
                self._orders[symbol] = left
            else:
                del self._orders[symbol]

    # -- what the guard asks -----------------------------------------------------------------

    @property
    def now(self) -> int:
        """The moment of the decision, ns UTC."""
        return int(self._broker.now)

    @property
    def cash(self) -> float:
        """The account's cash."""
        return float(self._broker.cash)

    @property
    def value(self) -> float:
        """The account's value at the last known closes."""
        key = (self._broker.now, len(self._fills))
        if key != self._valued:
            self._valued = key
            self._value = float(self._broker.getvalue())
        return self._value

    @property
    def session_values(self) -> Sequence[float]:
        """The account's value at the end of each session, the starting cash in front."""
        past, trades = self._past(), None
        fills = self._fills[self._fills_valued :]
        if fills:
            self._fills_valued += len(fills)
            trades = trades_of([past.column[raw[0].data._name] for raw in fills], fills)
        return past.until(self.now, trades, lambda: self.value, self._close_of)

    def session_end(self, n: int) -> int:
        """When the `n`-th session (1 is the first) ended, ns UTC."""
        return int(self._past().ends[n - 1])

    def _past(self) -> SessionValues:
        if self._history is None:
            frames = [feed.frame for feed in self._broker.cerebro.datas]
            self._history = SessionValues(frames, self._broker.startingcash)
        return self._history

    def _close_of(self, name: str) -> float:
        """The last known close of the feed `name`."""
        line = self._feeds[name].lines.close
        return float(line[0]) if len(line) else float("nan")

    def position(self, symbol: str) -> float:
        """The signed position in `symbol`."""
        held = self._broker.positions
        only = self._only.get(symbol)
        if only is not None:
            return float(held[only].size) if only in held else 0.0
        return float(sum(held[feed].size for feed, _ in self._groups.get(symbol, ()) if feed in held))

    def price(self, symbol: str) -> float:
        """The last known close of `symbol`; NaN before its first bar."""
        if self._priced != self._broker.now:
            self._priced = self._broker.now
            self._prices.clear()
        price = self._prices.get(symbol)
        if price is None:
            price = self._prices[symbol] = _last_close(self._groups.get(symbol, ()))
        return price

    def working(self, symbol: str) -> Sequence[WorkingOrder]:
        """The orders in `symbol` that passed the gate and still live."""
        orders = self._orders.get(symbol)
        return [self._working(order) for order in orders if order.alive()] if orders else ()

    def holdings(self) -> Iterator[tuple[str, float, float]]:
        """Symbol, signed position and last close of everything that is held."""
        shared: set[str] = set()
        lines = self._lines
        for feed, position in self._broker.positions.items():
            size = position.size
            if size:
                if feed in lines:
                    symbol, line = lines[feed]
                    yield symbol, float(size), float(line[0])
                else:
                    shared.add(self._symbols[feed._name])
        for symbol in sorted(shared):
            yield symbol, self.position(symbol), self.price(symbol)

    def with_orders(self) -> Iterable[str]:
        """Every symbol with a working order."""
        return self._orders.keys()

    def changed(self) -> Collection[str]:
        """The symbols whose position or orders changed since the last call."""
        if not self._touched:
            return ()
        touched, self._touched = self._touched, set()
        return touched

    def instrument(self, symbol: str) -> Instrument:
        """The instrument behind `symbol`, or behind the feed of this name."""
        feed = self._feeds.get(symbol)
        if feed is None and symbol in self._groups:
            feed = self._groups[symbol][0][0]
        found: Instrument = feed.frame.instrument if feed is not None else Instrument(symbol)
        return found

    def closes(self, symbol: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """The dates of the sessions known by now and the last close of each."""
        group = self._groups.get(symbol)
        if group is None:
            return np.array([], "datetime64[D]"), np.array([])
        feed, line = group[0]
        found = self._sessions.get(symbol)
        if found is None:
            found = self._sessions[symbol] = _by_session(feed.frame)
        ends, dates, closes = found
        if len(ends) == len(feed.frame):
            n = len(line)  # A bar a session: what has been delivered is what is known.
        else:
            n = int(np.searchsorted(ends, self._broker.now, side="right"))
        return dates[:n], closes[:n]

    def _working(self, order: Any) -> WorkingOrder:
        limit, stop = order_prices(order)
        broker, ids = self._broker, self._recorder.order_id
        parent = order.parent
        if parent is not None:
            group = -ids(parent.ref)
        else:
            leader = broker._ocos.get(order.ref)
            group = ids(leader if leader is not None else order.ref)
        buying = order.isbuy()
        return WorkingOrder(
            order_id=ids(order.ref),
            side="BUY" if buying else "SELL",
            size=abs(float(order.executed.remsize)),
            type=order.getordername(),
            limit=limit,
            stop=stop,
            group=group,
            dormant=parent is not None and parent.alive() and parent.isbuy() != buying,
        )


def _last_close(group: Sequence[tuple[Any, Any]]) -> float:
    """Return the newest close of an instrument's feeds; NaN before the first bar."""
    known = [(feed, line) for feed, line in group if len(line)]
    if len(known) > 1:
        known.sort(key=lambda pair: int(pair[0].frame.end[len(pair[1]) - 1]))
    return float(known[-1][1][0]) if known else float("nan")


def _by_session(frame: BarFrame) -> tuple[NDArray[np.int64], NDArray[np.datetime64], NDArray[np.float64]]:
    """Return end, date and close of the last bar of each session."""
    last = np.flatnonzero(np.append(frame.session[1:] != frame.session[:-1], True))
    if len(last) == len(frame):
        return frame.end, frame.session, frame.close
    return frame.end[last], frame.session[last], frame.close[last]
