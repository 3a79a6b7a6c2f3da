"""Reading a journal on a real PostgreSQL server: the same answers as from a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from robo_trader.errors import JournalError
from robo_trader.journal import keeping
from robo_trader.journal.live import Answer, open_journal
from robo_trader.journal.reading import Reader, read_file, read_journal
from robo_trader.records import Decision, Event, Fill, Intent, Signal

NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
RUN = "20240918T170000Z-drift-abcdef"


def fill_journal(url: str, folder: Path) -> None:
    with open_journal(url, folder=folder) as journal:
        run = journal.begin(RUN, mode="live", strategy="drift", params={"a": [1]}, starting_cash=1e5)
        event = run.event(Event(kind="news", title="A cut", published_at=NOON, id="e1", data={"bp": 25}))
        signal = run.signal(
            Signal(at=NOON, symbol="SPY", name="news", value=0.4, expires_at=NOON + timedelta(1)),
            [(event, None)],
        )
        for order_id in (1, 2, 3):
            intent = Intent(
                order_id=order_id, time=NOON, symbol="SPY", side="BUY", size=10.0, type="Limit",
                limit=100.1, parent=1 if order_id > 1 else None, oco=2 if order_id == 3 else None,
            )  # fmt: skip
            answer = Answer(rule="position", action="allow", limit=0.1, seen=0.05, numbers={"x": 1.5})
            assert run.decide([Decision(intent=intent)], answers=[[answer]], signal=signal)
        fill = Fill(
            time=NOON, symbol="SPY", side="BUY", size=10.0, price=0.1 + 0.2, commission=0.35, order_id=1
        )
        run.fill(fill, "0001.01")
        run.fill(fill, "0001.02", corrects="0001.01")
        run.halt("REDUCING", who="guard", why="daily loss", rule="daily_loss")
        assert run.finish()


def answers(reader: Reader) -> dict[str, Any]:
    run = reader.run(RUN)
    assert run is not None
    number = run["number"]
    chain = reader.chain(number, 1)
    assert chain is not None
    family = [row["number"] for row in reader.family(number, chain["order"])]
    tables = keeping.tables_of(reader, number)
    # What is stamped with the time of writing differs from run to run.
    for rows in tables.values():
        for row in rows:
            row.pop("at", None), row.pop("started", None), row.pop("halt_id", None)
    return {"tables": tables, "family": family, "fills": [f["execution"] for f in chain["fills"]]}


def test_a_server_answers_as_a_file_does(postgres_url: str, tmp_path: Path) -> None:
    fill_journal(postgres_url, tmp_path)
    fill_journal(f"sqlite:///{tmp_path / 'one.sqlite'}", tmp_path)
    with read_journal(postgres_url) as server, read_file(tmp_path / "one.sqlite") as file:
        found = answers(server)
        assert found == answers(file)
        assert found["fills"] == ["0001.02"] and found["family"] == [2, 3]
        assert found["tables"]["events"][0]["data"] == {"bp": 25}
        assert [row["state"] for row in server.runs()] == ["finished"]


def test_a_backup_of_a_server_is_a_file_of_equal_content(postgres_url: str, tmp_path: Path) -> None:
    fill_journal(postgres_url, tmp_path)
    copy = keeping.back_up(tmp_path / "copy.sqlite", postgres_url)
    with read_journal(postgres_url) as server, read_file(copy) as file:
        assert keeping.tables_of(server, 1) == keeping.tables_of(file, 1)
        number = [row["number"] for row in server.runs()]
    keeping.remove_runs(number, postgres_url)
    with read_journal(postgres_url) as server:
        assert server.runs() == [] and list(server.rows("halts")) == []


def test_an_empty_database_is_no_journal(postgres_url: str) -> None:
    with pytest.raises(JournalError, match="alembic_version"):
        read_journal(postgres_url)
