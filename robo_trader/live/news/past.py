"""`StoredPast`: what a live analyst may look up: the event store, as it was known at the event's time.

It answers as `intelligence.past.Past` does in a backtest, from the store instead of a tape.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from robo_trader.bars.frame import BarFrame
from robo_trader.events.hygiene import clean_event, is_suspicious
from robo_trader.events.store import EventStore
from robo_trader.records import Event

#: Finds the bars of a symbol that had ended at a time.
Bars = Callable[[str, datetime], BarFrame | None]
_SPARE = 100  # events more than asked for, in case some may not be read


class StoredPast:
    """The events and bars that were known at `time`, the `known_at` of the event being read."""

    def __init__(self, store: EventStore, bars: Bars | None, time: datetime) -> None:
        self._store, self._bars = store, bars
        self.time = time

    def as_of(self, time: datetime | None = None, *, limit: int | None = None, **wanted: Any) -> list[Event]:
        """Return what `EventStore.as_of` does, never later than the event being read, nothing suspicious."""
        until = self.time if time is None else min(time, self.time)
        some = None if limit is None else limit + _SPARE
        found = self._store.as_of(until, limit=some, **wanted)
        shown = [event for event, flags in map(clean_event, found) if not is_suspicious(flags)]
        return shown if limit is None else shown[max(0, len(shown) - limit) :]

    def get(self, id: str) -> Event | None:
        """Return the event called `id` if it was known and may be read, else None."""
        found = self._store.get(id)
        if found is None or (found.known_at or found.published_at) > self.time:
            return None
        event, flags = clean_event(found)
        return None if is_suspicious(flags) else event

    def bars(self, symbol: str) -> BarFrame | None:
        """Return the bars of `symbol` that had ended, or None where there is none."""
        return None if self._bars is None else self._bars(symbol, self.time)
