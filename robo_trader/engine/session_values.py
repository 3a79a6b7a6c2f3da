"""What the account was worth at the end of each session, worked out while a backtest runs.

The engine's own history is made after the run; the guard needs it in between, but only where there
are orders. Value moves with prices and fills: from one session's end to a later one by each position
times the change of its close, and by each fill's distance from the close less its commission.
Deposits and interest are told apart by what the broker says the account is worth now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame

#: One fill: symbol, time (ns UTC), signed size, price, commission.
Trade = tuple[str, int, float, float, float]


class SessionValues:
    """The values at the ends of sessions, `starting` (account currency) in front."""

    def __init__(self, frames: Sequence[BarFrame], starting: float) -> None:
        self.values = [float(starting)]
        #: When each session ends (ns UTC), those to come included.
        self.ends = session_ends(frames)
        self._column = {frame.symbol: k for k, frame in enumerate(frames)}
        self._multiplier = np.array([frame.instrument.multiplier for frame in frames])
        self._closes = _closes_at(frames, self.ends)
        self._held: NDArray[np.float64] = np.zeros(len(frames))
        self._later: list[Trade] = []
        self._done = 0

    def until(
        self,
        now: int,
        trades: Sequence[Trade],
        value: Callable[[], float],
        price: Callable[[str], float],
    ) -> list[float]:
        """Return the values at the ends of all sessions before `now` (ns UTC).

        `trades` are the fills since the last call; `value` and `price` tell the account's value and
        a symbol's last close now, and are asked only when a session has ended since.
        """
        self._later.extend(trades)
        n = int(np.searchsorted(self.ends, now, side="left"))
        if n <= self._done:
            return self.values
        done, closes = self._done, self._closes
        before = closes[done - 1] if done else closes[0]
        found = self.values[-1] + (closes[done:n] - before) @ (self._held * self._multiplier)
        ends = self.ends[done:n]
        counted = [trade for trade in self._later if trade[1] <= ends[-1]]
        if counted:
            names, times, sizes, prices, commissions = zip(*counted, strict=True)
            k = np.array([self._column[name] for name in names])
            size = np.array(sizes)
            gains = size * self._multiplier[k] * (closes[done:n, k] - np.array(prices)) - np.array(
                commissions
            )
            gains[np.arange(n - done)[:, None] < np.searchsorted(ends, np.array(times), side="left")] = 0.0
            found += gains.sum(axis=1)
            np.add.at(self._held, k, size)
            self._later = [trade for trade in self._later if trade[1] > ends[-1]]
        self._done = n
        self._held[np.abs(self._held) < 1e-9] = 0.0
        self.values.extend(found.tolist())
        self.values[-1] += self._outside(value(), price)
        return self.values

    def _outside(self, value: float, price: Callable[[str], float]) -> float:
        """Return what came to the account by neither prices nor fills: deposits, interest."""
        expected, last = self.values[-1], self._closes[self._done - 1]
        moved = {k: float(self._held[k]) for k in np.flatnonzero(self._held).tolist()}
        for name, _, size, paid, commission in self._later:
            k = self._column[name]
            expected -= commission + size * self._multiplier[k] * (paid - last[k])
            moved[k] = moved.get(k, 0.0) + size
        names = list(self._column)
        for k, held in moved.items():
            if held:
                expected += held * self._multiplier[k] * (price(names[k]) - last[k])
        difference = value - expected
        # Sums of floats differ in their last digits; that is no deposit.
        return float(difference) if abs(difference) > 1e-6 * max(1.0, abs(value)) else 0.0


def session_ends(frames: Sequence[BarFrame]) -> NDArray[np.int64]:
    """Return when sessions end (ns UTC): at the last bar before a bar of a later session."""
    distinct: list[Any] = []
    for frame in frames:
        same = (
            np.array_equal(f.end, frame.end) and np.array_equal(f.session, frame.session) for f in distinct
        )
        if not any(same):
            distinct.append(frame)
    times = np.concatenate([frame.end for frame in distinct])
    sessions = np.concatenate([frame.session.astype(np.int64) for frame in distinct])
    order = np.lexsort((sessions, times))
    times, latest = times[order], np.maximum.accumulate(sessions[order])
    final = np.append(latest[1:] > latest[:-1], True)
    # Bars that end at one moment belong to one step, and its session is the latest of them.
    return np.unique(times[final]).astype(np.int64)


def _closes_at(frames: Sequence[BarFrame], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the last close of each frame (column) at each of `ends` (row); 0 before its first bar."""
    out = np.zeros((len(ends), len(frames)))
    shared: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    for k, frame in enumerate(frames):
        if shared is None or not np.array_equal(shared[0], frame.end):
            shared = (frame.end, np.searchsorted(frame.end, ends, side="right") - 1)
        at = shared[1]
        out[:, k] = np.where(at >= 0, frame.close[np.maximum(at, 0)], 0.0)
    return out
