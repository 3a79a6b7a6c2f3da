"""What a server may say beyond the faults that have a name: a typed status, and no longer than allowed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from robo_trader.intelligence.questions import complete
from robo_trader.intelligence.reply import Reply, Status
from robo_trader.testing import ModelServer, Response, answer

from .conftest import VENDORS, Make, event, says, timed, view


def ask(make: Make, url: ModelServer | str, vendor: str, **options: object) -> Reply:
    """Put one question, once, and return how it ended."""

    async def one() -> Reply:
        analyst = make(url, vendor, **{"attempts": 1, "deadline": 20, **options})
        request, labels = analyst.request(event())
        try:
            return await analyst.gateway.ask(complete(request, event(), labels))
        finally:
            await analyst.close()

    return asyncio.run(one())


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("mode", ["record", "live"])
def test_half_a_character_can_be_recorded(vendor: str, mode: str, make: Make) -> None:
    with ModelServer([lambda call: answer(call, "\ud800" + says(view()))]) as server:
        assert ask(make, server, vendor, mode=mode).status is Status.MALFORMED
    with ModelServer([lambda call: answer(call, says(view()) + "\n")]) as server:
        assert ask(make, server, vendor, mode=mode).ok


@pytest.mark.parametrize(
    "pause",
    [
        "1e999", "-1e999", "nan", "-5", "", ",", "1, 2", "9" * 5000,
        "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 0001 23:59:59 +9999999999999",
        "Wed, 21 Oct 2015 07:28:00 -0000", "Mon, 99 Foo 99999999999999999999 10:00:00 GMT",
    ],
)  # fmt: skip
def test_a_senseless_pause_is_a_status(pause: str, make: Make) -> None:
    with ModelServer([Response(status=429, headers={"retry-after": pause})]) as server:
        reply = ask(make, server, "anthropic")
    assert reply.status is Status.RATE_LIMITED
    assert reply.retry_after is None or 0 <= reply.retry_after <= 3600


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "response",
    [
        Response(status=500, body=b"x" * 1_000_000),
        Response(status=500, body=b"x" * 65_536, endless=True),
        Response(status=500, body=b"\x1f\x8bzz", headers={"content-encoding": "gzip"}),
    ],
)
def test_an_error_with_an_odd_body_is_still_that_error(vendor: str, response: Response, make: Make) -> None:
    with ModelServer([response]) as server:
        reply = ask(make, server, vendor)
    assert (reply.status, reply.billed, reply.cost) == (Status.UNAVAILABLE, False, 0)
    assert reply.detail.startswith("HTTP 500")


Handler = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def listening(handler: Handler) -> Iterator[str]:
    """Give the address of a server that does `handler` to each connection."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    handler(connection, stop)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join(60)


def _repeat(head: bytes, piece: bytes, pause: float) -> Handler:
    def handler(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(head)
        while not stop.wait(pause):
            connection.sendall(piece)

    return handler


_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(_repeat(_HEAD, b"x", 0.01), id="dripping header"),
        pytest.param(_repeat(_HEAD, b"x-a: b\r\n", 0.01), id="dripping headers"),
        pytest.param(_repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50, 0.005), id="endless 100"),
        pytest.param(_repeat(_CHUNKED, b"1\r\n \r\n" * 500, 0.0), id="flood of tiny chunks"),
        pytest.param(lambda connection, stop: stop.wait(60), id="silence"),
    ],
)
def test_the_deadline_outlives_no_server(handler: Handler, make: Make) -> None:
    deadline = 0.3

    async def race(address: str) -> tuple[Reply, float]:
        analyst = make(f"http://{address}", attempts=1, deadline=deadline, mode="live")
        await analyst.gateway.routes[0].adapter.open()
        request, labels = analyst.request(event())
        found = await timed(analyst.gateway.ask(complete(request, event(), labels)), deadline)
        await analyst.close()
        return found

    with listening(handler) as address:
        reply, late = asyncio.run(race(address))
    assert reply.status in (Status.TIMEOUT, Status.MALFORMED)
    assert late < 10, "a server that never ends"
