"""The news that a gateway serves: providers, headlines with articles, bulletins.

Headlines are kept to the latest `MOST`; a replay's events become headlines of the provider `SIM` at the
time at which they are known.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from robo_trader.clock import NS_PER_SECOND, to_ns
from robo_trader.gateway.contracts import Universe
from robo_trader.records import Event

MOST = 10_000
EVENTS = ("SIM", "Replayed events")


@dataclass(frozen=True, slots=True)
class Headline:
    """One piece of news; `con_ids` are the contracts it is about, None means all of them."""

    time: int
    provider: str
    article: str
    text: str
    body: str
    con_ids: frozenset[int] | None


class NewsRoom:
    """Everything that was published so far."""

    def __init__(self, universe: Universe, providers: tuple[tuple[str, str], ...] = (EVENTS,)) -> None:
        self._universe = universe
        self.providers = providers
        #: True sends a line that listens to news what there is already: nothing new comes by itself.
        self.greets = False
        self.bulletins: deque[tuple[int, str]] = deque(maxlen=100)
        self._headlines: deque[Headline] = deque(maxlen=MOST)
        self._next_bulletin = 1

    def add(self, event: Event) -> Headline:
        """Publish an event as a headline."""
        digest = hashlib.sha256(f"{event.id}{event.title}{event.published_at}".encode()).hexdigest()[:8]
        symbols = {s.upper() for s in event.symbols}
        ids = None
        if symbols and "*" not in symbols:
            ids = frozenset(spec.con_id for spec in self._universe if spec.symbol.upper() in symbols)
        known = event.known_at or event.published_at
        line = Headline(
            to_ns(known), EVENTS[0], f"{EVENTS[0]}${digest}", event.title, event.body or event.title, ids
        )
        self._headlines.append(line)
        return line

    def put(self, headline: Headline) -> None:
        """Publish a headline as it is."""
        self._headlines.append(headline)

    def bulletin(self, text: str) -> tuple[int, str]:
        """Publish a bulletin and return its number and text."""
        number = self._next_bulletin
        self._next_bulletin += 1
        self.bulletins.append((number, text))
        return number, text

    def of(self, provider: str) -> list[Headline]:
        """Return a provider's headlines, the oldest first."""
        return sorted((h for h in self._headlines if h.provider == provider), key=lambda h: h.time)

    def article(self, provider: str, article: str) -> str | None:
        """Return an article's text."""
        return next(
            (h.body for h in self._headlines if h.article == article and h.provider == provider), None
        )

    def find(self, con_id: int, providers: set[str], start: int | None, end: int | None) -> list[Headline]:
        """Return a contract's headlines of some providers in a period, the latest first."""
        found = [
            h
            for h in self._headlines
            if h.provider in providers
            and (h.con_ids is None or con_id in h.con_ids)
            and (start is None or h.time >= start)
            and (end is None or h.time <= end)
        ]
        return sorted(found, key=lambda h: h.time, reverse=True)


def demo_news(universe: Universe, now: int) -> NewsRoom:
    """Return the demo universe's news: two headlines on AAPL and one bulletin."""
    room = NewsRoom(
        universe, (("BRFG", "Briefing.com General Market Columns"), ("DJ-N", "Dow Jones News Service"))
    )
    apple = frozenset({265598})
    texts = (
        ("Apple cuts its forecast", "Apple cut its forecast for the next quarter. (Synthetic news.)"),
        ("Apple raises its dividend", "Apple raised its quarterly dividend by 4 percent. (Synthetic news.)"),
    )
    for i, (title, body) in enumerate(texts):
        when = now - (i + 1) * 3600 * NS_PER_SECOND  # the latest is told first, and is BRFG$00
        room.put(Headline(when, "BRFG", f"BRFG${i:02d}", title, body, apple))
    room.greets = True
    room.bulletin("The simulated gateway serves synthetic prices.")
    return room
