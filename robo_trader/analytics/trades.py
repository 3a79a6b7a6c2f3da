"""Round trips from fills: one trade from flat to flat, per symbol.

A trade opens with the first fill away from flat and ends with the fill that brings the position
back to zero; fills in between scale it in or out. A fill that goes through zero (a reversal) ends
one trade and opens the next, its commission split by size. The trades' profits add up to the cash
that the fills moved: `pnl` is money received minus money paid, and for a trade that is still open
the position is added at the last known price.

Failure contract: a fill with a size that is not above 0, a price that is not a number or an
unknown side raises `UsageError` that names the fill; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.errors import UsageError
from robo_trader.records import Fill, Side

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What remains of a position after sums of decimal fractions (0.1 + 0.1 + 0.1 - 0.3) is no position.
_FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class Trade:
    """One round trip; the fields are the columns of `trades.csv`.

    `side` is the entry's: BUY for a long trade, SELL for a short one. `size` is all that was
    entered, `entry_price` and `exit_price` are averages weighted by size. `pnl` is gross,
    `commission` that of all its fills, `pnl_net` what is left; all in money. `bars` counts the bars
    of the symbol that ended after the entry and not after the exit; None where nobody gave the bars.
    `because` is the first entry fill's. An open trade has `exit_time` and `exit_price` None, and
    its `pnl` values what is held at the last known price (None where there is none).
    """

    trade_id: int
    symbol: str
    side: Side
    size: float
    entry_time: datetime
    entry_price: float
    exit_time: datetime | None
    exit_price: float | None
    pnl: float | None
    commission: float
    pnl_net: float | None
    bars: int | None
    because: str

    @property
    def is_open(self) -> bool:
        """True while the position is not back to zero."""
        return self.exit_time is None


class _Building:
    """A trade under construction: sums of sizes and of money on both sides."""

    def __init__(self, number: int, fill: Fill, direction: float, multiplier: float) -> None:
        self.number, self.first = number, fill
        self.direction, self.multiplier = direction, multiplier
        self.entered = self.exited = self.entry_value = self.exit_value = self.commission = 0.0
        # A single price stays exactly that price; None means several, and the average is taken.
        self.entry_price: float | None = fill.price
        self.exit_price: float | None = None
        self.fills = 0
        self.end: datetime | None = None

    @property
    def left(self) -> float:
        return self.entered - self.exited

    @property
    def tolerance(self) -> float:
        return self.entered * max(_FLAT, 1e-15 * self.fills)

    def enter(self, size: float, price: float, commission: float) -> None:
        self.entered += size
        self.entry_value += size * price
        self.commission += commission
        self.fills += 1
        if price != self.entry_price:
            self.entry_price = None

    def leave(self, size: float, price: float, commission: float) -> None:
        if self.exited == 0.0:
            self.exit_price = price
        elif price != self.exit_price:
            self.exit_price = None
        self.exited += size
        self.exit_value += size * price
        self.commission += commission
        self.fills += 1

    def trade(self, last: float | None, bars: int | None) -> Trade:
        pnl: float | None = self.direction * (self.exit_value - self.entry_value) * self.multiplier
        leave: float | None = None
        if self.end is not None:
            leave = self.exit_value / self.exited if self.exit_price is None else self.exit_price
        elif last is None or not math.isfinite(last):
            pnl = None
        else:
            pnl = (pnl or 0.0) + self.direction * self.left * last * self.multiplier
        return Trade(
            trade_id=self.number,
            symbol=self.first.symbol,
            side="BUY" if self.direction > 0 else "SELL",
            size=self.entered,
            entry_time=self.first.time,
            entry_price=self.entry_value / self.entered if self.entry_price is None else self.entry_price,
            exit_time=self.end,
            exit_price=leave,
            pnl=pnl,
            commission=self.commission,
            pnl_net=None if pnl is None else pnl - self.commission,
            bars=bars,
            because=self.first.because,
        )


def build_trades(
    fills: Iterable[Fill],
    multipliers: Mapping[str, float] | None = None,
    *,
    bar_ends: Mapping[str, NDArray[np.int64]] | None = None,
    last_prices: Mapping[str, float] | None = None,
    last_time: int | None = None,
) -> list[Trade]:
    """Return the round trips of `fills` (in the order in which they happened), by entry.

    `multipliers[symbol]` turns size times price into money (1 where absent). `bar_ends[symbol]`
    are the ends of the symbol's bars (ns UTC, ascending), from which `bars` is counted; an open
    trade counts up to `last_time` (ns; to its symbol's last bar without it). `last_prices[symbol]`
    values what is still open. Raises `UsageError` for a fill that no broker can have made.
    """
    factor, last = multipliers or {}, last_prices or {}
    open_: dict[str, _Building] = {}
    begun: list[_Building] = []
    for fill in fills:
        _check(fill)
        size, price, commission = fill.size, fill.price, fill.commission
        direction = 1.0 if fill.side == "BUY" else -1.0
        building = open_.get(fill.symbol)
        if building is not None and building.direction != direction:
            left, tolerance = building.left, building.tolerance
            if size < left - tolerance:
                building.leave(size, price, commission)
                continue
            building.end = fill.time
            del open_[fill.symbol]
            if size <= left + max(tolerance, _FLAT * size):
                building.leave(size, price, commission)
                continue
            part = commission * (left / size)
            building.leave(left, price, part)
            size, commission, building = size - left, commission - part, None
        if building is None:
            building = _Building(len(begun) + 1, fill, direction, factor.get(fill.symbol, 1.0))
            open_[fill.symbol] = building
            begun.append(building)
        building.enter(size, price, commission)
    held = _bars_held(begun, bar_ends or {}, last_time)
    return [b.trade(last.get(b.first.symbol), bars) for b, bars in zip(begun, held, strict=True)]


def _check(fill: Fill) -> None:
    if fill.side not in ("BUY", "SELL"):
        raise UsageError(f"a fill's side is BUY or SELL, not {fill.side!r} ({fill.symbol})")
    if not (fill.size > 0 and math.isfinite(fill.size)):
        raise UsageError(f"a fill's size must be above 0, not {fill.size!r} ({fill.symbol} at {fill.time})")
    if not (math.isfinite(fill.price) and math.isfinite(fill.commission)):
        raise UsageError(
            f"a fill of {fill.symbol} at {fill.time} has price {fill.price!r}, commission {fill.commission!r}"
        )


def times_ns(times: Iterable[datetime]) -> NDArray[np.int64]:
    """Return aware datetimes as int64 nanoseconds since 1970-01-01 UTC."""
    gaps: Any = [moment - _EPOCH for moment in times]
    return np.array(gaps, dtype="timedelta64[us]").astype(np.int64) * 1000


def _bars_held(
    begun: Sequence[_Building], bar_ends: Mapping[str, NDArray[np.int64]], last_time: int | None
) -> list[int | None]:
    """Return the bars that ended while each trade was held, None where its symbol has no bars."""
    by_symbol: dict[str, list[int]] = {}
    for i, building in enumerate(begun):
        by_symbol.setdefault(building.first.symbol, []).append(i)
    out: list[int | None] = [None] * len(begun)
    for symbol, where in by_symbol.items():
        ends = bar_ends.get(symbol)
        if ends is None or not len(ends):
            continue
        final = int(ends[-1]) if last_time is None else last_time
        closed = [i for i in where if begun[i].end is not None]
        leave = dict(
            zip(closed, times_ns(end for i in closed if (end := begun[i].end)).tolist(), strict=True)
        )
        entry = times_ns(begun[i].first.time for i in where)
        exit_ = np.array([leave.get(i, final) for i in where], dtype=np.int64)
        held = np.searchsorted(ends, exit_, side="right") - np.searchsorted(ends, entry, side="right")
        for i, bars in zip(where, held.tolist(), strict=True):
            out[i] = max(bars, 0)
    return out
