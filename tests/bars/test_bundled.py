"""The bundled demonstration data: whole, in order, honest about itself, and made by the script."""

from __future__ import annotations

import io
import shutil
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from robo_trader.bars.bundled import (
    BUNDLED_SYMBOLS,
    bundled_bars,
    bundled_events_path,
)
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.bundled import build
from robo_trader.calendars import get_calendar
from robo_trader.errors import DataError
from robo_trader.events import EventTape, read_events

FOLDER = bundled_events_path().parent.parent
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def frames() -> dict[str, BarFrame]:
    return {frame.symbol: frame for frame in bundled_bars()}


@pytest.fixture(scope="module")
def decisions() -> EventTape:
    return read_events(bundled_events_path(), assume_delay=timedelta(seconds=60))


def test_every_symbol_has_every_session_of_ten_years(frames: dict[str, BarFrame]) -> None:
    first, last = np.datetime64("2011-04-01"), np.datetime64("2021-03-31")
    sessions = get_calendar("XNYS").sessions(first, last)
    assert len(sessions) == 2516
    assert tuple(frames) == BUNDLED_SYMBOLS
    for frame in frames.values():
        assert frame.timeframe == "1d"
        assert np.array_equal(frame.session, sessions), frame.symbol


def test_bars_end_when_their_market_closes(frames: dict[str, BarFrame]) -> None:
    def close(symbol: str, day: str) -> str:
        frame = frames[symbol]
        i = int(np.searchsorted(frame.session, np.datetime64(day)))
        return datetime.fromtimestamp(frame.end[i] / 1e9, NEW_YORK).strftime("%H:%M")

    assert (close("SPY", "2020-03-16"), close("VIX", "2020-03-16")) == ("16:00", "16:15")
    assert close("SPY", "2020-11-27") == "13:00"


def test_prices_are_as_traded_and_no_split_lies_between(frames: dict[str, BarFrame]) -> None:
    spy = frames["SPY"]
    assert (spy.close[0], spy.close[-1], spy.volume[0]) == (133.15, 396.33, 132_462_581.0)
    for symbol in BUNDLED_SYMBOLS[:-1]:
        frame = frames[symbol]
        assert not frame.adjusted
        overnight = frame.open[1:] / frame.close[:-1]
        assert overnight.min() > 0.8 and overnight.max() < 1.25
        assert (frame.volume > 0).all()
    assert frames["VIX"].close.max() == 82.69
    assert (frames["VIX"].volume == 0).all()


def test_frames_name_their_source_and_what_to_know(frames: dict[str, BarFrame]) -> None:
    for symbol in BUNDLED_SYMBOLS[:-1]:
        assert "QuantConnect Lean sample data, Apache-2.0" in frames[symbol].origin.source
        assert any("dividends are not part of the returns" in note for note in frames[symbol].notes)
    assert "Cboe VIX, ODC-PDDL" in frames["VIX"].origin.source
    assert "an index, which cannot be bought or sold" in frames["VIX"].notes[-1]
    assert not any("/" in frame.origin.source for frame in frames.values()), "no path of this machine"
    assert all(len(frame.origin.sha256) == 64 for frame in frames.values())


def test_symbols_are_picked_in_the_order_asked_for() -> None:
    assert [f.symbol for f in bundled_bars(["qqq", "SPY"])] == ["QQQ", "SPY"]
    with pytest.raises(DataError) as caught:
        bundled_bars(["SPX"])
    assert "SPX is not among the bundled symbols" in caught.value.message
    assert caught.value.hint == "did you mean 'SPY'?"
    with pytest.raises(DataError) as far:
        bundled_bars(["TSLA"])
    assert far.value.hint.startswith("there are SPY, QQQ")


def test_single_stocks_know_their_sector_unless_settings_say_otherwise() -> None:
    (bac,) = bundled_bars(["BAC"])
    assert bac.instrument.sector == "Financials"
    (said,) = bundled_bars(["BAC"], settings=BarSettings(symbols={"bac": {"sector": "Banks"}}))
    assert said.instrument.sector == "Banks"
    (ibm,) = bundled_bars(["IBM"], settings=BarSettings(symbols={"ibm": {"tick": 0.05}}))
    assert (ibm.instrument.tick, ibm.instrument.sector) == (0.05, "Information Technology")


def test_decisions_are_known_a_minute_after_their_release(decisions: EventTape) -> None:
    assert len(decisions) == 43 and decisions.assumed == 43
    released = {e.published_at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M"): e for e in decisions}
    usual = [when for when in released if not when.endswith(" 14:00")]
    assert usual == ["2020-03-03 10:00", "2020-03-15 17:00"]
    emergency = released["2020-03-15 17:00"]
    assert emergency.published_at.astimezone(NEW_YORK).strftime("%A") == "Sunday"
    assert emergency.title == "FOMC cuts the target range by 100 bp to 0.00–0.25 %"
    assert released["2020-03-03 10:00"].title == "FOMC cuts the target range by 50 bp to 1.00–1.25 %"
    assert released["2018-12-19 14:00"].title == "FOMC raises the target range by 25 bp to 2.25–2.50 %"
    assert released["2021-03-17 14:00"].title == "FOMC holds the target range at 0.00–0.25 %"
    assert all(e.known_at and e.known_at - e.published_at == timedelta(seconds=60) for e in decisions)


def test_each_decision_follows_from_the_one_before(decisions: EventTape) -> None:
    upper = 0.5  # since 2015-12-16
    for event in decisions:
        data = event.data
        assert event.kind == "fomc" and event.symbols == () and event.source == "fomc"
        assert data["upper"] - data["lower"] == 0.25
        assert round((data["upper"] - upper) * 100) == data["change_bp"]
        assert data["decision"] == {-1: "cut", 0: "hold", 1: "hike"}[int(np.sign(data["change_bp"]))]
        assert event.url.startswith("https://www.federalreserve.gov/newsevents/pressreleases/monetary")
        upper = data["upper"]


def test_the_notice_names_every_source_and_licence() -> None:
    notice = (FOLDER / "NOTICE").read_text("utf-8")
    for word in (
        *BUNDLED_SYMBOLS,
        "QuantConnect",
        "Apache License, Version 2.0",
        "ODC-PDDL",
        "Federal Reserve",
        "Public domain",
        "Dividends are NOT included",
    ):
        assert word in notice, word


def test_the_data_stays_small_in_a_wheel() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(FOLDER))
    assert packed.tell() < 500_000


def make(data: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the maintainer's script from `data` into `target`."""
    monkeypatch.setenv("ROBO_TEST_DATA", str(data))
    monkeypatch.setattr(build, "HERE", target)
    build.main()


def test_the_script_makes_the_same_bytes_again(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(data_dir, tmp_path, monkeypatch)
    assert capsys.readouterr().out == "7 symbols of 2516 sessions, 43 decisions\n"
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert len(made) == 8
    for path in made:
        assert (tmp_path / path).read_bytes() == (FOLDER / path).read_bytes(), path


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("bars_daily/lean/bac_factors.csv", "20200902,0.9820533,1,", "20200902,0.9,0.5,", "BAC was split"),
        ("bars_daily/lean/ibm.csv", "20160104 00:00", "20160103 00:00", "IBM: sessions differ from SPY's"),
        ("bars_daily/vix_daily.csv", "2016-01-04,", "2016-01-03,", "VIX: sessions differ from SPY's"),
        ("bars_daily/lean/ibm.csv", "20160104 00:00,", "20160104 00:00,9", "IBM: prices out of order"),
        ("fomc/fomc_decisions_2009_2025.csv", "2018-12-19,2:00 p.m. EST", "2018-12-19,", "no release time"),
        (
            "fomc/fomc_decisions_2009_2025.csv",
            "25,hike,raise,2018-12-19",
            "25,hold,,2018-12-19",
            "contradict",
        ),
    ],
)
def test_the_script_stops_when_the_figures_are_not_what_the_notice_says(
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    old: str,
    new: str,
    said: str,
) -> None:
    for part in ("bars_daily/lean", "fomc"):
        shutil.copytree(data_dir / "open" / part, tmp_path / "open" / part, ignore=only_csv)
    shutil.copy(data_dir / "open/bars_daily/vix_daily.csv", tmp_path / "open/bars_daily")
    broken = tmp_path / "open" / file
    text = broken.read_text("utf-8")
    assert old in text
    broken.chmod(0o644)
    broken.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(SystemExit, match=said):
        make(tmp_path, tmp_path / "made", monkeypatch)


def only_csv(folder: str, names: list[str]) -> set[str]:
    """Tell copytree to leave out everything but CSV files."""
    return {name for name in names if not name.endswith(".csv")}


def test_the_script_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBO_TEST_DATA", raising=False)
    with pytest.raises(SystemExit, match="set ROBO_TEST_DATA"):
        build.main()
