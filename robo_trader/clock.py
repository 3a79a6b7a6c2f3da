"""The one place where the project reads the wall clock.

Everything that needs "now" calls `now()`, so that tests and replays can set the time with
`fixed()`. All times are aware and in UTC; integer times are nanoseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from robo_trader.errors import UsageError

NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_fixed: ContextVar[datetime | None] = ContextVar("robo_fixed_now", default=None)


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _fixed.get() or datetime.now(UTC)


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for durations only."""
    return time.perf_counter()


@contextmanager
def fixed(moment: datetime) -> Iterator[None]:
    """Make `now()` return `moment` (aware) inside the ``with`` block."""
    token = _fixed.set(require_utc(moment, "the fixed time"))
    try:
        yield
    finally:
        _fixed.reset(token)


def require_utc(moment: datetime, what: str) -> datetime:
    """Return `moment` in UTC; raise `UsageError` naming `what` when it is naive."""
    if moment.tzinfo is None:
        raise UsageError(
            f"{what} {moment.isoformat()} has no time zone",
            hint="write it with an offset, for example 2024-09-18T14:00:00-04:00",
        )
    return moment.astimezone(UTC)


def to_ns(moment: datetime) -> int:
    """Return aware `moment` as integer nanoseconds since 1970-01-01 UTC (exact)."""
    delta = require_utc(moment, "time") - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * NS_PER_SECOND + delta.microseconds * 1000


def from_ns(ns: int) -> datetime:
    """Return integer nanoseconds since the epoch as an aware UTC datetime (floor to 1 µs)."""
    return _EPOCH + timedelta(microseconds=int(ns) // 1000)


def iso(ns: int) -> str:
    """Return integer nanoseconds as ISO-8601 with ``Z``; fractions only where there are any.

    >>> iso(1_700_000_000_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    return from_ns(ns).isoformat().replace("+00:00", "Z")
