"""Restraint towards a provider: calls a minute, and a circuit that opens when it is in trouble.

Times are seconds on a clock that never goes back. Nothing here raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robo_trader.clock import monotonic


class Pace:
    """At most `per_minute` calls a minute, evenly spaced after a burst of a tenth of them; 0: no limit."""

    def __init__(self, per_minute: float = 0.0, now: Callable[[], float] = monotonic) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._burst = max(1.0, per_minute / 10) * self._gap
        self._now = now
        self._next = float("-inf")

    async def wait(self) -> None:
        """Return when the next call may go out."""
        if not self._gap:
            return
        now = self._now()
        turn = self._next = max(self._next, now - self._burst) + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)


class Circuit:
    """Opens after `failures` failures in a row, for `cooldown` seconds; then one call may try.

    A provider that asks for a longer pause gets it.
    """

    def __init__(
        self, failures: int = 5, cooldown: float = 30.0, now: Callable[[], float] = monotonic
    ) -> None:
        self._most = failures
        self._cooldown = cooldown
        self._now = now
        self._failed = 0
        self._until = float("-inf")
        self._trying = False

    @property
    def closed_for(self) -> float:
        """How many seconds nobody may call; 0 when calls may pass."""
        return max(0.0, self._until - self._now())

    def enter(self) -> bool:
        """Tell whether a call may pass now; each that may must be followed by `report`."""
        if self.closed_for or self._trying:
            return False
        self._trying = self._failed >= self._most
        return True

    def report(self, trouble: bool | None, pause: float | None = None) -> None:
        """Say how a call ended, and the pause that the provider asked for (seconds).

        `trouble` None says that nobody was asked after all.
        """
        self._trying = False
        if trouble is None:
            return
        self._failed = self._failed + 1 if trouble else 0
        if self._failed >= self._most:
            self._until = self._now() + self._cooldown
        if trouble and pause:
            self._until = max(self._until, self._now() + pause)
