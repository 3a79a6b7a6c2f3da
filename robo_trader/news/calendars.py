"""Calendars of what is planned: FOMC meetings, earnings, releases, from CSV and ICS files.

A planned thing becomes an event with `event_time`. It is known from when its calendar said so (the latest of
its ICS stamps, or a column `published_at`) and otherwise from when the file was read: a plan's age is
never invented. For backtests on calendars that do not say, `announced` states an assumption: so long
before its time, it was known.

Failure contract: a line that cannot be read is an `EventError` with file, line and value; repeating ICS
events are refused, since nobody can say when their repetitions became known.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from robo_trader import clock, zones
from robo_trader.config_values import parse_duration
from robo_trader.errors import ConfigError, EventError, RoboError
from robo_trader.events.hygiene import clean_event
from robo_trader.events.impact import classify
from robo_trader.events.source import EventSource
from robo_trader.events.store import UNDATED
from robo_trader.news.dates import read
from robo_trader.records import Event

#: Where a calendar names a day only: before the open and after the close, in New York.
_SLOTS = {"bmo": time(7, 0), "before": time(7, 0), "before open": time(7, 0), "amc": time(16, 15),
          "after": time(16, 15), "after close": time(16, 15), "dmh": time(12, 0)}  # fmt: skip
_COLUMNS = (
    "date", "time", "tz", "kind", "title", "symbol", "symbols", "body", "url", "published_at", "expected",
    "id",
)  # fmt: skip
_LARGEST = 20_000_000


class CalendarSource(EventSource):
    """Planned events from `files` (CSV or ICS), as an event source.

    `kind` is that of events that do not say theirs, `tz` the zone of times without one. `announced`
    (``"7d"``) is assumed to be how long before its time a thing was known, where the file does not say.
    """

    def __init__(
        self,
        *,
        files: Sequence[str] | str = (),
        kind: str | None = None,
        tz: str = "America/New_York",
        announced: Any = None,
    ) -> None:
        self.files = [files] if isinstance(files, str) else list(files)
        if not self.files:
            raise ConfigError(
                "the event source 'calendar' has no files",
                hint='write files = ["fomc.ics"] under [events.calendar]',
            )
        self._kind, self._zone = kind, zones.zone(tz)
        self._announced = (
            None if announced is None else parse_duration(announced, "[events.calendar] announced")
        )

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Return the planned events that became known in [since, until)."""
        seen = clock.now()
        for file in self.files:
            for event in read_calendar(
                file, seen_at=seen, kind=self._kind, zone=self._zone, announced=self._announced
            ):
                if since <= event.published_at < until:
                    yield event


def read_calendar(
    path: str | Path,
    *,
    seen_at: datetime,
    kind: str | None = None,
    zone: tzinfo = UTC,
    announced: timedelta | None = None,
) -> tuple[Event, ...]:
    """Return the planned events of a CSV or ICS file read at `seen_at` (aware UTC), by time.

    Where the file does not say when a thing was announced, it is known from `seen_at` on, or from
    `announced` before its time on if that is given (an assumption, and marked as one in `data`).
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise EventError(f"{file} is larger than {_LARGEST:,} bytes", hint="this is no calendar")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EventError(f"cannot read {file}: {error.strerror or error}", hint="check its path") from error
    except UnicodeDecodeError as error:
        raise EventError(f"{file} is not UTF-8 (byte {error.start + 1})", hint="save it as UTF-8") from None
    if text.lstrip().upper().startswith("BEGIN:VCALENDAR"):
        plans: Iterable[_Plan] = _from_ics(text, str(file), zone)
    else:
        plans = _from_csv(text, str(file), zone)
    events = [_event(plan, file.stem, seen_at, kind, announced) for plan in plans]
    return tuple(sorted(events, key=lambda event: (event.event_time or seen_at, event.title)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """One row of a calendar, read; `at` is when it happens, `said` when it was announced, if known."""

    place: str
    title: str
    at: datetime
    day_only: bool
    said: datetime | None
    fields: dict[str, Any]


def _event(
    plan: _Plan, source: str, seen_at: datetime, kind: str | None, announced: timedelta | None
) -> Event:
    data = dict(plan.fields.get("data", {}))
    data["scheduled"] = True
    if plan.day_only:
        data["day_only"] = True
    published = plan.said
    if published is not None and published > seen_at:
        data["date_text"] = published.isoformat()
        published = seen_at
    elif published is None and announced is not None:
        published = min(plan.at - announced, seen_at)
        data["announced_assumed"] = True
    elif published is None:
        published = seen_at
        data[UNDATED] = True
    try:
        event = Event(
            kind=plan.fields.get("kind") or kind or "news",
            title=plan.title,
            published_at=published,
            event_time=plan.at,
            symbols=plan.fields.get("symbols", ()),
            body=plan.fields.get("body", ""),
            url=plan.fields.get("url", ""),
            source=source,
            id=plan.fields.get("id"),
            data=data,
        )
    except RoboError as error:
        raise EventError(f"{plan.place}: {error.message}", hint=error.hint) from error
    event, _ = clean_event(event)
    return replace(event, kind=classify(event)) if event.kind == "news" else event


def _from_csv(text: str, name: str, zone: tzinfo) -> Iterator[_Plan]:
    """Read rows with the columns `date` and `title` (or `symbol`), and more of `_COLUMNS`."""
    rows = csv.DictReader(io.StringIO(text))
    columns = [column.strip().lower() for column in rows.fieldnames or ()]
    if "date" not in columns or not {"title", "symbol", "symbols"} & set(columns):
        raise EventError(
            f"{name} has the columns {', '.join(columns) or '(none)'}; it needs date and title or symbol",
            hint="the first line names the columns: date,time,tz,kind,title,symbol",
        )
    rows.fieldnames = columns
    for row in rows:
        place = f"{name} line {rows.line_num}"
        if None in row or None in row.values():
            raise EventError(f"{place} has another number of columns than the first line")
        cells = {column: value.strip() for column, value in row.items()}
        if not any(cells.values()):
            continue
        where = _zone_of(cells.get("tz", ""), zone, place)
        at, day_only = _moment(cells["date"], cells.get("time", ""), where, place)
        symbols = tuple(re.findall(r"[\w.^-]+", cells.get("symbols") or cells.get("symbol", "")))
        extra = {
            column: value for column, value in cells.items() if value and column not in _COLUMNS
        }  # fmt: skip
        if cells.get("expected"):
            extra["expected"] = cells["expected"]
        said = None
        if cells.get("published_at"):
            found = read(cells["published_at"], where)
            if found is None:
                raise EventError(f"{place}: published_at {cells['published_at']!r} is no time")
            said = found[0]
        yield _Plan(
            place, cells.get("title") or f"{', '.join(symbols)} {cells.get('kind') or 'event'}".strip(), at,
            day_only, said,
            {"kind": cells.get("kind"), "symbols": symbols, "body": cells.get("body", ""),
             "url": cells.get("url", ""), "data": extra, "id": cells.get("id") or None},
        )  # fmt: skip


def _moment(day: str, clock_time: str, zone: tzinfo, place: str) -> tuple[datetime, bool]:
    """Return when a row happens, and whether only its day is known (then it is the day's end)."""
    try:
        on = date.fromisoformat(day[:10])
    except ValueError:
        found = read(f"{day} {clock_time}".strip(), zone)
        if found is None:
            raise EventError(f"{place}: the date {day!r} cannot be read", hint="write 2024-09-18") from None
        return found[0], found[1] == "day only"
    if len(day) > 10 and not clock_time:
        found = read(day, zone)
        if found is None:
            raise EventError(f"{place}: the date {day!r} cannot be read", hint="write 2024-09-18") from None
        return found[0], found[1] == "day only"
    slot = _SLOTS.get(clock_time.lower())
    if slot is not None:
        return datetime.combine(on, slot, zones.zone("America/New_York")).astimezone(UTC), True
    if not clock_time:
        return datetime.combine(on, time(23, 59, 59), zone).astimezone(UTC), True
    for form in ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p"):
        try:
            at = datetime.strptime(clock_time.upper(), form).time()  # noqa: DTZ007 - a time of day
        except ValueError:
            continue
        return datetime.combine(on, at, zone).astimezone(UTC), False
    raise EventError(
        f"{place}: the time {clock_time!r} cannot be read", hint="write 14:00, bmo (before the open) or amc"
    )


def _zone_of(name: str, default: tzinfo, place: str) -> tzinfo:
    try:
        return zones.zone(name) if name else default
    except RoboError as error:
        raise EventError(f"{place}: {error.message}", hint=error.hint) from error


_PROPERTY = re.compile(
    r"(?P<name>[A-Za-z0-9-]+)(?P<params>(?:;[A-Za-z0-9-]+=(?:\"[^\"]*\"|[^:\";]*))*):(?P<value>.*)\Z",
    re.DOTALL,
)
#: Outlook's names of the zones that market calendars are kept in.
_WINDOWS = {
    "eastern standard time": "America/New_York", "central standard time": "America/Chicago",
    "pacific standard time": "America/Los_Angeles", "gmt standard time": "Europe/London",
    "w. europe standard time": "Europe/Berlin", "romance standard time": "Europe/Paris",
    "tokyo standard time": "Asia/Tokyo", "utc": "UTC",
}  # fmt: skip


def _from_ics(text: str, name: str, zone: tzinfo) -> Iterator[_Plan]:
    """Read the events of an iCalendar file (RFC 5545): what a plan needs, and no repetition."""
    event: dict[str, tuple[str, dict[str, str]]] | None = None
    begun, depth = 0, 0
    for number, line in _unfolded(text):
        match = _PROPERTY.match(line)
        if match is None:
            continue
        key, value = match["name"].upper(), match["value"]
        if key == "BEGIN":
            if value.upper() == "VEVENT":
                event, begun, depth = {}, number, 0
            elif event is not None:
                depth += 1  # an alarm inside of the event
        elif key == "END" and event is not None:
            if value.upper() != "VEVENT":
                depth = max(0, depth - 1)
                continue
            plan = _plan(event, f"{name} line {begun}", zone)
            event = None
            if plan is not None:
                yield plan
        elif event is not None and depth == 0:
            params = {}
            for part in match["params"].split(";")[1:]:
                parameter, _, said = part.partition("=")
                params[parameter.upper()] = said.strip('"')
            event.setdefault(key, (value, params))


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Yield logical lines with the number of their first; a line that begins with a blank goes on."""
    number, whole = 0, ""
    for i, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if line[:1] in (" ", "\t"):
            whole += line[1:]
            continue
        if whole:
            yield number, whole
        number, whole = i, line
    if whole:
        yield number, whole


def _plan(event: dict[str, tuple[str, dict[str, str]]], place: str, zone: tzinfo) -> _Plan | None:
    if event.get("STATUS", ("", {}))[0].upper() == "CANCELLED":
        return None
    if "RRULE" in event or "RDATE" in event:
        raise EventError(f"{place}: this event repeats", hint="export the calendar with each date by itself")
    if "DTSTART" not in event:
        raise EventError(f"{place}: an event without DTSTART", hint="give it a date")
    at, day_only = _ics_time(*event["DTSTART"], zone, place)
    # The latest of the three: a meeting that was moved was not known at its new time when it was created.
    stamps = [event[key] for key in ("CREATED", "DTSTAMP", "LAST-MODIFIED") if key in event]
    said = max((_ics_time(*stamp, UTC, place)[0] for stamp in stamps), default=None)
    symbols = re.findall(r"[\w.^-]+", event.get("X-SYMBOLS", ("", {}))[0])
    categories = _unescaped(event.get("CATEGORIES", ("", {}))[0]).lower().split(",")
    kinds = [word.strip() for word in categories if word.strip() in ("fomc", "earnings", "macro")]
    return _Plan(
        place, _unescaped(event.get("SUMMARY", ("", {}))[0]) or "(no title)", at, day_only, said,
        {"kind": kinds[0] if kinds else None, "symbols": tuple(symbols),
         "body": _unescaped(event.get("DESCRIPTION", ("", {}))[0]), "url": event.get("URL", ("", {}))[0]},
    )  # fmt: skip


def _ics_time(value: str, params: dict[str, str], zone: tzinfo, place: str) -> tuple[datetime, bool]:
    name = params.get("TZID", "").lstrip("/")
    where = _zone_of(_WINDOWS.get(name.lower(), name), zone, place)
    try:
        if re.fullmatch(r"\d{8}", value):
            day = datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 - a day
            return datetime.combine(day, time(23, 59, 59), where).astimezone(UTC), True
        if value.endswith("Z"):
            return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), False
        return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=where).astimezone(UTC), False
    except ValueError:
        raise EventError(f"{place}: {value!r} is no time of iCalendar") from None


def _unescaped(text: str) -> str:
    return re.sub(r"\\([nN,;\\])", lambda match: "\n" if match[1] in "nN" else match[1], text)
