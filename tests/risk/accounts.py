"""A pretended account for the guard's tests, and a slow straightforward oracle of its arithmetic.

`Account` keeps positions and orders as plainly as can be. The oracle knows nothing of the guard's
code: it tries every way in which the working orders can be filled and takes the worst.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np

from robo_trader.clock import to_ns
from robo_trader.instruments import Instrument
from robo_trader.records import Decision, Intent
from robo_trader.risk.book import WorkingOrder
from robo_trader.risk.sectors import SectorMap

START = to_ns(datetime(2024, 1, 2, 21, tzinfo=UTC))
DAY = 86_400_000_000_000


@dataclass
class Working:
    """An order at work, with the id of its bracket's parent and of its group's leader."""

    id: int
    symbol: str
    side: str
    size: float
    type: str
    limit: float | None
    stop: float | None
    parent: int | None
    oco: int | None
    whole: float = 0.0


@dataclass
class Account:
    """A `Book` that says nothing of what has changed, unless `counts` is set."""

    prices: dict[str, float]
    cash: float = 100_000.0
    sectors: dict[str, str] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)
    positions: dict[str, float] = field(default_factory=dict)
    orders: dict[int, Working] = field(default_factory=dict)
    session_values: list[float] = field(default_factory=list)
    history: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    calendars: dict[str, str] = field(default_factory=dict)
    lots: dict[str, float] = field(default_factory=dict)
    now: int = START
    counts: bool = False
    touched: set[str] = field(default_factory=set)
    next_id: int = 1

    def __post_init__(self) -> None:
        if not self.session_values:
            self.session_values.append(self.value)

    # -- a Book ------------------------------------------------------------------------------

    @property
    def value(self) -> float:
        return self.cash + sum(
            size * self.prices[s] * self.multipliers.get(s, 1.0) for s, size in self.positions.items()
        )

    def session_end(self, n: int) -> int:
        return START + n * DAY - 1_000_000

    def position(self, symbol: str) -> float:
        return self.positions.get(symbol, 0.0)

    def price(self, symbol: str) -> float:
        return self.prices.get(symbol, float("nan"))

    def working(self, symbol: str) -> Sequence[WorkingOrder]:
        found = []
        for o in self.orders.values():
            if o.symbol != symbol:
                continue
            parent = self.orders.get(o.parent) if o.parent is not None else None
            group = -o.parent if o.parent is not None else o.oco if o.oco is not None else o.id
            found.append(
                WorkingOrder(
                    o.id, o.side, o.size, o.type, o.limit, o.stop, group,  # type: ignore[arg-type]
                    parent is not None and parent.side != o.side,
                )
            )  # fmt: skip
        return found

    def at_risk(self) -> Iterable[str]:
        held = {s for s, size in self.positions.items() if size}
        return sorted(held | {o.symbol for o in self.orders.values()})

    def holdings(self) -> list[tuple[str, float, float]]:
        return [(s, size, self.prices[s]) for s, size in self.positions.items() if size]

    def with_orders(self) -> list[str]:
        return sorted({o.symbol for o in self.orders.values()})

    def changed(self) -> set[str] | None:
        if not self.counts:
            return None
        touched, self.touched = self.touched, set()
        return touched

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(
            symbol,
            sector=self.sectors.get(symbol),
            multiplier=self.multipliers.get(symbol, 1.0),
            calendar=self.calendars.get(symbol, "24/7"),
            lot=self.lots.get(symbol, 1.0),
        )

    def closes(self, symbol: str) -> tuple[Any, Any]:
        return self.history.get(symbol, (np.array([], "datetime64[D]"), np.array([])))

    # -- what happens to it ------------------------------------------------------------------

    def intent(self, symbol: str, side: str, size: float, type: str = "Market", **more: Any) -> Intent:
        self.next_id += 1
        return Intent(
            order_id=self.next_id - 1,
            time=datetime(2024, 1, 2, 21, tzinfo=UTC),
            symbol=symbol,
            side=side,  # type: ignore[arg-type]
            size=size,
            type=type,
            **more,
        )

    def accept(self, decisions: Iterable[Decision]) -> list[Working]:
        """Take over what passed."""
        taken = []
        for d in decisions:
            if d.action == "veto":
                continue
            i = d.intent
            size = i.size if d.size is None else d.size
            taken.append(
                Working(i.order_id, i.symbol, i.side, size, i.type, i.limit, i.stop, i.parent, i.oco, size)
            )
            self.orders[i.order_id] = taken[-1]
            self.touched.add(i.symbol)
        return taken

    def fill(self, order_id: int, size: float | None = None, price: float | None = None) -> None:
        """Fill an order, wholly or in part; what it ends is cancelled with it."""
        o = self.orders[order_id]
        size = o.size if size is None else min(size, o.size)
        signed = size if o.side == "BUY" else -size
        self.positions[o.symbol] = self.positions.get(o.symbol, 0.0) + signed
        price = self.prices[o.symbol] if price is None else price
        self.cash -= signed * price * self.multipliers.get(o.symbol, 1.0)
        o.size -= size
        self.touched.add(o.symbol)
        if o.size <= 1e-9:
            del self.orders[order_id]
            self._end_rest(o)

    def cancel(self, order_id: int) -> None:
        """Cancel an order; a bracket's parent or child takes the rest of its family along."""
        o = self.orders.pop(order_id)
        self.touched.add(o.symbol)
        for child in [c for c in self.orders.values() if c.parent == o.id]:
            self.cancel(child.id)

    def _end_rest(self, o: Working) -> None:
        rest = [
            c.id
            for c in self.orders.values()
            if (o.parent is not None and c.parent == o.parent)
            or (c.oco is not None and c.oco in (o.id, o.oco))
            or (o.oco is not None and c.id == o.oco)
        ]
        for order_id in rest:
            if order_id in self.orders:
                self.cancel(order_id)


# -- the oracle --------------------------------------------------------------------------------


def futures(account: Account, symbol: str) -> Iterator[tuple[float, list[Working]]]:
    """Yield every way in which the working orders in `symbol` can be filled: a position to start
    from, in which market orders are filled, and the other orders that are filled.

    Of each group one order is filled or none; a bracket's exits come after their parent.
    """
    orders = [o for o in account.orders.values() if o.symbol == symbol]
    groups: dict[Any, list[Working]] = {}
    for o in orders:
        key = ("bracket", o.parent) if o.parent is not None else ("group", o.oco or o.id)
        groups.setdefault(key, []).append(o)
    base = account.position(symbol)
    choices: list[list[Working | None]] = []
    for key, members in groups.items():
        if key[0] == "bracket" and any(o.id == key[1] for o in orders):
            parent = next(o for o in orders if o.id == key[1])
            # Exits that wait for their entry lead back to where it started; no further.
            assert all(o.side == parent.side or o.size <= parent.whole + 1e-9 for o in members)
            members = [o for o in members if o.side == parent.side]
            if not members:
                continue
        if len(members) == 1 and members[0].type in ("Market", "Close"):
            base += signed(members[0])
            continue
        choices.append([None, *members])
    for picked in product(*choices):
        yield base, [o for o in picked if o is not None]


def signed(o: Working) -> float:
    return o.size if o.side == "BUY" else -o.size


def worst(account: Account, symbol: str) -> tuple[float, float]:
    """Return the lowest and highest money at which `symbol` can stand.

    What is held counts at the last close, and what may come at its own price if that is higher;
    where orders only close, what they leave counts at the last close.
    """
    unit, price = account.multipliers.get(symbol, 1.0), account.prices[symbol]
    ways = list(futures(account, symbol))
    worth = {}
    for side, sign in (("BUY", 1.0), ("SELL", -1.0)):
        reached = max(sign * base + sum(o.size for o in filled if o.side == side) for base, filled in ways)
        dearest = max(
            sign * base * price
            + sum(o.size * max(price, o.limit or 0, o.stop or 0) for o in filled if o.side == side)
            for base, filled in ways
        )
        worth[side] = (dearest if reached > 0 else reached * price) * unit
    return -worth["SELL"], worth["BUY"]


def _waits(account: Account, o: Working) -> bool:
    parent = account.orders.get(o.parent) if o.parent is not None else None
    return parent is not None and parent.side != o.side


def totals(account: Account, sectors: SectorMap) -> dict[str, Any]:
    """Return gross exposure by symbol and sector, and the sums of the portfolio."""
    gross: dict[str, float] = {}
    by_sector: dict[str, float] = {}
    highs = lows = longs = 0.0
    for symbol in account.at_risk():
        low, high = worst(account, symbol)
        gross[symbol] = max(high, -low, 0.0)
        sector = account.sectors.get(symbol) or sectors.sector(symbol) or symbol
        by_sector[sector] = by_sector.get(sector, 0.0) + gross[symbol]
        highs, lows, longs = highs + high, lows + low, longs + max(high, 0.0)
    return {
        "symbols": gross,
        "sectors": by_sector,
        "gross": sum(gross.values()),
        "net": max(highs, -lows, 0.0),
        "longs": longs,
    }


def reducing(account: Account, intent: Intent) -> float:
    """Return how much of `intent` reduces its position, net of the exits at work."""
    held = account.position(intent.symbol) * (1 if intent.side == "SELL" else -1)
    if held <= 0:
        return 0.0
    exits: dict[Any, float] = {}
    own = ("bracket", intent.parent) if intent.parent else ("group", intent.oco or intent.order_id)
    for o in account.orders.values():
        if o.symbol == intent.symbol and o.side == intent.side and not _waits(account, o):
            key = ("bracket", o.parent) if o.parent is not None else ("group", o.oco or o.id)
            if key != own:
                exits[key] = max(exits.get(key, 0.0), o.size)
    return max(0.0, min(intent.size, held - sum(exits.values())))
