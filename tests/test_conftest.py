"""The net under the other tests holds: no test can reach another machine."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80), ("example.invalid", 80)])
def test_foreign_addresses_are_blocked(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        for reach in (tcp.connect, tcp.connect_ex):
            with pytest.raises(RuntimeError, match="tests reach loopback only"):
                reach(address)
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        with pytest.raises(RuntimeError, match="tests reach loopback only"):
            udp.sendto(b"x", address)


def test_names_are_not_looked_up() -> None:
    with pytest.raises(RuntimeError, match="tests reach loopback only"):
        socket.create_connection(("example.invalid", 443), timeout=1)


def test_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=60) as client:
            client.sendall(b"hello")
            peer, _ = server.accept()
            with peer:
                assert peer.recv(5) == b"hello"

    async def through_unix_socket() -> bytes:
        path = str(tmp_path / "s")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(2))
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(answer, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"ok")
            got = await reader.readexactly(2)
            writer.close()
            await writer.wait_closed()
            return got

    if hasattr(socket, "AF_UNIX"):
        assert asyncio.run(through_unix_socket()) == b"ok"


def test_own_settings_do_not_leak_into_tests() -> None:
    assert {name for name in os.environ if name.startswith("ROBO_")} <= {"ROBO_TEST_DATA"}
    assert "PYTEST_ADDOPTS" not in os.environ
