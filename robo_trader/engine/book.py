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
from robo_trader.engine.session_values import SessionValues, Trade
from robo_trader.instruments import Instrument
from robo_trader.risk.book import WorkingOrder


class BrokerBook:
    """A `robo_trader.risk.book.Book` over a `RecordingBroker`.

    The broker calls `took` with orders that passed the gate, and `touch` whenever it notifies of
    an order, so that `changed` can say what is new.
    """

    def __init__(self, broker: Any, recorder: Recorder) -> None:
        self._broker = broker
        self._recorder = recorder
        self._fills: list[Any] = _raw_fills(recorder)
        self._feeds: dict[str, Any] = {}
        self._closes: dict[str, Any] = {}
        self._prices: dict[str, float] = {}
        self._priced = -1
        self._orders: dict[str, list[Any]] = {}
        self._touched: set[str] = set()
        self._history: SessionValues | None = None
        self._fills_seen = 0
        self._fills_valued = 0
        self._valued: tuple[int, int] = (-1, -1)
        self._value = 0.0
        self._sessions: dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}

    # -- what the broker tells ---------------------------------------------------------------

    def know(self, feed: Any) -> None:
        """Learn of a feed that orders are made for."""
        name = feed._name
        if name not in self._feeds:
            self._feeds[name] = feed
            self._closes[name] = feed.lines.close

    def took(self, orders: Iterable[Any]) -> None:
        """Learn of orders that passed the gate."""
        for order in orders:
            name = order.data._name
            if name in self._orders:
                self._orders[name].append(order)
            else:
                self._orders[name] = [order]

    def touch(self, symbol: str) -> None:
        """Learn that an order in `symbol` was cancelled or expired, or anything else but filled."""
        self._touched.add(symbol)

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
        if self._history is None:
            for feed in self._broker.cerebro.datas:
                self.know(feed)
            frames = [feed.frame for feed in self._feeds.values()]
            self._history = SessionValues(frames, self._broker.startingcash)
        fills = self._fills[self._fills_valued :]
        self._fills_valued += len(fills)
        trades: list[Trade] = [
            (o.data._name, time, size, price, cost) for o, time, size, price, cost, *_ in fills
        ]
        return self._history.until(self.now, trades, lambda: self.value, self.price)

    def position(self, symbol: str) -> float:
        """The signed position in `symbol`."""
        feed = self._feeds.get(symbol)
        found = self._broker.positions.get(feed) if feed is not None else None
        return float(found.size) if found is not None else 0.0

    def price(self, symbol: str) -> float:
        """The last known close of `symbol`; NaN before its first bar."""
        if self._priced != self._broker.now:
            self._priced = self._broker.now
            self._prices.clear()
        price = self._prices.get(symbol)
        if price is None:
            line = self._closes.get(symbol)
            price = float(line[0]) if line is not None and len(line) else float("nan")
            self._prices[symbol] = price
        return price

    def working(self, symbol: str) -> Sequence[WorkingOrder]:
        """The orders in `symbol` that passed the gate and still live."""
        orders = self._orders.get(symbol)
        if not orders:
            return ()
        alive = [order for order in orders if order.alive()]
        if len(alive) < len(orders):
            orders[:] = alive
        return [self._working(order) for order in alive]

    def holdings(self) -> Iterator[tuple[str, float, float]]:
        """Symbol, signed position and last close of everything that is held."""
        closes, prices = self._closes, self._prices
        self._priced = self._broker.now
        prices.clear()
        for feed, position in self._broker.positions.items():
            size = position.size
            if size:
                name = feed._name
                if name not in closes:
                    self.know(feed)
                price = prices[name] = float(closes[name][0])
                yield name, float(size), price

    def with_orders(self) -> Iterable[str]:
        """Every symbol with a working order."""
        for symbol, orders in list(self._orders.items()):
            alive = [order for order in orders if order.alive()]
            if alive:
                self._orders[symbol] = alive
            else:
                del self._orders[symbol]
        return list(self._orders)

    def changed(self) -> Collection[str]:
        """The symbols whose position or orders changed since the last call."""
        fills = self._fills
        if self._fills_seen < len(fills):
            self._touched.update(raw[0].data._name for raw in fills[self._fills_seen :])
            self._fills_seen = len(fills)
        if not self._touched:
            return ()
        touched, self._touched = self._touched, set()
        return touched

    def instrument(self, symbol: str) -> Instrument:
        """The instrument behind `symbol`."""
        feed = self._feeds.get(symbol)
        return feed.frame.instrument if feed is not None else Instrument(symbol)

    def closes(self, symbol: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
        """The dates of the sessions known by now and the last close of each."""
        feed = self._feeds.get(symbol)
        if feed is None:
            return np.array([], "datetime64[D]"), np.array([])
        found = self._sessions.get(symbol)
        if found is None:
            found = self._sessions[symbol] = _by_session(feed.frame)
        ends, dates, closes = found
        if len(ends) == len(feed.frame):
            n = len(self._closes[symbol])  # A bar a session: what has been delivered is what is known.
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


def _raw_fills(recorder: Any) -> list[Any]:
    """Return the list that the recorder adds each fill to: (order, time, size, price, commission, …)."""
    found = recorder.fills
    return found if isinstance(found, list) else recorder._fills


def _by_session(frame: BarFrame) -> tuple[NDArray[np.int64], NDArray[np.datetime64], NDArray[np.float64]]:
    """Return end, date and close of the last bar of each session."""
    last = np.flatnonzero(np.append(frame.session[1:] != frame.session[:-1], True))
    if len(last) == len(frame):
        return frame.end, frame.session, frame.close
    return frame.end[last], frame.session[last], frame.close[last]
