"""Events: what was published, when, and from when on a strategy may know of it.

`files` reads and writes JSON Lines, `source` asks an `EventSource`, and both give an `EventTape`:
events in the order in which they became known. `store` keeps them point-in-time, `hygiene` makes
strangers' text plain, `stories` finds the copies of a story, `impact` weighs it and `queue` orders it.
Nothing here judges what an event means for a price.

Every rule that an event breaks is an `EventError` which names the file and line, or the source.
"""

from robo_trader.events.files import read_events, write_events
from robo_trader.events.source import EventSource, fetch_events
from robo_trader.events.tape import EventOrigin, EventTape

__all__ = ["EventOrigin", "EventSource", "EventTape", "fetch_events", "read_events", "write_events"]
