"""The words that every room speaks: frozen records of what was read, meant, decided and done.

Times are aware UTC datetimes at the edges; a naive time is refused with `UsageError`.
Sizes are positive with a side of BUY or SELL; money is in the account's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from robo_trader.clock import require_utc
from robo_trader.errors import UsageError

Side = Literal["BUY", "SELL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was published. An author gives `kind`, `title` and `published_at`.

    The host fills `id`, `source` and `known_at`, the time from which a strategy may know of it.
    `event_time` is when the thing itself happened or will happen; `revision_of` is the id of the
    event that this one corrects. `kind` is an open set: "news", "fomc", "earnings", …
    """

    kind: str
    title: str
    published_at: datetime
    symbols: tuple[str, ...] = ()
    body: str = ""
    url: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    event_time: datetime | None = None
    revision_of: str | None = None
    id: str | None = None
    source: str | None = None
    known_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.kind or not isinstance(self.kind, str):
            raise UsageError(f"an event needs a kind, not {self.kind!r}")
        if not isinstance(self.title, str):
            raise UsageError(f"an event's title must be text, not {self.title!r}")
        for name in ("published_at", "event_time", "known_at"):
            value = getattr(self, name)
            if value is None and name != "published_at":
                continue
            if not isinstance(value, datetime):
                raise UsageError(f"an event's {name} must be a datetime, not {value!r}")
            object.__setattr__(self, name, require_utc(value, f"an event's {name}"))
        if isinstance(self.symbols, str):
            raise UsageError(f"an event's symbols must be a list, not {self.symbols!r}")
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled; processes exchange a plain dict instead.
        return _event, (as_dict(self),)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An analyst's bounded opinion of one symbol (``"*"`` reaches every instrument).

    `score` is in [-1, 1], `confidence` in [0, 1]; `horizon` is how long it should matter. An analyst
    may say which `model` answered and the SHA-256 of what it was asked. The host adds `event_id`,
    `analyst`, `in_sample` and `at`, the time from which the view counts (aware UTC).
    """

    symbol: str
    score: float
    confidence: float
    horizon: timedelta
    because: str = ""
    event_id: str | None = None
    analyst: str | None = None
    in_sample: bool | None = None
    model: str | None = None
    prompt_hash: str | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        if not -1.0 <= self.score <= 1.0:
            raise UsageError(f"a view's score must lie in [-1, 1], not {self.score!r}")
        if not 0.0 <= self.confidence <= 1.0:
            raise UsageError(f"a view's confidence must lie in [0, 1], not {self.confidence!r}")


@dataclass(frozen=True, slots=True)
class Abstain:
    """An honest "I cannot say"; it never becomes a zero score."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A number for one symbol, in [-1, 1], known at `at` and void after `expires_at`."""

    at: datetime
    symbol: str
    name: str
    value: float
    confidence: float = 1.0
    expires_at: datetime | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An order that a strategy wants, before anybody decided about it.

    `type` is Backtrader's name (Market, Limit, Stop, StopLimit, StopTrail, StopTrailLimit,
    Close). `limit` and `stop` are prices or None; `parent` and `oco` are the order ids of the
    bracket's parent and of the group. `time` is when it was submitted, aware UTC. One that `modifies`
    changes the order `order_id`, which works already and has been `filled` so far: `size` is the rest.
    """

    order_id: int
    time: datetime
    symbol: str
    side: Side
    size: float
    type: str
    limit: float | None = None
    stop: float | None = None
    parent: int | None = None
    oco: int | None = None
    because: str = ""
    modifies: bool = False
    filled: float = 0.0


Action = Literal["allow", "resize", "veto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one rule said of an intent: `limit` is its limit, `seen` what it measured against it.

    Both are in the rule's own unit, mostly a fraction; `size` is what the rule would let pass.
    """

    rule: str
    action: Action
    reason: str = ""
    size: float | None = None
    limit: float | None = None
    seen: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to an intent: allow it, resize it to `size`, or veto it, with all reasons.

    `answers` are those of the rules that did not simply allow it.
    """

    intent: Intent
    action: Action = "allow"
    size: float | None = None
    reasons: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `time` is the bar's start if its open decided the price, else its end."""

    time: datetime
    symbol: str
    side: Side
    size: float
    price: float
    commission: float
    order_id: int
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something a person should hear of now."""

    time: datetime
    level: Literal["info", "warning", "critical"]
    title: str
    text: str = ""
    source: str = ""


def _event(values: dict[str, Any]) -> Event:
    return Event(**values)


def as_dict(record: Any) -> dict[str, Any]:
    """Return a record's fields as a plain dict, mappings copied; values are not converted."""
    out: dict[str, Any] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        out[f.name] = dict(value) if isinstance(value, Mapping) else value
    return out
