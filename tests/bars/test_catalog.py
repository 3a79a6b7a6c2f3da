"""What `robo data check` and `robo data list` show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from robo_trader.bars.catalog import list_folder, list_frames
from robo_trader.bars.check import check_folder
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import DataError

HEAD = "date,open,high,low,close,volume\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "GOOD.csv").write_text(HEAD + "2024-01-02,10,11,9,10,100\n2024-01-03,10,11,9,10,100\n")
    (tmp_path / "BAD.csv").write_text(
        HEAD
        + "2024-01-02,10,11,9,10,\n2024-01-03,10,11,9,x,1\n2024-01-03,-1,11,9,10,1\n2024-01-01,1,1,1,1,1\n"
    )
    (tmp_path / "EMPTY.csv").write_text("")
    (tmp_path / "HALF.csv").write_text(HEAD + "2024-01-02 10:00,1,1,1,1,1\n2024-01-02 11:00,1,1,1,1,1\n")
    return tmp_path


def test_a_check_tells_everything_at_once(folder: Path) -> None:
    problems = check_folder(folder)
    assert [(p.file, p.row, p.column, p.problem) for p in problems[:-2]] == [
        ("BAD.csv", 2, "volume", "empty volume cell"),
        ("BAD.csv", 3, "close", "not a number"),
        ("BAD.csv", 4, "open", "price is not above 0"),
        ("BAD.csv", 4, "stamp", "stamp repeats that of row 3 with other values"),
        ("BAD.csv", 5, "stamp", "row is out of order"),
    ]
    assert problems[0].value == "" and problems[1].value == "'x'" and problems[2].value == "-1"
    assert (problems[-2].file, problems[-2].problem) == ("EMPTY.csv", "is empty")
    assert problems[-1].file == "HALF.csv"
    assert "prove neither start nor end" in problems[-1].problem
    assert all(p.fix for p in problems)


def test_settings_solve_what_they_can(folder: Path) -> None:
    left = check_folder(folder, BarSettings(repair=True, stamps="start"))
    assert {p.file for p in left} == {"BAD.csv", "EMPTY.csv"}
    assert "empty volume cell" not in {p.problem for p in left}


def test_a_sound_folder_has_no_problems(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text(HEAD + "2024-01-02,10,11,9,10,100\n")
    assert check_folder(tmp_path) == check_folder(tmp_path / "A.csv") == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for call in (check_folder, list_folder):
        with pytest.raises(DataError, match="no folder"):
            call(tmp_path / "nothing")


def test_a_list_shows_each_file_sound_or_not(folder: Path) -> None:
    bad, empty, good, half = list_folder(folder)
    assert (good.symbol, good.timeframe, good.first, good.last, good.bars) == (
        "GOOD",
        "1d",
        "2024-01-02",
        "2024-01-03",
        2,
    )
    assert (good.stamps, good.tz, good.calendar, good.problems) == ("date", "America/New_York", "XNYS", 0)
    assert (bad.symbol, bad.problems, bad.bars) == ("BAD", 5, 0)
    assert bad.trouble == "BAD.csv, row 2, column volume: empty volume cell"
    assert (empty.problems, half.problems) == (1, 1)
    assert json.loads(json.dumps(half.as_dict()))["symbol"] == "HALF"
    assert [r.symbol for r in list_folder(folder / "GOOD.csv")] == ["GOOD"]


def test_frames_are_listed_too(days: Callable[..., BarFrame]) -> None:
    (row,) = list_frames([days("VIX")])
    assert (row.symbol, row.calendar, row.timeframe, row.bars) == ("VIX", "XCBO", "1d", 21)
