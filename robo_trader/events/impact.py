"""What kind of event it is, and how much it may matter: words and figures, no model.

`impact` orders a queue and says what to read first; it never says which way a price goes. Pure,
deterministic, microseconds; nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from robo_trader.events.hygiene import KEY, is_suspicious
from robo_trader.events.patterns import sections
from robo_trader.records import Event

#: What a kind alone is worth.
_BASE = MappingProxyType(
    {"fomc": 0.6, "macro": 0.4, "earnings": 0.4, "filing": 0.2, "news": 0.15, "social": 0.05}
)
_OTHER = 0.15

_WORDS = sections("impact.txt")
_SOCIAL_SOURCES = ("twitter", "reddit", "stocktwits", "wsb", "x.com", "mastodon", "bluesky", "telegram")
_FILING_SOURCES = ("edgar", "sec.gov")

_FIGURE = re.compile(
    r"\d+(?:\.\d+)?\s?(?:%|percent|bps?\b|basis points|billion|million|bn\b|mln\b|cents)|\$\s?\d",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Impact:
    """How much an event may matter, in [0, 1], and the parts that sum to it before the bounds."""

    score: float
    parts: Mapping[str, float]


def classify(event: Event) -> str:
    """Return the event's kind: its own where it says more than "news", else what its title tells."""
    if event.kind != "news":
        return event.kind
    source = (event.source or "").casefold()
    where = f"{source} {event.url[:200].casefold()}"
    title = event.title
    if any(name in where for name in _FILING_SOURCES) or _WORDS["filing"].search(title):
        return "filing"
    if _WORDS["fomc"].search(title):
        return "fomc"
    if any(name in source for name in _SOCIAL_SOURCES):
        return "social"
    if _WORDS["earnings"].search(title):
        return "earnings"
    if _WORDS["macro"].search(title):
        return "macro"
    return "news"


def impact(event: Event) -> Impact:
    """Return how much `event` may matter, with its parts by name."""
    kind = classify(event)
    title = event.title
    parts = {f"kind {kind}": _BASE.get(kind, _OTHER)}
    if _WORDS["strong words"].search(title):
        parts["strong words"] = 0.45
    elif _WORDS["mild words"].search(title):
        parts["mild words"] = 0.15
    if _WORDS["surprise"].search(title):
        parts["surprise"] = 0.15
    if _FIGURE.search(title):
        parts["figures"] = 0.1
    if 0 < len(event.symbols) <= 2:
        parts["named symbol"] = 0.1
    elif len(event.symbols) > 5:
        parts["many symbols"] = -0.1
    if _WORDS["opinion or list"].search(title):
        parts["opinion or list"] = -0.15
    if event.event_time is not None and event.event_time > (event.known_at or event.published_at):
        parts["only announced"] = -0.1
    flags = event.data.get(KEY)
    if isinstance(flags, list | tuple) and is_suspicious(str(flag) for flag in flags):
        parts["suspicious text"] = -0.5
    return Impact(round(min(1.0, max(0.0, sum(parts.values()))), 6), MappingProxyType(parts))
