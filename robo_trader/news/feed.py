"""From the bytes of a feed to its entries: RSS, Atom and RDF through feedparser, however broken.

feedparser is only ever given bytes; it fetches nothing and opens no file. What is no feed at all (a page in
HTML, an empty answer, garbage) raises `FeedError` with what it looks like; a feed that is merely malformed
gives the entries that could be read, and says so in `problem`.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import urljoin, urlsplit

from robo_trader.errors import EventError
from robo_trader.events.hygiene import clean_event
from robo_trader.events.store import UNDATED
from robo_trader.news.dates import published
from robo_trader.records import Event

#: Entries that are taken of one feed, and characters of one body.
MOST_ENTRIES = 1_000
_MOST_TEXT = 200_000
_DATES = ("published", "updated", "created")
_NO_NAME = re.compile(r"[\x00-\x20\x7f]")


class FeedError(EventError):
    """An answer that is no feed; the poller keeps its cursor and tries again later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its feed gives it: texts uncleaned, dates as text with what feedparser read."""

    guid: str
    title: str
    link: str
    body: str
    tags: tuple[str, ...]
    dates: tuple[str, ...]
    parsed: tuple[Any, ...]

    @property
    def key(self) -> str:
        """What names the entry within its feed, as 16 hex digits."""
        return _digest(self.guid)[:16]


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's title, its kind (``rss20``, ``atom10``, …), its entries, and what was wrong with it."""

    title: str
    version: str
    entries: tuple[Entry, ...]
    problem: str = ""


def read_feed(content: bytes, *, content_type: str = "") -> Any:
    """Return what feedparser makes of `content`; raise `FeedError` when it fails altogether."""
    import feedparser

    # feedparser would clean HTML by dropping the styles that hide text and keeping the text: hygiene does
    # that better, so it gets the markup as it is.
    headers = {"content-type": content_type} if content_type else {}
    try:
        return feedparser.parse(
            io.BytesIO(content), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # on hostile bytes it lets the XML parser's and its own errors out
        raise FeedError(
            f"is no feed that can be read: {type(error).__name__}: {error}", hint="it is tried again later"
        ) from error


def parse_feed(content: bytes, *, url: str = "", content_type: str = "") -> Feed:
    """Return the feed in `content`, which came from `url`; raise `FeedError` when there is none."""
    if not content.strip():
        raise FeedError("is empty", hint="it is tried again later")
    found = read_feed(content, content_type=content_type)
    if not found.get("version") and not found.entries:
        raise FeedError(f"is no feed but {_looks_like(content)}", hint="check the address of the feed")
    entries = tuple(_entry(raw, url) for raw in found.entries[:MOST_ENTRIES])
    problem = ""
    if found.get("bozo"):
        problem = f"malformed: {' '.join(str(found.get('bozo_exception')).split())[:200]}"
    if len(found.entries) > MOST_ENTRIES:
        problem = f"{len(found.entries):,} entries, of which the first {MOST_ENTRIES:,} were taken"
    return Feed(_text(found.feed.get("title")), str(found.get("version") or ""), entries, problem)


def event_of(
    entry: Entry, *, source: str, seen_at: datetime, zone: tzinfo = UTC, revision_of: str | None = None
) -> Event:
    """Return the event of an entry first seen at `seen_at`: cleaned, dated, under an id of its own.

    The id covers what the feed says and not when it was seen, so that the same entry is the same
    event after a restart. `data` names the feed's tags and, where the date is anything but stated, how it was
    come by.
    """
    when = published(list(entry.dates), list(entry.parsed), seen_at, zone)
    data: dict[str, Any] = {}
    if entry.tags:
        data["tags"] = list(entry.tags)
    if when.how != "stated":
        data["dated"] = when.how
        if when.text:
            data["date_text"] = when.text[:100]
    if when.at == seen_at and when.how != "stated":
        data[UNDATED] = True
    event = Event(
        kind="news",
        title=entry.title or entry.body[:120],
        body=entry.body,
        url=entry.link,
        published_at=when.at,
        known_at=seen_at,
        source=source,
        id=entry_id(entry, source),
        revision_of=revision_of,
        data=data,
    )
    return clean_event(event)[0]


def entry_id(entry: Entry, source: str) -> str:
    """Return the event id of an entry: 24 hex digits over what the feed says of it."""
    return _digest("\x1f".join((source, entry.guid, entry.title, entry.body, entry.link, *entry.dates)))[:24]


def _entry(raw: Any, url: str) -> Entry:
    link = _link(_text(raw.get("link")), url)
    title = _text(raw.get("title"))
    body = _text(raw.get("summary"))
    for content in raw.get("content") or ():
        longer = _text(content.get("value")) if isinstance(content, dict) else ""
        body = longer if len(longer) > len(body) else body
    tags = [_text(tag.get("term")) for tag in raw.get("tags") or () if isinstance(tag, dict)]
    # Nasdaq's feeds name tickers in an element of their own.
    tags += [part.strip() for part in _text(raw.get("nasdaq_tickers")).split(",")]
    dates = [(name, _text(raw.get(name))) for name in _DATES if name in raw]
    return Entry(
        guid=_text(raw.get("id")) or link or title or body[:200],
        title=title[:5_000],
        link=link,
        body=body[:_MOST_TEXT],
        tags=tuple(dict.fromkeys(tag[:100] for tag in tags if tag))[:50],
        dates=tuple(text[:200] for _, text in dates),
        parsed=tuple(raw.get(f"{name}_parsed") for name, _ in dates),
    )


def _link(link: str, base: str) -> str:
    """Return an absolute http address without control characters, or nothing."""
    try:
        address = urljoin(base, _NO_NAME.sub("", link)[:2_000])
        return address if urlsplit(address).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _looks_like(content: bytes) -> str:
    start = content[:2_000].lstrip().lower()
    if b"<html" in start or start.startswith(b"<!doctype html"):
        title = re.search(rb"<title[^>]*>([^<]{1,80})", content[:20_000], re.IGNORECASE)
        named = f" titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
        return f"a page in HTML{named}"
    if start[:1] in (b"{", b"["):
        return "JSON"
    if start.startswith(b"<"):
        return "XML of another kind"
    return "something else (the first bytes are " + repr(content[:16]) + ")"
