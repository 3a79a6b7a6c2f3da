"""How often history may be asked for: Interactive Brokers' published limits, kept before they are broken.

Sixty requests in ten minutes, the same request once in fifteen seconds, fewer than six for one contract and
kind of price in two seconds; bid and ask together count twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits; times in seconds. `after_violation` is the pause after a request that was too many."""

    requests: int = 60
    window: float = 600.0
    repeat: float = 15.0
    burst: int = 6
    burst_window: float = 2.0
    after_violation: float = 15.0


class Pacer:
    """Remembers requests and says how long the next one has to wait. Times are monotonic seconds."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._sent: deque[tuple[float, Hashable, Hashable, int]] = deque()

    def wait(self, now: float, same: Hashable, contract: Hashable, weight: int = 1) -> float:
        """Return the seconds from `now` until a request may be sent; 0 when it may at once.

        `same` identifies the request, `contract` the contract with the kind of price.
        """
        pace = self.pace
        while self._sent and now - self._sent[0][0] > max(pace.window, pace.repeat, pace.burst_window):
            self._sent.popleft()
        until = now
        room = pace.requests - weight
        for at, _, _, counted in reversed(self._sent):
            room -= counted
            if room < 0:
                until = max(until, at + pace.window)
                break
        until = max([until, *(at + pace.repeat for at, one, _, _ in self._sent if one == same)])
        alike = [at for at, _, one, _ in self._sent if one == contract]
        if len(alike) >= pace.burst - 1:
            until = max(until, alike[-(pace.burst - 1)] + pace.burst_window)
        return until - now

    def count(self, now: float, same: Hashable, contract: Hashable, weight: int = 1) -> None:
        """Remember that a request was sent at `now`."""
        self._sent.append((now, same, contract, weight))
