"""State that several processes share: cursors, heartbeats, halt flags, last known positions.

`open_state(url)` returns a `State`: files below the project's `.robo/` by default, Redis where a URL
says so. Everything in it can be rebuilt or set again; what must never be lost is in the journal.
"""

from robo_trader.errors import StateError
from robo_trader.state.store import Heartbeat, State, StateConflict, Stored, open_state

__all__ = ["Heartbeat", "State", "StateConflict", "StateError", "Stored", "open_state"]
