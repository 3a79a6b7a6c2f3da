"""Sessions, commissions and standing on a real PostgreSQL server: the same answers as from a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import journal_pages as pages
import pytest
import sqlalchemy as sa
from paper_days import CODE, REAL, RISK, Diary, opening, weekdays

from robo_trader import clock
from robo_trader.errors import JournalError
from robo_trader.journal import keeping
from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_file, read_journal
from robo_trader.journal.standing import standing
from robo_trader.journal.uptime import sessions_of, uptime
from robo_trader.live.gate.conditions import conditions


def test_a_run_stands_and_goes_on_as_in_a_file(postgres_url: str, tmp_path: Path) -> None:
    with open_journal(postgres_url, folder=tmp_path) as journal:
        run = pages.write_a_standing(journal)
        pages.live(run, pages.NOON, 3, account="DU1", contracts={"SPY": {"con_id": 1}}, skew=0.5)
        run.reconciled(["SPY: 5 there"], session=1)
        run.override("ann@desk", "why not", [{"name": "evidence", "met": False}])
        pages.check_a_standing(journal)
        assert run.finish("interrupted")
        again = journal.resume(pages.RUN)
        assert again.next_order_id == 5 and not again.commission("e3.01", 0.75, "USD")
        pages.check_a_standing(journal)
        (life,) = sessions_of(journal, pages.RUN)
        assert (life.alive, life.state, life.row["contracts"]) == (180, "interrupted", {"SPY": {"con_id": 1}})
        with pytest.raises(JournalError, match="append-only"), journal.database.writing() as connection:
            connection.execute(sa.text("UPDATE overrides SET who = 'nobody'"))
        assert again.finish()
        pages.check_what_was_heard(journal)


def test_a_backup_has_the_sessions(postgres_url: str, tmp_path: Path) -> None:
    with open_journal(postgres_url, folder=tmp_path) as journal:
        run = pages.write_a_standing(journal)
        pages.live(run, pages.NOON, 3, end="finished")
        run.reconciled([], session=1)
        assert run.finish()
    copy = keeping.back_up(tmp_path / "copy.sqlite", postgres_url)
    with read_journal(postgres_url) as server, read_file(copy) as file:
        assert keeping.tables_of(server, 1) == keeping.tables_of(file, 1)
        assert standing(server, pages.RUN) == standing(file, pages.RUN)
        assert uptime(server, pages.RUN) == uptime(file, pages.RUN)
        assert sessions_of(server, pages.RUN) == sessions_of(file, pages.RUN)
    keeping.remove_runs([1], postgres_url)
    with read_journal(postgres_url) as server:
        assert list(server.rows("heartbeats")) == []


def test_the_gate_reads_a_server_as_well(postgres_url: str, tmp_path: Path) -> None:
    days = weekdays(30)
    now = opening(days[-1]) + timedelta(hours=1)
    with open_journal(postgres_url, folder=tmp_path) as journal:
        diary = Diary(journal)
        diary.days(days)
        diary.trade(now)
        with clock.fixed(now):
            run = journal.begin("20261016T153000Z-drift-0a1b2c", mode="live", strategy="drift", account=REAL)
            run.reconciled([], session=run.session(account=REAL, send=True))
        assert run.flush()
        found = conditions(
            journal, account=REAL, typed=REAL, code_hash=CODE, risk_hash=RISK, capital=5000.0, now=now,
            sectors={"SPY": "Broad index"}, quarantined=[],
        )  # fmt: skip
        assert [one.name for one in found if not one.met] == []
        assert "30 of 30 sessions" in found[0].text and "1 order, 1 fill" in found[0].text
        assert run.finish()
