"""The workloads: seeded bars, and what is traded on them. Needs numpy only, so that every side can import it.

A bar opens where the one before it closed. An engine that fills at the next open and one that fills
at this close then trade at the same prices, and their fills can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CASH, COMMISSION, SHARE = 10_000_000.0, 1e-5, 0.98
FAST, SLOW = 20, 50
MOMENTUM, TOP = 126, 50
MINUTE, DAY = 60_000_000_000, 86_400_000_000_000


@dataclass(frozen=True)
class Bars:
    """Bars of one symbol: `start` and `end` in ns UTC, `day` their dates, and five price columns."""

    symbol: str
    start: np.ndarray
    end: np.ndarray
    day: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        return len(self.end)


def walk(n: int, seed: int, sigma: float, drift: float = 0.0) -> tuple[np.ndarray, ...]:
    """Return open, high, low, close and volume of a random walk from 100."""
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(drift, sigma, n))), 6)
    opened = np.concatenate(([100.0], close[:-1]))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    high = np.maximum(np.round(top * (1 + np.abs(rng.normal(0, sigma, n)) / 2), 6), top)
    low = np.minimum(np.round(bottom * (1 - np.abs(rng.normal(0, sigma, n)) / 2), 6), bottom)
    return opened, high, low, close, rng.integers(1000, 100_000, n).astype(float)


def minutes(n: int) -> list[Bars]:
    """Workload (a): `n` minute bars of one instrument that never closes."""
    start = np.datetime64("2015-01-01", "ns").astype(np.int64) + MINUTE * np.arange(n)
    day = start.view("datetime64[ns]").astype("datetime64[D]")
    return [Bars("BTCUSD", start, start + MINUTE, day, *walk(n, 7, 0.0004))]


def daily(k: int, n: int) -> list[Bars]:
    """Workload (b): `n` daily bars of `k` stocks, all on the same dates."""
    day, start, end = _sessions(n)
    return [Bars(f"S{i:04d}", start, end, day, *walk(n, 1000 + i, 0.015, 0.0003)) for i in range(k)]


def apart(k: int, n: int) -> list[Bars]:
    """`k` feeds of `n` bars of 128 minutes, each on a clock of its own, a minute behind the one before."""
    first = np.datetime64("2015-01-01", "ns").astype(np.int64) + 128 * MINUTE * np.arange(n)
    feeds = []
    for i in range(k):
        start = first + MINUTE * i
        day = start.view("datetime64[ns]").astype("datetime64[D]")
        feeds.append(Bars(f"U{i:03d}", start, start + 128 * MINUTE, day, *walk(n, 5000 + i, 0.004)))
    return feeds


@lru_cache
def _sessions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    day = np.busday_offset(np.datetime64("2010-01-04", "D"), np.arange(n), roll="forward")
    midnight = day.astype("datetime64[ns]").astype(np.int64)
    return day, midnight + 870 * MINUTE, midnight + 1260 * MINUTE


def load(workload: str, size: list[int]) -> list[Bars]:
    """Return the bars of ``a N``, ``b K N`` or ``apart K N``."""
    return {"a": minutes, "b": daily, "apart": apart}[workload](*size)


def cross_of(bars: Bars) -> np.ndarray:
    """Return 1 where the fast average crosses above the slow one, -1 below, else 0, as Backtrader's
    `CrossOver` tells it; for peers that want signals."""
    fast, slow = (_average(bars.close, n) for n in (FAST, SLOW))
    difference = fast - slow
    difference[: SLOW - 1] = np.nan
    some = np.where((difference != 0) & ~np.isnan(difference), np.arange(len(bars)), 0)
    before = difference[np.maximum.accumulate(some)]
    cross = np.zeros(len(bars))
    cross[1:][(before[:-1] < 0) & (difference[1:] > 0)] = 1
    cross[1:][(before[:-1] > 0) & (difference[1:] < 0)] = -1
    cross[:SLOW] = 0
    return cross


def _average(close: np.ndarray, n: int) -> np.ndarray:
    total = np.cumsum(np.round(close * 1e6).astype(np.int64))
    sums = total.copy()
    sums[n:] -= total[:-n]
    return sums / 1e6 / n


def rebalances(day: np.ndarray) -> np.ndarray:
    """Return the bars on which workload (b) rebalances: the first of each month, once there is momentum."""
    months = day.astype("datetime64[M]")
    first = np.flatnonzero(np.append(True, months[1:] != months[:-1]))
    return np.unique(np.append(first[first > MOMENTUM], MOMENTUM))
