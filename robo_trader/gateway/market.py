"""What a market is to the gateway: quotes, past bars, and whether it is open.

Two kinds implement it: `synthetic` (the demo universe, always open) and `tape` (a replay of bars).
Prices are in the contract's currency, times integer nanoseconds UTC.
"""

from __future__ import annotations

import asyncio
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.errors import UsageError
from robo_trader.gateway.contracts import Spec, Universe
from robo_trader.gateway.greeks import Greeks, black_scholes, implied_volatility
from robo_trader.gateway.simclock import SimClock

if TYPE_CHECKING:
    from robo_trader.matching import Bar
    from robo_trader.records import Event

RATE = 0.04
VOLATILITY = 0.23


@dataclass(frozen=True, slots=True)
class Quote:
    """The state of one contract's market. Sizes are shares or contracts; `close` is the day before's."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float
    last: float
    last_size: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    time: int

    @property
    def mid(self) -> float:
        """The middle of bid and ask."""
        return (self.bid + self.ask) / 2.0


Computations = list[tuple[int, tuple[float, ...]]]


@dataclass(frozen=True, slots=True)
class PastBar:
    """A bar of history; daily and longer bars carry their session as the day number `day`."""

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    day: int | None = None

    @property
    def average(self) -> float:
        """The usual stand-in for a volume-weighted price where no trades are known."""
        return (self.open + self.high + self.low + self.close) / 4.0

    @property
    def trades(self) -> int:
        """A stand-in for the number of trades: one a hundred shares."""
        return max(1, int(self.volume / 100.0))


@dataclass(frozen=True, slots=True)
class BarSize:
    """A bar size of the protocol: the project's code (``5m``) and its length, nominal from a month on."""

    code: str
    ns: int

    @property
    def daily(self) -> bool:
        """True from a day upwards."""
        return self.ns >= NS_PER_DAY


_SIZE = re.compile(r"(\d{1,3}) ?(secs?|mins?|hours?|days?|weeks?|months?|[WMD])")
_SIZE_UNITS = {"s": ("s", 1), "m": ("m", 60), "h": ("h", 3600), "d": ("d", 86_400), "w": ("w", 604_800)}
_ALLOWED = {
    "s": (1, 5, 10, 15, 30),
    "m": (1, 2, 3, 5, 10, 15, 20, 30),
    "h": (1, 2, 3, 4, 8),
    "d": (1,),
    "w": (1,),
    "mo": (1,),
}


def bar_size(text: str) -> BarSize | None:
    """Return the size that ``5 mins``, ``1 hour`` or ``1 day`` names; None for another."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    count, word = int(match[1]), match[2]
    if word == "M" or word.startswith("month"):
        unit, seconds = "mo", 30 * 86_400
    else:
        unit, seconds = _SIZE_UNITS[word[0].lower()]
    return BarSize(f"{count}{unit}", count * seconds * NS_PER_SECOND) if count in _ALLOWED[unit] else None


@dataclass(frozen=True, slots=True)
class Span:
    """A duration of the protocol: so many seconds, days, weeks, months or years."""

    count: int
    unit: str

    @property
    def ns(self) -> int:
        """The nominal length."""
        seconds = {"S": 1, "D": 86_400, "W": 7 * 86_400, "M": 30 * 86_400, "Y": 365 * 86_400}[self.unit]
        return self.count * seconds * NS_PER_SECOND


def span(text: str) -> Span | None:
    """Return the duration that ``1800 S`` or ``10 D`` names; None for another form."""
    match = re.fullmatch(r"(\d{1,7}) ([SDWMY])", text.strip())
    return Span(int(match[1]), match[2]) if match and int(match[1]) else None


@dataclass(frozen=True, slots=True)
class LiveBar:
    """A bar of a replay that starts or ends now; `day` is its session's day number.

    `closed` is when its last price was printed, where it is delivered later than that.
    """

    bar: Bar
    start: int
    end: int
    volume: float
    day: int
    closed: int


@dataclass(slots=True)
class Listeners:
    """What the gateway does when the market moves; each call names the contracts concerned."""

    tick: Callable[[Sequence[int]], None] = lambda ids: None
    bar_start: Callable[[dict[int, LiveBar]], None] = lambda bars: None
    bar_end: Callable[[dict[int, LiveBar]], None] = lambda bars: None
    event: Callable[[Event], None] = lambda event: None
    five_seconds: Callable[[dict[int, PastBar]], None] = lambda bars: None


class Market(ABC):
    """Quotes and bars of a universe at the time of its clock."""

    name = "market"
    notes: tuple[str, ...] = ()

    def __init__(self, universe: Universe, clock: SimClock) -> None:
        self.universe = universe
        self.clock = clock
        self.listeners = Listeners()
        self.started = asyncio.Event()
        self.interested: Callable[[], set[int]] = set
        self.congested: Callable[[], bool] = bool
        self._computed: dict[int, tuple[Quote, Computations]] = {}

    @abstractmethod
    def quote(self, spec: Spec) -> Quote | None:
        """Return the contract's market now; None before its first price."""

    @abstractmethod
    def history(self, spec: Spec, size: BarSize, end: int, wanted: Span) -> list[PastBar]:
        """Return the bars of `size` up to `end`, the one in progress included; empty where there are none."""

    @abstractmethod
    def first_time(self, spec: Spec) -> int | None:
        """Return when the contract's data begin."""

    @abstractmethod
    def is_open(self, spec: Spec) -> bool:
        """Tell whether the contract trades now."""

    @abstractmethod
    def next_open(self, spec: Spec) -> int | None:
        """Return when it trades next, None where that is unknown."""

    @abstractmethod
    def bar_end(self, spec: Spec) -> int:
        """Return when the bar in progress ends, or the time now where there is none."""

    @abstractmethod
    async def run(self) -> None:
        """Let time pass until it is cancelled or the data end."""

    async def advance(self, steps: int, until: int | None = None) -> dict[str, Any]:
        """Move a market in lockstep; raise `UsageError` where time runs by itself."""
        raise UsageError("time runs by itself here", hint="start the gateway with --bars … --speed lockstep")

    def option_model(self, spec: Spec) -> tuple[Greeks, float, float] | None:
        """Return an option's (greeks, implied volatility, price of the underlying)."""
        under = self.universe.get(spec.under_con_id)
        quote = self.quote(under) if under is not None else None
        if quote is None:
            return None
        terms = (quote.mid, spec.contract.strike, self.years_left(spec), RATE)
        call = spec.contract.right == "C"
        return black_scholes(*terms, VOLATILITY, call), VOLATILITY, quote.mid

    def greeks_at(
        self, spec: Spec, price: float, model: tuple[Greeks, float, float]
    ) -> tuple[Greeks, float | None, float]:
        """Return the greeks that belong to an option's `price`, with its implied volatility."""
        call, years = spec.contract.right == "C", self.years_left(spec)
        vol = implied_volatility(price, model[2], spec.contract.strike, years, RATE, call)
        if vol is None:
            return model[0], None, model[2]
        return black_scholes(model[2], spec.contract.strike, years, RATE, vol, call), vol, model[2]

    def computations(self, spec: Spec, quote: Quote) -> Computations:
        """Return an option's computations by tick type: of its bid, ask and last price, and of the model.

        A row is implied volatility (-1 where there is none), delta, option price, dividend, gamma, vega,
        theta and the underlying's price. The same quote is computed once, however many lines look at it.
        """
        kept = self._computed.get(spec.con_id)
        if kept is not None and kept[0] is quote:
            return kept[1]
        model, rows = self.option_model(spec), []
        if model is not None:
            prices = ((10, quote.bid), (11, quote.ask), (12, quote.last), (13, model[0].price))
            for kind, price in prices:
                found = model if kind == 13 else self.greeks_at(spec, price, model)
                rows.append((kind, _computed(price, *found)))
        self._computed[spec.con_id] = quote, rows
        return rows

    def years_left(self, spec: Spec, at: int | None = None) -> float:
        """Return the time to expiry in years, one day at the least."""
        from datetime import date

        text = spec.contract.expiry
        expiry = (date(int(text[:4]), int(text[4:6]), int(text[6:8])) - date(1970, 1, 1)).days + 1
        days = expiry - (self.clock.now() if at is None else at) / NS_PER_DAY
        return max(days, 1.0) / 365.0


def _computed(price: float, greeks: Greeks, vol: float | None, under: float) -> tuple[float, ...]:
    delta, *rest = (round(v, 6) for v in (greeks.delta, greeks.gamma, greeks.vega, greeks.theta))
    return (-1 if vol is None else round(vol, 6), delta, round(price, 4), 0.0, *rest, round(under, 4))


def ladder(quote: Quote, spec: Spec, buy: bool, rows: int = 5) -> list[tuple[float, float]]:
    """Return the levels that a buy (the asks) or a sale (the bids) would meet, best first.

    Each level lies one tick behind the one before and holds half as much again.
    """
    price, size = (quote.ask, quote.ask_size) if buy else (quote.bid, quote.bid_size)
    step = spec.min_tick if buy else -spec.min_tick
    found = []
    for i in range(rows):
        level = to_tick(price + i * step, spec.min_tick)
        if level > 0:
            found.append((level, max(spec.lot, float(math.floor(size * (1.0 + 0.5 * i))))))
    return found


def to_tick(price: float, tick: float) -> float:
    """Return the price on the grid of `tick` that is nearest."""
    return round(round(price / tick) * tick, 8)


def on_tick(price: float, tick: float) -> bool:
    """Tell whether a price lies on the grid of `tick`."""
    return math.isclose(price, to_tick(price, tick), rel_tol=0.0, abs_tol=tick * 1e-4)
