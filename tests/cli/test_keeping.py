"""`robo runs backup`, `prune` and `export --journal`, and sessions that only the journal knows."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.backtesting import backtest
from robo_trader.cli.main import main
from robo_trader.journal.live import open_journal
from robo_trader.records import Decision, Fill, Intent

Shell = Callable[..., str]
NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
SESSION = "20240918T170000Z-drift-abcdef"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Call `robo` in an empty folder and return what it printed; `code` is what it should end with."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code
        said = capsys.readouterr()
        return said.out if not code else said.err

    return call


def write_session(run_id: str = SESSION, *, ended: bool = True, **words: Any) -> None:
    """Journal a session of one round trip in this folder's project."""
    with clock.fixed(NOON), open_journal(**words) as journal:
        run = journal.begin(run_id, mode="paper", strategy="drift", command="robo paper drift")
        for order_id, side in enumerate(("BUY", "SELL"), 1):
            intent = Intent(
                order_id=order_id, time=NOON, symbol="SPY", side=side, size=5.0, type="Market",  # type: ignore[arg-type]
                because="a reason",
            )  # fmt: skip
            assert run.decide([Decision(intent=intent)])
            run.fill(
                Fill(time=NOON, symbol="SPY", side=side, size=5.0, price=100.0 + order_id, commission=0.5,  # type: ignore[arg-type]
                     order_id=order_id),
                f"e{order_id}",
            )  # fmt: skip
            run.order_state(order_id, "Completed", filled=5.0)
        if ended:
            run.finish()
        else:
            assert run.flush()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_session_is_explained_from_the_journal(shell: Shell) -> None:
    write_session()
    told = shell("explain", SESSION)
    assert "2 orders gave 2 fills and 1 trades" in told and "finished" in told and "Best trade: 1" in told
    assert "bought 5 SPY" in shell("explain", "trade", "1", "--run", "abcdef")
    facts = json.loads(shell("explain", "order", "2", "--run", SESSION, "--json"))
    assert facts["chain"]["order"]["ref"] == "abcdef-2" and facts["trades"][0]["role"] == "exit"
    assert "numbered 1 to 2" in shell("explain", "order", "9", "--run", SESSION, code=2)
    assert "robo backtest" in shell("explain", "nowhere", code=1)


def test_a_journal_is_exported_in_every_format(shell: Shell, tmp_path: Path) -> None:
    write_session()
    assert shell("runs", "export", SESSION, "--to", "tables").strip() == "tables"
    rows = read_csv(tmp_path / "tables" / "fills.csv")
    assert [(row["execution"], row["price"], row["position"]) for row in rows] == [
        ("e1", "101.0", "5.0"),
        ("e2", "102.0", "0.0"),
    ]
    shell("runs", "export", SESSION, "--to", "all.json")
    tables = json.loads((tmp_path / "all.json").read_text())["tables"]
    assert tables["orders"][0]["size"] == "5.0" and tables["runs"][0]["id"] == SESSION
    assert tables["decisions"][0]["at"] == "2024-09-18T17:00:00Z"
    assert "already" in shell("runs", "export", SESSION, "--to", "tables", code=1)


def test_parquet_keeps_times_and_exact_amounts(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    import pandas as pd

    write_session()
    shell("runs", "export", SESSION, "--to", "tables", "--format", "parquet")
    fills = pd.read_parquet(tmp_path / "tables" / "fills.parquet")
    assert fills["price"].tolist() == ["101.0", "102.0"] and fills["at"][0] == pd.Timestamp(NOON)


def test_a_run_directory_gives_its_journal_too(shell: Shell, tmp_path: Path) -> None:
    run = backtest("buy_and_hold", symbols=["SPY"], out=tmp_path / "runs", risk="off")
    shell("runs", "export", "last", "--journal", "--to", "tables")
    rows = read_csv(tmp_path / "tables" / "orders.csv")
    assert len(rows) == len(run.orders)
    assert json.loads(read_csv(tmp_path / "tables" / "runs.csv")[0]["config"])["run"]["symbols"] == ["SPY"]


def test_a_journal_is_backed_up_while_it_is_written(shell: Shell) -> None:
    write_session(ended=False)
    place = shell("runs", "backup").strip()
    assert Path(place).parent == Path(".robo/backups")
    with closing(sqlite3.connect(place)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT count(*) FROM fills").fetchall() == [(2,)]
    assert shell("runs", "backup", "--to", "copy.sqlite").strip() == "copy.sqlite"
    assert "already" in shell("runs", "backup", "--to", "copy.sqlite", code=1)


def test_backing_up_what_is_not_there(shell: Shell, tmp_path: Path) -> None:
    assert "no such journal" in shell("runs", "backup", code=1)
    assert list(tmp_path.iterdir()) == []


def test_old_runs_are_removed_when_told_to(shell: Shell, tmp_path: Path) -> None:
    with clock.fixed(NOON):
        old = [
            backtest("buy_and_hold", symbols=["SPY"], out=tmp_path / "runs", risk="off").run_dir
            for _ in range(2)
        ]
    new = backtest("buy_and_hold", symbols=["SPY"], out=tmp_path / "runs", risk="off").run_dir
    (tmp_path / "runs" / "notes").mkdir()
    assert shell("runs", "prune", "--older-than", "30d", "--keep", "1").count("would remove") == 2
    assert all(path is not None and path.exists() for path in old)
    assert shell("runs", "prune", "--older-than", "30d", "--keep", "2", "--yes").count("removed") == 1
    assert shell("runs", "prune", "--older-than", "30d", "--keep", "0", "--yes").count("removed") == 1
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"notes", new and new.name}


def test_old_sessions_go_after_a_backup_and_running_ones_stay(shell: Shell) -> None:
    write_session()
    write_session("20240918T170001Z-drift-123456", ended=False)
    with clock.fixed(NOON + timedelta(days=3)):
        assert SESSION in shell("runs", "prune", "--older-than", "2d", "--sessions")
        told = shell("runs", "prune", "--older-than", "2d", "--sessions", "--yes")
        assert f"removed paper session {SESSION}" in told and "123456" not in told
        assert "a day at least" in shell("runs", "prune", "--older-than", "1h", "--sessions", code=2)
    backup = next(Path(".robo/backups").glob("*.sqlite"))
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM runs").fetchall() == [(2,)]
    with closing(sqlite3.connect(".robo/journal.sqlite")) as left:
        assert left.execute("SELECT id FROM runs").fetchall() == [("20240918T170001Z-drift-123456",)]
        assert left.execute("PRAGMA foreign_key_check").fetchall() == []
        assert left.execute("SELECT DISTINCT run FROM fills").fetchall() == [(2,)]


def test_a_session_is_shown_with_its_uptime(shell: Shell) -> None:
    with clock.fixed(NOON), open_journal() as journal:
        run = journal.begin(SESSION, mode="paper", strategy="drift", account="DU1")
        for hours, facts in ((0, {"place": "127.0.0.1:4002"}), (24, {"simulated": True, "send": True})):
            with clock.fixed(NOON + timedelta(hours=hours)):
                number = run.session(account="DU1", **facts)  # type: ignore[arg-type]
            for minute in range(1, 91):
                with clock.fixed(NOON + timedelta(hours=hours, minutes=minute)):
                    run.beat(number, None, minute > 30)
            if not hours:
                with clock.fixed(NOON + timedelta(minutes=91)):
                    run.end_session(number, "halted", "an operator said so")
        assert run.flush()
    lines = [" ".join(line.split()) for line in shell("runs", "show", SESSION).splitlines()]
    assert lines[0] == f"Run {SESSION}: drift, unfinished"
    assert "2 sessions, alive for 3 h 01 min by heartbeats" in lines
    told = " ".join(lines)
    assert (
        "1 2024-09-18 17:00Z halted alive 1 h 31 min, online 1 h 01 min DU1 at 127.0.0.1:4002, a preview:"
        " an operator said so" in told
    )
    assert "2 2024-09-19 17:00Z unfinished alive 1 h 30 min, online 1 h 00 min DU1 at simulated" in told
    facts = json.loads(shell("runs", "show", SESSION, "--json"))
    assert [one["alive_s"] for one in facts["sessions"]] == [91 * 60, 90 * 60]
    assert facts["sessions"][0]["end"] == "2024-09-18T18:31:00Z" and facts["sessions"][1]["end"] is None
    shell("runs", "show", "nothing", code=1)
