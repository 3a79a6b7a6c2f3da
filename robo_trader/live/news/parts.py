"""What a news pipeline is made of, from the configuration: event sources, analysts, the event store.

Shared by whoever follows the news. A name that nobody offers is a `UsageError`, an option that does not fit
a `ConfigError`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from robo_trader.config import Config
from robo_trader.errors import UsageError, did_you_mean
from robo_trader.events.store import FILE, EventStore
from robo_trader.plugins import PluginHost

if TYPE_CHECKING:
    from robo_trader.events.source import EventSource
    from robo_trader.news.polling import Health
    from robo_trader.state import State

#: The longest key that a state store takes.
_LONGEST_KEY = 80


def open_store(config: Config, session: str = "") -> EventStore:
    """Return the event store that the configuration names.

    Where it names none and `session` is given, a store of that session's own beside the common one: who reads
    from a store is told of an event that is new to it, and two at once would take each other's.
    """
    given = config.resolve("events.store")
    if not given and session:
        return EventStore(FILE.parent / "news" / f"{_slug(session)}.sqlite")
    return EventStore(given or FILE)


class OwnState:
    """A part of the state store that belongs to one session: cursors, and how far it has read."""

    def __init__(self, state: State, session: str) -> None:
        self._state, self._own = state, f"{zlib.crc32(session.encode()):08x}"

    def get(self, key: str) -> Any:
        """Return what is stored under `key`, or None."""
        return self._state.get(self._named(key))

    def put(self, key: str, value: Any) -> int:
        """Store a JSON value under `key`."""
        return self._state.put(self._named(key), value)

    def _named(self, key: str) -> str:
        kind, _, rest = key.partition("/")
        named = f"{kind}/{self._own}/{rest}"
        return (
            named
            if len(named) <= _LONGEST_KEY
            else f"{kind}/{self._own}/{sha256(rest.encode()).hexdigest()[:40]}"
        )


def source_names(host: PluginHost, config: Config, names: Sequence[str] = ()) -> list[str]:
    """Return the sources asked for, else those of [events] sources that are no files; each once.

    Raises `UsageError` for one that nobody offers.
    """
    known = host.names("event_source")
    chosen = list(names) or [name for name in config.get("events.sources") if name in known]
    for name in chosen:
        if name not in known:
            raise UsageError(
                f"there is no event source {name!r}",
                hint=did_you_mean(name, known) or f"there are {', '.join(known)}",
            )
    return list(dict.fromkeys(chosen))


def make_sources(
    host: PluginHost, names: Iterable[str], options: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, EventSource]:
    """Return the event sources by name; `options` goes over what the configuration says of one."""
    more = options or {}
    return {name: host.create("event_source", name, **more.get(name, {})) for name in names}


def make_analysts(host: PluginHost, names: Iterable[str], *, live: bool = False) -> dict[str, Any]:
    """Return the analysts by name; with `live` those that ask a model ask it anew for every event."""
    known = host.names("analyst")
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"there is no analyst {name!r}",
                hint=did_you_mean(name, known) or f"there are {', '.join(known)}",
            )
    return {name: _make_live(host, name) if live else host.create("analyst", name) for name in wanted}


def _make_live(host: PluginHost, name: str) -> Any:
    from robo_trader.intelligence.ensemble import EnsembleAnalyst
    from robo_trader.intelligence.llm import LLMAnalyst

    target = host.target("analyst", name)
    if issubclass(target, LLMAnalyst):
        return host.create("analyst", name, mode="live")
    if issubclass(target, EnsembleAnalyst):
        members = host.options("analyst", name).get("analysts")
        if isinstance(members, list) and members and name not in members:
            return host.create("analyst", name, analysts={one: _make_live(host, one) for one in members})
    return host.create("analyst", name)


def _slug(name: str) -> str:
    """Return a name for a file; two sessions' never agree by chance."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


class HealthWords:
    """Puts the health of sources into words: a problem when it is new, and its end."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def of(self, health: Health) -> tuple[bool, str] | None:
        """Return whether it is a problem, with the words; None where there is nothing new to say."""
        before, self._said[health.place] = self._said.get(health.place, ""), health.problem
        if health.problem and health.problem != before:
            again = "" if health.closed else f"; again in {health.wait:.0f} s"
            return True, f"{health.source}: {health.problem}{again}"
        if before and not health.problem:
            return False, f"{health.source}: {health.place} answers again"
        return None
