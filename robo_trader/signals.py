"""Signals as a strategy sees them, and the base class of the packs that make them from bars.

`SignalTape` answers for any bar end what was known then. Times are int64 nanoseconds since
1970-01-01 UTC; values lie in [-1, 1]; NaN means that nothing was known or all had expired. A
number of a `SignalSource` is known at the end of its bar and may not depend on a later one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import NS_PER_SECOND, to_ns
from robo_trader.records import Signal

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SignalColumns:
    """A role's signal on a row of bar ends.

    `value` and `confidence` are NaN where silent, `age` is in seconds since the newest live
    signal, `known` counts the live ones.
    """

    value: Column
    confidence: Column
    age: Column
    known: Column


class SignalTape:
    """The signals of a run, each found by its name (a role) and its symbol."""

    def __init__(self, signals: Iterable[Signal] = ()) -> None:
        self.signals: tuple[Signal, ...] = tuple(sorted(signals, key=lambda s: (s.at, s.name, s.symbol)))
        self._by_key: dict[tuple[str, str], list[Signal]] = defaultdict(list)
        for signal in self.signals:
            self._by_key[signal.name, signal.symbol].append(signal)

    def __len__(self) -> int:
        return len(self.signals)

    def columns(self, role: str, symbol: str, ends: NDArray[np.int64]) -> SignalColumns:
        """Return what `role` said of `symbol` as of each of `ends` (ns UTC): the newest live signal."""
        n = len(ends)
        value, confidence, age = (np.full(n, np.nan) for _ in range(3))
        known = np.zeros(n)
        # Later signals overwrite earlier ones for as long as they live.
        for signal in self._by_key.get((role, symbol), ()):
            at = to_ns(signal.at)
            first = int(np.searchsorted(ends, at, side="left"))
            last = n
            if signal.expires_at is not None:
                last = int(np.searchsorted(ends, to_ns(signal.expires_at), side="left"))
            span = slice(first, last)
            value[span], confidence[span] = signal.value, signal.confidence
            age[span] = (ends[span] - at) / NS_PER_SECOND
            known[span] += 1
        return SignalColumns(value, confidence, age, known)


class SignalSource(ABC):
    """Scores each bar of an instrument in [-1, 1].

    `also` names further symbols. Each arrives as a keyword argument of `score`: a float array as
    long as `bars` with that symbol's last close known at each bar's end (NaN before its first).
    """

    also: tuple[str, ...] = ()

    @abstractmethod
    def score(self, bars: BarFrame, *args: Any, **also: Any) -> Column:
        """Return one number per bar of `bars`: -1 bearish, 1 bullish, NaN for silence.

        Write it as ``score(self, bars)`` or ``score(self, bars, **also)``. Number i may use bars
        0 to i only. The array has the length of `bars`.
        """
