"""Times as the protocol writes them: local text, epoch seconds, trading hours."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

from robo_trader.clock import NS_PER_SECOND, from_ns
from robo_trader.gateway.versions import INSTRUMENT_ZONE


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_time(ns: int, zone: str, spaces: int = 1) -> str:
    """Return ``20261120 01:05:35`` in a zone, without the zone's name."""
    return from_ns(ns).astimezone(_zone(zone)).strftime(f"%Y%m%d{' ' * spaces}%H:%M:%S")


def zoned_time(ns: int, version: int, zone: str, login_zone: str) -> str:
    """Return a time of bars and executions: the instrument's zone from version 174 on, else the login's."""
    if version >= INSTRUMENT_ZONE:
        return f"{local_time(ns, zone)} {zone}"
    return local_time(ns, login_zone, spaces=2)


def epoch(ns: int) -> int:
    """Return whole seconds since 1970."""
    return ns // NS_PER_SECOND


def date_text(day: int) -> str:
    """Return ``20261120`` of a day number."""
    return from_ns(day * 86_400 * NS_PER_SECOND).strftime("%Y%m%d")
