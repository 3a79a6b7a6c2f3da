"""Signs of life: in the state store once a second, in the journal once a minute.

Both are given by the session's own thread, so that a strategy that hangs looks hung.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from robo_trader import clock
from robo_trader.clock import from_ns
from robo_trader.errors import StateError, UsageError
from robo_trader.journal.live import RunJournal
from robo_trader.journal.session_rows import BEAT_SECONDS
from robo_trader.risk.usage import Usage, plain, publish
from robo_trader.state import State

#: Seconds between two signs of life in the state store.
EVERY = 0.5


class Pulse:
    """Gives the signs of life of the session `number` of a run; `about` says how it is.

    `usage` is what the guard measures. `trouble` hears, once, that the store cannot be written; the
    session goes on.
    """

    def __init__(
        self,
        state: State,
        journal: RunJournal,
        number: int,
        about: Callable[[], Mapping[str, Any]],
        trouble: Callable[[str], None],
        usage: Callable[[], Sequence[tuple[str, Usage]]] = tuple,
    ) -> None:
        self._state, self._journal, self._number = state, journal, number
        self._about, self._trouble, self._usage = about, trouble, usage
        self._next = self._next_row = float("-inf")
        self._silent = False

    def __call__(self, *, at_once: bool = False) -> bool:
        """Give a sign where one is due, and tell whether it was."""
        now = clock.monotonic()
        if now < self._next and not at_once:
            return False
        self._next = now + EVERY
        usage = self._usage()
        about = {**self._about(), "used": plain(usage)}
        try:
            self._state.heartbeat(f"session/{self._journal.id}", **about)
            self._silent = False
        except (StateError, UsageError) as error:
            if not self._silent:
                self._trouble(f"no sign of life could be given: {error}")
            self._silent = True
        self._show_limits(usage)
        if now >= self._next_row or at_once:
            self._next_row = now + BEAT_SECONDS
            market = about.get("market_ns")
            self._journal.beat(self._number, from_ns(market) if market else None, about.get("line") == "up")
        return True

    def forget(self) -> None:
        """Leave no sign behind: of a rehearsal, which is over when it is."""
        with suppress(StateError):  # Told already, and nobody misses it.
            self._state.forget(f"session/{self._journal.id}")

    def _show_limits(self, rows: Sequence[tuple[str, Usage]]) -> None:
        """Leave the use of each limit where `robo status` finds it when the session is over."""
        if rows and not self._silent:
            with suppress(StateError):  # The next sign of life tells of it.
                publish(self._state, rows)
