"""One conditional GET of a feed: bounded in time, in size and in redirects, whatever the server does.

urllib in a thread rather than another HTTP library: it knows proxies and certificates, and a feed every
fifteen seconds needs no more. What it lacks is added here: a deadline for the whole answer (its timeouts
are for single reads, and a dripping body outlives them), a bound on the size before and after
decompression, and a refusal of anything but http.

Failure contract: `fetch` returns an `Answer` for 200 and 304 and raises `FetchError` for the rest; the error
says what happened and, where the server said so, how long to stay away.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from robo_trader import __version__, clock
from robo_trader.errors import EventError
from robo_trader.masking import mask_url

#: Bytes of an answer, compressed and not; the largest feeds known to us take less than 2 MB.
MOST_BYTES = 8_000_000
DEADLINE = 20.0
_REDIRECTS = 5
_READ = 65_536
_LONGEST_WAIT = 86_400.0
USER_AGENT = f"robo_trader/{__version__} (feed reader)"


class FetchError(EventError):
    """A feed that could not be fetched; `retry_after` is how many seconds to stay away, if it said so."""

    def __init__(
        self, message: str, *, hint: str = "", status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: 200 with content, or 304 without; validators for the next request; the address."""

    status: int
    content: bytes
    url: str
    etag: str = ""
    modified: str = ""
    content_type: str = ""


def fetch(
    url: str,
    *,
    etag: str = "",
    modified: str = "",
    deadline: float = DEADLINE,
    limit: int = MOST_BYTES,
    user_agent: str = USER_AGENT,
    watch: Watch | None = None,
) -> Answer:
    """GET `url` unless it has not changed, within `deadline` seconds and `limit` bytes.

    `etag` and `modified` are the validators of the last answer. Blocks; call it in a thread, and end it
    early through a `watch` of its own.
    """
    shown = mask_url(url)
    headers = {
        "User-Agent": user_agent,
        "Accept": "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9,"
        " text/xml;q=0.8, */*;q=0.1",
        "Accept-Encoding": "gzip",
        **({"If-None-Match": etag} if etag else {}),
        **({"If-Modified-Since": modified} if modified else {}),
    }
    try:
        _check_address(url)
        request = urllib.request.Request(url, headers=headers)
    except ValueError as error:
        raise FetchError(f"{shown}: {error}", hint="correct the address of the feed") from error
    watch = watch or Watch(deadline)
    try:
        with watch, _opener(watch).open(request, timeout=deadline) as response:
            return _answer(response, shown, limit, watch)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return _refused(error, shown, url, etag, modified)
    except FetchError:
        raise
    except Exception as error:  # a server and the network may break anything below, at any byte
        if watch.expired:
            raise FetchError(f"{shown}: the answer took longer than {deadline:g} s") from error
        raise FetchError(f"{shown}: {_reason(error)}") from error


class Watch:
    """Ends a fetch when its deadline passes, or when `end` is called, wherever the reading stands."""

    def __init__(self, seconds: float = DEADLINE) -> None:
        self.expired = False
        self._ends = clock.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self.end)
        self._timer.daemon = True

    def add(self, connection: socket.socket) -> None:
        self._sockets.append(connection)
        if self.expired:
            self.end()

    def check(self) -> None:
        if self.expired or clock.monotonic() > self._ends:
            self.expired = True
            raise TimeoutError

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def end(self) -> None:
        """Cut the connection now; the fetch raises `FetchError`."""
        self.expired = True
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                # The plain socket's: a TLS one would first wish to say goodbye to the other side.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTS
    max_repeats = 2

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow to http addresses only, and never from outside into this machine's own network."""
        target = urljoin(req.full_url, newurl)
        _check_address(target)
        if _is_inside(target) and not _is_inside(req.full_url):
            raise ValueError(f"redirects to {mask_url(target)}, which is no public address")
        return super().redirect_request(req, fp, code, msg, headers, target)


def _opener(watch: Watch) -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone: no files, no ftp, no cookies, no stored passwords."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Plain(watch),
        _Secure(watch),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _watched(kind: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    """Return a maker of connections of `kind` that show their sockets to `watch`."""

    def make(*args: Any, **options: Any) -> Any:
        connection = kind(*args, **options)
        connect = connection.connect

        def watched() -> None:
            connect()
            watch.add(connection.sock)

        connection.connect = watched
        return connection

    return make


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection that the deadline can end."""
        return self.do_open(_watched(http.client.HTTPConnection, self._watch), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection that the deadline can end; certificates are checked."""
        return self.do_open(_watched(http.client.HTTPSConnection, self._watch), req)


def _answer(response: Any, shown: str, limit: int, watch: Watch) -> Answer:
    if response.status != 200:
        raise FetchError(f"{shown}: answered {response.status} {response.reason}", status=response.status)
    headers = response.headers
    stated = headers.get("Content-Length", "")
    length = int(stated) if stated.isdigit() else None
    if length is not None and length > limit:
        raise FetchError(f"{shown}: {length:,} bytes, more than {limit:,}", hint="this is no news feed")
    raw = bytearray()
    while chunk := response.read1(_READ):
        raw += chunk
        if len(raw) > limit:
            raise FetchError(f"{shown}: more than {limit:,} bytes and no end", hint="this is no news feed")
        watch.check()
    watch.check()
    if length is not None and len(raw) < length:
        raise FetchError(f"{shown}: cut off after {len(raw):,} of {length:,} bytes")
    content = bytes(raw)
    encoding = (headers.get("Content-Encoding") or "").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate") or content[:2] == b"\x1f\x8b":
        content = _decompressed(content, shown, limit)
    elif encoding not in ("", "identity"):
        raise FetchError(f"{shown}: encoded as {encoding[:40]!r}, which nobody asked for")
    return Answer(
        200, content, response.url, _header(headers, "ETag"), _header(headers, "Last-Modified"),
        _header(headers, "Content-Type"),
    )  # fmt: skip


def _refused(error: urllib.error.HTTPError, shown: str, url: str, etag: str, modified: str) -> Answer:
    """Return the answer "not modified", or raise what any other status means."""
    if error.code == 304:
        return Answer(304, b"", url, _header(error.headers, "ETag") or etag, modified)
    if error.code in (301, 302, 303, 307, 308):
        raise FetchError(
            f"{shown}: redirects in a circle, or to no http address", status=error.code
        ) from error
    hints = {
        401: "the feed wants a password",
        403: "the site refuses this reader; it may want an address to complain to (option contact)",
        404: "the feed is not there; correct its address",
        410: "the feed was closed for good; remove it",
    }
    raise FetchError(
        f"{shown}: answered {error.code} {error.reason}",
        hint=hints.get(error.code, ""),
        status=error.code,
        retry_after=_retry_after(error.headers.get("Retry-After", "")),
    ) from error


def _retry_after(text: str) -> float | None:
    """Return the seconds that a server asks for, at most a day; it may give a number or a date."""
    if text.strip().isdigit():
        return min(float(text.strip()[:9]), _LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _decompressed(content: bytes, shown: str, limit: int) -> bytes:
    unpack = zlib.decompressobj(wbits=47)  # gzip or zlib, as the first bytes say
    try:
        plain = unpack.decompress(content, limit + 1)
    except zlib.error as error:
        raise FetchError(f"{shown}: its compression is damaged: {error}") from error
    if len(plain) > limit:
        raise FetchError(f"{shown}: unpacks to more than {limit:,} bytes", hint="this is no news feed")
    if not unpack.eof:
        raise FetchError(f"{shown}: its compression ends too soon")
    return plain


def _header(headers: Any, name: str) -> str:
    """Return a header as one printable line of a sane length: it is sent back to the server later."""
    text = str(headers.get(name) or "")
    return text if len(text) <= 500 and text.isprintable() and text.isascii() else ""


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{mask_url(url)[:200]!r} is no http address")
    if parts.username is not None:
        raise ValueError("an address with a password in it is not supported")


def _is_inside(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None) if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, http.client.IncompleteRead):
        return "cut off in the middle"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return " ".join(str(cause).split())[:200] or type(cause).__name__
