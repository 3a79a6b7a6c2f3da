"""The interface of a state store, and the door that opens one.

A store holds JSON values under text keys. Each has a version, a whole number that only grows, also
across a deletion, so that ``put(key, value, expected=version)`` changes what its caller has seen or
nothing (compare-and-set). Keys look like paths: ``halt``, ``cursor/rss``, ``position/AAPL``.

Failure contract: what cannot be reached, read or written raises `StateError` naming the place and
the next step, and changes nothing; a compare-and-set that lost raises `StateConflict`; a key or a
value that no store could hold raises `UsageError`.
"""

from __future__ import annotations

import json
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from robo_trader import clock
from robo_trader.errors import ConfigError, StateError, UsageError, did_you_mean
from robo_trader.masking import mask_url

#: The folder of a project's own state, beside its `robo.toml`.
FOLDER = ".robo"
_SCHEMES = ("file", "redis", "rediss", "unix")
_HEARTBEAT = "heartbeat/"
_LONGEST_KEY = 80
_MOST_TRIES = 1_000


class StateConflict(StateError):
    """Somebody else changed the value since it was read; read it again and decide anew."""

    def __init__(self, key: str, expected: int, found: int) -> None:
        said = f"version {found}" if found else "nothing"
        super().__init__(
            f"state {key!r}: there is {said} now, not version {expected}",
            hint="read it again and decide anew",
        )
        self.key, self.expected, self.found = key, expected, found


@dataclass(frozen=True, slots=True)
class Stored:
    """A value (as JSON knows it) and its version, 1 or more."""

    value: Any
    version: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of `name`: when it was given (aware UTC), and what it said of itself.

    `age` is never negative: a sign from the future, after a clock was set back, counts as fresh and
    is `skewed`.
    """

    name: str
    at: datetime
    age: timedelta
    about: Mapping[str, Any] = field(default_factory=dict)
    skewed: bool = False


class State(ABC):
    """A store of shared state; see the module for its rules. Safe to use from several threads."""

    #: Where it is, in words for people, passwords masked.
    place: str

    @abstractmethod
    def get(self, key: str) -> Stored | None:
        """Return what is stored under `key`, or None."""

    @abstractmethod
    def put(self, key: str, value: Any, *, expected: int | None = None) -> int:
        """Store `value` and return its version.

        With `expected` only if that is the version stored now (0: only if there is nothing);
        otherwise `StateConflict`.
        """

    @abstractmethod
    def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Remove `key` and tell whether it was there; `expected` as for `put`."""

    @abstractmethod
    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""

    def close(self) -> None:  # noqa: B027 - most stores hold nothing open
        """Let go of connections; the store may not be used afterwards."""

    def update(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Replace the value by ``change(value)`` (None where there is none) and return the new one.

        `change` is called again whenever somebody else was faster, so it should do nothing else.
        """
        for _ in range(_MOST_TRIES):
            found = self.get(key)
            wanted = change(None if found is None else found.value)
            try:
                self.put(key, wanted, expected=0 if found is None else found.version)
            except StateConflict:
                continue
            return wanted
        raise StateError(
            f"state {key!r} at {self.place}: changed by others {_MOST_TRIES:,} times in a row",
            hint="look for a process that writes it in a loop",
        )

    def heartbeat(self, name: str, **about: Any) -> None:
        """Say that `name` is alive now; `about` (JSON values) says how it is."""
        said = {"at": clock.iso(clock.to_ns(clock.now())), "pid": os.getpid(), "host": socket.gethostname()}
        self.put(_HEARTBEAT + name, {**said, **about})

    def forget(self, name: str) -> None:
        """Remove the signs of life of `name`, for what is over and concerns nobody any more."""
        self.delete(_HEARTBEAT + name)

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Return the last sign of life of everybody, by name."""
        found = {}
        now = clock.now()
        for key in self.keys(_HEARTBEAT):
            stored = self.get(key)
            if stored is None:
                continue
            name, value = key.removeprefix(_HEARTBEAT), dict(stored.value)
            at = datetime.fromisoformat(value.pop("at"))
            age = now - at
            found[name] = Heartbeat(name, at, max(age, timedelta(0)), value, skewed=age < timedelta(0))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_state(url: str | None = None, *, folder: str | Path | None = None) -> State:
    """Return the store that `url` names.

    None means files in `folder` (default: `.robo` below the current folder); ``file:PATH`` files in
    PATH; ``redis://[user:password@]host[:port][/db]``, ``rediss://…`` and ``unix://…`` a Redis
    server. ``?prefix=NAME`` sets what its keys begin with (``robo``). A server is reached when it is
    first used.
    """
    if not url:
        from robo_trader.state.files import FileState

        return FileState(Path(folder) if folder is not None else Path(FOLDER))
    scheme = urlsplit(url).scheme
    if scheme == "file":
        from robo_trader.state.files import FileState

        path = url.removeprefix("file:")
        return FileState(Path(path.removeprefix("//") if path.startswith("//") else path))
    if scheme in _SCHEMES:
        from robo_trader.state.redis_store import RedisState

        return RedisState(url)
    raise ConfigError(
        f"state.url {mask_url(url)!r}: there is no state store {scheme or url!r}",
        hint=did_you_mean(scheme, _SCHEMES) or "write redis://host:6379/0 or file:folder, or leave it out",
    )


def check_key(key: str) -> str:
    """Return `key`, or raise `UsageError` when no store could hold it."""
    if not isinstance(key, str) or not key or len(key) > _LONGEST_KEY or not key.isprintable():
        raise UsageError(
            f"{key!r} cannot be a key of the state",
            hint=f"use 1 to {_LONGEST_KEY} printable characters, for example cursor/rss",
        )
    return key


def encode(key: str, value: Any) -> str:
    """Return `value` as JSON text, or raise `UsageError` when it is not a JSON value."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"state {key!r}: this value cannot be stored: {error}", hint="use JSON values: text, numbers, …"
        ) from error
