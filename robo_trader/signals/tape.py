"""Signals as a strategy sees them: for any bar end, what was known then.

Times are int64 nanoseconds since 1970-01-01 UTC; values lie in [-1, 1]; NaN means that nothing was
known or all had expired. A role that the run does not know is a `UsageError`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import NS_PER_SECOND, to_ns
from robo_trader.errors import UsageError, did_you_mean
from robo_trader.records import Signal

Column = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SignalColumns:
    """A role's signal on a row of bar ends.

    `value` and `confidence` are NaN where silent, `age` is in seconds since the newest live
    signal, `known` counts what stands behind it: live signals, or events.
    """

    value: Column
    confidence: Column
    age: Column
    known: Column


@dataclass(frozen=True, slots=True)
class RoleSignals:
    """What one role says during a run.

    With `fading` each signal replaces the one before it and falls in a straight line to 0 at its
    `expires_at`; else the newest live signal counts, unchanged. `bars` are the numbers of a signal
    pack by feed: bar ends (ns UTC) and values.
    """

    signals: tuple[Signal, ...] = ()
    fading: bool = False
    bars: Mapping[str, tuple[Times, Column]] = field(default_factory=dict)


Provider = Callable[[], RoleSignals]


class SignalTape:
    """The signals of a run, each found by its name (a role) and its symbol.

    `signals` are there from the start. `roles` are made when somebody first asks for them, which a
    strategy does before its first bar; with them any other name is refused. `spoken` is the role
    that strategies are told of even where they did not ask for it.
    """

    #: True where signals are still to come, so that no column can be worked out before its bars.
    growing = False

    def __init__(
        self,
        signals: Iterable[Signal] = (),
        *,
        roles: Mapping[str, Provider] | None = None,
        spoken: str | None = None,
    ) -> None:
        given: dict[str, list[Signal]] = defaultdict(list)
        for signal in signals:
            given[signal.name].append(signal)
        self._made = {name: RoleSignals(tuple(own)) for name, own in given.items()}
        self._roles = roles
        self._spoken = spoken
        self._sorted: tuple[Signal, ...] | None = None
        self._by_symbol: dict[str, dict[str, list[Signal]]] = {}
        self._times: dict[tuple[str, str, str | None], Times] = {}

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals of every role that somebody asked for, by time, name and symbol."""
        if self._sorted is None:
            every = [signal for role in self._made.values() for signal in role.signals]
            self._sorted = tuple(sorted(every, key=lambda s: (s.at, s.name, s.symbol)))
        return self._sorted

    @property
    def asked(self) -> bool:
        """True where somebody asked for a role that a host provides."""
        return self._roles is not None and any(name in self._made for name in self._roles)

    def __len__(self) -> int:
        return len(self.signals)

    def speak(self) -> None:
        """Make the role that strategies are told of unasked; for those that listen."""
        if self._spoken is not None:
            self._role(self._spoken)

    @property
    def may_speak(self) -> bool:
        """True where a strategy that listens may be told of something."""
        return self._spoken is not None or bool(self._made)

    def ask(self, role: str) -> RoleSignals:
        """Make `role` and return what it says; raises `UsageError` for one that the run does not know."""
        return self._role(role)

    def at(self, role: str, symbol: str, end: int, instrument: str | None = None) -> SignalColumns:
        """Return what `role` says as of one bar end (ns UTC): columns of a single row; see `columns`."""
        ends = np.array([end], dtype=np.int64)
        found = self._role(role)
        if found.bars or not found.fading:
            return self.columns(role, symbol, ends, instrument)
        own = self._signals_of(found, role, symbol, instrument)
        times = self._times.get((role, symbol, instrument))
        if times is None:
            times = self._times[role, symbol, instrument] = times_of(own)
        # The newest alone counts: it is found without going through those before it.
        place = int(np.searchsorted(times, end, side="left"))
        return fading(own[max(0, place - 1) : place], ends)

    def columns(self, role: str, symbol: str, ends: Times, instrument: str | None = None) -> SignalColumns:
        """Return what `role` said as of each of `ends` (ns UTC) of the feed `symbol`.

        `instrument` is the symbol that analysts speak of, where the feed bears another name
        (``SPY@1d``). Raises `UsageError` for a role that the run does not know.
        """
        found = self._role(role)
        if found.bars:
            return as_of(found.bars.get(symbol), ends)
        own = self._signals_of(found, role, symbol, instrument)
        return fading(own, ends) if found.fading else _newest(own, ends)

    def _signals_of(
        self, found: RoleSignals, role: str, symbol: str, instrument: str | None
    ) -> Sequence[Signal]:
        """Return the signals of `role` that are about a feed, by time."""
        by_symbol = self._by_symbol.get(role)
        if by_symbol is None:
            by_symbol = self._by_symbol[role] = defaultdict(list)
            for signal in sorted(found.signals, key=lambda s: (s.at, s.symbol)):
                by_symbol[signal.symbol].append(signal)
        return by_symbol.get(symbol) or by_symbol.get(instrument or symbol) or ()

    def _role(self, name: str) -> RoleSignals:
        found = self._made.get(name)
        if found is not None:
            return found
        if self._roles is None:
            return RoleSignals()
        if name not in self._roles:
            known = ", ".join(self._roles)
            raise UsageError(
                f"there is no signal {name!r}",
                hint=did_you_mean(name, self._roles) or f"there is {known}; 'robo plugins' lists more",
            )
        self._sorted = None
        found = self._made[name] = self._roles[name]()
        return found


def fade(signal: Signal, at: int) -> float:
    """Return what is left of a fading signal's value at `at` (ns UTC)."""
    if signal.expires_at is None:
        return signal.value
    start, end = to_ns(signal.at), to_ns(signal.expires_at)
    return signal.value * max(0.0, min(1.0, (end - at) / (end - start))) if end > start else 0.0


def fading(signals: Sequence[Signal], ends: Times) -> SignalColumns:
    """Each signal from its time until the next one or its end, falling in a straight line.

    What is said at the moment of a bar's end is heard after it, as every event of that moment is.
    """
    silent = np.full(len(ends), np.nan)
    if not signals:
        return SignalColumns(silent, silent.copy(), silent.copy(), np.zeros(len(ends)))
    at = np.array([to_ns(s.at) for s in signals], dtype=np.int64)
    far = np.iinfo(np.int64).max
    over = np.array([far if s.expires_at is None else to_ns(s.expires_at) for s in signals], dtype=np.int64)
    which = np.searchsorted(at, ends, side="left") - 1
    index = np.maximum(which, 0)
    live = (which >= 0) & (ends < over[index])
    held = over[index] == far
    span = np.where(held, 1, over[index] - at[index]).astype(np.float64)
    left = np.where(held, 1.0, (over[index] - ends) / np.maximum(span, 1.0))
    value = np.array([s.value for s in signals])[index] * left
    confidence = np.array([s.confidence for s in signals])[index]
    behind = np.array([len(s.evidence) for s in signals], dtype=np.float64)[index]
    return SignalColumns(
        np.where(live, value, np.nan),
        np.where(live, confidence, np.nan),
        np.where(live, (ends - at[index]) / NS_PER_SECOND, np.nan),
        np.where(live, np.maximum(behind, 1.0), 0.0),
    )


def _newest(signals: Sequence[Signal], ends: Times) -> SignalColumns:
    """The newest live signal, unchanged for as long as it lives."""
    n = len(ends)
    value, confidence, age = (np.full(n, np.nan) for _ in range(3))
    known = np.zeros(n)
    # Later signals overwrite earlier ones for as long as they live.
    for signal in signals:
        at = to_ns(signal.at)
        first = int(np.searchsorted(ends, at, side="right"))
        last = n
        if signal.expires_at is not None:
            last = int(np.searchsorted(ends, to_ns(signal.expires_at), side="left"))
        span = slice(first, last)
        value[span], confidence[span] = signal.value, signal.confidence
        age[span] = (ends[span] - at) / NS_PER_SECOND
        known[span] += 1
    return SignalColumns(value, confidence, age, known)


def as_of(numbers: tuple[Times, Column] | None, ends: Times) -> SignalColumns:
    """A pack's number of the last bar that had ended by each of `ends`."""
    n = len(ends)
    if numbers is None:
        silent = np.full(n, np.nan)
        return SignalColumns(silent, silent.copy(), silent.copy(), np.zeros(n))
    times, values = numbers
    which = np.searchsorted(times, ends, side="right") - 1
    index = np.maximum(which, 0)
    value = np.where(which >= 0, values[index], np.nan)
    live = ~np.isnan(value)
    return SignalColumns(
        value,
        np.where(live, 1.0, np.nan),
        np.where(live, (ends - times[index]) / NS_PER_SECOND, np.nan),
        live.astype(np.float64),
    )


def times_of(signals: Sequence[Signal]) -> Times:
    """Return the times of `signals` in ns UTC."""
    return np.fromiter((to_ns(signal.at) for signal in signals), np.int64, len(signals))
