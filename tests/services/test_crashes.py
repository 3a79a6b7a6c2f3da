"""A writer killed at random moments: nothing promised is lost, nothing appears twice, no orphan."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_trader.journal.database import Database
from robo_trader.journal.live import Journal, open_journal

RUN = "20240918T170000Z-killed-abcdef"
SCRIPT = Path(__file__).with_name("killed.py")


class Victim:
    """A process whose children write to a journal until they are killed."""

    def __init__(self, url: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), url, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def live_for(self, seconds: float, order: int, *, writes: bool) -> list[str]:
        """Let a child write from `order` on, kill it after `seconds`, and return what it promised.

        The seconds count from its beginning, or from its first order where it `writes`.
        """
        self._in.write(f"{RUN} {order}\n")
        self._in.flush()
        said = self._out.readline().split()
        assert said[0] == "pid", said
        promised = [self._out.readline().strip() for _ in range(2 if writes else 1)]
        # From opening the journal to the middle of any commit: the moment is drawn, not waited for.
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        os.kill(int(said[1]), signal.SIGKILL)
        for line in iter(self._out.readline, "gone\n"):
            promised.append(line.strip())
        return promised

    def close(self) -> None:
        self._in.close()
        assert self._process.wait(timeout=120) == 0
        self._out.close()


def check(database: Database, promised: set[str]) -> int:
    """Hold the journal against what was promised; return the next order."""

    def column(sql: str) -> list[str]:
        with database.reading() as connection:
            return [row[0] for row in connection.execute(sa.text(sql))]

    orders = column("SELECT number FROM orders")
    fills = column("SELECT execution FROM fills")
    assert len(set(orders)) == len(orders) and len(set(fills)) == len(fills)
    assert {int(p.split()[1]) for p in promised if p.startswith("order")} <= set(orders)
    assert {p.split()[1] for p in promised if p.startswith("fill")} <= set(fills)
    for child, parent, key in (
        ("orders", "decisions", "decision"),
        ("guard_answers", "decisions", "decision"),
        ("fills", "orders", "order_number"),
        ("order_states", "orders", "order_number"),
    ):
        orphans = (
            f"SELECT count(*) FROM {child} c LEFT JOIN {parent} p ON p.run = c.run AND p.number = c.{key}"
            f" WHERE p.number IS NULL"
        )
        assert column(orphans) == [0], child
    # A decision is whole: its order, its rule's answer and its first state are there, or nothing is.
    assert len(column("SELECT number FROM decisions")) == len(orders)
    assert len(column("SELECT number FROM guard_answers")) == len(orders)
    assert len(column("SELECT number FROM order_states WHERE status = 'Created'")) == len(orders)
    return max(orders, default=0) + 1


def wait_for_the_end_of_its_transaction(database: Database) -> None:
    """A server may still be at the last commit of a client that has died."""
    if database.engine.dialect.name != "postgresql":
        return
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with database.reading() as connection:
            if connection.execute(sa.text(others)).scalar() == 0:
                return
    raise AssertionError("a transaction of the killed writer is still open")


def kill_often(journal: Journal, url: str, folder: Path, kills: int) -> None:
    journal.begin(RUN, mode="paper", strategy="killed").finish("running")
    draw = random.Random(20240918)
    victim = Victim(url, folder)
    promised: set[str] = set()
    order = 1
    for kill in range(kills):
        promised.update(victim.live_for(draw.uniform(0, 0.15), order, writes=kill % 2 > 0))
        wait_for_the_end_of_its_transaction(journal.database)
        assert not any(words.startswith("trouble") for words in promised), promised
        order = check(journal.database, promised)
    victim.close()
    assert order > kills // 2, "each second one wrote"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A journal of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'journal.sqlite'}"
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_writer_is_killed_again_and_again(database_url: str, tmp_path: Path, kills: int) -> None:
    with open_journal(database_url, folder=tmp_path) as journal:
        kill_often(journal, database_url, tmp_path, kills)
