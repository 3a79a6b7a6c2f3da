"""State in Redis 7 or newer: one hash per key, changed by scripts that run whole on the server.

A lost connection is made again, with pauses, for `PATIENCE` seconds; then `StateError` says which
server and what to do, and until the server answers again each call tries only once: a guard that reads
the halt state before every order must not wait for each of them. Every change carries a token of
its own, so that one whose answer was lost with the connection is recognised when it is sent again and
does not count twice. What survives a restart of the server is what the server wrote to its disk:
run it with ``appendonly yes``.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from robo_trader.clock import monotonic
from robo_trader.errors import ConfigError, StateError
from robo_trader.masking import mask_url
from robo_trader.state.store import State, StateConflict, Stored, check_key, encode

if TYPE_CHECKING:
    import redis

#: How long a call keeps trying to reach the server, in seconds.
PATIENCE = 5.0
_TIMEOUT = 2.0

# A version is taken from one counter of the whole store, so that it grows across deletions too.
# `t` is the token of the last change: the same token again means that its answer was lost.
_PUT = """
local now = tonumber(redis.call('HGET', KEYS[1], 'n') or 0)
if redis.call('HGET', KEYS[1], 't') == ARGV[1] then return {1, now} end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= now then return {0, now} end
local n = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'n', n, 't', ARGV[1])
return {1, n}
"""
_DELETE = """
local now = tonumber(redis.call('HGET', KEYS[1], 'n') or 0)
if ARGV[1] ~= '' and tonumber(ARGV[1]) ~= now then return {0, now} end
return {1, redis.call('DEL', KEYS[1])}
"""


class RedisState(State):
    """A store on the Redis server of `url`; see `open_state`. Nothing is sent before its first use."""

    def __init__(self, url: str) -> None:
        library = _library()
        self.place = mask_url(url)
        address, self._prefix = _split(url)
        try:
            self._client: redis.Redis = library.Redis.from_url(
                address,
                decode_responses=True,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                health_check_interval=30,
            )
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"state.url {self.place!r}: {error}", hint="write redis://host:6379/0"
            ) from error
        self._errors = library.exceptions
        self._away = False
        self._put = self._client.register_script(_PUT)
        self._delete = self._client.register_script(_DELETE)

    def get(self, key: str) -> Stored | None:
        """Return what is stored under `key`, or None."""
        name = self._name(key)
        text, version = self._call(lambda: self._client.hmget(name, ["v", "n"]))
        if text is None or version is None:
            return None
        try:
            return Stored(json.loads(text), int(version))
        except ValueError as error:
            raise StateError(
                f"{self.place}: {name} is damaged: {error}", hint=f"remove it: redis-cli DEL {name}"
            ) from error

    def put(self, key: str, value: Any, *, expected: int | None = None) -> int:
        """Store `value` and return its version; see `State.put`."""
        names = [self._name(key), f"{self._prefix}:version"]
        args = [secrets.token_hex(8), "" if expected is None else expected, encode(key, value)]
        done, version = self._call(lambda: self._put(keys=names, args=args))
        if not done:
            raise StateConflict(key, expected or 0, int(version))
        return int(version)

    def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Remove `key` and tell whether it was there; see `State.delete`."""
        name, args = self._name(key), ["" if expected is None else expected]
        done, found = self._call(lambda: self._delete(keys=[name], args=args))
        if not done:
            raise StateConflict(key, expected or 0, int(found))
        return bool(found)

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""
        start = f"{self._prefix}:value:"
        pattern = _literally(start + prefix) + "*"
        names = self._call(lambda: list(self._client.scan_iter(match=pattern, count=1_000)))
        return sorted({name.removeprefix(start) for name in names})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _name(self, key: str) -> str:
        return f"{self._prefix}:value:{check_key(key)}"

    def _call(self, command: Callable[[], Any]) -> Any:
        """Run `command`, again and again while the server cannot be reached."""
        began = monotonic()
        pause = 0.02
        while True:
            try:
                answer = command()
            except self._errors.AuthenticationError as error:
                raise StateError(
                    f"{self.place}: Redis refuses the credentials: {error}",
                    hint="check user and password in state.url",
                ) from error
            except (self._errors.ConnectionError, self._errors.TimeoutError, OSError) as error:
                # A server that is starting answers with an error of this kind, too.
                if self._away or monotonic() - began + pause > PATIENCE:
                    self._away = True
                    raise StateError(
                        f"{self.place}: Redis cannot be reached: {error}",
                        hint="start the server, or correct state.url",
                    ) from error
            except self._errors.RedisError as error:
                raise StateError(
                    f"{self.place}: Redis refuses: {error}",
                    hint="check the server's log, its memory and its disk",
                ) from error
            else:
                self._away = False
                return answer
            time.sleep(pause)
            pause = min(pause * 2, 0.5)


def _library() -> Any:
    try:
        import redis
    except ImportError as error:
        raise ConfigError(
            "state.url names a Redis server, but the redis package is not installed",
            hint="pip install 'robo_trader[redis]'",
        ) from error
    return redis


def _split(url: str) -> tuple[str, str]:
    """Return the URL without ``prefix=`` and the prefix."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    prefix = dict(query).get("prefix", "robo")
    if not prefix or not prefix.isprintable() or set(prefix) & set(":{} "):
        raise ConfigError(f"state.url: {prefix!r} cannot be a prefix", hint="use letters and digits")
    rest = urlencode([(name, value) for name, value in query if name != "prefix"])
    return urlunsplit(parts._replace(query=rest)), prefix


def _literally(text: str) -> str:
    """Return a pattern that matches `text` and nothing else."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in text)
