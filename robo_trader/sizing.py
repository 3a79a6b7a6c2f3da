"""How much to put behind a trade: by edge and odds (Kelly), by conviction, by volatility.

All weights are fractions of the account, with the sign of the trade where there is one; a number that
cannot be known is 0, never a guess. `TradeHistory` estimates the edge from trades that were closed by
then and from no later one. Pure functions of numbers; wrong ones are a `UsageError`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from robo_trader.clock import to_ns
from robo_trader.errors import UsageError

#: Trades that an estimate is worth as little as: with so many of one's own it counts half.
SHRINK = 20.0


@dataclass(frozen=True, slots=True)
class Edge:
    """What past trades say of the next one.

    `n` trades of which `wins` won; `odds` is the mean win per unit of the mean loss, infinite where
    none lost.
    """

    n: int
    wins: int
    odds: float

    @property
    def win_rate(self) -> float:
        """The part that won, in [0, 1]; NaN without trades."""
        return self.wins / self.n if self.n else math.nan


def kelly(p: float, b: float) -> float:
    """Return the fraction that makes capital grow fastest: p - (1 - p) / b, at least 0.

    `p` is the probability to win in [0, 1], `b` what a win pays per unit at risk, above 0 (Kelly, "A
    New Interpretation of Information Rate", Bell System Technical Journal 35, 1956).

    >>> round(kelly(0.6, 1.0), 4), round(kelly(0.6, 1.5), 4)
    (0.2, 0.3333)
    """
    if not 0.0 <= p <= 1.0:
        raise UsageError(f"a probability lies in [0, 1], not {p!r}")
    if not b > 0.0:
        raise UsageError(f"odds must lie above 0, not {b!r}")
    return max(0.0, p - (1.0 - p) / b)


def shrunk(p: float, b: float, n: float, shrink: float = SHRINK) -> float:
    """Return `p` drawn towards the break-even 1 / (1 + b), as if `shrink` such trades stood beside `n`.

    With few trades nothing is left of the edge, with many almost all of it.
    """
    if n < 0 or shrink < 0:
        raise UsageError(f"trades and shrink must be 0 or more, not {n!r} and {shrink!r}")
    if not n + shrink:
        return 1.0 / (1.0 + b)
    return (n * p + shrink / (1.0 + b)) / (n + shrink)


def kelly_weight(edge: Edge, *, fraction: float = 0.5, shrink: float = SHRINK, most: float = 0.10) -> float:
    """Return a fractional Kelly weight in [0, `most`] for the next trade, 0 where no edge is known.

    `fraction` of the full bet (a half keeps three quarters of the growth at half the swings), after
    the win rate was shrunk for the number of trades behind it.
    """
    if not 0.0 <= fraction <= 1.0:
        raise UsageError(f"fraction lies in [0, 1], not {fraction!r}")
    if not most >= 0.0:
        raise UsageError(f"most must be 0 or more, not {most!r}")
    if not edge.n or not edge.wins or not edge.odds > 0.0:
        return 0.0
    # Who never lost knows no odds: an even bet is all that is believed.
    odds = edge.odds if math.isfinite(edge.odds) else 1.0
    return min(most, fraction * kelly(shrunk(edge.win_rate, odds, edge.n, shrink), odds))


def conviction_weight(value: float, *, most: float = 0.10, full: float = 0.60) -> float:
    """Return a signed weight in [-`most`, `most`] that grows with a signal's `value`.

    `full` is the value that earns all of `most`; NaN (silence) earns nothing.
    """
    if not full > 0.0 or not most >= 0.0:
        raise UsageError(f"full must lie above 0 and most not below, not {full!r} and {most!r}")
    if math.isnan(value):
        return 0.0
    return math.copysign(most * min(1.0, abs(value) / full), value)


def volatility(closes: ArrayLike, *, bars: int = 20, year: float = 252.0) -> float:
    """Return the yearly volatility of the last `bars` returns of `closes`; NaN where there are fewer.

    The sample standard deviation of simple returns times the root of `year`, the bars in a year.
    """
    prices = np.asarray(closes, dtype=np.float64)[-(bars + 1) :]
    if len(prices) < bars + 1 or bars < 2:
        return math.nan
    moves = prices[1:] / prices[:-1] - 1.0
    return float(np.std(moves, ddof=1) * math.sqrt(year))


def volatility_weight(vol: float, *, target: float = 0.10, most: float = 1.0) -> float:
    """Return the weight at which a position of yearly volatility `vol` swings by `target`.

    At most `most`; 0 where the volatility is not known or 0.
    """
    if not target >= 0.0 or not most >= 0.0:
        raise UsageError(f"target and most must be 0 or more, not {target!r} and {most!r}")
    if math.isnan(vol) or vol <= 0.0:
        return 0.0
    return min(most, target / vol)


class TradeHistory:
    """Closed trades, by the time at which each was closed.

    `edge` answers as of a time and knows no trade that was closed later.
    """

    def __init__(self) -> None:
        self._closed: list[int] = []
        self._returns: list[float] = []

    def __len__(self) -> int:
        return len(self._closed)

    def add(self, closed: datetime, result: float) -> None:
        """Add a trade closed at `closed` (aware) with `result`, its profit as a part of what it staked."""
        if not math.isfinite(result):
            raise UsageError(f"a trade's result must be a number, not {result!r}")
        at = to_ns(closed)
        i = bisect_right(self._closed, at)
        self._closed.insert(i, at)
        self._returns.insert(i, float(result))

    def edge(self, at: datetime, *, last: int | None = None) -> Edge:
        """Return the edge of the trades closed by `at` (aware), of the newest `last` of them."""
        n = bisect_right(self._closed, to_ns(at))
        return edge_of(self._returns[0 if last is None else max(0, n - last) : n])


def edge_of(results: Sequence[float]) -> Edge:
    """Return the edge of trades with these results, each a profit as a part of what was staked."""
    won = [r for r in results if r > 0.0]
    lost = [-r for r in results if r < 0.0]
    if not won:
        return Edge(len(results), 0, 0.0)
    odds = math.inf if not lost else (sum(won) / len(won)) / (sum(lost) / len(lost))
    return Edge(len(results), len(won), odds)
