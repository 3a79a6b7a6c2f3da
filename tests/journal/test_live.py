"""The journal of a session: write-ahead, append-only, idempotent, and calm when its database is not."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal import spool, writer
from robo_trader.journal.halting import note_halt
from robo_trader.journal.live import Journal, RunJournal, open_journal
from robo_trader.journal.reading import read_journal
from robo_trader.records import Alert, Answer, Decision, Event, Fill, Intent, Signal, View

NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
RUN = "20240918T170000Z-drift-abcdef"


@pytest.fixture
def alerts() -> list[Alert]:
    return []


@pytest.fixture
def run(journal: Journal, alerts: list[Alert]) -> Iterator[RunJournal]:
    opened = journal.begin(
        RUN, mode="paper", strategy="drift", starting_cash=100000.0, on_alert=alerts.append
    )
    yield opened
    opened.finish(timeout=60)


def intent(order_id: int = 1, size: float = 10.0, side: Any = "BUY") -> Intent:
    return Intent(
        order_id=order_id, time=NOON, symbol="SPY", side=side, size=size, type="Market", because="news +0.4"
    )


def fill(order_id: int = 1, size: float = 10.0, side: Any = "BUY", price: float = 100.1) -> Fill:
    return Fill(
        time=NOON + timedelta(microseconds=123456), symbol="SPY", side=side, size=size, price=price,
        commission=0.35, order_id=order_id,
    )  # fmt: skip


def ask(journal: Journal, sql: str) -> list[Any]:
    assert journal.database.path is not None
    with closing(sqlite3.connect(journal.database.path)) as connection:
        return connection.execute(sql).fetchall()


def test_a_reference_is_given_once_its_decision_is_committed(journal: Journal, run: RunJournal) -> None:
    answer = Answer(rule="position", action="resize", reason="position 10 %", size=6.0, limit=0.1, seen=0.17)
    decision = Decision(intent=intent(), action="resize", size=6.0, reasons=("position 10 %",))
    assert run.decide([decision], answers=[[answer]]) == ["abcdef-1"]
    # No flush: what was answered is there for every other process.
    assert ask(journal, "SELECT asked, decided, action, reasons FROM decisions") == [
        ("10.0", "6.0", "resize", '["position 10 %"]')
    ]
    assert ask(journal, "SELECT ref, decision, because FROM orders") == [("abcdef-1", 1, "news +0.4")]
    assert ask(journal, "SELECT rule, size, limit_value, seen FROM guard_answers") == [
        ("position", "6.0", 0.1, 0.17)
    ]


def test_the_whole_chain_is_linked(journal: Journal, run: RunJournal) -> None:
    event = run.event(Event(kind="news", title="A\0 \ud800", published_at=NOON, data={"when": NOON}))
    view = run.view(
        View(symbol="SPY", score=0.4, confidence=0.9, horizon=timedelta(days=2), analyst="offline"),
        event=event, prompt_hash="ab" * 32,
    )  # fmt: skip
    signal = run.signal(Signal(at=NOON, symbol="SPY", name="news", value=0.4), [(event, view)])
    assert run.decide([Decision(intent=intent())], signal=signal) is not None
    assert run.fill(fill(), "0001.01")
    run.order_state(1, "Completed", filled=10.0)
    run.position("SPY", 10.0, 100.1)
    run.equity(date(2024, 9, 18), 100001.5, 99000.0, 0.0)
    run.halt("REDUCING", who="guard", why="daily loss 3 %", rule="daily_loss")
    assert run.flush()
    assert ask(journal, "PRAGMA foreign_key_check") == []
    assert ask(
        journal,
        "SELECT e.title, v.prompt_hash, s.value, o.ref, f.price, f.at FROM fills f"
        " JOIN orders o ON o.run = f.run AND o.number = f.order_number"
        " JOIN decisions d ON d.run = o.run AND d.number = o.decision"
        " JOIN signals s ON s.run = d.run AND s.number = d.signal"
        " JOIN signal_evidence x ON x.run = s.run AND x.signal = s.number"
        " JOIN views v ON v.run = x.run AND v.number = x.view"
        " JOIN events e ON e.run = x.run AND e.number = x.event",
    ) == [("A \\ud800", "ab" * 32, 0.4, "abcdef-1", "100.1", "2024-09-18T17:00:00.123456Z")]
    assert ask(journal, "SELECT state, rule FROM halts") == [("REDUCING", "daily_loss")]


def test_an_execution_counts_once_and_a_correction_replaces_it(journal: Journal, run: RunJournal) -> None:
    run.decide([Decision(intent=intent())])
    assert run.fill(fill(size=10.0), "0001.01")
    assert not run.fill(fill(size=10.0), "0001.01")
    assert run.fill(fill(size=8.0), "0001.02", corrects="0001.01")
    with pytest.raises(JournalError, match=r"no execution '0009\.01'"):
        run.fill(fill(), "0009.02", corrects="0009.01")
    assert run.flush()
    assert ask(journal, "SELECT execution, size, position, corrects FROM fills") == [
        ("0001.01", "10.0", "10.0", None),
        ("0001.02", "8.0", "8.0", 1),
    ]


def test_repeats_and_a_decisions_own_answers_are_written(journal: Journal, run: RunJournal) -> None:
    answer = Answer(rule="position", action="veto", reason="10 %", size=0.0, limit=0.1, seen=0.17)
    refused = Decision(intent=intent(7), action="veto", reasons=("position: 10 %",), answers=(answer,))
    assert run.decide([refused], repeats=12) == ["abcdef-7"]
    assert ask(journal, "SELECT action, repeats FROM decisions") == [("veto", 12)]
    assert ask(journal, "SELECT rule, limit_value, seen FROM guard_answers") == [("position", 0.1, 0.17)]


def test_rows_are_never_changed(journal: Journal, run: RunJournal) -> None:
    run.decide([Decision(intent=intent())])
    with pytest.raises(JournalError, match="append-only"), journal.database.writing() as connection:
        connection.execute(sa.text("UPDATE orders SET because = 'something nicer'"))


def test_money_stays_exact(journal: Journal, run: RunJournal) -> None:
    run.decide([Decision(intent=intent())])
    prices = [0.1, 0.1 + 0.2, 1e-9, 123456789.123456, 1 / 3]
    for i, price in enumerate(prices):
        run.fill(fill(price=price, size=0.1), f"x{i}")
    assert run.flush()
    found = [Decimal(price) for (price,) in ask(journal, "SELECT price FROM fills ORDER BY number")]
    assert found == [Decimal(repr(price)) for price in prices]
    assert ask(journal, "SELECT position FROM fills ORDER BY number DESC LIMIT 1") == [("0.5",)]


def test_a_run_goes_on_after_its_process(journal: Journal, run: RunJournal) -> None:
    run.decide([Decision(intent=intent(7))])
    run.fill(fill(7, size=4.0), "e1")
    assert run.finish(timeout=60)
    again = journal.resume(RUN)
    assert again.next_order_id == 8
    assert not again.fill(fill(7, size=4.0), "e1")
    assert again.fill(fill(7, size=6.0), "e2")
    assert again.finish(timeout=60)
    assert ask(journal, "SELECT number, position FROM fills") == [(1, "4.0"), (2, "10.0")]
    with pytest.raises(JournalError, match="already"):
        journal.begin(RUN, mode="paper", strategy="drift")
    with pytest.raises(JournalError, match="no run"):
        journal.resume("other")


def test_a_clock_that_jumps_back_stands_still(journal: Journal, run: RunJournal, alerts: list[Alert]) -> None:
    with clock.fixed(NOON + timedelta(days=900)):
        run.halt("REDUCING", who="guard", why="one")
    with clock.fixed(NOON + timedelta(days=899)):
        run.halt("HALTED", who="operator", why="two")
    with clock.fixed(NOON + timedelta(days=901)):
        run.halt("ACTIVE", who="operator", why="three")
    assert run.flush()
    times = [at for (at,) in ask(journal, "SELECT at FROM halts ORDER BY why = 'three', why = 'two'")]
    assert times == sorted(times) and times[0] == times[1]
    assert run.clock_jumps == [86_400.0]
    assert [alert.title for alert in alerts] == ["the clock jumped back"]


class Outage:
    """Makes the database fail for as long as it is on, as a full disk would; then lets it go on."""

    def __init__(self, journal: Journal) -> None:
        self.on = False
        self.seen = threading.Event()
        sa.event.listen(journal.database.engine, "begin", self._begin)

    def _begin(self, connection: sa.Connection) -> None:
        if self.on:
            self.seen.set()
            raise sa.exc.OperationalError("BEGIN", None, sqlite3.OperationalError("database or disk is full"))


@pytest.fixture
def outage(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Outage:
    monkeypatch.setattr(writer, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.005)
    return Outage(journal)


def test_while_the_database_is_away_nothing_new_is_sent_and_nothing_is_lost(
    journal: Journal, run: RunJournal, outage: Outage, alerts: list[Alert]
) -> None:
    assert run.decide([Decision(intent=intent(1))]) == ["abcdef-1"]
    outage.on = True
    assert run.decide([Decision(intent=intent(2))]) is None, "the failure is met here"
    assert run.decide([Decision(intent=intent(3))]) is None, "and known from here on"
    assert run.fill(fill(1), "e1"), "executions are noted all the same"
    assert run.decide([Decision(intent=intent(4, side="SELL"))], exits=True) == ["abcdef-4"]
    assert not run.healthy and "disk is full" in run.trouble
    outage.on = False
    assert run.flush(60) and run.healthy
    assert ask(journal, "PRAGMA foreign_key_check") == []
    assert ask(journal, "SELECT number FROM orders") == [(1,), (2,), (3,), (4,)]
    assert ask(journal, "SELECT execution FROM fills") == [("e1",)]
    refused = ask(journal, "SELECT DISTINCT order_number FROM order_states WHERE status = 'Rejected'")
    assert refused == [(2,), (3,)]
    assert run.finish(timeout=60), "the thread that tells has ended"
    assert [alert.level for alert in alerts] == ["critical", "info"]
    assert spool.waiting(journal.folder) == []


def test_where_both_disks_are_full_rows_wait_in_memory(
    journal: Journal, run: RunJournal, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if outage.on:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    outage.on = True
    assert run.decide([Decision(intent=intent(1))]) is None, "no order is sent"
    assert run.decide([Decision(intent=intent(2))]) is None
    assert "database or disk is full" in run.trouble
    assert "No space left on device (free some space; these rows wait in memory)" in run.trouble
    assert [spool.read(path) for path in spool.waiting(journal.folder)] in ([], [[]])
    outage.on = False
    assert run.flush(60) and run.healthy
    assert ask(journal, "SELECT number FROM orders") == [(1,), (2,)]
    assert run.decide([Decision(intent=intent(3))]) == ["abcdef-3"]


def test_a_halt_waits_for_a_journal_that_is_full(tmp_path: Path) -> None:
    when = datetime(2024, 9, 18, 17, tzinfo=UTC)
    (tmp_path / "kept").write_text("no folder")
    words = (when, "HALTED", "ann@desk", "look")
    said = note_halt(*words, str(tmp_path / "kept" / "journal.sqlite"), folder=tmp_path / "robo")
    assert "it waits for the next session" in said
    said = note_halt(*words, str(tmp_path / "kept" / "journal.sqlite"), folder=tmp_path / "kept")
    assert "; and " in said and "kept" in said
    with open_journal(folder=tmp_path / "robo") as journal:
        assert journal.replayed == 1
        assert ask(journal, "SELECT state, who, why, run FROM halts") == [
            ("HALTED", "ann@desk", "look", None)
        ]


def test_a_commit_whose_answer_was_lost_counts_once(
    journal: Journal, run: RunJournal, monkeypatch: pytest.MonkeyPatch, alerts: list[Alert]
) -> None:
    monkeypatch.setattr(writer, "FIRST_PAUSE", 0.001)
    write, calls = writer.Writer._write, []

    def lossy(self: writer.Writer, batches: Any, *, again: int) -> None:
        write(self, batches, again=again)
        calls.append(again)
        if len(calls) == 1:
            raise sa.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("connection lost"))

    monkeypatch.setattr(writer.Writer, "_write", lossy)
    assert run.decide([Decision(intent=intent(1))]) is None, "nobody knows, so it is not sent"
    assert run.flush(60) and run.healthy
    assert run.decide([Decision(intent=intent(2))]) == ["abcdef-2"]
    assert calls[:2] == [0, 1] and calls[-1] == 0
    assert ask(journal, "SELECT number FROM orders") == [(1,), (2,)]
    assert ask(journal, "SELECT status FROM order_states WHERE order_number = 1") == [
        ("Created",),
        ("Rejected",),
    ]
    assert run.finish(timeout=60), "the thread that tells has ended"
    assert [alert.level for alert in alerts] == ["critical", "info"]


def test_what_a_session_could_not_write_the_next_one_does(
    journal: Journal, run: RunJournal, outage: Outage
) -> None:
    run.decide([Decision(intent=intent(1))])
    outage.on = True
    run.fill(fill(1), "e1")
    assert outage.seen.wait(60)
    assert run.decide([Decision(intent=intent(2, side="SELL"))], exits=True) == ["abcdef-2"]
    assert not run.finish(timeout=0.05)
    assert len(spool.waiting(journal.folder)) == 1
    with open_journal(folder=journal.folder) as later:
        assert later.replayed > 3 and spool.waiting(journal.folder) == []
        assert ask(later, "SELECT execution FROM fills") == [("e1",)]
        assert ask(later, "SELECT number FROM orders") == [(1,), (2,)]
        assert ask(later, "SELECT state FROM run_ends") == [("finished",)]


def test_a_spool_that_was_cut_off_loses_only_what_was_never_promised(tmp_path: Path) -> None:
    kept = spool.Spool(tmp_path, "r")
    row: spool.Row = (
        "positions",
        {"run": 1, "number": 1, "at": NOON, "session": date(2024, 9, 18), "symbol": "ü",
         "size": Decimal("0.10"), "price": None, "origin": "broker"},
    )  # fmt: skip
    kept.add([row])
    with kept.path.open("ab") as file:
        file.write(b'[["positions", {"run": 1, "num')
    assert spool.read(kept.path) == [row]
    kept.add([row])
    assert spool.read(kept.path) == [row, row], "the next line does not grow onto the one cut off"
    kept.path.write_bytes(b"{\n" + kept.path.read_bytes())
    with pytest.raises(JournalError, match="line 1: is damaged"):
        spool.read(kept.path)


def test_a_real_full_disk_stops_orders_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.01)
    with open_journal(folder=tmp_path) as journal:
        run = journal.begin(RUN, mode="paper", strategy="drift")
        limit = [True]

        @sa.event.listens_for(journal.database.engine, "begin")
        def _small(connection: sa.Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            most = pages if limit[0] else 1_000_000
            connection.exec_driver_sql(f"PRAGMA max_page_count={most}")

        sent = []
        for i in range(1, 300):
            refs = run.decide([Decision(intent=intent(i))])
            if refs is None:
                break
            sent += refs
        assert "database or disk is full" in run.trouble
        limit[0] = False
        assert run.flush(60)
        assert run.decide([Decision(intent=intent(1000))]) == ["abcdef-1000"]
        journalled = [ref for (ref,) in ask(journal, "SELECT ref FROM orders ORDER BY number")]
        assert set(sent) < set(journalled) and len(journalled) == len(set(journalled)) == len(sent) + 2
        assert run.finish(timeout=60)


def test_a_row_that_is_refused_stops_new_orders_and_takes_no_other_with_it(
    journal: Journal, run: RunJournal, alerts: list[Alert]
) -> None:
    run.decide([Decision(intent=intent(1))])
    run.fill(fill(order_id=99), "orphan")  # no such order
    run.fill(fill(1), "good")
    run.order_state(1, "Completed", filled=10.0)
    assert run.flush(60)
    assert not run.healthy and "refused" in run.trouble
    assert run.decide([Decision(intent=intent(2))]) is None
    assert run.flush(60)
    assert ask(journal, "SELECT execution FROM fills") == [("good",)]
    assert alerts[-1].level == "critical"


def test_what_strangers_say_is_never_refused(tmp_path: Path) -> None:
    """A row that the database will not take stops all openings; an event could do that to a session."""
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    odd: Any = {"nan": float("nan"), "list": [float("-inf"), "a\0b", "\ud800"], 7: {"k\0": np.float64(0.5)}}
    plain = {"nan": None, "list": [None, "ab", "\\ud800"], "7": {"k": 0.5}}
    answer = Answer(
        rule="mi\0ne", action="resize", reason="\ud800", size=5.0, limit=float("nan"), seen=1.0, numbers=odd
    )
    with open_journal(folder=tmp_path / "odd") as journal:
        run = journal.begin(RUN, mode="live", strategy="drift", params=odd)
        run.event(
            Event(
                kind="ne\0ws", title="\0", published_at=NOON, symbols=("S\0PY",), data={**odd, "deep": deep}
            )
        )
        shrunk = replace(
            Decision(intent=intent()), action="resize", size=5.0, reasons=("a\0b",), answers=(answer,)
        )
        assert run.decide([shrunk]) == ["abcdef-1"] and run.finish()
        reader = read_journal(folder=tmp_path / "odd")
    with reader:
        (begun,), (event,) = reader.rows("runs"), reader.rows("events")
        (said,), (decided,) = reader.rows("guard_answers"), reader.rows("decisions")
    assert begun["params"] == plain and said["numbers"] == plain
    assert (event["kind"], event["symbols"], event["data"]["list"]) == ("news", ["SPY"], plain["list"])
    assert (said["rule"], said["reason"], said["limit_value"]) == ("mine", "\\ud800", None)
    assert decided["reasons"] == ["ab"]
