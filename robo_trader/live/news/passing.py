"""What passes through the live news pipeline: deliveries, what has still to be read, what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from robo_trader.live.news.lane import Lane
from robo_trader.records import Event, View


@dataclass(slots=True)
class Said:
    """What is to be logged of one event: views as they were kept, or why there are none."""

    event: Event
    analyst: str
    outcome: str
    reason: str = ""
    views: Sequence[View] = ()
    doubts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    in_sample: bool = False
    withdraws: str | None = None


@dataclass(slots=True)
class Delivery:
    """Events on their way into the store, what was refused of them, and whether that is over."""

    source: str
    events: Sequence[Event]
    refused: list[str] = field(default_factory=list)
    failed: Exception | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Todo:
    """A stored event, who has still to read it, and the id of the event that it corrects."""

    event: Event
    unread: Sequence[Lane]
    corrects: str | None


def stamped(event: Event, id: str, source: str, seen: datetime) -> Event:
    """Return `event` as the host sees it: whom it is from and when it came is not the source's to say."""
    known = event.known_at if event.known_at is not None and event.known_at <= seen else None
    if known is None and event.published_at <= seen:
        known = seen
    return replace(event, id=id, source=source, known_at=known)


def teller(event: Event) -> str:
    """Return whom an event is from; only that one may take it back."""
    return (event.source or "").casefold()
