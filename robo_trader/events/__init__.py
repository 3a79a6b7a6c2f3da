"""Events: what was published, when, and from when on a strategy may know of it.

`files` reads and writes JSON Lines, `source` asks an `EventSource`, and both give an `EventTape`:
events in the order in which they became known. Nothing here judges what an event means.
A store that answers "what was known at this moment?" belongs beside `tape`, on top of it.

Every rule that an event breaks is an `EventError` which names the file and line, or the source.
"""

from robo_trader.events.files import read_events, write_events
from robo_trader.events.source import EventSource, fetch_events
from robo_trader.events.tape import EventOrigin, EventTape

__all__ = ["EventOrigin", "EventSource", "EventTape", "fetch_events", "read_events", "write_events"]
