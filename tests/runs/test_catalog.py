"""Lists of runs, whatever lies between them; one run by a part of its id."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robo_trader.errors import RunError
from robo_trader.runs import Result, find_run, list_runs

Make = Callable[..., Result]
IDS = (
    "20261120T080000Z-sma_cross-aaaaaa",
    "20261120T080000Z-sma_cross-abcdef",
    "20261121T080000Z-fomc-123456",
)


@pytest.fixture
def runs(make_result: Make, tmp_path: Path) -> Path:
    for i in (2, 0, 1):
        started = datetime(2026, 11, 20 + (i == 2), 8, tzinfo=UTC)
        make_result(id=IDS[i], started=started, state="interrupted" if i == 1 else "finished").save(tmp_path)
    return tmp_path


def test_oldest_first(runs: Path) -> None:
    rows = list_runs(runs)
    assert [row.id for row in rows] == list(IDS)
    assert [row.state for row in rows] == ["finished", "interrupted", "finished"]
    row = rows[0].as_dict()
    assert row["started"] == "2026-11-20T08:00:00Z" and row["problem"] == ""
    assert (row["first"], row["last"]) == ("2024-01-02", "2024-01-04")
    assert row["metrics"]["total_return"] == pytest.approx(0.006) and row["metrics"]["sharpe"] is None


def test_foreign_and_damaged_folders_are_reported(runs: Path) -> None:
    (runs / "holiday photos").mkdir()
    (runs / ".hidden").mkdir()
    (runs / ".20261120T080000Z-sma_cross-aaaaaa.partial").mkdir()
    (runs / "notes.txt").write_text("a file is no run")
    (runs / IDS[1] / "run.json").write_text("{")
    rows = {row.id: row for row in list_runs(runs)}
    assert "has no run.json" in rows["holiday photos"].problem
    assert "killed while writing" in rows[".20261120T080000Z-sma_cross-aaaaaa.partial"].problem
    assert "is damaged" in rows[IDS[1]].problem
    assert [row.id for row in rows.values() if not row.problem] == [IDS[0], IDS[2]]
    assert ".hidden" not in rows and "notes.txt" not in rows
    assert find_run(runs).id == IDS[2]


def test_a_folder_without_a_right_to_read_is_reported(runs: Path) -> None:
    if os.geteuid() == 0:
        # Root may read everything, so a loop of links stands for what cannot be opened.
        (runs / IDS[0] / "run.json").unlink()
        (runs / IDS[0] / "run.json").symlink_to("run.json")
    else:
        (runs / IDS[0] / "run.json").chmod(0)
    assert "cannot be read" in next(row.problem for row in list_runs(runs) if row.path.name == IDS[0])


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("last", 2),
        (IDS[1], 1),
        ("20261121", 2),
        ("20261120T080000Z-sma_cross-ab", 1),
        ("abc", 1),
        ("1234", 2),
    ],
)
def test_find(runs: Path, ref: str, found: int) -> None:
    assert find_run(runs, ref).id == IDS[found]


def test_find_by_folder(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_run("elsewhere", str(runs / IDS[0])).id == IDS[0]
    monkeypatch.chdir(runs)
    assert find_run(".", IDS[0]).id == IDS[0]


def test_not_one(runs: Path) -> None:
    with pytest.raises(RunError, match=r"2 runs fit '20261120'.*give more of the id"):
        find_run(runs, "20261120")
    with pytest.raises(RunError, match=r"2 runs fit 'a'"):
        find_run(runs, "a")
    with pytest.raises(RunError, match=r"no run begins with '20261121T080000Z-fomc-123457'.*did you mean"):
        find_run(runs, "20261121T080000Z-fomc-123457")
    with pytest.raises(RunError, match=r"no run begins with 'xyz'.*robo runs list"):
        find_run(runs, "xyz")


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there are no runs.*robo backtest"):
        find_run(tmp_path)
    with pytest.raises(RunError, match=r"nowhere: cannot be read: No such file.*robo backtest"):
        list_runs(tmp_path / "nowhere")
    assert list_runs(tmp_path) == []


def test_a_damaged_run_that_is_asked_for_says_how(runs: Path) -> None:
    (runs / IDS[1] / "run.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        find_run(runs, IDS[1])
