"""What makes two events the same: an id made from their content.

The id covers what the author wrote and leaves out who delivered it and when it arrived, so that
the same story fetched twice is one event. Ids are equal across processes and machines.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from robo_trader.errors import EventError
from robo_trader.records import Event

# Nanoseconds since 1970 in 64 bits reach from 1677 to 2262; a year beyond that is a typing error.
FIRST_YEAR, LAST_YEAR = 1678, 2261

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def fingerprint(event: Event) -> str:
    """Return 24 hex digits of the hash of an event's content.

    Raise `EventError` when `data` holds something that JSON cannot carry (a NaN, a date, a set).
    """
    event_time = event.event_time
    content: list[Any] = [
        event.kind,
        event.title,
        event.published_at.isoformat(),
        event.symbols,
        event.body,
        event.url,
        dict(event.data),
        None if event_time is None else event_time.isoformat(),
        event.revision_of,
    ]
    return hashlib.sha256(encode(content, event).encode("ascii")).hexdigest()[:24]


def encode(value: Any, event: Event) -> str:
    """Return `value` as compact JSON in ASCII with sorted keys; `event` is named in the error."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(
            f"event {event.title!r} of {stamp(event.published_at)} holds data that JSON cannot: {error}",
            hint="keep to text, finite numbers, true/false, null, lists and objects with text keys",
        ) from error


def stamp(moment: datetime) -> str:
    """Return an aware UTC datetime as ISO-8601 with ``Z``, to the microsecond where there are any."""
    return moment.isoformat().replace("+00:00", "Z")
