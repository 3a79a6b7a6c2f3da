"""Writes down what happens while the engine runs, and turns it into a `RunRecord` afterwards.

Nothing is computed per bar and little per order: orders, decisions and fills are noted as they come,
the account once a session; their records are made when the run is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import backtrader as bt
import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns
from robo_trader.engine.record import AllowedOrders, OrderRecord, Sessions
from robo_trader.feeds.bars import BarsFeed
from robo_trader.records import Decision, Event, Fill

Column = NDArray[np.float64]
_TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)
_TYPES, _STATUSES = bt.Order.ExecTypes, bt.Order.Status
_STOPPED = (bt.Order.Stop, bt.Order.StopLimit, *_TRAILING)


def order_prices(order: Any) -> tuple[float | None, float | None]:
    """Return an order's (limit, stop) prices as submitted; None where it has none."""
    kind = order.exectype
    if kind == bt.Order.Limit:
        return float(order.created.price), None
    if kind in _STOPPED:
        limit = order.created.pricelimit if kind in (bt.Order.StopLimit, bt.Order.StopTrailLimit) else None
        return (float(limit) if limit is not None else None), float(order.created.price)
    return None, None


class Moments(NamedTuple):
    """When sessions ended: `times` in ns UTC, `dates` of the sessions."""

    times: NDArray[np.int64]
    dates: NDArray[np.datetime64]


class Recorder:
    """The running account of orders, decisions, fills and sessions.

    `on_fill` and `on_decision` are called at once, for observers; None costs nothing. `fills` are
    raw until `fill_records` makes them; `marks` are the account at the ends of sessions: (time,
    session, value, cash, fund value). `place` says where in the run a fill happens: how many
    sessions were marked before it. Ids of orders count from `first_order_id`.
    """

    def __init__(
        self,
        on_fill: Callable[[Fill], None] | None = None,
        on_decision: Callable[[Decision], None] | None = None,
        first_order_id: int = 1,
    ) -> None:
        self._first = first_order_id
        self.events: list[Event] = []
        self.marks: list[tuple[int, Any, float, float, float]] = []
        self.cheats: list[str] = []
        self.place = 0
        self._orders: list[Any] = []  # seven entries for each order: objects for rows would cost more
        self.fills: list[tuple[Any, int, float, float, float, str, int]] = []
        self._decisions: list[Decision] = []
        self._allowed: tuple[list[int], list[int]] = [], []
        self._ids: dict[int, int] = {}
        self._reasons: dict[int, str] = {}
        self._time = (-1, from_ns(0))
        self._on_fill = on_fill
        self._on_decision = on_decision

    @property
    def watched(self) -> bool:
        """True where somebody wants to hear of each decision at once."""
        return self._on_decision is not None

    def order_id(self, ref: int) -> int:
        """Return the run's own id for Backtrader's process-wide `order.ref`, giving the next if new."""
        return self._ids.setdefault(ref, len(self._ids) + self._first)

    def order(self, order: Any, time: int, oco: int | None) -> None:
        """Note a new order with its submission `time` (ns UTC) and its OCO leader's ref."""
        self.order_id(order.ref)
        limit, stop = order_prices(order)
        self._orders.extend((order, time, oco, order.created.size, limit, stop, self.because(order)))

    def modified(self, order: Any) -> None:
        """Note that an order asks for other values now; one of an earlier session has no row here."""
        rows = self._orders
        at = next((i for i in range(len(rows) - 7, -1, -7) if rows[i].ref == order.ref), None)
        if at is not None:
            rows[at + 3 : at + 6] = (order.created.size, *order_prices(order))

    def unfold(self) -> None:
        """Make the decisions of orders that simply passed: they stood in orders that change now."""
        self._decisions = [*self.decision_records(self.order_records())]
        self._allowed = [], []

    def because(self, order: Any) -> str:
        """Return the reason that an order carries."""
        return order.info.get("because", "") or ""

    def reason(self, order: Any, text: str) -> None:
        """Note why an order was refused or made smaller."""
        self._reasons[order.ref] = text

    def decision(self, decision: Decision) -> None:
        """Note what the gate answered."""
        self._decisions.append(decision)
        if self._on_decision is not None:
            self._on_decision(decision)

    def allowed(self, order: Any, time: int) -> None:
        """Note that `order` passed as it was at `time`, for a gate that lets everything pass."""
        ids, times = self._allowed
        ids.append(self._ids[order.ref])
        times.append(time)

    def fill(self, order: Any, time: int, size: float, price: float, commission: float) -> None:
        """Note one execution of `size` (signed) at `price`, at `time` (ns UTC)."""
        raw = (order, time, size, price, commission, self.because(order), self.place)
        self.fills.append(raw)
        if self._on_fill is not None:
            self._on_fill(self._fill_record(raw))

    def know(self, ref: int, order_id: int) -> None:
        """Let an order of an earlier session keep its id."""
        self._ids[ref] = order_id
        self._first -= 1

    def skip(self, order_id: int) -> None:
        """Give no new order the id `order_id` or a lower one."""
        self._first = max(self._first, order_id + 1 - len(self._ids))

    def recharge(self, index: int, commission: float) -> None:
        """Note what the fill number `index` cost, once that is known."""
        order, time, size, price, _, because, place = self.fills[index]
        self.fills[index] = (order, time, size, price, commission, because, place)

    def replace_fill(self, index: int, size: float, price: float, commission: float) -> None:
        """Note that the fill number `index` was corrected."""
        order, time, _, _, _, because, place = self.fills[index]
        self.fills[index] = (order, time, size, price, commission, because, place)

    def mark(self, time: int, session: Any, value: float, cash: float, fund: float) -> None:
        """Note the account at the end of a session."""
        self.marks.append((time, session, value, cash, fund))
        self.place = len(self.marks)

    # -- when the run is over --------------------------------------------------------------------

    def _fill_record(self, raw: tuple[Any, int, float, float, float, str, int]) -> Fill:
        order, time, size, price, commission, because, _ = raw
        if time != self._time[0]:
            self._time = time, from_ns(time)
        return Fill(
            time=self._time[1],
            symbol=order.data._name,
            side="BUY" if size > 0 else "SELL",
            size=abs(float(size)),
            price=float(price),
            commission=float(commission),
            order_id=self._ids[order.ref],
            because=because,
        )

    def fill_records(self) -> list[Fill]:
        """Return the fills in their order."""
        return [self._fill_record(raw) for raw in self.fills]

    def order_records(self) -> list[OrderRecord]:
        """Return the orders in order of their ids, with their last status and executed size."""
        ids, reasons = self._ids, self._reasons
        columns = (self._orders[k::7] for k in range(7))
        rows = []
        for order, time, oco, size, limit, stop, because in zip(*columns, strict=True):
            status = order.status
            rows.append(
                OrderRecord(
                    ids[order.ref],
                    time,
                    order.data._name,
                    "BUY" if order.isbuy() else "SELL",
                    _TYPES[order.exectype],
                    abs(float(size)),
                    limit,
                    stop,
                    ids[order.parent.ref] if order.parent is not None else None,
                    ids[oco] if oco is not None else None,
                    _STATUSES[status],
                    abs(float(order.executed.size)),
                    _reason(status, reasons.get(order.ref, "")),
                    because,
                )
            )
        return rows

    def decision_records(self, orders: Sequence[OrderRecord]) -> Sequence[Decision]:
        """Return the decisions in their order; `orders` are the run's, by their ids."""
        return self._decisions or AllowedOrders(*self._allowed, orders)

    def forget(self) -> None:
        """Let go of Backtrader's objects, once the records are made."""
        self._orders.clear()
        self.fills.clear()

    def sessions(self, feeds: Sequence[BarsFeed]) -> Sessions:
        """Return the account by session; sizes and prices are rebuilt from fills and bars."""
        moments = self.moments()
        prices = _closes_at([feed.frame for feed in feeds], moments.times)
        value, cash, fund = self.account(prices)
        return Sessions(
            date=moments.dates,
            time=moments.times,
            value=value,
            cash=cash,
            fund=fund,
            sizes=self.sizes([feed._name for feed in feeds], len(moments.times)),
            prices=prices,
            multipliers={feed._name: feed.frame.instrument.multiplier for feed in feeds},
        )

    def moments(self) -> Moments:
        """Return when sessions ended."""
        times = np.array([mark[0] for mark in self.marks], dtype=np.int64)
        return Moments(times, np.array([mark[1] for mark in self.marks], dtype="datetime64[D]"))

    def account(self, prices: Mapping[str, Column]) -> tuple[Column, Column, Column]:
        """Return (value, cash, fund value) at each mark; `prices` are the symbols' last closes then."""
        value, cash, fund = (np.array([mark[k] for mark in self.marks], dtype=float) for k in (2, 3, 4))
        return value, cash, fund

    def places(self, places: list[int]) -> NDArray[np.int64]:
        """Return how many marks came before each of the `place`s of fills."""
        return np.array(places, dtype=np.int64)

    def sizes(self, names: Sequence[str], n: int) -> dict[str, Column]:
        """Return the signed position at each of `n` marks, by symbol."""
        nothing = np.zeros(n)
        nothing.flags.writeable = False
        sizes: dict[str, Column] = dict.fromkeys(names, nothing)
        traded = {name: k for k, name in enumerate(dict.fromkeys(raw[0].data._name for raw in self.fills))}
        changes = np.zeros((len(traded), n))
        at = self.places([raw[-1] for raw in self.fills])
        who = np.array([traded[raw[0].data._name] for raw in self.fills], dtype=np.intp)
        by = np.array([raw[2] for raw in self.fills], dtype=float)
        kept = at < n
        np.add.at(changes, (who[kept], at[kept]), by[kept])  # one by one, in their order
        np.cumsum(changes, axis=1, out=changes)
        sizes.update((name, changes[k]) for name, k in traded.items())
        return sizes


def _closes_at(frames: Sequence[BarFrame], times: NDArray[np.int64]) -> dict[str, Column]:
    """Return each symbol's last known close at `times` (ns UTC); NaN before its first bar."""
    prices: dict[str, Column] = {}
    end: NDArray[np.int64] | None = None
    for frame in frames:
        if end is None or (frame.end is not end and not np.array_equal(frame.end, end)):
            end = frame.end
            at = np.searchsorted(end, times, side="right") - 1
            first = int(np.searchsorted(at, 0))
            every = np.array_equal(end, times)
        if every:
            prices[frame.symbol] = frame.close
            continue
        column = prices[frame.symbol] = frame.close[at]
        column[:first] = np.nan
    return prices


_REASONS = {
    bt.Order.Margin: "not enough cash",
    bt.Order.Expired: "its validity ended",
    bt.Order.Canceled: "cancelled by the strategy, its bracket or its group",
}


def _reason(status: int, said: str) -> str:
    """Return why an order ended as it did; what the gate `said` is no reason for what came later."""
    ended = _REASONS.get(status, "")
    return f"{ended}; made smaller: {said}" if ended and said else ended or said
