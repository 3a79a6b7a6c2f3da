"""Event sources over feeds: the built-in lists of Yahoo, Bloomberg, CNBC, Nasdaq, … and any list of your own.

A `FeedSource` used by itself (`fetch`) reads each feed once; a live session polls the same
feeds through `polling`, with a cursor for each. Feeds hold only the last hours or days of a publisher: for
a backtest take an events file, or what the event store has gathered.

Failure contract: `fetch` raises `EventError` when no feed of the source can be read; while any can, the
others are named in `problems`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from robo_trader import clock, zones
from robo_trader.config_values import parse_duration
from robo_trader.errors import ConfigError, EventError
from robo_trader.events.source import EventSource
from robo_trader.masking import mask_url
from robo_trader.news.feed import Entry, event_of, parse_feed
from robo_trader.news.fetching import USER_AGENT, fetch
from robo_trader.records import Event

#: A feed is never asked more often than this.
FASTEST = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """One feed to read: its address, the symbol it is about, the zone of dates without one."""

    url: str
    symbol: str | None = None
    zone: tzinfo = UTC

    @property
    def host(self) -> str:
        """The host that is asked."""
        return urlsplit(self.url).hostname or ""

    def event(self, entry: Entry, source: str, seen_at: datetime, revision_of: str | None = None) -> Event:
        """Return the event of an entry of this feed; see `event_of`."""
        event = event_of(entry, source=source, seen_at=seen_at, zone=self.zone, revision_of=revision_of)
        return event if self.symbol is None else replace(event, symbols=(self.symbol,))


class FeedSource(EventSource):
    """Feeds as one event source: `feeds` by address, or the built-in list of the subclass.

    `symbols` adds the publisher's feeds for single symbols where it has such; `every` is how long to wait
    between two requests (``"60s"``, at least 15 s), `contact` an address for the publisher's
    complaints, which the SEC asks for, and `tz` the zone of dates that carry none.
    """

    name: ClassVar[str] = ""

    def __init__(
        self,
        *,
        feeds: Sequence[str] | None = None,
        symbols: Sequence[str] = (),
        every: Any = "60s",
        contact: str = "",
        tz: str | None = None,
    ) -> None:
        self.every = parse_duration(every, f"[events.{self.name or 'feeds'}] every")
        if self.every < FASTEST:
            raise ConfigError(
                f"[events.{self.name or 'feeds'}] every is {every}, and feeds are asked every 15 s at most",
                hint='write every = "15s" or more',
            )
        zone = UTC if tz is None else zones.zone(tz)
        listed = feed_lists().get(self.name, {})
        plain = list(feeds) if feeds is not None else list(listed.get("feeds", ()))
        specs = [FeedSpec(_address(url), None, zone) for url in plain]
        for template in listed.get("symbol", ()) if feeds is None else ():
            specs += [FeedSpec(template.format(symbol=quote(s, safe="")), s, zone) for s in symbols]
        if not specs:
            raise ConfigError(
                f"the event source {self.name or 'feeds'!r} has no feeds to read",
                hint=f'write feeds = ["https://…"] under [events.{self.name or "feeds"}]',
            )
        self.feeds = tuple(dict.fromkeys(specs))
        self.user_agent = f"{USER_AGENT} {contact}" if contact else USER_AGENT
        if not (self.user_agent.isprintable() and self.user_agent.isascii()):
            raise ConfigError("contact must be plain ASCII text", hint='write contact = "you@example.com"')
        self.problems: list[str] = []

    def fetch(self, since: datetime, until: datetime) -> Iterable[Event]:
        """Read each feed once and return the entries published in [since, until), known from now on."""
        self.problems = []
        found: dict[str, Event] = {}
        read = 0
        for spec in self.feeds:
            try:
                answer = fetch(spec.url, user_agent=self.user_agent)
                feed = parse_feed(answer.content, url=answer.url, content_type=answer.content_type)
            except EventError as error:
                self.problems.append(f"{mask_url(spec.url)}: {error}")
                continue
            read += 1
            seen = clock.now()
            for entry in feed.entries:
                event = spec.event(entry, self.name or "feeds", seen)
                if since <= event.published_at < until:
                    found.setdefault(str(event.id), event)
        if not read:
            raise EventError(
                f"none of {len(self.feeds)} feeds could be read; the first: {self.problems[0]}",
                hint="check the line, or the addresses",
            )
        return list(found.values())


class Yahoo(FeedSource):
    """Yahoo Finance's headlines; `symbols` adds one feed for each."""

    name = "yahoo"


class Bloomberg(FeedSource):
    """Bloomberg's public section feeds."""

    name = "bloomberg"


class Cnbc(FeedSource):
    """CNBC's top news, business, economy, finance and investing."""

    name = "cnbc"


class Nasdaq(FeedSource):
    """Nasdaq's articles, which name tickers; `symbols` adds one feed for each."""

    name = "nasdaq"


class SeekingAlpha(FeedSource):
    """Seeking Alpha's market currents; `symbols` adds one feed for each."""

    name = "seekingalpha"


class Edgar(FeedSource):
    """Current 8-K filings and press releases of the SEC; set `contact`, which the SEC asks for."""

    name = "edgar"


class FederalReserve(FeedSource):
    """Press releases of the Federal Reserve, FOMC statements among them, and speeches."""

    name = "federalreserve"


@cache
def feed_lists() -> dict[str, dict[str, Any]]:
    """Return the built-in lists by source: `feeds`, `symbol`, and where and when they were found."""
    return tomllib.loads((Path(__file__).parent / "feeds.toml").read_text(encoding="utf-8"))


def _address(url: Any) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except (ValueError, AttributeError):
        fine = False
    if not fine:
        raise ConfigError(f"{url!r} is no address of a feed", hint="write https://example.com/feed.xml")
    return str(url)
