"""A web server on the loopback that answers as a test writes it, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

Script = Callable[[socket.socket], None]


def page(
    body: bytes, *headers: str, status: str = "200 OK", length: int | None = None
) -> Callable[[socket.socket], None]:
    """Answer with `body`; `length` lies about its length."""

    def send(connection: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    return send


def raw(*parts: bytes) -> Callable[[socket.socket], None]:
    """Send these bytes and close."""

    def send(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return send


def endless(part: bytes, start: bytes = b"") -> Callable[[socket.socket], None]:
    """Send `start`, then `part` until the other side has enough."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(part)

    return send


def drip(start: bytes, part: bytes, ended: threading.Event) -> Callable[[socket.socket], None]:
    """Send `start`, then `part` every 50 ms until the test is over."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while not ended.wait(0.05):
            connection.sendall(part)

    return send


@dataclass
class Site:
    """The server: `answers` by path, a list being used up but for its last; `requests` as they came."""

    port: int
    answers: dict[str, Script | list[Script]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/feed") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def asked(self, path: str = "/feed") -> list[dict[str, str]]:
        return [headers for asked, headers in self.requests if asked == path]


@pytest.fixture
def site() -> Iterator[Site]:
    """A scripted server; what it was asked stands in `requests`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    made = Site(listener.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(65_536)):
                    return
                head += more
            first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            path = first.split(" ")[1]
            made.requests.append((path, {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}))
            answer = made.answers.get(path, page(b"", status="404 Not Found"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            answer(connection)
            # Read what is left, so that closing does not throw away what was sent.
            connection.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield made
    made.ended.set()
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=10)


def rss(*items: tuple[str, str], date: str = "Thu, 02 May 2024 20:30:00 GMT", title: str = "News") -> bytes:
    """A feed of (guid, title) items."""
    inner = "".join(
        f"<item><guid>{guid}</guid><title>{text}</title><link>https://example.com/{guid}</link>"
        f"<pubDate>{date}</pubDate></item>"
        for guid, text in items
    )  # fmt: skip
    return f'<rss version="2.0"><channel><title>{title}</title>{inner}</channel></rss>'.encode()
