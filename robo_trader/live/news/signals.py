"""`LiveTape`: the signals of a session, as they come, read by strategies as in a backtest.

Analysts' signals are put in by the session when they become known (`add`); the numbers of signal packs are
worked out on the bars known so far, again whenever a feed has grown, by the code that scores a backtest.
What a role says as of a bar's end is worked out by the code of a backtest too.

Failure contract: a role that does not exist is the `UsageError` of a backtest. A pack that fails, or looks
ahead, on the bars that are there when it is first asked for is a `PluginError`; one that fails later is
silent for that bar and reported once. To be used by Cerebro's thread alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns, to_ns
from robo_trader.errors import DataError, RoboError
from robo_trader.intelligence.roles import NEWS
from robo_trader.plugins import PluginHost
from robo_trader.records import Alert, Signal
from robo_trader.signals import RoleSignals, SignalColumns, SignalTape
from robo_trader.signals.scoring import Make, numbers_of, score
from robo_trader.signals.tape import Column, Times, as_of, fading

Frames = Callable[[], Sequence[BarFrame]]
Load = Callable[[str], BarFrame]
#: Signals kept of one role and symbol; strategies read at bar ends, so that only the last ones count.
KEPT = 10_000


@dataclass(slots=True)
class _Said:
    """An analyst's signals of one symbol in the order of their times (ns UTC)."""

    at: list[int] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)

    def add(self, signal: Signal) -> None:
        at = to_ns(signal.at)
        place = bisect_right(self.at, at)
        self.at.insert(place, at)
        self.signals.insert(place, signal)

    def forget(self) -> None:
        if len(self.at) > KEPT:
            del self.at[: KEPT // 2], self.signals[: KEPT // 2]

    def before(self, end: int) -> Sequence[Signal]:
        """Return the one that counts at a bar's end: what is said at that very moment is heard after it."""
        place = bisect_left(self.at, end)
        return self.signals[place - 1 : place]


@dataclass(slots=True)
class _Scored:
    """A pack's numbers of one feed: what they were worked out on, and how many bars were told."""

    grown: tuple[int, ...]
    ends: Times
    numbers: Column
    told: int


class LiveTape(SignalTape):
    """The signals of a session: `analysts` and `packs` (by name) are the roles beside ``news``.

    `frames` gives the bars of the session's feeds as they are now, `load` those of a symbol that a pack
    asks for and no feed has. `ahead` knows what analysts will say, where events are replayed: a role that
    is asked for has its signals at once, and reads them when their time has come. With `spoken`
    strategies that listen are told of ``news`` unasked. `report` hears of a pack that fails. `masking`
    hides secrets while strangers' code runs.
    """

    growing = True

    def __init__(
        self,
        *,
        frames: Frames,
        analysts: Iterable[str] = (),
        packs: Mapping[str, Make] | None = None,
        load: Load | None = None,
        ahead: SignalTape | None = None,
        spoken: bool = True,
        report: Callable[[Alert], None] | None = None,
        masking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._packs = dict(packs or {})
        self._readers = (NEWS, *(name for name in analysts if name not in self._packs))
        super().__init__(
            roles={
                **{name: partial(self._open, name) for name in self._readers},
                **{name: partial(self._begin, name) for name in self._packs},
            },
            spoken=NEWS if spoken else None,
        )
        self._ahead = ahead
        self._frames, self._load, self._masking = frames, load, masking
        self._report = report or (lambda alert: None)
        self._said: dict[tuple[str, str], _Said] = {}
        self._scored: dict[tuple[str, str], _Scored] = {}
        self._also: dict[str, tuple[str, ...]] = {}
        self._told: list[Signal] = []
        self._failed: set[tuple[str, str]] = set()

    # -- what is put in ------------------------------------------------------------------------------

    @property
    def readers(self) -> tuple[str, ...]:
        """The analysts' roles that somebody asked for, ``news`` among them: what the news desk makes."""
        return tuple(name for name in self._readers if name in self._made)

    def add(self, signal: Signal) -> None:
        """Put in an analyst's signal that has just become known."""
        self._put(signal).forget()

    def changes(self) -> list[Signal]:
        """Return what packs say anew of the bars since this was last asked, by time, name and symbol.

        Strategies are told of it after the bars, as in a backtest: a signal for each bar at which a number
        changed. How long it will hold is not known yet, so that it does not expire.
        """
        found: list[Signal] = []
        for name in self._also:
            for frame in self._frames():
                found += self._new(name, frame)
        found.sort(key=lambda s: (s.at, s.name, s.symbol))
        self._told = [*self._told, *found][-KEPT:]
        return found

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What was put in and told so far, by time, name and symbol; of many, the last ones."""
        every = [*self._told, *(signal for own in self._said.values() for signal in own.signals)]
        return tuple(sorted(every, key=lambda s: (s.at, s.name, s.symbol)))

    # -- what is read --------------------------------------------------------------------------------

    def at(self, role: str, symbol: str, end: int, instrument: str | None = None) -> SignalColumns:
        self._role(role)
        ends = np.array([end], dtype=np.int64)
        if role in self._packs:
            return as_of(self._numbers(role, symbol), ends)
        own = self._own(role, symbol, instrument)
        return fading(own.before(end) if own else (), ends)

    def columns(self, role: str, symbol: str, ends: Times, instrument: str | None = None) -> SignalColumns:
        self._role(role)
        if role in self._packs:
            return as_of(self._numbers(role, symbol), ends)
        own = self._own(role, symbol, instrument)
        return fading(own.signals if own else (), ends)

    def _open(self, role: str) -> RoleSignals:
        """Begin to hear of an analyst's role."""
        if self._ahead is not None:
            for signal in self._ahead.ask(role).signals:
                self._put(signal)
        return RoleSignals(fading=True)

    def _put(self, signal: Signal) -> _Said:
        own = self._said.get((signal.name, signal.symbol))
        if own is None:
            own = self._said[signal.name, signal.symbol] = _Said()
        own.add(signal)
        return own

    def _own(self, role: str, symbol: str, instrument: str | None) -> _Said | None:
        return self._said.get((role, symbol)) or self._said.get((role, instrument or symbol))

    # -- signal packs --------------------------------------------------------------------------------

    def _begin(self, name: str) -> RoleSignals:
        """Score the bars that are there, with the proof that no number knows a later bar."""
        with self._masking():
            also = tuple(getattr(self._packs[name](), "also", ()))
            others = self._others(also)
            for frame in self._frames():
                numbers = score(name, self._packs[name], frame, others)
                grown = self._grown(frame, also)
                self._scored[name, frame.symbol] = _Scored(grown, frame.end, numbers, len(frame))
        self._also[name] = also
        return RoleSignals()

    def _numbers(self, name: str, symbol: str) -> tuple[Times, Column] | None:
        """Return a pack's numbers of a feed, up to date."""
        known = self._scored.get((name, symbol))
        frame = self._frame(symbol)
        if known is None or frame is None:
            return None
        grown = self._grown(frame, self._also[name])
        if grown != known.grown:
            known.numbers = self._again(name, frame, known.numbers)
            known.grown, known.ends = grown, frame.end
        return known.ends, known.numbers

    def _again(self, name: str, frame: BarFrame, before: Column) -> Column:
        try:
            with self._masking():
                # A new one each time, as in a backtest: none remembers what it was shown before.
                return numbers_of(name, self._packs[name](), frame, self._others(self._also[name]))
        except RoboError as error:
            key = (name, frame.symbol)
            if key not in self._failed:
                self._failed.add(key)
                self._report(
                    Alert(
                        time=clock.now(), level="warning", title=f"signal {name} is silent on {frame.symbol}",
                        text=f"{error.message}; {error.hint}", source=f"signals.{name}",
                    )
                )  # fmt: skip
            return np.concatenate((before, np.full(len(frame) - len(before), np.nan)))

    def _new(self, name: str, frame: BarFrame) -> list[Signal]:
        known = self._scored.get((name, frame.symbol))
        numbers = self._numbers(name, frame.symbol)
        if known is None or numbers is None:
            return []
        ends, values = numbers
        first, known.told = known.told, len(ends)
        return [
            Signal(at=from_ns(int(ends[i])), symbol=frame.symbol, name=name, value=float(values[i]))
            for i in range(first, len(ends))
            if not np.isnan(values[i]) and (i == 0 or values[i] != values[i - 1])
        ]

    def _frame(self, symbol: str) -> BarFrame | None:
        return next((frame for frame in self._frames() if frame.symbol == symbol), None)

    def _grown(self, frame: BarFrame, also: Sequence[str]) -> tuple[int, ...]:
        """Return what changes when the feed grows, or another one whose bars a pack joins."""
        others = (self._frame(symbol) for symbol in also)
        return (len(frame), *(len(other) for other in others if other is not None))

    def _others(self, also: Sequence[str]) -> dict[str, BarFrame]:
        found = {}
        for symbol in also:
            frame = self._frame(symbol)
            if frame is None:
                if self._load is None:
                    raise DataError(
                        f"no feed has the bars of {symbol}, which a signal pack joins",
                        hint=f"add {symbol} to the symbols of the session",
                    )
                frame = self._load(symbol)
            found[symbol] = frame
        return found


def live_tape(
    host: PluginHost,
    frames: Frames,
    *,
    load: Load | None = None,
    ahead: SignalTape | None = None,
    spoken: bool = True,
    report: Callable[[Alert], None] | None = None,
) -> LiveTape:
    """Return the tape of a session with every role that `host` offers; see `LiveTape`."""

    def make(name: str) -> Any:
        return host.create("signal", name)

    return LiveTape(
        frames=frames,
        analysts=host.names("analyst"),
        packs={name: partial(make, name) for name in host.names("signal")},
        load=load,
        ahead=ahead,
        spoken=spoken,
        report=report,
        masking=host.masking,
    )
