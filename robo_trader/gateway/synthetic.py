"""A market that nobody trades: prices are a fixed function of time, so history and ticks agree.

A price is its base times one plus a few waves whose phases come from the seed. The same seed gives the
same price at the same moment, on every machine and after every restart. Options are priced from
their underlying. The market is always open and its days are UTC days.
"""

from __future__ import annotations

import asyncio
import math
from datetime import date, timedelta
from random import Random

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.gateway.contracts import Spec, Universe
from robo_trader.gateway.greeks import black_scholes
from robo_trader.gateway.market import RATE, VOLATILITY, BarSize, Market, PastBar, Quote, Span, to_tick
from robo_trader.gateway.simclock import SimClock, day_of

#: (period in seconds, amplitude as a fraction of the price)
_WAVES = ((838_080.0, 0.008), (3_607.0, 0.002), (487.0, 0.001), (61.0, 0.0005), (7.3, 0.0002))
#: Size at the best price, and what trades in a second.
_SIZES = {"STK": 1000, "FUT": 40, "OPT": 100, "CASH": 1_000_000}
_PACE = {"STK": 200.0, "FUT": 15.0, "OPT": 1.0, "CASH": 0.0}
_SAMPLES = 12
MOST_BARS = 10_000
#: How long a quote is good for (ns): however many lines look at a contract, it is worked out once.
_FRESH = 20_000_000
#: Wall time between two rounds of ticks.
BEAT = 0.25


class SyntheticMarket(Market):
    """The always open market of the demo universe."""

    name = "demo universe, synthetic prices"

    def __init__(self, universe: Universe, clock: SimClock, seed: int = 0) -> None:
        super().__init__(universe, clock)
        self._phases = {}
        for spec in universe:
            random = Random(f"{seed}/{spec.con_id}")
            self._phases[spec.con_id] = [random.uniform(0.0, 2.0 * math.pi) for _ in _WAVES]
        self._quotes: dict[int, Quote] = {}
        self._day: dict[int, tuple[int, tuple[float, float, float, float]]] = {}

    def price(self, spec: Spec, ns: int) -> float:
        """Return the middle price at a moment, not rounded to a tick."""
        return float(self._prices(spec, np.array([ns], dtype=np.int64))[0])

    def _prices(self, spec: Spec, ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the middle prices at some moments."""
        if spec.sec_type == "OPT":
            return self._option_prices(spec, ns)
        seconds = ns / NS_PER_SECOND
        moved = np.ones(len(ns))
        for (period, amplitude), phase in zip(_WAVES, self._phases[spec.con_id], strict=True):
            moved += amplitude * np.sin(2.0 * math.pi * (seconds % period) / period + phase)
        return spec.base * moved

    def _option_prices(self, spec: Spec, ns: NDArray[np.int64]) -> NDArray[np.float64]:
        under = self.universe.get(spec.under_con_id)
        spots = self._prices(under, ns) if under is not None else np.full(len(ns), spec.base)
        strike, call = spec.contract.strike, spec.contract.right == "C"
        prices = [
            black_scholes(spot, strike, self.years_left(spec, at), RATE, VOLATILITY, call).price
            for spot, at in zip(spots.tolist(), ns.tolist(), strict=True)
        ]
        return np.maximum(prices, spec.min_tick)

    def quote(self, spec: Spec) -> Quote:
        now, kept = self.clock.now(), self._quotes.get(spec.con_id)
        if kept is None or not 0 <= now - kept.time < _FRESH:
            kept = self._quotes[spec.con_id] = self._quote(spec, now)
        return kept

    def _quote(self, spec: Spec, now: int) -> Quote:
        second = now // NS_PER_SECOND
        tick = spec.min_tick
        bid = max(tick, to_tick(math.floor(self.price(spec, now) / tick) * tick, tick))
        ask = to_tick(bid + tick, tick)
        size = _SIZES.get(spec.sec_type, 100)
        open_, high, low, close = self._of_day(spec, now)
        last = bid if second % 2 else ask
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=float(size * (1 + _mix(second, spec.con_id) % 5)),
            ask_size=float(size * (1 + _mix(second, spec.con_id + 1) % 5)),
            last=last,
            last_size=float(max(1, size // 10)),
            open=open_,
            high=max(high, last),
            low=min(low, last),
            close=close,
            volume=math.floor(_PACE.get(spec.sec_type, 1.0) * (now % NS_PER_DAY) / NS_PER_SECOND),
            time=now,
        )

    def _of_day(self, spec: Spec, now: int) -> tuple[float, float, float, float]:
        """Return the day's open, high and low so far and the close before, a minute old at most."""
        minute = now // (60 * NS_PER_SECOND)
        kept = self._day.get(spec.con_id)
        if kept is not None and kept[0] == minute:
            return kept[1]
        begin = day_of(now) * NS_PER_DAY
        bar = self._bar(spec, begin, now + 1)
        before = to_tick(self.price(spec, begin - NS_PER_SECOND), spec.min_tick)
        values = (bar.open, bar.high, bar.low, before)
        self._day[spec.con_id] = minute, values
        return values

    def history(self, spec: Spec, size: BarSize, end: int, wanted: Span) -> list[PastBar]:
        until, begin = min(end, self.clock.now() + 1), self.first_time(spec)
        if until <= begin:
            return []
        if size.daily:
            return self._daily(spec, size, until, wanted)
        count = min(MOST_BARS, -(-wanted.ns // size.ns))
        last = (until - 1) // size.ns
        first = max(last - count + 1, begin // size.ns)
        starts = np.arange(first, last + 1, dtype=np.int64) * size.ns
        return self._bars(spec, starts, np.minimum(starts + size.ns, until), starts + size.ns, None)

    def _daily(self, spec: Spec, size: BarSize, until: int, wanted: Span) -> list[PastBar]:
        last = day_of(until - 1)
        days = wanted.count if wanted.unit == "D" else max(1, wanted.ns // NS_PER_DAY)
        first = max(last - min(days, MOST_BARS) + 1, day_of(self.first_time(spec)))
        periods = np.array(_periods(first, last, size.code), dtype=np.int64)
        starts, ends = periods[:, 0] * NS_PER_DAY, periods[:, 1] * NS_PER_DAY
        return self._bars(spec, starts, np.minimum(ends, until), ends, periods[:, 0].tolist())

    def _bar(self, spec: Spec, start: int, end: int) -> PastBar:
        starts, ends = np.array([start], dtype=np.int64), np.array([end], dtype=np.int64)
        return self._bars(spec, starts, ends, ends, None)[0]

    def _bars(
        self,
        spec: Spec,
        starts: NDArray[np.int64],
        until: NDArray[np.int64],
        ends: NDArray[np.int64],
        days: list[int] | None,
    ) -> list[PastBar]:
        """Return the bars from `starts` to `ends`, priced as far as `until`."""
        steps = np.linspace(0.0, 1.0, _SAMPLES)
        moments = (starts[:, None] + ((until - 1 - starts)[:, None] * steps).astype(np.int64)).ravel()
        ticks = np.round(self._prices(spec, moments) / spec.min_tick) * spec.min_tick
        prices = np.round(ticks, 8).reshape(len(starts), _SAMPLES)
        pace = _PACE.get(spec.sec_type, 1.0)
        columns = (prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1])
        rows = zip(
            starts.tolist(), until.tolist(), ends.tolist(), *(c.tolist() for c in columns), strict=True
        )
        bars = []
        for k, (start, stop, end, open_, high, low, close) in enumerate(rows):
            share = 0.75 + (_mix(start // NS_PER_SECOND, spec.con_id) % 50) / 100.0
            volume = float(math.ceil(pace * (stop - start) / NS_PER_SECOND * share))
            bars.append(PastBar(start, end, open_, high, low, close, volume, days[k] if days else None))
        return bars

    def first_time(self, spec: Spec) -> int:
        return 946_684_800 * NS_PER_SECOND  # 2000-01-01

    def is_open(self, spec: Spec) -> bool:
        return True

    def next_open(self, spec: Spec) -> int | None:
        return self.clock.now()

    def bar_end(self, spec: Spec) -> int:
        return self.clock.now()

    async def run(self) -> None:
        """Tick four times a second for contracts that somebody looks at; five-second bars in between."""
        five = 5 * NS_PER_SECOND
        done = self.clock.now() // five
        while True:
            await asyncio.sleep(BEAT)
            ids = sorted(self.interested())
            if ids:
                self.listeners.tick(ids)
            slot = self.clock.now() // five
            for i in range(max(done, slot - 12), slot):
                specs = [spec for spec in map(self.universe.get, ids) if spec is not None]
                bars = {s.con_id: self._bar(s, i * five, (i + 1) * five) for s in specs}
                self.listeners.five_seconds(bars)
            done = slot


def _periods(first: int, last: int, code: str) -> list[tuple[int, int]]:
    """Return (first day, day after) of each day, Monday's week or month that touches first to last."""
    if code == "1d":
        return [(day, day + 1) for day in range(first, last + 1)]
    if code == "1w":
        monday = first - (first + 3) % 7
        return [(day, day + 7) for day in range(monday, last + 1, 7)]
    epoch, periods = date(1970, 1, 1), []
    month = (epoch + timedelta(first)).replace(day=1)
    while (month - epoch).days <= last:
        after = (month + timedelta(32)).replace(day=1)
        periods.append(((month - epoch).days, (after - epoch).days))
        month = after
    return periods


def _mix(a: int, b: int) -> int:
    """Return a number that looks random and is the same every time."""
    x = (a * 0x9E3779B97F4A7C15 + b * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x ^= x >> 31
    return (x * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF) >> 33
