"""The event store on a real PostgreSQL server: the same answers as from a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_trader.errors import EventError
from robo_trader.events.store import EventStore
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)


def events() -> list[Event]:
    """A hundred and fifty, every tenth a revision, with text that a database may choke on."""
    return [
        Event(
            kind="news" if i % 3 else "fomc", title=f"Zürich \x00 {i}", body="\ud800" if i % 7 == 0 else "é",
            published_at=AT + timedelta(minutes=i), known_at=AT + timedelta(minutes=i + 1), id=f"e{i}",
            symbols=(f"S{i % 5}",), data={"n": [i, None, 0.1]},
            revision_of=f"e{i - 3}" if i % 10 == 9 else None,
        )
        for i in range(150)
    ]  # fmt: skip


def test_the_same_answers_as_from_a_file(postgres_url: str, tmp_path: Path) -> None:
    with EventStore(postgres_url) as server, EventStore(tmp_path / "x.sqlite") as file:
        for store in (server, file):
            assert store.add(events()[:70], seen_at=AT, source="a") == 70
            assert store.add(events()[60:], seen_at=AT, source="b") == 80
        for time in (AT, AT + timedelta(minutes=55), AT + timedelta(days=1)):
            for only in ({}, {"limit": 7}, {"symbols": ["S1"]}, {"kinds": ["fomc"]}, {"revisions": True}):
                assert server.as_of(time, **only) == file.as_of(time, **only)  # type: ignore[arg-type]
        assert server.get("e65") == file.get("e65")
        assert server.sources("e65") == file.sources("e65")
        assert server.find("e14") == file.find("e14")
        assert len(server) == 150


def test_the_server_refuses_changes(postgres_url: str) -> None:
    with EventStore(postgres_url) as store:
        store.add(events()[:3], seen_at=AT)
        with pytest.raises(EventError, match="append-only"), store._database.connection() as connection:
            connection.execute(sa.text("UPDATE events SET title = 'x'"))


def test_many_first_users_at_once(postgres_url: str) -> None:
    def write(part: int) -> int:
        with EventStore(postgres_url) as mine:
            return sum(mine.add([event], seen_at=AT, source=str(part)) for event in events()[:15])

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 15
    with EventStore(postgres_url) as store:
        assert all(len(store.sources(f"e{i}")) == 4 for i in range(15))


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    with EventStore("postgresql://robo:hunter2@127.0.0.1:1/x") as store:
        with pytest.raises(EventError) as caught:
            store.as_of(AT)
    assert "start the server" in str(caught.value)
    assert "hunter2" not in str(caught.value)
