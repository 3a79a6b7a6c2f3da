"""Settings, defaults of instruments and the words for time frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robo_trader.bars.defaults import default_instrument
from robo_trader.bars.settings import BarSettings
from robo_trader.bars.timeframes import Timeframe, detect, parse
from robo_trader.clock import NS_PER_SECOND
from robo_trader.errors import ConfigError, DataError, UsageError
from robo_trader.instruments import Instrument


@pytest.mark.parametrize(
    ("symbol", "calendar", "kind", "currency"),
    [
        ("SPY", "XNYS", "STK", "USD"),
        ("VIX", "XCBO", "IND", "USD"),
        ("^VIX", "XCBO", "IND", "USD"),
        ("VIX_60m", "XCBO", "IND", "USD"),
        ("vix9d", "XCBO", "IND", "USD"),
        ("VIXY", "XNYS", "STK", "USD"),  # a fund that closes at four
        ("^GSPC", "XNYS", "IND", "USD"),
        ("BTC-USD", "24/7", "CRYPTO", "USD"),
        ("BTC/USDT", "24/7", "CRYPTO", "USDT"),
        ("ETHEUR", "24/7", "CRYPTO", "EUR"),
        ("UNITTEST_BTC-1m", "24/7", "CRYPTO", "BTC"),
        ("BTC", "24/7", "CRYPTO", "USD"),
        ("SOL", "XNYS", "STK", "USD"),  # a stock's symbol too
    ],
)
def test_a_symbol_tells_what_it_most_probably_is(
    symbol: str, calendar: str, kind: str, currency: str
) -> None:
    thing = default_instrument(symbol)
    assert (thing.calendar, thing.sec_type, thing.currency) == (calendar, kind, currency)
    assert thing.symbol == symbol


def test_overrides_win_over_settings_and_those_over_defaults() -> None:
    settings = BarSettings(
        calendar="XETR",
        stamps="end",
        symbols={
            "vix": {"calendar": "XNYS", "stamps": "start", "tick": 0.05, "currency": "EUR", "sector": "Vol"}
        },
    )
    assert settings.instrument("SPY") == Instrument("SPY", calendar="XETR")
    vix = settings.instrument("VIX")
    assert (vix.calendar, vix.tick, vix.currency, vix.sector, vix.sec_type) == (
        "XNYS",
        0.05,
        "EUR",
        "Vol",
        "IND",
    )
    assert (settings.for_symbol("VIX").stamps, settings.for_symbol("SPY").stamps) == ("start", "end")
    assert BarSettings().instrument("VIX").calendar == "XCBO"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"stamps": "strat"}, "bars.stamps must be one of start, end, date, not 'strat'", "start"),
    ({"session": "ALL"}, "bars.session must be one of regular, all", ""),
    ({"align": True}, "bars.align must be one of session, none", ""),
    ({"repair": "yes"}, "bars.repair must be true or false, not 'yes'", ""),
    ({"tz": 5}, "bars.tz must be text", ""),
    ({"tz": "Mars/Phobos"}, "unknown time zone 'Mars/Phobos'", "America/New_York"),
    ({"symbols": {"SPY": {"tz": "Europe/Berlyn"}}}, "unknown time zone 'Europe/Berlyn'", "Europe/Berlin"),
    ({"symbols": {"SPY": 5}}, "bars.symbols.SPY must be a table", ""),
    ({"symbols": {"SPY": {"tik": 5}}}, "unknown key bars.symbols.SPY.tik", "tick"),
    ({"symbols": {"SPY": {"zzzzzz": 5}}}, "unknown key bars.symbols.SPY.zzzzzz", "known: "),
    ({"symbols": {"SPY": {"tick": -1}}}, "bars.symbols.SPY.tick must be a number above 0, not -1", ""),
    ({"symbols": {"SPY": {"lot": True}}}, "bars.symbols.SPY.lot must be a number", ""),
    ({"symbols": {"SPY": {"sector": 1}}}, "bars.symbols.SPY.sector must be text", ""),
    ({"symbols": {"SPY": {"stamps": "middle"}}}, "bars.symbols.SPY.stamps must be one of", ""),
]


@pytest.mark.parametrize(("values", "words", "hint"), WRONG)
def test_wrong_settings_are_refused_by_key(values: dict[str, Any], words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BarSettings(**values)
    assert caught.value.message.startswith(words)
    assert hint in caught.value.hint


def test_the_configurations_table_makes_settings() -> None:
    made = BarSettings.from_table({"source": "bundled", "session": "all", "symbols": {"A": {"lot": 10}}})
    assert (made.session, made.instrument("A").lot) == ("all", 10.0)
    with pytest.raises(ConfigError, match=r"unknown key bars\.calender") as caught:
        BarSettings.from_table({"calender": "XNYS"})
    assert "calendar" in caught.value.hint


def test_an_unknown_calendar_or_zone_shows_when_bars_are_read(tmp_path: Any) -> None:
    from robo_trader.bars.folder import read_csv

    path = tmp_path / "SPY.csv"
    path.write_text("date,open,high,low,close\n2024-01-02 10:00,1,1,1,1\n2024-01-02 11:00,1,1,1,1\n")
    with pytest.raises(ConfigError, match="unknown calendar 'XNY'"):
        read_csv(path, settings=BarSettings(calendar="XNY"))
    with pytest.raises(ConfigError, match="unknown time zone 'New_York'"):
        read_csv(path, settings=BarSettings(tz="New_York", stamps="start"))


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("1m", "1m"), ("60m", "1h"), ("60min", "1h"), ("90m", "90m"), ("4H", "4h"), ("24h", "1d"),
        ("hour", "1h"),
        ("d", "1d"), ("daily", "1d"), ("7d", "1w"), ("1W", "1w"), ("1M", "1mo"), ("month", "1mo"),
        ("1q", "3mo"),
        ("12mo", "1y"), ("30s", "30s"), (" 5 m ", "5m"),
    ],
)  # fmt: skip
def test_words_for_time_frames(word: str, code: str) -> None:
    assert parse(word).code == str(parse(word)) == code


@pytest.mark.parametrize("word", ["", "m5", "5x", "0m", "2d", "2w", "5mo", "25h", "-5m", None, 5])
def test_words_that_are_no_time_frame(word: Any) -> None:
    with pytest.raises(UsageError, match="time frame"):
        parse(word)


def test_time_frames_have_an_order_and_know_days() -> None:
    codes = ["1m", "5m", "1h", "1d", "1w", "1mo", "3mo", "1y"]
    frames = [parse(c) for c in codes]
    assert sorted(frames) == frames
    assert [f.is_daily_or_longer for f in frames] == [False] * 3 + [True] * 5
    assert parse("5m") == Timeframe(300 * NS_PER_SECOND, "5m")


def test_a_frame_is_detected_through_gaps() -> None:
    minute = 60 * NS_PER_SECOND
    wall = np.array([0, 5, 10, 25, 30, 35, 40, 1440, 1445]) * minute
    assert detect(wall).code == "5m"
    ticks = np.array([0, 2, 5, 8, 13, 20, 31]) * NS_PER_SECOND
    with pytest.raises(DataError, match=r"commonest distance 3 s, kept by 33% of the rows"):
        detect(ticks)
    every_other_day = np.array([0, 2, 6, 8, 10, 13]) * 1440 * minute
    assert detect(every_other_day).code == "1d"
    with pytest.raises(DataError, match="one bar alone"):
        detect(np.array([570 * minute]), "X.csv")
    assert detect(np.array([1440 * minute])).code == "1d"
