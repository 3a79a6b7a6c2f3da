"""Sessions of a run: what is written of them, and the uptime that their heartbeats prove."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from journal_pages import NOON, RUN, live

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.journal.reading import read_journal
from robo_trader.journal.uptime import sessions_of, uptime

MINUTE = timedelta(minutes=1)


@pytest.fixture
def run(journal: Journal) -> RunJournal:
    return journal.begin(RUN, mode="paper", strategy="drift", account="DU1")


def beats(run: RunJournal, session: int, *moments: datetime, line: bool = True) -> None:
    for moment in moments:
        with clock.fixed(moment):
            run.beat(session, None, line)


def test_everything_about_a_session_is_written(journal: Journal, run: RunJournal) -> None:
    contracts = {"SPY": {"notation": "SPY-STK-SMART-USD", "con_id": 756733}}
    with clock.fixed(NOON):
        number = run.session(
            account="DU1", place="127.0.0.1:4002", simulated=True, library="ib_async 2.1.0",
            server_version=178, code_hash="ab" * 32, risk_hash="cd" * 32, send=True, contracts=contracts,
            skew=-1.5,
        )  # fmt: skip
        run.beat(number, NOON, True)
        assert run.reconciled([], session=number) == 1
        assert run.reconciled(["SPY: 5 there, 4 here"], accepted=True, who="ann@desk", why="known") == 2
        assert run.override("ann@desk", "a test with little money", [{"name": "evidence"}]) == 1
        run.end_session(number, "halted", "robo halt")
        run.end_session(number, "finished")
    assert run.finish()
    with read_journal(folder=journal.folder) as reader:
        (session,) = reader.rows("sessions")
        (end,) = reader.rows("session_ends")
        (beat,) = reader.rows("heartbeats")
        first, second = reader.rows("reconciliations")
        (override,) = reader.rows("overrides")
    assert session == {
        "run": 1, "number": 1, "at": NOON, "account": "DU1", "place": "127.0.0.1:4002", "simulated": True,
        "library": "ib_async 2.1.0", "server_version": 178, "code_hash": "ab" * 32, "risk_hash": "cd" * 32,
        "send": True, "contracts": contracts, "skew": -1.5,
    }  # fmt: skip
    assert (end["session"], end["state"], end["note"]) == (1, "halted", "robo halt")
    assert (beat["session"], beat["market_time"], beat["line"]) == (1, NOON, True)
    assert (first["session"], first["differences"], first["accepted"]) == (1, [], False)
    assert (second["session"], second["differences"]) == (None, ["SPY: 5 there, 4 here"])
    assert (second["accepted"], second["who"], second["why"]) == (True, "ann@desk", "known")
    assert (override["reason"], override["conditions"]) == (
        "a test with little money", [{"name": "evidence"}],
    )  # fmt: skip


def test_sessions_are_never_changed(journal: Journal, run: RunJournal) -> None:
    live(run, NOON, 1)
    assert run.flush()
    for table in ("sessions", "heartbeats"):
        with pytest.raises(JournalError, match="append-only"), journal.database.writing() as connection:
            connection.execute(sa.text(f"UPDATE {table} SET at = '2020-01-01T00:00:00.000000Z'"))
    assert run.finish()


def test_uptime_is_what_heartbeats_prove(journal: Journal, run: RunJournal) -> None:
    with clock.fixed(NOON):
        session = run.session()
    beats(run, session, NOON + MINUTE, NOON + 2 * MINUTE, NOON + 4.5 * MINUTE)
    beats(run, session, NOON + 7.1 * MINUTE)  # 2.6 minutes later: it was down
    beats(run, session, NOON + 8.1 * MINUTE, line=False)
    beats(run, session, NOON + 9.1 * MINUTE)
    with clock.fixed(NOON + 9.6 * MINUTE):
        run.end_session(session, "finished")
    assert run.finish()
    (life,) = sessions_of(journal, RUN)
    assert (life.start, life.end, life.state) == (NOON, NOON + 9.6 * MINUTE, "finished")
    assert life.alive == pytest.approx((4.5 + 1 + 1 + 0.5) * 60)
    assert life.online == pytest.approx((4.5 + 1 + 0.5) * 60), "a minute without the line does not count"
    assert (life.beats, life.in_order) == (6, True)
    found = uptime(journal, RUN)
    assert found.span == pytest.approx(9.6 * 60) and found.fraction == pytest.approx(7 / 9.6)


def test_a_killed_session_lived_until_its_last_heartbeat(journal: Journal, run: RunJournal) -> None:
    live(run, NOON, 3)
    assert run.flush()
    again = journal.resume(RUN)  # the first process is gone without a word
    live(again, NOON + timedelta(hours=2), 1, end="finished")
    assert again.flush()
    first, second = sessions_of(journal, RUN)
    assert (first.end, first.state, first.last_seen) == (None, "unfinished", NOON + 3 * MINUTE)
    assert (first.alive, second.alive, second.state) == (180, 60, "finished")
    assert uptime(journal, RUN).span == 2 * 3600 + 60
    assert again.finish()


def test_a_session_that_ends_without_the_line_was_not_online(journal: Journal, run: RunJournal) -> None:
    with clock.fixed(NOON):
        session = run.session()
    beats(run, session, NOON + MINUTE)
    beats(run, session, NOON + 2 * MINUTE, line=False)
    with clock.fixed(NOON + 4 * MINUTE):
        assert run.finish()
    (life,) = sessions_of(journal, RUN)
    assert (life.alive, life.online) == (240, 60)


def test_a_session_over_midnight_has_both_dates(journal: Journal, run: RunJournal) -> None:
    live(run, datetime(2024, 9, 18, 23, 50, tzinfo=NOON.tzinfo), 25)
    assert run.finish("interrupted")
    (life,) = sessions_of(journal, RUN)
    assert sum(life.online_by_date.values()) == 25 * 60
    assert dict(life.online_by_date) == {date(2024, 9, 18): 9 * 60, date(2024, 9, 19): 16 * 60}


def test_a_session_without_heartbeats_lived_for_nothing(journal: Journal, run: RunJournal) -> None:
    with clock.fixed(NOON):
        session = run.session()
    with clock.fixed(NOON + timedelta(hours=6)):
        run.end_session(session, "finished")
    assert run.finish()
    (life,) = sessions_of(journal, RUN)
    assert (life.alive, life.online, dict(life.online_by_date)) == (0, 0, {})


def test_a_run_without_sessions_has_no_uptime(journal: Journal, run: RunJournal) -> None:
    assert run.finish()
    assert sessions_of(journal, RUN) == [] and uptime(journal, RUN).fraction is None
    with pytest.raises(JournalError, match="no run 'other'"):
        uptime(journal, "other")


def test_rows_whose_times_run_back_are_told(journal: Journal, run: RunJournal) -> None:
    live(run, NOON, 3)
    assert run.finish("interrupted")
    assert journal.database.path is not None
    with closing(sqlite3.connect(journal.database.path)) as connection:
        connection.execute("INSERT INTO heartbeats VALUES (1, 99, 1, '2024-09-18T16:00:00.000000Z', NULL, 1)")
        connection.commit()
    (life,) = sessions_of(journal, RUN)
    assert not life.in_order and life.alive == 180
