"""What every test gets: no network, repeatable hypothesis runs, and the shared data if it is there.

Sockets reach loopback and unix addresses only, in every test of the session; anything else raises
`BlockedSocketError`, which is no OSError, so that no retry or fallback swallows it.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No deadline and no check of the time that examples take: on a shared machine a slow one says nothing.
# A commit is judged by the same examples each time; `thorough` draws others, and more, each time.
settings.register_profile(
    "dev", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
_dev = settings.get_profile("dev")
settings.register_profile("ci", _dev, max_examples=100, print_blob=True)
settings.register_profile("quick", _dev, max_examples=20)
settings.register_profile("thorough", _dev, max_examples=2_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


class BlockedSocketError(RuntimeError):
    """A test tried to reach something that is not on this machine."""


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _check(host: object) -> None:
    if not _is_local(host):
        raise BlockedSocketError(f"a test tried to reach {host!r}; tests reach loopback only")


def _block_foreign_sockets(patch: pytest.MonkeyPatch) -> None:
    inet = (socket.AF_INET, socket.AF_INET6)

    def guarded(name: str) -> None:
        plain = getattr(socket.socket, name)

        def call(self: socket.socket, *args: Any) -> Any:
            # sendto and connect take the address last; a unix address is a path, not a tuple.
            if self.family in inet and args and isinstance(args[-1], tuple):
                _check(args[-1][0])
            return plain(self, *args)

        patch.setattr(socket.socket, name, call)

    for name in ("connect", "connect_ex", "sendto"):
        guarded(name)
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return look_up(host, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


def _hear_interrupts() -> None:
    """Take Ctrl-C even where a shell started the tests with it ignored: children inherit that."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Set up the whole session, the first-party distributions' tests included."""
    _hear_interrupts()
    patch = pytest.MonkeyPatch()
    _block_foreign_sockets(patch)
    config.add_cleanup(patch.undo)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The shared data folder that ROBO_TEST_DATA names; the test skips without it."""
    value = os.environ.get("ROBO_TEST_DATA")
    if not value:
        pytest.skip("ROBO_TEST_DATA is not set: this test reads the shared data folder")
    path = Path(value)
    if not path.is_dir():
        pytest.fail(f"ROBO_TEST_DATA names {value!r}, which is no folder")
    return path


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's ROBO_* settings out of every test, and pytest's out of a pytest run by a test."""
    for name in list(os.environ):
        if name == "PYTEST_ADDOPTS" or (name.startswith("ROBO_") and name != "ROBO_TEST_DATA"):
            monkeypatch.delenv(name)
