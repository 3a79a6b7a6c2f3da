"""How much of each limit is used: what `robo status` shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from robo_trader import clock
from robo_trader.risk.view import View

if TYPE_CHECKING:
    from robo_trader.state import State

#: Where a session leaves its usage for others to read.
KEY = "risk/usage"


class Usage(NamedTuple):
    """One limit and how much of it is used, both in the limit's own unit (mostly a fraction)."""

    scope: str
    used: float
    limit: float

    @property
    def headroom(self) -> float:
        """What is left; below 0 where prices have moved past the limit."""
        return self.limit - self.used


class Published(NamedTuple):
    """The usage that a session left in the state store at `at` (aware UTC)."""

    at: datetime
    rows: list[tuple[str, Usage]]


@runtime_checkable
class Measures(Protocol):
    """A rule that can say how much of its limit is used."""

    def usage(self, book: View) -> list[Usage]: ...


def ratio(money: float, value: float) -> float:
    """Return `money` as a fraction of `value`; infinite where there is nothing to compare with."""
    return money / value if value > 0 else (float("inf") if money > 0 else 0.0)


def plain(rows: Iterable[tuple[str, Usage]]) -> list[list[Any]]:
    """Return usage, as `Guard.usage` returns it, as JSON can hold it; `of_plain` reads it."""
    return [[rule, row.scope, _finite(row.used), row.limit] for rule, row in rows]


def of_plain(stored: Iterable[Sequence[Any]]) -> list[tuple[str, Usage]]:
    """Return what `plain` wrote."""
    return [(rule, Usage(scope, float(used), float(limit))) for rule, scope, used, limit in stored]


def publish(state: State, rows: Iterable[tuple[str, Usage]]) -> None:
    """Leave usage, as `Guard.usage` returns it, in the state store; a `StateError` passes."""
    state.put(KEY, {"at": clock.iso(clock.to_ns(clock.now())), "rows": plain(rows)})


def published(state: State) -> Published | None:
    """Return what a session left last, or None."""
    stored = state.get(KEY)
    if stored is None:
        return None
    value: dict[str, Any] = stored.value
    return Published(datetime.fromisoformat(value["at"]), of_plain(value["rows"]))


def _finite(used: float) -> float:
    """Return a number that JSON can hold: a portfolio without value has used everything."""
    return used if abs(used) < 1e12 else 1e12
