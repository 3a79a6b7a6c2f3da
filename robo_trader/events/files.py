"""Events files: JSON Lines in UTF-8, one event a line, in any order.

A file is read whole or refused: the first line that breaks a rule is an `EventError` with the
file's name and the line's number. Writing goes to a neighbour file that is then renamed, so that
a full disk leaves the old file as it was.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from robo_trader.errors import EventError, did_you_mean
from robo_trader.events.identity import encode, stamp
from robo_trader.events.parse import ProblemError, event_from
from robo_trader.events.tape import ASSUMED_DELAY, EventOrigin, EventTape
from robo_trader.records import Event

_BOM = b"\xef\xbb\xbf"


def _no_constant(name: str) -> NoReturn:
    raise ProblemError(f"has the value {name}, which is not JSON", hint="write null for what is unknown")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def read_events(path: str | os.PathLike[str], *, assume_delay: timedelta = ASSUMED_DELAY) -> EventTape:
    """Return the tape of an events file.

    Events without a recorded `known_at` are taken as known `assume_delay` after they were published
    and counted; those without a `source` get the file's name without its ending.
    Raise `EventError` with file and line for anything that is not an event, and for a missing,
    unreadable or empty file.
    """
    file = Path(path)
    raw = _bytes(file)
    name = str(file)
    events: list[Event] = []
    places: list[str] = []
    with _no_collection():
        for number, line in enumerate(raw.removeprefix(_BOM).split(b"\n"), start=1):
            if not line or line.isspace():
                continue
            try:
                events.append(event_from(_object(line)))
            except ProblemError as problem:
                raise EventError(f"{name} line {number} {problem.what}", hint=problem.hint) from None
            places.append(f"{name} line {number}")
        if not events:
            raise EventError(f"{name} holds no events", hint="write one JSON object a line")
        origin = EventOrigin(name, sha256=hashlib.sha256(raw).hexdigest())
        return EventTape.of(events, assume_delay=assume_delay, source=file.stem, origin=origin, places=places)


def write_events(path: str | os.PathLike[str], events: EventTape | Iterable[Event]) -> Path:
    """Write events as JSON Lines and return the path; reading the file back gives them again.

    A tape's assumed arrival times are left out, since nobody recorded them. Raise `EventError`
    when the file cannot be written or an event's `data` would not come back equal.
    """
    file = Path(path)
    if isinstance(events, EventTape):
        pairs = zip(events.events, (bool(b) for b in events.inferred), strict=True)
        lines = [_line(event, assumed) for event, assumed in pairs]
    else:
        lines = [_line(event, False) for event in events]
    neighbour = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        try:
            neighbour.write_bytes(b"".join(lines))
            os.replace(neighbour, file)
        finally:
            neighbour.unlink(missing_ok=True)
    except OSError as error:
        raise EventError(
            f"cannot write {file}: {error.strerror or error}",
            hint="check the folder, its rights and the disk",
        ) from error
    return file


def _line(event: Event, assumed: bool) -> bytes:
    """Return the event's line; fields that hold nothing are left out."""
    data = dict(event.data)
    fields: dict[str, Any] = {
        "id": event.id,
        "kind": event.kind,
        "title": event.title,
        "published_at": stamp(event.published_at),
        "known_at": None if assumed or event.known_at is None else stamp(event.known_at),
        "event_time": None if event.event_time is None else stamp(event.event_time),
        "symbols": list(event.symbols),
        "source": event.source,
        "url": event.url,
        "revision_of": event.revision_of,
        "data": data,
        "body": event.body,
    }
    if json.loads(encode(data, event)) != data:
        raise EventError(
            f"event {event.title!r} of {stamp(event.published_at)} carries data that JSON would change",
            hint="use lists and not tuples, and text for every key",
        )
    present = {k: v for k, v in fields.items() if v or k == "title"}
    try:
        text = json.dumps(present, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8; JSON's escapes can carry it
        text = json.dumps(present, allow_nan=False).encode("ascii")
    return text + b"\n"


def _object(line: bytes) -> Any:
    try:
        return _decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProblemError(f"is not UTF-8 (byte {error.start + 1})", hint="save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise ProblemError(
            f"is not JSON: {error.msg} at column {error.colno}",
            hint="an events file is JSON Lines: one whole JSON object on each line",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"cannot be read as JSON: {error}") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        here = file.parent
        known = [p.name for p in here.iterdir() if p.is_file()] if here.is_dir() else []
        raise EventError(
            f"there is no events file {file}",
            hint=did_you_mean(file.name, known) or "give the path of a JSON Lines file",
        ) from None
    except IsADirectoryError:
        raise EventError(
            f"{file} is a folder, not an events file", hint="name the .jsonl file in it"
        ) from None
    except OSError as error:
        raise EventError(f"cannot read {file}: {error.strerror or error}", hint="check its rights") from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the cyclic collector while many small objects are made: none of them forms a cycle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
