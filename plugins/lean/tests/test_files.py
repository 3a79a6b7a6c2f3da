"""Where Lean's files are found: its own layout, loose files, several roots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from robo_lean.files import LeanFiles

from robo_trader import DataError

Zipped = Callable[[str, str, str], Path]


@pytest.mark.parametrize("below", ["", "equity", "equity/usa"])
def test_the_root_may_lie_anywhere_down_to_the_market(lean_root: Path, below: str) -> None:
    files = LeanFiles([lean_root / below])
    daily, hour, factors = files.daily("XYZ"), files.hour("XYZ"), files.factors("XYZ")
    assert daily and daily.path.match("daily/xyz.zip")
    assert hour and hour.path.match("hour/xyz.zip")
    assert factors and factors.path.match("factor_files/xyz.csv")
    assert [f.day for f in files.minutes("XYZ")] == ["20130603", "20130604"]
    assert files.symbols() == ["XYZ"]


def test_loose_files_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for name in (
        "spy.csv",
        "spy_factors.csv",
        "qqq_hour.csv",
        "brk.b.csv",
        "iwm_20131007_trade_1min.csv",
        "iwm_20131007_quote_1min.csv",
        "notes.txt",
    ):
        (tmp_path / name).write_text("1,1\n")
    files = LeanFiles([tmp_path])
    assert files.symbols() == ["BRK.B", "IWM", "QQQ", "SPY"]
    assert files.daily("QQQ") is None and files.hour("SPY") is None
    assert files.daily("spy") and files.factors("SPY") and not files.factors("QQQ")
    assert [f.day for f in files.minutes("IWM")] == ["20131007"]


def test_minutes_are_cut_by_day_and_the_first_root_wins(lean_root: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    for day in ("20130604", "20130605"):
        (loose / f"xyz_{day}_trade_1min.csv").write_text("")
    files = LeanFiles([lean_root, loose])
    found = files.minutes("XYZ")
    assert [(f.day, f.path.suffix) for f in found] == [
        ("20130603", ".zip"),
        ("20130604", ".zip"),
        ("20130605", ".csv"),
    ]
    assert [f.day for f in files.minutes("XYZ", "20130604", "20130604")] == ["20130604"]
    assert files.minutes("XYZ", "20140101") == []


def test_factors_may_lie_together_in_the_newest_zip_file(tmp_path: Path, zipped: Zipped) -> None:
    place = "equity/usa/factor_files/factor_files_{}.zip"
    zipped(place.format("20200101"), "old.csv", "old")
    zipped(place.format("20200101"), "spy.csv", "older")
    zipped(place.format("20210101"), "spy.csv", "newer")
    files = LeanFiles([tmp_path])
    spy, old = files.factors("SPY"), files.factors("OLD")
    assert spy and spy.read() == b"newer"
    assert old and old.read() == b"old"
    assert files.factors("NONE") is None


def test_a_missing_root_is_named() -> None:
    with pytest.raises(DataError, match="there is no folder /no/such/place"):
        LeanFiles([Path("/no/such/place")])


def test_broken_zip_files_are_named(tmp_path: Path, zipped: Zipped) -> None:
    (tmp_path / "daily").mkdir()
    (tmp_path / "daily" / "bad.zip").write_bytes(b"PK no zip at all")
    zipped("daily/two.zip", "a.csv", "1")
    zipped("daily/two.zip", "b.csv", "2")
    files = LeanFiles([tmp_path])
    for symbol, said in (("BAD", r"cannot read .*bad\.zip"), ("TWO", r"two\.zip holds 2 csv files")):
        file = files.daily(symbol)
        assert file
        with pytest.raises(DataError, match=said):
            file.read()
