"""Fetching: whatever a server does, the answer is bounded in time and size, or one clear error."""

from __future__ import annotations

import gzip
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.news.fetching import FetchError, Watch, fetch

from .conftest import Script, Site, drip, endless, page, raw, rss

FEED = rss(("a", "Apple rises"))
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
BOMB = gzip.compress(b"\0" * 60_000_000)
#: What ends is ended by the limit; the deadline is there so that nothing hangs.
SMALL = {"deadline": 60.0, "limit": 100_000}


def test_a_feed_and_what_the_server_is_told(site: Site) -> None:
    site.answers["/feed"] = page(FEED, 'ETag: "v1"', "Last-Modified: Thu, 02 May 2024 20:30:00 GMT",
                                 "Content-Type: application/rss+xml; charset=utf-8")  # fmt: skip
    answer = fetch(site.url())
    assert (answer.status, answer.content, answer.etag) == (200, FEED, '"v1"')
    assert answer.content_type == "application/rss+xml; charset=utf-8"
    asked = site.asked()[0]
    assert asked["user-agent"].startswith("robo_trader/")
    assert "if-none-match" not in asked
    site.answers["/feed"] = page(b"", status="304 Not Modified")
    again = fetch(site.url(), etag=answer.etag, modified=answer.modified)
    assert (again.status, again.content, again.etag) == (304, b"", '"v1"')
    assert site.asked()[1]["if-none-match"] == '"v1"'
    assert site.asked()[1]["if-modified-since"] == "Thu, 02 May 2024 20:30:00 GMT"


@pytest.mark.parametrize("header", [True, False])
def test_gzip_is_unpacked_whether_it_is_announced_or_not(site: Site, header: bool) -> None:
    site.answers["/feed"] = page(gzip.compress(FEED), *(["Content-Encoding: gzip"] if header else []))
    assert fetch(site.url()).content == FEED


def test_a_chunked_answer(site: Site) -> None:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(FEED[i : i + 50]), FEED[i : i + 50]) for i in range(0, len(FEED), 50)
    )
    site.answers["/feed"] = raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert fetch(site.url()).content == FEED


FAULTS: dict[str, tuple[Script, str]] = {
    "404": (page(b"", status="404 Not Found"), "answered 404.*correct its address"),
    "410": (page(b"", status="410 Gone"), "answered 410.*remove it"),
    "403": (page(b"", status="403 Forbidden"), "answered 403.*contact"),
    "500": (page(b"", status="500 Internal Server Error"), "answered 500"),
    "204": (page(b"", status="204 No Content"), "answered 204"),
    "announced 50 MB": (page(b"x", length=50_000_000), "50,000,000 bytes, more than 100,000"),
    "endless": (endless(b"x" * 10_000, OK + b"\r\n"), "more than 100,000 bytes and no end"),
    "endless chunks": (
        endless(b"1000\r\n" + b"x" * 4096 + b"\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        "more than 100,000 bytes",
    ),
    "gzip bomb": (page(BOMB, "Content-Encoding: gzip"), "unpacks to more than 100,000 bytes"),
    "gzip garbage": (page(b"this is not gzip at all", "Content-Encoding: gzip"), "compression is damaged"),
    "gzip cut": (page(gzip.compress(FEED)[:-20], "Content-Encoding: gzip"), "compression"),
    "strange encoding": (page(FEED, "Content-Encoding: br"), "nobody asked for"),
    "cut in the middle": (page(FEED, length=len(FEED) + 100), "cut off after"),
    "cut chunk": (raw(OK + b"Transfer-Encoding: chunked\r\n\r\n500\r\nabc"), "cut off"),
    "no answer": (raw(), "closed|Remote end"),
    "garbage": (raw(b"\x00\x01\x02 what\r\n\r\n"), "127.0.0.1"),
    "bad status": (raw(b"HTTP/1.1 abc\r\n\r\n"), "127.0.0.1"),
    "endless headers": (endless(b"X-A: " + b"y" * 1000 + b"\r\n", OK), "127.0.0.1"),
    "one endless header": (endless(b"y" * 1000, OK + b"X-A: "), "127.0.0.1"),
    "circle": (page(b"", "Location: /feed", status="302 Found"), "circle"),
    "nowhere": (page(b"", status="302 Found"), "no http address"),
    "to a file": (page(b"", "Location: file:///etc/passwd", status="302 Found"), "no http address"),
    "to ftp": (page(b"", "Location: ftp://127.0.0.1/x", status="301 Moved"), "no http address"),
    "negative length": (page(b"", "Content-Length: -5", length=0), ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_in_one_error(site: Site, fault: str) -> None:
    site.answers["/feed"], said = FAULTS[fault]
    began = clock.monotonic()
    if not said:
        assert fetch(site.url(), **SMALL).content == b""  # type: ignore[arg-type]
    else:
        with pytest.raises(FetchError, match=f"(?s){said}"):
            fetch(site.url(), **SMALL)  # type: ignore[arg-type]
    assert clock.monotonic() - began < 30, "the deadline had to end it"


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\n", OK + b"\r\n", OK + b"Content-Length: 90000\r\n\r\n",
     OK + b"Transfer-Encoding: chunked\r\n\r\n"],
)  # fmt: skip
def test_a_dripping_answer_ends_with_the_deadline(site: Site, start: bytes) -> None:
    part = b"1\r\nx\r\n" if b"chunked" in start else b"x"
    site.answers["/feed"] = drip(start, part, site.ended)
    with pytest.raises(FetchError, match="took longer than 0.3 s"):
        fetch(site.url(), deadline=0.3)  # The server drips until the test is over.


def test_a_silent_server_ends_with_the_deadline(site: Site) -> None:
    site.answers["/feed"] = lambda connection: site.ended.wait(120) and None
    with pytest.raises(FetchError, match="longer than 0.3 s|in time"):
        fetch(site.url(), deadline=0.3)


def test_a_fetch_can_be_ended_from_outside(site: Site) -> None:
    began = threading.Event()

    def hang(connection: Any) -> None:
        began.set()
        site.ended.wait(120)

    site.answers["/feed"] = hang
    watch = Watch(60)
    threading.Thread(target=lambda: began.wait(60) and watch.end(), daemon=True).start()
    with pytest.raises(FetchError):
        fetch(site.url(), watch=watch)


def test_redirects_are_followed_a_few_times(site: Site) -> None:
    for i in range(3):
        site.answers[f"/{i}"] = page(b"", f"Location: /{i + 1}", status="301 Moved Permanently")
    site.answers["/3"] = page(FEED)
    assert fetch(site.url("/0")).url == site.url("/3")
    for i in range(10):
        site.answers[f"/{i}"] = page(b"", f"Location: /{i + 1}", status="302 Found")
    with pytest.raises(FetchError, match="circle"):
        fetch(site.url("/0"))
    assert len(site.requests) <= 4 + 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 1), ("600", 600), ("999999999999", 86_400), ("Thu, 02 May 2024 20:32:00 GMT", 120),
     ("Thu, 02 May 2023 20:32:00 GMT", 0), ("soon", None), ("-5", None)],
)  # fmt: skip
def test_retry_after(site: Site, text: str, seconds: float | None) -> None:
    site.answers["/feed"] = page(b"", f"Retry-After: {text}", status="429 Too Many Requests")
    with clock.fixed(datetime(2024, 5, 2, 20, 30, tzinfo=UTC)), pytest.raises(FetchError) as caught:
        fetch(site.url())
    assert (caught.value.status, caught.value.retry_after) == (429, seconds)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "nonsense", "http://[::1"]
)
def test_only_http(url: str) -> None:
    with pytest.raises(FetchError):
        fetch(url)


def test_a_refused_connection_hides_the_password() -> None:
    with pytest.raises(FetchError) as caught:
        fetch("http://user:hunter2@127.0.0.1:1/feed?apikey=hunter3")
    assert "hunter" not in str(caught.value)


def test_headers_that_cannot_be_sent_back_are_dropped(site: Site) -> None:
    site.answers["/feed"] = page(FEED, "ETag: " + "x" * 5_000, "Last-Modified: caf\u00e9")
    answer = fetch(site.url())
    assert (answer.etag, answer.modified) == ("", "")
