"""What is said in a session: events and signals, in the order of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robo_trader.clock import to_ns
from robo_trader.engine.timeline import Phase
from robo_trader.events.tape import EventTape
from robo_trader.records import Event, Signal


@dataclass(frozen=True, slots=True)
class Said:
    """An event or a signal that becomes known at `time` (ns UTC)."""

    time: int
    phase: Phase
    what: Event | Signal


class TapeNews:
    """Events and signals that are known in advance, told when their time has come.

    `signals` are asked for when the first are needed: a strategy names its roles when it is made.
    """

    def __init__(self, events: EventTape, signals: Sequence[Signal] = ()) -> None:
        said = [
            Said(int(known), Phase.EVENT, event)
            for event, known in zip(events.events, events.known_ns.tolist(), strict=True)
        ]
        said += [Said(to_ns(signal.at), Phase.SIGNAL, signal) for signal in signals]
        self._said = sorted(said, key=lambda one: (one.time, one.phase))
        self._next = 0

    def skip(self, before: int) -> int:
        """Leave out what was known before `before`, and return how much that was."""
        first = self._next
        while self._next < len(self._said) and self._said[self._next].time < before:
            self._next += 1
        return self._next - first

    def take(self, now: int) -> list[Said]:
        """Return what is known by `now` (ns UTC) and was not taken yet, in order."""
        first = self._next
        while self._next < len(self._said) and self._said[self._next].time <= now:
            self._next += 1
        return self._said[first : self._next]

    def next(self) -> int | None:
        """Return when the next thing becomes known."""
        return self._said[self._next].time if self._next < len(self._said) else None
