"""Real servers for tests: those that a URL names, else private ones of the installed binaries.

``ROBO_TEST_POSTGRES`` and ``ROBO_TEST_REDIS`` name servers on this machine that a test may fill as it likes.
Without them PostgreSQL and Redis are started on free ports of the loopback, as an unprivileged user
where the tests run as root, in a folder that is removed afterwards. Where neither exists, the
tests skip; tests that stop and start a server need a private one.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The guard's pretended account serves here too, and the words that fill a journal.
sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("risk", "journal", "live")]

POSTGRES_URL = os.environ.get("ROBO_TEST_POSTGRES", "")
REDIS_URL = os.environ.get("ROBO_TEST_REDIS", "")
#: How often a writer is killed; the figure of record is 200.
KILLS = int(os.environ.get("ROBO_TEST_KILLS", "12"))
#: Contended updates of two processes; the figure of record is 10,000.
UPDATES = int(os.environ.get("ROBO_TEST_UPDATES", "600"))


@pytest.fixture(scope="session")
def kills() -> int:
    """How often a writer is to be killed."""
    return KILLS


@pytest.fixture(scope="session")
def updates() -> int:
    """How many contended updates are to be made."""
    return UPDATES


class Server(ABC):
    """A private server: a folder, a port and a user that may do nothing else."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"robo-{name}-"))
        self.port = _free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _unprivileged(name)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    def call(self, *words: object) -> None:
        with (self.folder / "out").open("ab") as out:
            done = subprocess.run(
                [str(word) for word in words],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=600,
                **self._as,
            )
        assert done.returncode == 0, (self.folder / "out").read_text()

    @abstractmethod
    def start(self) -> None:
        """Start it at its port."""

    def start_somewhere(self) -> None:
        """Start it for the first time: somebody else may have taken its port since it was found free."""
        for _ in range(4):
            try:
                return self.start()
            except AssertionError:
                self.port = _free_port()
        self.start()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Server):
    """A private PostgreSQL cluster with one superuser `robo`, trusted on the loopback."""

    def __init__(self, binaries: Path) -> None:
        super().__init__("postgres")
        self._binaries = binaries
        self._data = self.folder / "data"
        self.call(
            binaries / "initdb", "-D", self._data, "-U", "robo", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        with (self._data / "pg_hba.conf").open("r+") as hba:
            rules = hba.read()
            hba.seek(0)
            hba.write("host all walled 127.0.0.1/32 scram-sha-256\n" + rules)
        self.start_somewhere()

    @property
    def url(self) -> str:
        return f"postgresql://robo@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # The disk survives what these tests do, so nothing has to be forced to it.
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self.folder / "log"
        self.call(
            self._binaries / "pg_ctl", "-D", self._data, "-w", "-t", 300, "-l", log, "-o", options, "start"
        )

    def stop(self) -> None:
        self.call(self._binaries / "pg_ctl", "-D", self._data, "-w", "-t", 300, "-m", "immediate", "stop")


class Redis(Server):
    """A private Redis server that writes every change to its append-only file."""

    def __init__(self, binary: str) -> None:
        super().__init__("redis")
        self._binary = binary
        self._process: subprocess.Popen[str] | None = None
        self.start_somewhere()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        words += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--logfile", ""]
        self._process = subprocess.Popen(
            words,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self._as,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                return
        self.stop()
        raise AssertionError("".join(said))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=60)
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged(name: str) -> pwd.struct_passwd:
    for user in (name, "nobody"):
        try:
            return pwd.getpwnam(user)
        except KeyError:
            continue
    pytest.skip(f"no unprivileged user to run {name} as")


def _postgres_binaries() -> Path | None:
    for found in [
        shutil.which("pg_ctl"),
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))),
    ]:
        if found and (Path(found).resolve().parent / "initdb").exists():
            return Path(found).resolve().parent
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL server that a test may stop and start."""
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (initdb and pg_ctl)")
    server = Postgres(binaries)
    yield server
    server.stop()
    server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A private Redis server that a test may stop and start."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("Redis is not installed (redis-server)")
    server = Redis(binary)
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database on a real server, dropped afterwards."""
    base = POSTGRES_URL or request.getfixturevalue("postgres").url
    import psycopg

    name = f"robo_test_{secrets.token_hex(6)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    yield base.rpartition("/")[0] + "/" + name
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a part of a real Redis server that nobody else uses."""
    base = REDIS_URL or request.getfixturevalue("redis_server").url
    prefix = f"robo_test_{secrets.token_hex(6)}"
    yield f"{base}?prefix={prefix}"
    import redis

    with redis.Redis.from_url(base) as client:
        for key in client.scan_iter(match=f"{prefix}:*"):
            client.delete(key)
