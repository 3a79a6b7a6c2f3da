"""What the account was worth at the end of each session, worked out while a backtest runs.

The engine's own history is made after the run; the guard needs it in between, but only where there
are orders. Value moves with prices and fills: from one session's end to a later one by each position
times the change of its close, and by each fill's distance from the close less its commission.
Deposits and interest are told apart by what the broker says the account is worth now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame


class Trades(NamedTuple):
    """Fills as columns of one length: feed (see `SessionValues.column`), time (ns UTC), signed size,
    price, commission."""

    feed: NDArray[np.int64]
    time: NDArray[np.int64]
    size: NDArray[np.float64]
    price: NDArray[np.float64]
    commission: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> Trades:
        """Return the rows that are `chosen`."""
        return Trades._make(column[chosen] for column in self)

    def and_(self, later: Trades) -> Trades:
        """Return these rows and those of `later`."""
        return Trades._make(np.concatenate(pair) for pair in zip(self, later, strict=True))


def trades_of(feed: Sequence[int], rows: Sequence[Sequence[Any]]) -> Trades:
    """Return columns of `rows` (any, time, size, price, commission, …), made by the feeds `feed`."""
    _, time, size, price, commission, *_ = zip(*rows, strict=True)
    return Trades(
        np.array(feed), np.array(time), np.array(size, float), np.array(price), np.array(commission)
    )


class SessionValues:
    """The values at the ends of sessions, `starting` (account currency) in front."""

    def __init__(self, frames: Sequence[BarFrame], starting: float) -> None:
        self.values = [float(starting)]
        #: When each session ends (ns UTC), those to come included.
        self.ends = session_ends(frames)
        #: By the feed's name: its number.
        self.column = {frame.symbol: k for k, frame in enumerate(frames)}
        self._multiplier = np.array([frame.instrument.multiplier for frame in frames])
        self._closes = _closes_at(frames, self.ends)
        self._held: NDArray[np.float64] = np.zeros(len(frames))
        self._later: Trades | None = None
        self._done = 0

    def until(
        self,
        now: int,
        trades: Trades | None,
        value: Callable[[], float],
        price: Callable[[str], float],
    ) -> list[float]:
        """Return the values at the ends of all sessions before `now` (ns UTC).

        `trades` are the fills since the last call; `value` and `price` tell the account's value and
        a symbol's last close now, and are asked only when a session has ended since.
        """
        if trades is not None:
            self._later = trades if self._later is None else self._later.and_(trades)
        n = int(np.searchsorted(self.ends, now, side="left"))
        if n <= self._done:
            return self.values
        done, closes = self._done, self._closes
        before = closes[done - 1] if done else closes[0]
        found = self.values[-1] + (closes[done:n] - before) @ (self._held * self._multiplier)
        ends = self.ends[done:n]
        if self._later is not None:
            over = self._later.time <= ends[-1]
            trades = self._later.where(over)
            paid = trades.size * self._multiplier[trades.feed] * trades.price + trades.commission
            session = np.searchsorted(ends, trades.time, side="left")
            for i in np.unique(session).tolist():
                here = session == i
                bought = np.bincount(trades.feed[here], trades.size[here], len(self._held))
                found[i:] += closes[done + i : n] @ (bought * self._multiplier) - paid[here].sum()
                self._held += bought
            self._later = None if over.all() else self._later.where(~over)
        self._done = n
        self._held[np.abs(self._held) < 1e-9] = 0.0
        self.values.extend(found.tolist())
        self.values[-1] += self._outside(now, value(), price)
        return self.values

    def _outside(self, now: int, value: float, price: Callable[[str], float]) -> float:
        """Return what came to the account by neither prices nor fills: deposits, interest."""
        done, expected = self._done, self.values[-1]
        last, held = self._closes[done - 1], self._held.copy()
        if (trades := self._later) is not None:
            moved = trades.size * self._multiplier[trades.feed] * (trades.price - last[trades.feed])
            expected -= float(moved.sum() + trades.commission.sum())
            np.add.at(held, trades.feed, trades.size)
        there = np.flatnonzero(held)
        if done < len(self.ends) and self.ends[done] == now:
            closes = self._closes[done][there]  # It is the end of a session, whose closes are known.
        else:
            names = list(self.column)
            closes = np.array([price(names[k]) for k in there.tolist()])
        expected += float((held * self._multiplier)[there] @ (closes - last[there]))
        difference = value - expected
        # Sums of floats differ in their last digits; that is no deposit.
        return float(difference) if abs(difference) > 1e-6 * max(1.0, abs(value)) else 0.0


def session_ends(frames: Sequence[BarFrame]) -> NDArray[np.int64]:
    """Return when sessions end (ns UTC): at the last bar before a bar of a later session."""
    distinct: list[Any] = []
    for frame in frames:
        if not any(_same(f.end, frame.end) and _same(f.session, frame.session) for f in distinct):
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
    out = np.zeros((len(frames), len(ends)))
    shared: tuple[NDArray[np.int64], NDArray[np.int64], int] | None = None
    for k, frame in enumerate(frames):
        if shared is None or not _same(shared[0], frame.end):
            at = np.searchsorted(frame.end, ends, side="right") - 1
            first = int(np.searchsorted(at, 0))
            shared = (frame.end, at[first:], first)
        frame.close.take(shared[1], out=out[k, shared[2] :], mode="clip")
    return out.T


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one is other or (len(one) == len(other) and bool((one == other).all()))
