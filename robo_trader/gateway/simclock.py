"""The gateway's own clock: real, faster than real, as fast as it can, or moved by hand.

`now` is integer nanoseconds UTC of market time. `stamp` is what the gateway says the time is: the same,
plus a skew that the control port can set. Delays that a person or a fault asks for are wall time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from robo_trader import clock
from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORM = re.compile(r"(\d+(?:\.\d+)?)(?:x|(s|m|min|h|d|w)/s)")


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of market time in a second of wall time; `lockstep` waits for `advance`, `fastest` never."""

    factor: float = 1.0
    lockstep: bool = False
    fastest: bool = False

    @property
    def stands(self) -> bool:
        """True where the clock moves from moment to moment only."""
        return self.lockstep or self.fastest


def parse_speed(text: str) -> Speed:
    """Return the speed of ``1d/s``, ``60x``, ``max`` or ``lockstep``; raise `UsageError`.

    >>> parse_speed("1d/s").factor, parse_speed("60x").factor
    (86400.0, 60.0)
    """
    word = text.strip().lower()
    if word == "lockstep":
        return Speed(0.0, lockstep=True)
    if word == "max":
        return Speed(0.0, fastest=True)
    match = _FORM.fullmatch(word)
    factor = float(match[1]) * _UNITS.get(match[2] or "s", 1) if match else 0.0
    if not 0 < factor <= 1e9:
        raise UsageError(f"unknown speed {text!r}", hint="write 60x, 1d/s, 4h/s, max or lockstep")
    return Speed(factor)


class SimClock:
    """Market time that runs at a speed, or stands until it is moved.

    `held` stops it until `set`. It never passes `ceiling`: what is due then has to be played first, and
    a replay that lags catches up without ever showing a time whose data it has not told.
    """

    def __init__(self, start_ns: int | None = None, speed: Speed | None = None) -> None:
        self.speed = speed or Speed()
        self.skew_ns = 0
        self.held = False
        self.ceiling: int | None = None
        self._wall = clock.monotonic()
        self._sim = clock.to_ns(clock.now()) if start_ns is None else start_ns

    def now(self) -> int:
        """Return market time in ns UTC."""
        if self.speed.stands or self.held:
            return self._sim
        run = self._run()
        return run if self.ceiling is None else min(run, self.ceiling)

    def _run(self) -> int:
        return self._sim + int((clock.monotonic() - self._wall) * self.speed.factor * NS_PER_SECOND)

    def stamp(self) -> int:
        """Return what the gateway says the time is, skew included (ns UTC)."""
        return self.now() + self.skew_ns

    def set(self, ns: int) -> None:
        """Move market time to `ns`; it runs on from there."""
        self._sim, self._wall, self.held = ns, clock.monotonic(), False

    def reach(self, ns: int) -> None:
        """Let it be `ns` until the ceiling is lifted; a clock that is not there yet is moved."""
        self.ceiling = ns
        if self.now() < ns:
            self.set(ns)

    def wall_seconds_until(self, ns: int) -> float:
        """Return how long the wall clock has to wait for market time `ns`."""
        if self.speed.stands:
            return 0.0
        now = self._sim if self.held else self._run()
        return max(0.0, (ns - now) / (self.speed.factor * NS_PER_SECOND))


def day_of(ns: int) -> int:
    """Return the number of the UTC day that `ns` lies in."""
    return ns // NS_PER_DAY
