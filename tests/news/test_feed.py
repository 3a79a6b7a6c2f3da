"""Feeds and dates: the corpus of feedparser, broken input, and dates that are never invented."""

from __future__ import annotations

import ast
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import EventError
from robo_trader.events.store import UNDATED
from robo_trader.news.dates import published, read
from robo_trader.news.feed import FeedError, event_of, parse_feed, read_feed

from .conftest import rss

SEEN = datetime(2024, 5, 2, 20, 31, tzinfo=UTC)


# --- the corpus


@pytest.fixture(scope="module")
def corpus(data_dir: Path) -> list[Path]:
    files = sorted((data_dir / "open" / "feeds" / "feedparser").rglob("*.xml"))
    assert len(files) >= 600
    return files


def test_every_file_of_the_corpus_is_read(corpus: list[Path]) -> None:
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    entries = 0
    for file in corpus:
        feed = parse_feed(file.read_bytes(), url="http://127.0.0.1/x.xml")
        for entry in feed.entries:
            event = event_of(entry, source="corpus", seen_at=seen)
            assert event.published_at <= event.known_at == seen  # type: ignore[operator]
            entries += 1
    assert entries > 300


_EXPECT = re.compile(
    r"(?P<where>feed|entries\[0\])((?:\['source'\])?)\['(?P<name>\w+_parsed)'\] =="
    r" (?P<want>\([^)]*\))"
)


def test_the_dates_of_the_corpus_are_as_its_headers_expect(corpus: list[Path]) -> None:
    """Each `_parsed` in a header comment, from our call of feedparser and, for entries, from our own
    reading."""
    checked = own = 0
    for file in corpus:
        content = file.read_bytes()
        header = content.decode("utf-8", "replace").partition("-->")[0]
        for match in _EXPECT.finditer(header.replace('"', "'")):
            want = ast.literal_eval(match["want"])
            found = read_feed(content)
            there = found.feed if match["where"] == "feed" else found.entries[0]
            there = there["source"] if match[2] else there
            assert tuple(there[match["name"]]) == want, file.name
            checked += 1
            name = match["name"].removesuffix("_parsed")
            if (
                match["where"] == "entries[0]"
                and not match[2]
                and name in ("published", "updated", "created")
            ):
                event = event_of(parse_feed(content).entries[0], source="x", seen_at=SEEN)
                assert event.published_at == datetime(*want[:6], tzinfo=UTC), file.name
                assert "dated" not in event.data
                own += 1
    assert checked >= 25
    assert own >= 10


# --- what is no feed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"<!DOCTYPE html><html><head><title>Just a moment...</title>", "HTML titled 'Just a moment...'"),
        (b"<html><body>down</body></html>", "a page in HTML"),
        (b'{"items": []}', "JSON"),
        (b"<note><to>you</to></note>", "XML of another kind"),
        (b"\x1f\x8b\x00garbage", "something else"),
        (b"/etc/passwd", "something else"),
        (b"http://example.com/feed.xml", "something else"),
    ],
)
def test_what_is_no_feed_says_what_it_looks_like(content: bytes, said: str) -> None:
    with pytest.raises(FeedError, match=re.escape(said)):
        parse_feed(content)


def test_a_cut_feed_gives_what_could_be_read() -> None:
    feed = parse_feed(rss(("a", "First"), ("b", "Second"))[:-60])
    assert feed.entries[0].title == "First"
    assert "malformed" in feed.problem


def test_a_wrong_charset_is_read_by_what_the_bytes_say() -> None:
    content = rss(("a", "Zürich")).replace(b"<rss", b'<?xml version="1.0" encoding="utf-8"?><rss')
    feed = parse_feed(content, content_type="text/xml; charset=iso-8859-1")
    assert len(feed.entries) == 1
    assert parse_feed(content, content_type="application/xml").entries[0].title == "Zürich"
    assert len(parse_feed(content, content_type="text/xml; charset=nonsense").entries) == 1
    latin = rss(("a", "Zürich")).decode().encode("latin-1")
    assert parse_feed(latin).entries[0].title.startswith("Z")


def test_entity_bombs_end_at_once() -> None:
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    inside = '<rss version="2.0"><channel><title>&a11;</title></channel></rss>'
    bomb = f"<!DOCTYPE x [<!ENTITY a0 'aaaaaaaaaa'>{levels}]>{inside}"
    began = time.perf_counter()
    try:
        feed = parse_feed(bomb.encode())
    except EventError:
        feed = None
    assert time.perf_counter() - began < 60
    assert feed is None or len(feed.title) < 100_000


def test_no_file_and_no_address_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "feed.xml"
    secret.write_bytes(rss(("a", "secret")))
    with pytest.raises(FeedError):
        parse_feed(str(secret).encode())
    inside = '<rss version="2.0"><channel><title>&s;</title></channel></rss>'
    outside = f"<!DOCTYPE x [<!ENTITY s SYSTEM 'file://{secret}'>]>{inside}"
    assert "secret" not in parse_feed(outside.encode()).title


@given(st.binary(max_size=400))
def test_any_bytes_give_a_feed_or_one_error(content: bytes) -> None:
    for tried in (content, b'<rss version="2.0"><channel><item><title>' + content):
        try:
            parse_feed(tried)
        except FeedError:
            continue


def test_links_are_absolute_and_http() -> None:
    content = rss(("a", "A")).replace(b"https://example.com/a", b"/story?id=1")
    assert (
        parse_feed(content, url="https://example.org/f/x").entries[0].link == "https://example.org/story?id=1"
    )
    for bad in (b"javascript:alert(1)", b"file:///etc/passwd", b"http://[::1"):
        assert parse_feed(content.replace(b"/story?id=1", bad)).entries[0].link == ""


def test_tags_and_tickers_of_a_feed() -> None:
    content = (
        b'<rss version="2.0" xmlns:nasdaq="http://nasdaq.com/reference/feeds/1.0"><channel><item><title>A</title>'
        b"<category>NASDAQ:AAPL</category><nasdaq:tickers>MSFT,NVDA</nasdaq:tickers></item></channel></rss>"
    )
    assert parse_feed(content).entries[0].tags == ("NASDAQ:AAPL", "MSFT", "NVDA")


# --- dates


@pytest.mark.parametrize(
    "text",
    ["Thu, 02 May 2024 20:30:00 GMT", "Thu, 02 May 2024 16:30:00 EDT", "Thu, 02 May 2024 16:30:00 -0400",
     "2024-05-02T20:30:00Z", "2024-05-02T16:30:00-04:00", "May 2, 2024 4:30 PM EDT", "May 2, 2024, 4:30"
     " p.m. ET",
     "02 May 2024 22:30:00 CEST", "20240502T203000Z", "2024-05-02 20:30 UTC", "05/02/2024 04:30 PM EDT"],
)  # fmt: skip
def test_formats(text: str) -> None:
    assert read(text) == (datetime(2024, 5, 2, 20, 30, tzinfo=UTC), "stated")


@pytest.mark.parametrize(
    ("text", "want", "how"),
    [
        ("2024-05-02 16:30:00", datetime(2024, 5, 2, 20, 30, tzinfo=UTC), "no zone"),
        ("20240502T163000", datetime(2024, 5, 2, 20, 30, tzinfo=UTC), "no zone"),
        ("Thu, 02 May 2024 16:30:00", datetime(2024, 5, 2, 20, 30, tzinfo=UTC), "no zone"),
        ("Thu, 02 May 2024 16:30:00 XYZ", datetime(2024, 5, 2, 20, 30, tzinfo=UTC), "no zone"),
        ("2024-05-01", datetime(2024, 5, 2, 3, 59, 59, tzinfo=UTC), "day only"),
        ("May 1, 2024", datetime(2024, 5, 2, 3, 59, 59, tzinfo=UTC), "day only"),
    ],
)
def test_what_lacks_its_zone_or_time_says_so(text: str, want: datetime, how: str) -> None:
    assert read(text, ZoneInfo("America/New_York")) == (want, how)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-45", "99/99/9999", "9999-12-31T23:59:59-12:00", "x" * 999]
)
def test_what_is_no_date(text: str) -> None:
    assert read(text) is None


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = read(text)
    assert found is None or found[0].tzinfo is not None
    assert published([text], [None], SEEN).at <= SEEN


def test_a_missing_date_is_when_we_saw_it() -> None:
    content = rss(("a", "A")).replace(b"<pubDate>Thu, 02 May 2024 20:30:00 GMT</pubDate>", b"")
    event = event_of(parse_feed(content).entries[0], source="x", seen_at=SEEN)
    assert event.published_at == event.known_at == SEEN
    assert (event.data["dated"], event.data[UNDATED]) == ("missing", True)
    again = event_of(parse_feed(content).entries[0], source="x", seen_at=SEEN + timedelta(hours=1))
    assert again.id == event.id


def test_a_date_in_the_future_is_not_believed() -> None:
    for date, how in (
        ("Fri, 03 May 2024 20:30:00 GMT", "in the future"),
        ("2024-05-02", "day only"),  # today is not over, but the entry is there
        ("Thu, 02 May 2024 23:30:00", "no zone"),
    ):
        event = event_of(parse_feed(rss(("a", "A"), date=date)).entries[0], source="x", seen_at=SEEN)
        assert event.published_at == SEEN
        assert event.data["dated"] == how
        assert event.data["date_text"] == date


def test_a_clock_slightly_ahead_is_taken_as_now() -> None:
    event = event_of(
        parse_feed(rss(("a", "A"), date="Thu, 02 May 2024 20:35:00 GMT")).entries[0], source="x", seen_at=SEEN
    )
    assert event.published_at == SEEN
    assert "dated" not in event.data


def test_a_date_before_the_web_is_none() -> None:
    found = published(["Thu, 01 Jan 1970 00:00:00 GMT", "2024-05-02T20:00:00Z"], [None, None], SEEN)
    assert (found.at, found.how) == (SEEN - timedelta(minutes=31), "stated")
