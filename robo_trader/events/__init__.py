"""Events: what was published, when, and from when on a strategy may know of it.

`files` reads and writes JSON Lines, `source` asks an `EventSource`, and both give an `EventTape`:
events in the order in which they became known. `store` keeps them point-in-time, `hygiene` makes
strangers' text plain, `stories` finds the copies of a story, `impact` weighs it and `queue` orders it.
Nothing here judges what an event means for a price.

Every rule that an event breaks is an `EventError` which names the file and line, or the source.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robo_trader.events.files import read_events, write_events
    from robo_trader.events.source import EventSource, fetch_events
    from robo_trader.events.tape import EventOrigin, EventTape

__all__ = ["EventOrigin", "EventSource", "EventTape", "fetch_events", "read_events", "write_events"]

_WHERE = {
    "EventOrigin": "tape",
    "EventSource": "source",
    "EventTape": "tape",
    "fetch_events": "source",
    "read_events": "files",
    "write_events": "files",
}


def __getattr__(name: str) -> Any:
    # Who only cleans a text, as `robo ask` does, does not load numpy.
    if name in _WHERE:
        return getattr(import_module(f"robo_trader.events.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
