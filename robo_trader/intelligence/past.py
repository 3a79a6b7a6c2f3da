"""`Past`: what an analyst may look up about an event: events and bars as they were known then.

A question about a later time is answered as of the event's own `known_at`; nothing here can be made
to tell the future. It answers as the event store does, so that an analyst reads alike in a backtest
and live.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from robo_trader.clock import from_ns, to_ns
from robo_trader.records import Event

if TYPE_CHECKING:
    from robo_trader.bars.frame import BarFrame
    from robo_trader.events.tape import EventTape


@lru_cache(maxsize=2)
def _corrected(tape: EventTape) -> tuple[tuple[int, str], ...]:
    """Return the place of each correction on `tape` and the id of what it corrects."""
    return tuple((i, event.revision_of) for i, event in enumerate(tape) if event.revision_of)


class Past:
    """The events and bars that were known at `moment` (ns UTC), the event's own `known_at`."""

    def __init__(self, tape: EventTape, frames: Sequence[BarFrame], moment: int) -> None:
        self._tape = tape
        self._frames = {frame.symbol: frame for frame in frames}
        self._moment = moment

    @property
    def time(self) -> datetime:
        """The time at which it all was known, aware and in UTC."""
        return from_ns(self._moment)

    def as_of(
        self,
        time: datetime | None = None,
        *,
        since: datetime | None = None,
        symbols: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
        revisions: bool = False,
    ) -> list[Event]:
        """Return the events known at `time` (never later than the event being read), by `known_at`.

        `since` (inclusive) bounds their `known_at`, `limit` keeps the newest. A corrected event is
        left out from its correction on, unless `revisions` asks for all.
        """
        now = self._moment if time is None else min(self._moment, to_ns(time))
        last = int(np.searchsorted(self._tape.known_ns, now, "right"))
        first = 0 if since is None else int(np.searchsorted(self._tape.known_ns, to_ns(since), "left"))
        corrected = (
            set() if revisions else {id for place, id in _corrected(self._tape) if first <= place < last}
        )
        found: list[Event] = []
        # From the newest back: who wants the last few does not wait for all.
        for event in reversed(self._tape.events[first:last]):
            if limit is not None and len(found) >= limit:
                break
            if (
                event.id not in corrected
                and (symbols is None or not set(symbols).isdisjoint(event.symbols))
                and (kinds is None or event.kind in kinds)
            ):
                found.append(event)
        found.reverse()
        return found

    def get(self, id: str) -> Event | None:
        """Return the event called `id` if it was known, else None."""
        return next((event for event in self.as_of(revisions=True) if event.id == id), None)

    def bars(self, symbol: str) -> BarFrame | None:
        """Return the bars of `symbol` that had ended, or None where there is none."""
        frame = self._frames.get(symbol)
        if frame is None:
            return None
        ended = int(np.searchsorted(frame.end, self._moment, "right"))
        return frame.where(slice(0, ended)) if ended else None
