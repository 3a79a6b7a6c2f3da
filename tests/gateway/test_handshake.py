"""Connecting: every version, ids in use, and everybody who is no TWS client."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from typing import Any

import pytest
from gwclient import AAPL, Client, Closed, eventually, packed

from robo_trader.gateway.settings import Limits


@pytest.mark.parametrize("version", [157, 163, 164, 170, 174, 177, 178])
def test_a_session_at_a_version(demo: Any, connect: Any, version: int) -> None:
    gateway = demo(max_version=version)
    client = connect(gateway)
    assert client.version == version
    assert client.expect(15) == ["15", "1", "DU1234567"]
    farm = client.expect(4, 2, -1, 2104)
    assert "simulated gateway" in farm[4]
    assert len(farm) == (6 if version >= 166 else 5)
    client.send(9, 8, 1, *AAPL, 0, "", "", *([""] if version >= 176 else []))
    found = client.expect(10)
    assert found[1] == ("8" if version < 164 else "1")
    client.expect(52, 1, 1)
    number = client.order(orderRef="x")
    client.status(number, "Filled")
    executed = client.expect(11)
    assert len(executed) == (32 if version >= 178 else 31)
    assert ("US/Eastern" in executed[15]) is (version >= 174)
    client.send(99, 0)
    client.expect(101)
    client.expect(102)
    client.sync()
    assert not [f for f in client.frames if f[0] == "4" and f[3] in ("320", "505")]


def test_a_second_client_of_one_id_is_told_and_closed(demo: Any, connect: Any) -> None:
    gateway = demo()
    first = connect(gateway, 5)
    second = connect(gateway, 5, start=False)
    second.hello("v157..178")
    second.send(71, 2, 5, "")
    assert second.error(-1)[0] == 326
    with pytest.raises(Closed):
        second.read()
    first.sync()
    first.close()
    # The id is free again once its socket is gone.
    eventually(lambda: connect(gateway, 5), Closed)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "web browser"),
        (b"POST /x HTTP/1.1\r\n\r\n", "web browser"),
        (b"\x16\x03\x01\x02\x00\x01", "no API client"),
        (b"API\0" + struct.pack(">I", 2**31) + b"v157", "a frame of 2147483648 bytes"),
        (b"API\0" + struct.pack(">I", 5) + b"hello", "no range of versions"),
        (b"API\0" + struct.pack(">I", 8) + b"v100..50", "speaks versions 100 to 50"),
        (b"API\0" + struct.pack(">I", 9) + b"v200..225", "this gateway ends at 178"),
        (b"API\0" + struct.pack(">I", 9) + b"v157..178" + packed(49, 1), "before startApi"),
        (b"API\0" + struct.pack(">I", 9) + b"v157..178" + packed("x", 1), "not an integer"),
        (b"API\0" + struct.pack(">I", 9) + b"v157..178" + packed(71, 2, -5, ""), "the client id -5"),
    ],
)
def test_whoever_is_no_client_is_closed_with_a_line(
    demo: Any, connect: Any, caplog: pytest.LogCaptureFixture, sent: bytes, said: str
) -> None:
    gateway = demo()
    with caplog.at_level(logging.INFO, "robo_trader.gateway"):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as sock:
            sock.sendall(sent)
            # An answer to the version may come; then the end.
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(4096):
                    pass
        connect(gateway).sync()
    assert said in caplog.text
    assert "Traceback" not in caplog.text


def test_a_client_that_says_nothing_is_closed(demo: Any, caplog: pytest.LogCaptureFixture) -> None:
    gateway = demo(limits=Limits(handshake_seconds=0.05))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as sock:
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    assert "said nothing" in caplog.text


def test_unreadable_messages_are_answered_and_the_session_lives(demo: Any, connect: Any) -> None:
    client = connect(demo())
    for message, about in (
        ((1, 11, "x"), -1),
        ((3, 1), 1),
        ((20, 1, *AAPL), 1),
        ((9999,), -1),
        (("abc",), -1),
        (("",), -1),
        ((9, 8, 7, *AAPL, 0, "", "", "", "more"), 7),
    ):
        client.send(*message)
        assert client.error(about)[0] in (320, 505)
    client.sock.sendall(struct.pack(">I", 3) + b"49\x01")
    assert client.error(-1)[0] == 320
    client.sync()


def test_an_oversize_frame_ends_the_connection_only(demo: Any, connect: Any) -> None:
    gateway = demo(limits=Limits(frame=1000))
    client, other = connect(gateway, 1), connect(gateway, 2)
    client.sock.sendall(struct.pack(">I", 1001))
    with pytest.raises(Closed):
        while True:
            client.read()
    other.sync()


def test_a_client_that_does_not_read_is_closed(
    demo: Any, connect: Any, commands: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = demo(limits=Limits(unsent=50_000))
    client, other = connect(gateway, 1), connect(gateway, 2)
    control = commands(gateway)
    client.send(12, 1, 1)
    client.sync()
    for _ in range(300):
        control("bulletin", text="x" * 60_000)
    with pytest.raises(Closed):
        while True:
            client.read()
    other.sync()
    assert "does not read" in caplog.text


def test_frames_may_come_in_pieces_and_in_bursts(demo: Any, connect: Any) -> None:
    client = connect(demo())
    message = packed(49, 1)
    for byte in message:
        client.sock.sendall(bytes([byte]))
    client.expect(49)
    client.sock.sendall(message * 20)
    for _ in range(20):
        client.expect(49)


def test_too_many_messages_a_second(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    commands(gateway)("set", max_rate=5)
    client.sock.sendall(packed(49, 1) * 30)
    client.expect(4, 2, -1, 100)
    assert len(client.take(49)) < 20  # five, and what a busy machine made the gateway miss


def test_many_clients(demo: Any, connect: Any) -> None:
    gateway = demo(limits=Limits(clients=3))
    clients = [connect(gateway, i) for i in (1, 2, 3)]
    fourth = Client(gateway.port, 4, start=False)
    fourth.hello("v157..178")
    fourth.send(71, 2, 4, "")
    assert fourth.error(-1)[0] == 326
    fourth.close()
    for client in clients:
        client.sync()
