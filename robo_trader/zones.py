"""Wall clocks and UTC for whole arrays: int64 nanoseconds in, int64 nanoseconds out.

A wall time is the nanoseconds since 1970-01-01 that a clock on the wall would show. Offsets are
asked of `zoneinfo` once a day, and stamp by stamp only on days on which they change.

Failure contract: an unknown zone is a `ConfigError`; a wall time that does not exist, or that
occurs twice without the order of the stamps telling which, is a `DataError` naming it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (wall clocks have no zone)


@cache
def zone(name: str) -> tzinfo:
    """Return the zone called `name` (IANA); raise `ConfigError` with the nearest known one."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        raise ConfigError(
            f"unknown time zone {name!r}", hint=near or "write an IANA name such as America/New_York"
        ) from None


def to_wall(utc: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Return what clocks in zone `name` show at the instants `utc`."""
    import numpy as np

    place = zone(name)
    if place is UTC or not len(utc):
        return utc.copy()
    out = np.empty_like(utc)
    for day, begin, end in _days(utc):
        first, last = _offset_at(place, day), _offset_at(place, day + 1)
        part = slice(begin, end)
        if first == last:
            out[part] = utc[part] + first
        else:
            out[part] = [t + _offset_ns(place, t) for t in utc[part].tolist()]
    return out


def to_utc(wall: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Return the instants at which clocks in zone `name` show `wall`.

    In the hour that occurs twice in autumn, stamps that repeat or step back tell the second
    pass; an hour given once is refused.
    """
    import numpy as np

    place = zone(name)
    if place is UTC or not len(wall):
        return wall.copy()
    out = np.empty_like(wall)
    for day, begin, end in _days(wall):
        part = slice(begin, end)
        # A change of offset touches the wall times of its own day only, give or take a day.
        around = {_offset_at(place, d) for d in (day, day + 1, day + 2)} | {_offset_at(place, day - 1)}
        if len(around) == 1:
            out[part] = wall[part] - around.pop()
        else:
            out[part] = _slow_utc(wall[part].tolist(), place, name)
    return out


def _slow_utc(wall: list[int], place: tzinfo, name: str) -> list[int]:
    out = []
    folded = [_both(w, place) for w in wall]
    second = False
    last: int | None = None
    passes: list[bool] = []
    for w, (early, late) in zip(wall, folded, strict=True):
        if early == late:
            second, last = False, None
        else:
            second = second or (last is not None and w <= last)
            last = w
        passes.append(second)
    twice = [i for i, (early, late) in enumerate(folded) if early < late]
    if twice and not any(passes[i] for i in twice):
        raise DataError(
            f"{_show(wall[twice[0]])} occurs twice in {name} (clocks go back), and nothing tells which it is",
            hint="give stamps with an offset, or in UTC with tz = 'UTC'",
        )
    for w, (early, late), again in zip(wall, folded, passes, strict=True):
        if early > late:
            raise DataError(
                f"{_show(w)} does not exist in {name} (clocks go forward)",
                hint="the stamps are in another zone: say which with tz = …",
            )
        out.append(late if again else early)
    return out


def _both(wall: int, place: tzinfo) -> tuple[int, int]:
    """Return the instants of `wall` read with fold 0 and fold 1; early > late means a gap."""
    naive = _EPOCH + timedelta(microseconds=wall // 1000)
    results = []
    for fold in (0, 1):
        offset = naive.replace(tzinfo=place, fold=fold).utcoffset()
        assert offset is not None
        results.append(wall - round(offset.total_seconds()) * NS_PER_SECOND)
    return results[0], results[1]


def _show(wall: int) -> str:
    return (_EPOCH + timedelta(microseconds=wall // 1000)).isoformat(sep=" ")


def _days(stamps: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return runs of stamps on one day as (day number, first index, end index)."""
    import numpy as np

    days = stamps // NS_PER_DAY
    edges = np.flatnonzero(np.diff(days)) + 1
    begins = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(days)]
    return [(int(days[b]), b, e) for b, e in zip(begins, ends, strict=True)]


@cache
def _offset_at(place: tzinfo, day: int) -> int:
    """Return the offset at 00:00 UTC of a day, in nanoseconds."""
    return _offset_ns(place, day * NS_PER_DAY)


def _offset_ns(place: tzinfo, utc: int) -> int:
    moment = (_EPOCH + timedelta(microseconds=utc // 1000)).replace(tzinfo=UTC).astimezone(place)
    offset = moment.utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * NS_PER_SECOND
