"""The journal on a real PostgreSQL server: chain, exactness, outages, migration, refusals."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from robo_trader.errors import JournalError
from robo_trader.journal import migrating, schema, writer
from robo_trader.journal.live import Journal, open_journal
from robo_trader.journal.reading import read_journal
from robo_trader.journal.tables import HEAD, REVISIONS
from robo_trader.records import Alert, Answer, Decision, Event, Fill, Intent, Signal

NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
RUN = "20240918T170000Z-drift-abcdef"


def decision(order_id: int, side: Any = "BUY") -> Decision:
    return Decision(
        intent=Intent(order_id=order_id, time=NOON, symbol="SPY", side=side, size=10.0, type="Market")
    )


def fill(order_id: int, price: float = 100.1) -> Fill:
    return Fill(
        time=NOON + timedelta(microseconds=123456), symbol="SPY", side="BUY", size=10.0, price=price,
        commission=0.35, order_id=order_id,
    )  # fmt: skip


def ask(journal: Journal, sql: str) -> list[tuple[Any, ...]]:
    with journal.database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def test_the_chain_is_linked_and_exact(postgres_url: str, tmp_path: Path) -> None:
    with open_journal(postgres_url, folder=tmp_path) as journal:
        run = journal.begin(RUN, mode="live", strategy="drift", starting_cash=100000.0, params={"a": [1]})
        event = run.event(Event(kind="news", title="A \0ü", published_at=NOON, data={"bp": 25}))
        signal = run.signal(Signal(at=NOON, symbol="SPY", name="news", value=0.4), [(event, None)])
        assert run.decide([decision(1)], signal=signal) == ["abcdef-1"]
        assert run.fill(fill(1, 0.1 + 0.2), "e1") and not run.fill(fill(1), "e1")
        assert run.finish()
        assert ask(
            journal,
            "SELECT e.title, e.data, s.value, o.ref, f.price, f.at FROM fills f"
            " JOIN orders o ON o.run = f.run AND o.number = f.order_number"
            " JOIN decisions d ON d.run = o.run AND d.number = o.decision"
            " JOIN signals s ON s.run = d.run AND s.number = d.signal"
            " JOIN signal_evidence x ON x.run = s.run AND x.signal = s.number"
            " JOIN events e ON e.run = x.run AND e.number = x.event",
        ) == [("A ü", {"bp": 25}, 0.4, "abcdef-1", Decimal(repr(0.1 + 0.2)),
               NOON + timedelta(microseconds=123456))]  # fmt: skip
        with pytest.raises(JournalError, match="append-only"), journal.database.writing() as connection:
            connection.execute(sa.text("UPDATE fills SET price = 1"))


def test_the_server_is_stopped_and_started_in_mid_run(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.2)
    url = postgres.url.replace("/postgres", "/outage")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE outage")
    alerts: list[Alert] = []
    with open_journal(url, folder=tmp_path) as journal:
        back = threading.Event()

        def told(alert: Alert) -> None:
            alerts.append(alert)
            if alert.level == "info":
                back.set()

        run = journal.begin(RUN, mode="live", strategy="drift", on_alert=told)
        sent: list[int] = []
        executions = 0
        order = 0

        def bar() -> bool:
            """What a strategy does on a bar; nothing in it may raise."""
            nonlocal order, executions
            order += 1
            if run.decide([decision(order)]) is None:
                return False
            sent.append(order)
            executions += run.fill(fill(order), f"e{order}")
            return True

        assert all(bar() for _ in range(20))
        postgres.stop()
        before = len(sent)
        assert not any(bar() for _ in range(20)), "no new order in between"
        assert run.decide([decision(1000, "SELL")], exits=True) == ["abcdef-1000"]
        executions += run.fill(fill(1000), "late")
        postgres.start()
        assert back.wait(60) and run.healthy
        assert [alert.level for alert in alerts] == ["critical", "info"]
        order = 2000
        assert all(bar() for _ in range(20))
        assert run.finish(timeout=60)
        assert len(sent) == before + 20
        states = ask(journal, "SELECT DISTINCT order_number FROM order_states WHERE status = 'Rejected'")
        orders = ask(journal, "SELECT number FROM orders")
        assert {n for (n,) in orders} == {*sent, *(n for (n,) in states), 1000}
        assert not {n for (n,) in states} & set(sent)
        assert ask(journal, "SELECT count(*), count(DISTINCT execution) FROM fills") == [(executions,) * 2]


def test_migrated_and_new_tables_are_those_of_the_metadata(postgres_url: str, tmp_path: Path) -> None:
    with open_journal(postgres_url, folder=tmp_path) as journal, journal.database.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.METADATA) == []


def test_an_older_journal_is_backed_up_and_migrated(postgres_url: str, tmp_path: Path) -> None:
    from robo_trader.journal.database import open_database

    database = open_database(postgres_url)
    script = migrating._script()
    with database.writing() as connection:
        context = MigrationContext.configure(
            connection, opts={"fn": lambda now, _: script._upgrade_revs(REVISIONS[0], now)}
        )
        with Operations.context(context):
            context.run_migrations()
        connection.execute(
            sa.text("INSERT INTO halts VALUES ('h', NULL, now(), 'ACTIVE', 'me', 'why', NULL)")
        )
    database.close()
    with open_journal(postgres_url, folder=tmp_path) as journal:
        place = str(journal.backup).removeprefix("schema ")
        assert ask(journal, f"SELECT halt_id FROM {place}.halts") == [("h",)]
        assert ask(journal, "SELECT version_num FROM alembic_version") == [(HEAD,)]
        assert ask(journal, "SELECT halt_id FROM halts") == [("h",)]
        with journal.database.writing() as connection:
            diff = compare_metadata(MigrationContext.configure(connection), schema.METADATA)
        assert diff == []


def test_two_processes_that_come_at_once_make_one_journal(postgres_url: str, tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def come() -> None:
        try:
            open_journal(postgres_url, folder=tmp_path).close()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            problems.append(error)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (("robo@", "walled:geheim@"), "check user and password"),
        (("/postgres", "/nowhere"), "createdb"),
        (("robo@127.0.0.1:", "robo:geheim@127.0.0.1:1"), "start the server"),
    ],
)
def test_what_cannot_be_opened_says_where_and_what_to_do(
    postgres: Any, tmp_path: Path, change: tuple[str, str], hint: str
) -> None:
    url = postgres.url.replace(*change)
    if change[1].endswith(":1"):
        url = "postgresql://robo:geheim@127.0.0.1:1/postgres"
    with pytest.raises(JournalError, match=r"127\.0\.0\.1") as caught:
        open_journal(url, folder=tmp_path)
    assert hint in caught.value.hint and "geheim" not in str(caught.value)


def test_what_strangers_say_is_never_refused(postgres_url: str, tmp_path: Path) -> None:
    """A row that the database will not take stops all openings; an event could do that to a session."""
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    odd: Any = {"nan": float("nan"), "list": [float("-inf"), "a\0b", "\ud800"], 7: {"k\0": np.float64(0.5)}}
    plain = {"nan": None, "list": [None, "ab", "\\ud800"], "7": {"k": 0.5}}
    answer = Answer(
        rule="mi\0ne", action="resize", reason="\ud800", size=5.0, limit=float("nan"), seen=1.0, numbers=odd
    )
    with open_journal(postgres_url, folder=tmp_path / "odd") as journal:
        run = journal.begin(RUN, mode="live", strategy="drift", params=odd)
        run.event(
            Event(
                kind="ne\0ws", title="\0", published_at=NOON, symbols=("S\0PY",), data={**odd, "deep": deep}
            )
        )
        shrunk = replace(decision(1), action="resize", size=5.0, reasons=("a\0b",), answers=(answer,))
        assert run.decide([shrunk]) == ["abcdef-1"] and run.finish()
        reader = read_journal(postgres_url, folder=tmp_path / "odd")
    with reader:
        (begun,), (event,) = reader.rows("runs"), reader.rows("events")
        (said,), (decided,) = reader.rows("guard_answers"), reader.rows("decisions")
    assert begun["params"] == plain and said["numbers"] == plain
    assert (event["kind"], event["symbols"], event["data"]["list"]) == ("news", ["SPY"], plain["list"])
    assert (said["rule"], said["reason"], said["limit_value"]) == ("mine", "\\ud800", None)
    assert decided["reasons"] == ["ab"]
