"""Stamps as text: ISO, compact, US, German and spelt-out dates, and epochs in s, ms, µs or ns.

These patterns serve two readers: `parse_stamp` for single texts, and `stampcolumn.parse_column`
for a whole column at once.

Day and month: ``1/3/2017`` is US (January 3rd); with dots, ``3.1.2017``, the day comes first. A
column with slashes is read day first only where some first number is above 12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND

_TIME = (
    r"(?:[T ]+(?P<H>\d{1,2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,](?P<F>\d{1,9}))?)?"
    r"(?: ?(?P<A>[AaPp][Mm]))?)?"
)
_ZONE = r"(?: ?(?P<Z>Z|z|UTC|GMT)| ?(?P<sign>[+-])(?P<oh>\d{2}):?(?P<om>\d{2})?(?::?(?P<os>\d{2}))?)?"
#: The note that goes with such a column.
DAY_FIRST = "dates are read day first (some first number is above 12)"
_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_ISO = re.compile(rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}{_ZONE}")
_COMPACT = re.compile(rf"(?P<y>(?:19|20)\d{{2}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_TIME}{_ZONE}")
_PACKED = re.compile(r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?")
SLASHED = re.compile(rf"(?P<m>\d{{1,2}})[/-](?P<d>\d{{1,2}})[/-](?P<y>\d{{4}}|\d{{2}}),?{_TIME}{_ZONE}")
_DOTS = re.compile(rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}|\d{{2}}),?{_TIME}{_ZONE}")
_WORDS = (
    re.compile(rf"(?P<d>\d{{1,2}})[- ](?P<b>[A-Za-z]{{3}})[a-z]*[- ,]+(?P<y>\d{{4}}|\d{{2}}){_TIME}{_ZONE}"),
    re.compile(rf"(?P<b>[A-Za-z]{{3}})[a-z]* (?P<d>\d{{1,2}}),? (?P<y>\d{{4}}){_TIME}{_ZONE}"),
)
_EPOCH = re.compile(r"(?P<e>-?\d{9,19})(?:\.(?P<f>\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Stamp:
    """One stamp: wall time (ns), the offset (ns) or None where it has none, whether it has a time
    of day, and whether it is an epoch."""

    wall: int
    offset: int | None
    has_time: bool
    epoch: bool = False


def parse_stamp(text: str, *, day_first: bool = False) -> Stamp | None:
    """Return what `text` says, or None where it is no stamp; impossible dates are no stamps."""
    text = text.strip()
    match = match_stamp(text)
    if match is None:
        return None
    parts = match.groupdict()
    if parts.get("e"):
        return _epoch(int(parts["e"]), parts.get("f"))
    try:
        return _from_parts(parts, day_first and match.re is SLASHED)
    except ValueError:
        return None


def looks_like_stamp(text: str) -> bool:
    """Return whether `text` can be read as a stamp, either way round."""
    return parse_stamp(text) is not None or parse_stamp(text, day_first=True) is not None


def needs_day_first(texts: list[str]) -> bool:
    """Return whether the column's slashed dates put the day first: some first number is above 12
    and no second one is."""
    found = [m for m in (SLASHED.fullmatch(text.strip()) for text in texts) if m]
    return any(int(m["m"]) > 12 for m in found) and not any(int(m["d"]) > 12 for m in found)


def match_stamp(text: str) -> re.Match[str] | None:
    for pattern in (_ISO, _COMPACT, _PACKED, SLASHED, _DOTS, *_WORDS, _EPOCH):
        match = pattern.fullmatch(text)
        if match:
            return match
    return None


def epoch_unit(value: int) -> int:
    """Return the nanoseconds of an epoch's unit by its size: s below 1e11, then ms, µs and ns."""
    for limit, unit in ((10**11, NS_PER_SECOND), (10**14, 10**6), (10**17, 10**3)):
        if abs(value) < limit:
            return unit
    return 1


def _epoch(value: int, fraction: str | None) -> Stamp:
    unit = epoch_unit(value)
    wall = value * unit
    if fraction and unit > 1:
        wall += int(fraction) * unit // 10 ** len(fraction)
    return Stamp(wall, 0, True, True)


def _from_parts(parts: dict[str, str | None], swapped: bool) -> Stamp:
    year = int(parts["y"] or 0)
    if len(parts["y"] or "") == 2:
        year += 2000 if year < 69 else 1900
    if parts.get("b"):
        month, day = _NAMES.index((parts["b"] or "").lower()) + 1, int(parts["d"] or 0)
    else:
        month, day = int(parts["m"] or 0), int(parts["d"] or 0)
    if swapped:
        month, day = day, month
    hour = int(parts["H"] or 0) if parts["H"] else 0
    half = (parts.get("A") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("an hour of twelve")
        hour = hour % 12 + (12 if half == "pm" else 0)
    moment = datetime(year, month, day, hour, int(parts["M"] or 0), int(parts.get("S") or 0), tzinfo=UTC)
    days = moment.toordinal() - date(1970, 1, 1).toordinal()
    wall = days * NS_PER_DAY + (hour * 3600 + moment.minute * 60 + moment.second) * NS_PER_SECOND
    fraction = parts.get("F")
    if fraction:
        wall += int(fraction) * NS_PER_SECOND // 10 ** len(fraction)
    offset: int | None = None
    if parts.get("Z"):
        offset = 0
    elif parts.get("sign"):
        seconds = int(parts["oh"] or 0) * 3600 + int(parts["om"] or 0) * 60 + int(parts["os"] or 0)
        offset = (-seconds if parts["sign"] == "-" else seconds) * NS_PER_SECOND
    return Stamp(wall, offset, parts["H"] is not None)
