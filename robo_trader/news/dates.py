"""When an entry was published, as far as its feed says so, and never earlier than it can have been.

A feed's date may be missing, lie in the future, lack its zone or name a day only. None of that is mended
by guessing: an unknown time becomes the moment when we saw the entry, a day becomes its end, a
time without zone is read in the feed's stated zone or UTC, and `how` says what was done.
Nothing here raises.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_tz
from typing import Any, Literal
from zoneinfo import ZoneInfo

How = Literal["stated", "no zone", "day only", "in the future", "missing"]

#: A publisher's clock may be ahead of ours by this much before its date is not believed.
SKEW = timedelta(minutes=10)
#: Nothing on a feed is older than the first web site.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# The abbreviations of North America's and Europe's markets; others are no zone to us.
_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420,
    "mdt": -360, "pst": -480, "pdt": -420, "bst": 60, "cet": 60, "cest": 120,
}  # fmt: skip
_PLACES = {"et": "America/New_York", "ct": "America/Chicago", "pt": "America/Los_Angeles"}
_ZONE = re.compile(r"(?P<offset>[+-]\d{2}:?\d{2})$|(?<![A-Za-z])(?P<name>[A-Za-z]{1,4})$")
_NOON = re.compile(r"\b[ap]\.?m\b", re.IGNORECASE)  # parsedate_tz does not see it
_CLOCK = re.compile(r"\d{1,2}:\d{2}|T\d{4,6}")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})?$")
_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M",
    "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M", "%d %B %Y %H:%M", "%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p",
    "%b %d, %Y, %I:%M %p", "%B %d, %Y, %I:%M %p", "%b %d, %Y %H:%M", "%B %d, %Y %H:%M", "%a, %d %b %Y"
    " %H:%M:%S",
    "%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%a, %d %b %Y",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Published:
    """The time of publication (aware UTC), how it was come by, and the text that the feed gave."""

    at: datetime
    how: How
    text: str = ""


def published(texts: list[str], parsed: list[Any], seen_at: datetime, zone: tzinfo = UTC) -> Published:
    """Return when an entry seen at `seen_at` (aware UTC) was published.

    `texts` are the feed's dates, the best first; `parsed` holds for each what feedparser made of it
    (a ``struct_time`` in UTC, or None) for formats that are not known here. `zone` is the feed's, for
    times that carry none.
    """
    for text, fallback in zip(texts, parsed, strict=True):
        found = read(text, zone) or _from_struct(fallback, text, zone)
        if found is None:
            continue
        at, how = found
        if at < _EARLIEST:
            continue
        if at > seen_at + (SKEW if how == "stated" else timedelta(0)):
            # A day that is not over, or a zone that was wrong, is no lie: it had appeared by now.
            return Published(seen_at, "in the future" if how == "stated" else how, text)
        return Published(min(at, seen_at), how, text)
    return Published(seen_at, "missing", texts[0] if texts else "")


def read(text: str, zone: tzinfo = UTC) -> tuple[datetime, How] | None:
    """Return the time that `text` names (aware UTC) and how sure that is; None when it names none.

    A day alone is read as its last second in `zone`.
    """
    text = " ".join(text[:100].split())
    if not text:
        return None
    stated = _iso(text) or _rfc822(text)
    if stated is None:
        stated = _other(text)
    if stated is None:
        return None
    moment, has_time = stated
    try:
        if not has_time:
            end = datetime(moment.year, moment.month, moment.day, 23, 59, 59, tzinfo=zone)
            return end.astimezone(UTC), "day only"
        if moment.tzinfo is None:
            return moment.replace(tzinfo=zone).astimezone(UTC), "no zone"
        return moment.astimezone(UTC), "stated"
    except (OverflowError, ValueError):
        return None


def _iso(text: str) -> tuple[datetime, bool] | None:
    if compact := _COMPACT.match(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in compact.groups())
        try:
            return datetime(year, month, day, hour, minute, second), True  # noqa: DTZ001 - read() adds the zone
        except ValueError:
            return None
    if not re.match(r"\d{4}-\d{2}-\d{2}|\d{8}T", text):
        return None
    try:
        return datetime.fromisoformat(text), bool(_CLOCK.search(text[8:]))
    except ValueError:
        return None


def _rfc822(text: str) -> tuple[datetime, bool] | None:
    fields = parsedate_tz(text)
    if fields is None or not _CLOCK.search(text) or _NOON.search(text):
        return None
    try:
        moment = datetime(*fields[:6])  # noqa: DTZ001 - the zone follows
    except ValueError:
        return None
    found = _ZONE.search(text)
    known = found is not None and (found["offset"] or found["name"].lower() in _ZONES)
    if not known or fields[9] is None:
        return moment, True
    minutes = _ZONES.get((found["name"] or "").lower()) if found is not None else None
    seconds = fields[9] if minutes is None else minutes * 60
    return (moment - timedelta(seconds=seconds)).replace(tzinfo=UTC), True


def _other(text: str) -> tuple[datetime, bool] | None:
    rest, minutes, place = text, None, None
    found = _ZONE.search(text)
    if found is not None and _CLOCK.search(text):
        name = (found["name"] or "").lower()
        if found["offset"]:
            digits = found["offset"].replace(":", "")
            minutes = (int(digits[1:3]) * 60 + int(digits[3:5])) * (-1 if digits[0] == "-" else 1)
        elif name not in ("am", "pm"):
            minutes, place = _ZONES.get(name), _PLACES.get(name)
        if minutes is not None or (name and name not in ("am", "pm")):
            rest = text[: found.start()].strip()
    rest = re.sub(r"\b([ap])\.?m\.?(?=$|\s)", r"\1m", rest, flags=re.IGNORECASE)
    for form in _FORMATS:
        try:
            moment = datetime.strptime(rest, form)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        if minutes is not None:
            return (moment - timedelta(minutes=minutes)).replace(tzinfo=UTC), True
        if place is not None:
            return moment.replace(tzinfo=ZoneInfo(place)), True
        return moment, "%H" in form or "%I" in form
    return None


def _from_struct(parsed: Any, text: str, zone: tzinfo) -> tuple[datetime, How] | None:
    """Return what feedparser read; it takes a time without zone as UTC, so that is said here too."""
    if not isinstance(parsed, time.struct_time):
        return None
    try:
        moment = datetime(*parsed[:6], tzinfo=UTC)
    except ValueError:
        return None
    if not _CLOCK.search(text):
        day = date(moment.year, moment.month, moment.day)
        return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=zone).astimezone(UTC), "day only"
    found = _ZONE.search(text.strip())
    sure = found is not None and (found["offset"] or found["name"].lower() in _ZONES)
    return moment, "stated" if sure else "no zone"
