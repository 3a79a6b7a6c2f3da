"""One JSON object to one `Event`, with every field checked before it is believed.

`ProblemError` carries one sentence about the first field that is wrong; the reader of the file puts
the name and the line in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from robo_trader.errors import RoboError, did_you_mean
from robo_trader.events.identity import FIRST_YEAR, LAST_YEAR
from robo_trader.records import Event

REQUIRED = ("kind", "title", "published_at")
OPTIONAL = (
    "symbols",
    "body",
    "url",
    "data",
    "event_time",
    "revision_of",
    "id",
    "source",
    "known_at",
)
FIELDS = frozenset((*REQUIRED, *OPTIONAL))


class ProblemError(Exception):
    """What is wrong with one event, and what to write instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def event_from(fields: Any) -> Event:
    """Return the event that a decoded JSON object describes; raise `ProblemError` when it is none."""
    if type(fields) is not dict:
        raise ProblemError(
            f"is {_shape(fields)}, not an object", hint="write one JSON object a line, not a JSON array"
        )
    if not fields.keys() <= FIELDS:
        name = next(k for k in fields if k not in FIELDS)
        raise ProblemError(
            f"has an unknown field {name!r}",
            hint=did_you_mean(name, FIELDS) or "put fields of your own under 'data'",
        )
    for name in REQUIRED:
        if fields.get(name) is None:
            raise ProblemError(f"lacks the field {name!r}", hint=f"required are {', '.join(REQUIRED)}")
    checked = {name: _READ[name](name, value) for name, value in fields.items() if value is not None}
    known, published = checked.get("known_at"), checked["published_at"]
    if known is not None and known < published:
        raise ProblemError(
            f"is known_at {fields['known_at']}, before published_at {fields['published_at']}",
            hint="nobody can know of an event before it is published; leave known_at out if unrecorded",
        )
    if checked.get("id") is not None and checked.get("revision_of") == checked.get("id"):
        raise ProblemError(
            f"revises itself (id {checked['id']!r})", hint="give the revision an id of its own"
        )
    try:
        return Event(**checked)
    except RoboError as error:
        raise ProblemError(error.message, hint=error.hint) from error


def _text(name: str, value: Any) -> str:
    if type(value) is not str:
        raise ProblemError(f"has {name} {_show(value)}, which is {_shape(value)}, not text")
    return value


def _named(name: str, value: Any) -> str:
    if not _text(name, value).strip():
        raise ProblemError(f"has an empty {name}")
    return str(value)


def _time(name: str, value: Any) -> datetime:
    example = "write ISO-8601 with an offset, for example 2024-09-18T14:00:00-04:00"
    if type(value) is not str:
        raise ProblemError(f"has {name} {_show(value)}, which is {_shape(value)}, not text", hint=example)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ProblemError(f"has {name} {value!r}, which is no ISO-8601 time", hint=example) from None
    if moment.tzinfo is None:
        raise ProblemError(f"has {name} {value!r} without a time zone", hint=example)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ProblemError(f"has {name} {value!r}, outside of the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment


def _symbols(name: str, value: Any) -> tuple[str, ...]:
    if type(value) is str:
        raise ProblemError(f"has {name} {value!r}, which is text, not a list", hint=f'write ["{value}"]')
    if type(value) is not list:
        raise ProblemError(f"has {name} {_show(value)}, which is {_shape(value)}, not a list of text")
    for symbol in value:
        if type(symbol) is not str or not symbol.strip():
            raise ProblemError(f"has the symbol {_show(symbol)} in {name}, which is not a name")
    return tuple(value)


def _object(name: str, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ProblemError(f"has {name} {_show(value)}, which is {_shape(value)}, not an object")
    return value


_READ: dict[str, Callable[[str, Any], Any]] = {
    "kind": _named,
    "title": _text,
    "published_at": _time,
    "symbols": _symbols,
    "body": _text,
    "url": _text,
    "data": _object,
    "event_time": _time,
    "revision_of": _named,
    "id": _named,
    "source": _named,
    "known_at": _time,
}


def _shape(value: Any) -> str:
    """Return the JSON name of a value's type with its article."""
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names[type(value)]


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
