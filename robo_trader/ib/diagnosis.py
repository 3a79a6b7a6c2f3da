"""Why there is no connection, in plain words: each cause with what was seen and what to do next.

Called after the library has failed, because the library only says that time ran out. What listens on the
port is asked again with the protocol's first message, and, where it stays silent, as a web server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable

from robo_trader.errors import BrokerError, did_you_mean
from robo_trader.ib.messages import Problem

#: The protocol versions that both libraries speak: a gateway must offer one of them.
OLDEST, NEWEST = 157, 178
CLIENT_ID_IN_USE = 326
_WEB = b"GET / HTTP/1.0\r\n\r\n"
_PORTS = (
    "start TWS or IB Gateway and enable its API (ports: Gateway 4002 paper, 4001 live; TWS 7497, 7496), "
    "or 'robo gateway' for the simulated one"
)


async def why_not(
    host: str, port: int, client_id: int, error: BaseException, told: Iterable[Problem], wait: float
) -> BrokerError:
    """Return the reason why connecting to `host`:`port` failed with `error` after the frames `told`.

    `wait` is how many seconds a silent peer gets to answer.
    """
    place = f"{host}:{port}"
    for problem in told:
        if problem.code == CLIENT_ID_IN_USE:
            return BrokerError(
                f"client id {client_id} is in use at {place}",
                hint="end the other program that uses it, or choose another client id",
            )
    if isinstance(error, ConnectionRefusedError):
        return BrokerError(f"nothing listens at {place}", hint=_PORTS)
    if isinstance(error, socket.gaierror):
        return BrokerError(f"there is no host {host!r}", hint="use 127.0.0.1 for this machine")
    try:
        heard = await _ask(host, port, _hello(), wait) or await _ask(host, port, _WEB, wait)
    except ConnectionRefusedError:
        return BrokerError(f"nothing listens at {place}", hint=_PORTS)
    except OSError as failed:
        return BrokerError(f"{place} cannot be reached: {failed.strerror or failed}", hint=_PORTS)
    return _judge(place, heard, error)


def account_not_found(account: str, accounts: Iterable[str]) -> BrokerError:
    """Return the error for an account that the login does not have."""
    known = sorted(accounts)
    return BrokerError(
        f"account {account!r} does not belong to this login",
        hint=did_you_mean(account, known) or f"it has {', '.join(known)}",
    )


def read_only(problem: Problem) -> bool:
    """Tell whether an error says that the API takes no orders."""
    return problem.code == 321 and "read-only" in problem.text.lower()


def read_only_error() -> BrokerError:
    """Return the error for a gateway that is set to take no orders."""
    return BrokerError(
        "the gateway takes no orders: its API is read-only",
        hint="switch off 'Read-Only API' under Configure > API > Settings in TWS or IB Gateway",
    )


def _judge(place: str, heard: bytes, error: BaseException) -> BrokerError:
    if heard.startswith(b"HTTP/"):
        return BrokerError(f"a web server answers at {place}, not TWS or IB Gateway", hint=_PORTS)
    version = _version(heard)
    if version is not None and not OLDEST <= version <= NEWEST:
        return BrokerError(
            f"the gateway at {place} speaks version {version} of the protocol, not {OLDEST} to {NEWEST}",
            hint="update TWS or IB Gateway" if version < OLDEST else "update robo_trader and its IB library",
        )
    if version is not None:
        return BrokerError(
            f"the gateway at {place} answers but did not finish the start ({_said(error)})",
            hint="is it logged in, and does a dialog wait for an answer? Try again with a longer timeout",
        )
    if heard:
        return BrokerError(
            f"something else than TWS or IB Gateway answers at {place}: {heard[:24]!r}", hint=_PORTS
        )
    return BrokerError(
        f"something listens at {place} but does not answer",
        hint="enable 'ActiveX and Socket Clients' in its API settings, and allow this machine's address",
    )


def _said(error: BaseException) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def _hello() -> bytes:
    versions = f"v{OLDEST}..{NEWEST}".encode()
    return b"API\0" + struct.pack(">I", len(versions)) + versions


def _version(heard: bytes) -> int | None:
    """Return the version in a gateway's first frame: its length, the version and its time."""
    number, ended, _ = heard[4:].partition(b"\0")
    framed = len(heard) > 4 and struct.unpack(">I", heard[:4])[0] < 1000
    return int(number) if framed and ended and number.isdigit() else None


async def _ask(host: str, port: int, words: bytes, wait: float) -> bytes:
    """Return the first bytes of the answer to `words`; nothing where none came in `wait` seconds."""
    try:
        async with asyncio.timeout(wait):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise OSError(None, f"no answer in {wait:g} s") from None
    try:
        writer.write(words)
        async with asyncio.timeout(wait):
            return await reader.read(256)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):  # It was the other side that ended it.
            await writer.wait_closed()
