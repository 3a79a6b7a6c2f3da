"""`load_bars`: every kind of source, the period, time frames, symbols, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.select import load_bars
from robo_trader.bars.settings import BarSettings
from robo_trader.bars.source import BarSource
from robo_trader.clock import iso
from robo_trader.errors import DataError, UsageError

Make = Callable[..., BarFrame]
ROWS = "".join(f"2024-01-{d:02},10,11,9,10,100\n" for d in (2, 3, 4, 5, 8, 9, 10, 11, 12))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("SPY", "QQQ", "VIX"):
        (tmp_path / f"{name}.csv").write_text("date,open,high,low,close,volume\n" + ROWS)
    return tmp_path


def table(first: str = "2024-01-02", n: int = 5) -> pd.DataFrame:
    index = pd.bdate_range(first, periods=n)
    return pd.DataFrame({"Open": 10.0, "High": 11.0, "Low": 9.0, "Close": 10.0, "Volume": 5}, index=index)


def names(frames: list[BarFrame]) -> list[str]:
    return [f.symbol for f in frames]


def test_a_folder_gives_all_symbols_by_name_or_those_asked_for_in_their_order(folder: Path) -> None:
    assert names(load_bars(folder)) == ["QQQ", "SPY", "VIX"]
    assert names(load_bars(str(folder), "VIX, spy")) == ["VIX", "SPY"]
    assert names(load_bars(folder, ["QQQ"])) == ["QQQ"]


def test_daily_bars_are_aligned_unless_told_otherwise(folder: Path) -> None:
    spy, vix = load_bars(folder, "SPY,VIX")
    assert spy.end[0] == vix.end[0]
    own = BarSettings(symbols={"QQQ": {"align": "none"}})
    spy, qqq, vix = load_bars(folder, "SPY,QQQ,VIX", own)
    assert spy.end[0] == vix.end[0] == qqq.end[0] + 15 * 60 * 10**9
    spy, vix = load_bars(folder, "SPY,VIX", BarSettings(align="none"))
    assert vix.end[0] - spy.end[0] == 15 * 60 * 10**9


def test_a_file_is_read_under_its_own_name_or_the_one_given(folder: Path) -> None:
    assert names(load_bars(folder / "SPY.csv")) == ["SPY"]
    assert names(load_bars(folder / "SPY.csv", "ABC")) == ["ABC"]
    with pytest.raises(UsageError, match="is one file, but 2 symbols"):
        load_bars(folder / "SPY.csv", "A,B")


def test_a_file_named_after_symbol_and_length_is_found(tmp_path: Path) -> None:
    (tmp_path / "SPY_1d.csv").write_text("date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    assert names(load_bars(tmp_path, "SPY")) == ["SPY"]
    (tmp_path / "SPY-daily.csv").write_text("date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    with pytest.raises(DataError, match="no file for symbol SPY"):  # which of the two?
        load_bars(tmp_path, "SPY")


def test_text_files_count_where_there_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / "A.txt").write_text("date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    assert names(load_bars(tmp_path)) == ["A"]
    (tmp_path / "B.csv").write_text("date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    (tmp_path / "LICENSE.txt").write_text("no bars at all")
    assert names(load_bars(tmp_path)) == ["B"]


@pytest.mark.parametrize(
    "start",
    ["2024-01-04", date(2024, 1, 4), datetime(2024, 1, 4, 23, tzinfo=UTC), np.datetime64("2024-01-04")],
)
def test_the_period_holds_both_its_ends(folder: Path, start: Any) -> None:
    (frame,) = load_bars(folder, "SPY", start=start, end="2024-01-09")
    assert frame.session[[0, -1]].astype(str).tolist() == ["2024-01-04", "2024-01-09"]
    assert len(frame) == 4


def test_a_period_of_weekends_and_beyond_is_cut_to_what_there_is(folder: Path) -> None:
    (frame,) = load_bars(folder, "SPY", start="1999-01-01", end="2024-01-07")
    assert str(frame.session[-1]) == "2024-01-05"


def test_a_period_without_bars_says_what_there_is(folder: Path) -> None:
    with pytest.raises(DataError, match="SPY: no bars from 2025-01-01 to the end") as caught:
        load_bars(folder, "SPY", start="2025-01-01")
    assert caught.value.hint == "its bars go from 2024-01-02 to 2024-01-12"
    with pytest.raises(DataError, match="no bars from the beginning to 2023-01-01"):
        load_bars(folder, "SPY", end="2023-01-01")


def test_symbols_that_nobody_named_may_lack_the_period(folder: Path) -> None:
    (folder / "NEW.csv").write_text("date,open,high,low,close\n2024-06-03,1,1,1,1\n2024-06-04,1,1,1,1\n")
    frames = load_bars(folder, end="2024-01-09")
    assert names(frames) == ["QQQ", "SPY", "VIX"]
    assert frames[0].notes == ("left out, without bars in the period: NEW",)
    assert names(load_bars(folder, start="2024-06-01")) == ["NEW"]
    with pytest.raises(DataError, match="NEW: no bars from"):
        load_bars(folder, "SPY,NEW", end="2024-01-09")
    with pytest.raises(DataError, match="no bars from 2025-01-01"):
        load_bars(folder, start="2025-01-01")


def test_a_start_after_the_end_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="start 2024-02-01 lies after end 2024-01-01"):
        load_bars(folder, start="2024-02-01", end="2024-01-01")


@pytest.mark.parametrize("wrong", ["yesterday", "2024-13-01", "NaT", 202401])
def test_a_date_that_is_none_is_refused(folder: Path, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"start .* is no date"):
        load_bars(folder, start=wrong)


def test_several_time_frames_make_several_frames(folder: Path) -> None:
    frames = load_bars(folder, "SPY,QQQ", timeframe="1d,1w")
    assert [(f.symbol, f.timeframe) for f in frames] == [
        ("SPY", "1d"),
        ("SPY", "1w"),
        ("QQQ", "1d"),
        ("QQQ", "1w"),
    ]
    assert len(load_bars(folder, "SPY", timeframe="1d,daily")) == 1
    with pytest.raises(UsageError, match="1m bars cannot be made from 1d"):
        load_bars(folder, timeframe="1m")


def test_settings_of_one_symbol_are_its_own(folder: Path) -> None:
    settings = BarSettings(
        symbols={"spy": {"calendar": "24/7", "tick": 0.5, "sector": "Fund"}, "QQQ": {"lot": 100}},
        align="none",
    )
    qqq, spy, _ = load_bars(folder, settings=settings)
    assert (spy.instrument.calendar, spy.instrument.tick, spy.instrument.sector) == ("24/7", 0.5, "Fund")
    assert iso(int(spy.end[0])) == "2024-01-03T00:00:00Z"
    assert (qqq.instrument.calendar, qqq.instrument.lot) == ("XNYS", 100)


@pytest.mark.parametrize("source", ["bundeld", "nothing/here", "nothing.csv"])
def test_a_source_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(DataError, match=source):
        load_bars(source)


def test_the_nearest_source_is_suggested() -> None:
    with pytest.raises(DataError) as caught:
        load_bars("bundeld")
    assert "bundled" in caught.value.hint


@pytest.mark.parametrize("source", [7, None, object()])
def test_what_is_no_source_is_refused(source: object) -> None:
    with pytest.raises(UsageError, match="bars cannot be"):
        load_bars(source)


def test_a_dataframe_takes_the_symbol_asked_for() -> None:
    (frame,) = load_bars(table(), "AAPL")
    assert (frame.symbol, frame.instrument.symbol, len(frame)) == ("AAPL", "AAPL", 5)
    with pytest.raises(UsageError, match="one DataFrame cannot hold 2 symbols"):
        load_bars(table(), "A,B")


def test_a_dict_names_its_frames_and_knows_each_ones_calendar(folder: Path, days: Make) -> None:
    source = {"SPY": table(), "VIX": table(), "X": folder / "QQQ.csv", "Y": days("QQQ")}
    spy, vix, x, y = load_bars(source, settings=BarSettings(align="none"))
    assert names([spy, vix, x, y]) == ["SPY", "VIX", "X", "Y"]
    assert vix.instrument.calendar == "XCBO"
    assert iso(int(vix.end[0])) == "2024-01-02T21:15:00Z"
    assert y.instrument.symbol == "Y"
    assert names(load_bars(source, "VIX,SPY")) == ["VIX", "SPY"]
    with pytest.raises(DataError, match="no bars for symbol SPZ") as caught:
        load_bars(source, "SPZ")
    assert "SPY" in caught.value.hint


def test_a_list_mixes_sources_but_names_no_symbol_twice(folder: Path, days: Make) -> None:
    assert names(load_bars([days("SPY"), folder / "QQQ.csv"])) == ["SPY", "QQQ"]
    assert names(load_bars((days("SPY"), days("VIX")), "VIX")) == ["VIX"]
    with pytest.raises(DataError, match="two sets of 1d bars for SPY"):
        load_bars([days("SPY"), days("SPY")])
    with pytest.raises(UsageError, match="the list is empty"):
        load_bars([])


def test_a_frame_keeps_its_times_and_takes_the_settings_of_its_instrument(days: Make) -> None:
    settings = BarSettings(symbols={"SPY": {"multiplier": 50, "sector": "Fund"}})
    (frame,) = load_bars(days("SPY"), settings=settings)
    assert (frame.instrument.multiplier, frame.instrument.sector) == (50, "Fund")
    original = days("SPY")
    assert load_bars(original)[0] is original


class Prices(BarSource):
    """A bar source such as a plugin brings."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def load(self, symbol: str, start: Any, end: Any, timeframe: Any) -> BarFrame:
        self.asked.append((symbol, start, end, timeframe))
        return BarFrame.from_pandas(table(n=30))

    def symbols(self) -> list[str]:
        return ["SPY", "QQQ"]


class Host:
    """As much of the plugin host as is needed here."""

    def __init__(self, source: object) -> None:
        self.source = source

    def names(self, kind: str) -> list[str]:
        assert kind == "bars"
        return ["prices"]

    def create(self, kind: str, name: str) -> object:
        assert (kind, name) == ("bars", "prices")
        return self.source


def test_a_plugins_source_is_asked_symbol_by_symbol_then_cut_and_named() -> None:
    source = Prices()
    host: Any = Host(source)
    frames = load_bars(
        "prices", "SPY,AAPL", start="2024-01-03", end="2024-01-31", timeframe="1w,1d", plugins=host
    )
    assert source.asked == [(s, date(2024, 1, 3), date(2024, 1, 31), "1d") for s in ("SPY", "AAPL")]
    assert [(f.symbol, f.timeframe) for f in frames][1::2] == [("SPY", "1d"), ("AAPL", "1d")]
    assert frames[1].session[[0, -1]].astype(str).tolist() == ["2024-01-03", "2024-01-31"]
    assert frames[1].origin.source == "prices:SPY"
    assert names(load_bars("prices", plugins=host)) == ["SPY", "QQQ"]
    with pytest.raises(DataError) as caught:
        load_bars("pirces", plugins=host)
    assert caught.value.hint == "did you mean 'prices'?"


def test_a_folder_with_a_sources_name_is_said_not_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    host: Any = Host(Prices())
    said = "the folder of that name was not read (--bars ./prices reads it)"

    def warned(frames: list[BarFrame]) -> list[bool]:
        return [said in " ".join(frame.notes) for frame in frames]

    assert warned(load_bars("prices", "SPY,QQQ", plugins=host)) == [False, False]
    (tmp_path / "prices").mkdir()
    table().to_csv(tmp_path / "prices" / "SPY.csv")
    assert warned(load_bars("prices", "SPY,QQQ", plugins=host)) == [True, False]
    assert load_bars("./prices", "SPY", plugins=host)[0].origin.source != "prices:SPY"


def test_a_source_that_breaks_its_word_is_named() -> None:
    class Wrong(BarSource):
        def load(self, symbol: str, start: Any, end: Any, timeframe: Any) -> Any:
            return table()

    with pytest.raises(DataError, match="bar source Wrong returned DataFrame for SPY, not a BarFrame"):
        load_bars(Wrong(), "SPY")
    with pytest.raises(UsageError, match="bar source Wrong needs symbols"):
        load_bars(Wrong())
    with pytest.raises(NotImplementedError, match="has no load"):
        BarSource().load("SPY", None, None, None)
