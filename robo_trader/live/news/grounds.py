"""`Grounds`: what stands behind a live signal: events, and what analysts said of them.

The pipeline's thread writes and the session's reads, from memory: who journals a signal never waits for a
database. What is older than the last `size` events is forgotten; a signal of which nothing is known any
more still names its events.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from robo_trader.intelligence.roles import NEWS
from robo_trader.records import Event, Signal, View
from robo_trader.signals.stream import EVERYTHING


@dataclass(frozen=True, slots=True)
class Ground:
    """An event behind a signal, with the views of it that count for the signal's role and symbol."""

    event: Event
    views: tuple[View, ...] = ()


@dataclass(slots=True)
class _Entry:
    event: Event
    views: list[View] = field(default_factory=list)


class Grounds:
    """Remembers events and views for the signals that follow from them. Usable from several threads.

    `consensus` are the analysts behind the role ``news``. `heard` is given the events that are new.
    """

    def __init__(
        self,
        consensus: Collection[str],
        heard: Callable[[Sequence[Event]], None] = lambda events: None,
        *,
        size: int = 20_000,
    ) -> None:
        self._consensus, self._heard, self._size = frozenset(consensus), heard, size
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def stored(self, events: Sequence[Event]) -> None:
        """Remember events that are new, and hand them on."""
        with self._lock:
            for event in events:
                self._entries[str(event.id)] = _Entry(event)
            self._forget()
        self._heard(events)

    def read(self, event: Event, views: Sequence[View]) -> None:
        """Remember what an analyst said of an event."""
        with self._lock:
            entry = self._entries.setdefault(str(event.id), _Entry(event))
            entry.views += views
            self._entries.move_to_end(str(event.id))
            self._forget()

    def of(self, signal: Signal) -> tuple[Ground, ...]:
        """Return what is known of the events that `signal` names, in its order."""
        with self._lock:
            entries = [entry for id in signal.evidence if (entry := self._entries.get(id)) is not None]
            found = [(entry.event, list(entry.views)) for entry in entries]
        return tuple(
            Ground(event, tuple(view for view in views if self._counts(view, signal)))
            for event, views in found
        )

    def _counts(self, view: View, signal: Signal) -> bool:
        if view.symbol not in (signal.symbol, EVERYTHING):
            return False
        return view.analyst == signal.name or (signal.name == NEWS and view.analyst in self._consensus)

    def _forget(self) -> None:
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
