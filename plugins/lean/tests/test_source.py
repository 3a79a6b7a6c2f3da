"""`LeanBars` on small Lean folders: resolutions, periods, adjusting, and every refusal."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robo_lean.source import LeanBars

from robo_trader import BarSource, ConfigError, DataError, UsageError, backtest


def ends(frame: Any) -> list[str]:
    """Return the bars' ends in UTC, to the minute."""
    return [str(t)[:16] for t in frame.end.view("datetime64[ns]")]


def starts(frame: Any) -> list[str]:
    return [str(t)[:16] for t in frame.start.view("datetime64[ns]")]


def test_daily_bars_end_with_the_session(lean_root: Path) -> None:
    frame = LeanBars(lean_root, adjust="none").load("XYZ", None, None, "1d")
    assert isinstance(LeanBars(lean_root), BarSource)
    assert frame.timeframe == "1d" and len(frame) == 4
    assert starts(frame)[0] == "2013-06-03T13:30" and ends(frame)[0] == "2013-06-03T20:00"
    assert frame.close.tolist() == [100.5, 101.0, 51.0, 50.5]
    assert not frame.adjusted
    assert frame.origin.source.endswith("xyz.zip") and frame.origin.rows == 4
    assert len(frame.origin.sha256) == 64


def test_splits_bring_prices_and_volumes_into_todays_shares(lean_root: Path) -> None:
    frame = LeanBars(lean_root, adjust="splits").load("XYZ", None, None, None)
    assert frame.close.tolist() == pytest.approx([50.25, 50.5, 51.0, 50.5], abs=1e-12)
    assert frame.open.tolist() == pytest.approx([50.0, 50.3, 50.5, 50.0], abs=1e-12)
    assert frame.volume.tolist() == [2000.0, 2200.0, 2400.0, 2200.0]
    assert frame.adjusted
    assert frame.notes == (), "the factor file explains the split"


def test_total_returns_include_the_dividend(lean_root: Path) -> None:
    frame = LeanBars(lean_root, adjust="total").load("XYZ", None, None, None)
    assert frame.close.tolist() == pytest.approx([49.7475, 49.995, 50.49, 50.5], abs=1e-12)
    assert frame.volume.tolist() == [2000.0, 2200.0, 2400.0, 2200.0], "a dividend makes no shares"


def test_a_frame_that_no_factor_touches_is_not_marked(lean_root: Path) -> None:
    splits, total = (LeanBars(lean_root, adjust=a) for a in ("splits", "total"))
    assert not splits.load("XYZ", "2013-06-05", None, "1d").adjusted
    assert total.load("XYZ", "2013-06-05", None, "1d").adjusted
    assert not total.load("XYZ", "2013-06-06", None, "1d").adjusted


def test_the_hour_stamped_nine_begins_with_the_session(lean_root: Path) -> None:
    frame = LeanBars(lean_root).load("XYZ", None, None, "1h")
    assert frame.timeframe == "1h"
    assert starts(frame) == ["2013-06-03T13:30", "2013-06-03T14:00", "2013-06-03T19:00", "2013-06-04T13:30"]
    assert ends(frame) == ["2013-06-03T14:00", "2013-06-03T15:00", "2013-06-03T20:00", "2013-06-04T14:00"]
    assert frame.close.tolist() == pytest.approx([50.1, 50.4, 50.25, 50.5])


def test_minutes_start_at_their_stamp_and_keep_to_the_session(lean_root: Path) -> None:
    regular = LeanBars(lean_root).load("XYZ", None, None, "1m")
    assert len(regular) == 6
    assert starts(regular)[:3] == ["2013-06-03T13:30", "2013-06-03T13:31", "2013-06-03T19:59"]
    assert ends(regular)[2] == "2013-06-03T20:00"
    assert "4 bars outside the regular session" in regular.notes[0]
    assert regular.origin.source.endswith("20130603_trade.zip and 1 more days")
    whole = LeanBars(lean_root, session="all").load("XYZ", None, None, "1m")
    assert len(whole) == 10 and starts(whole)[0] == "2013-06-03T08:00"
    assert str(whole.session[0]) == "2013-06-03"


@pytest.mark.parametrize(
    ("asked", "native"),
    [(None, "1d"), ("1d", "1d"), ("1w", "1d"), ("1mo", "1d"), ("4h", "1h"), ("1h", "1h"), ("5m", "1m")],
)
def test_the_coarsest_resolution_that_can_serve_is_read(
    lean_root: Path, asked: str | None, native: str
) -> None:
    assert LeanBars(lean_root).load("XYZ", None, None, asked).timeframe == native


def test_without_daily_files_a_day_is_made_from_hours(lean_root: Path) -> None:
    (lean_root / "equity/usa/daily/xyz.zip").unlink()
    assert LeanBars(lean_root).load("XYZ", None, None, "1d").timeframe == "1h"
    source = LeanBars(lean_root, adjust="none")
    (frame,) = backtest("buy_and_hold", bars=source, symbols="XYZ", timeframe="1d", save=False).bars
    assert frame.timeframe == "1d"
    assert frame.open[0] == 100.0 and frame.close[0] == 100.5 and frame.volume[0] == 1000.0


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2013-06-04", "2013-06-05"),
        (date(2013, 6, 4), date(2013, 6, 5)),
        (datetime(2013, 6, 4, 21, tzinfo=UTC), datetime(2013, 6, 6, 2, tzinfo=UTC)),
        (np.datetime64("2013-06-04"), np.datetime64("2013-06-05")),
    ],
)
def test_both_ends_of_the_period_are_included(lean_root: Path, first: Any, last: Any) -> None:
    frame = LeanBars(lean_root).load("XYZ", first, last, "1d")
    assert frame.session.astype(str).tolist() == ["2013-06-04", "2013-06-05"]


def test_only_the_days_asked_for_are_read(lean_root: Path) -> None:
    (lean_root / "equity/usa/minute/xyz/20130603_trade.zip").write_bytes(b"broken")
    assert len(LeanBars(lean_root).load("XYZ", "2013-06-04", None, "1m")) == 3
    with pytest.raises(DataError, match=r"cannot read .*20130603_trade\.zip"):
        LeanBars(lean_root).load("XYZ", "2013-06-03", None, "1m")


def test_the_hash_covers_the_factors_where_they_are_used(lean_root: Path) -> None:
    def hashes() -> list[str]:
        return [LeanBars(lean_root, adjust=a).load("XYZ").origin.sha256 for a in ("none", "splits")]

    before = hashes()
    path = lean_root / "equity/usa/factor_files/xyz.csv"
    path.write_text(path.read_text().replace("0.99", "0.98"))
    after = hashes()
    assert before[0] == after[0] and before[1] != after[1]


def test_an_unrecorded_split_a_gap_and_holes_are_named(tmp_path: Path) -> None:
    days = np.arange("2012-01-02", "2013-07-01", dtype="datetime64[D]")
    days = days[
        np.is_busday(days) & ((days < np.datetime64("2012-03-01")) | (days > np.datetime64("2012-04-01")))
    ]
    days = np.delete(
        days, np.flatnonzero((days > np.datetime64("2013-01-01")) & (np.arange(len(days)) % 3 == 0))
    )
    halved = days >= np.datetime64("2012-06-04")
    price = np.where(halved, 500_000, 1_000_000)
    lines = [f"{str(d).replace('-', '')} 00:00,{p},{p},{p},{p},10" for d, p in zip(days, price, strict=True)]
    (tmp_path / "odd.csv").write_text("\n".join(lines))
    notes = LeanBars(tmp_path, adjust="none").load("ODD").notes
    assert any("2012-06-04 opens at 0.5 times the close before it" in n for n in notes)
    assert any("no bars for 22 weekdays between 2012-02-29 and 2012-04-02" in n for n in notes)
    assert any("sparse in 2013" in n for n in notes)
    (tmp_path / "odd_factors.csv").write_text("20120102,1,0.5,1\n20120601,1,0.5,100\n20501231,1,1,0\n")
    assert not any("opens at" in n for n in LeanBars(tmp_path).load("ODD").notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "does not know where the files are"),
        ({"root": "x", "adjust": "dividends"}, "adjust must be none, splits or total, not 'dividends'"),
        ({"root": "x", "session": "night"}, "session must be regular or all, not 'night'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        LeanBars(**settings)


def test_what_is_not_there_is_said_with_the_next_step(lean_root: Path) -> None:
    source = LeanBars(lean_root)
    with pytest.raises(DataError) as unknown:
        source.load("XYY", None, None, "1d")
    assert unknown.value.hint == "did you mean 'XYZ'?"
    with pytest.raises(DataError) as outside:
        source.load("XYZ", "2015-01-01", None, "1d")
    assert "no 1d bars of XYZ from 20150101" in outside.value.message
    assert outside.value.hint == "the file reaches from 2013-06-03 to 2013-06-06"
    with pytest.raises(DataError) as minutes:
        source.load("XYZ", "2015-01-01", None, "5m")
    assert minutes.value.hint == "there are 2 days from 20130603 to 20130604"
    with pytest.raises(UsageError, match="no such timeframe '5 minutes'"):
        source.load("XYZ", None, None, "5 minutes")
    with pytest.raises(UsageError, match="'yesterday' is no date"):
        source.load("XYZ", "yesterday", None, "1d")


def test_a_symbol_without_factors_is_not_passed_off_as_adjusted(lean_root: Path) -> None:
    (lean_root / "equity/usa/factor_files/xyz.csv").unlink()
    with pytest.raises(DataError) as caught:
        LeanBars(lean_root).load("XYZ")
    assert "XYZ has no factor file" in caught.value.message
    assert 'adjust = "none"' in caught.value.hint
    assert len(LeanBars(lean_root, adjust="none").load("XYZ")) == 4


def test_a_finer_time_frame_than_there_is_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "xyz.csv").write_text("20130603 00:00,1000000,1010000,990000,1005000,1000\n")
    with pytest.raises(DataError, match="XYZ has no bars from which 1m could be made"):
        LeanBars(tmp_path, adjust="none").load("XYZ", None, None, "5m")


def test_bad_prices_are_refused_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "xyz.csv").write_text("20130603 00:00,1000000,900000,990000,1005000,1000\n")
    with pytest.raises(DataError, match=r"xyz\.csv: .*high"):
        LeanBars(tmp_path, adjust="none").load("XYZ")


def test_registering_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, robo_lean\n"
        "class Add:\n"
        "    def bars(self, name, target): print(name, target)\n"
        "robo_lean.robo_register(Add())\n"
        "print([m for m in ('backtrader', 'numpy', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["lean robo_lean.source:LeanBars", "[]"]
