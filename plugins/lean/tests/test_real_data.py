"""`LeanBars` on real Lean files: splits and dividends leave no jump, and oddities are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robo_lean.factors import Adjust
from robo_lean.source import LeanBars

SYMBOLS = ["BAC", "EEM", "GOOG", "IBM", "IWM", "QQQ", "SPY"]


def overnight(frame: Any, day: str) -> float:
    """Return the open of `day` over the close of the session before."""
    i = int(np.searchsorted(frame.session, np.datetime64(day)))
    assert str(frame.session[i]) == day
    return float(frame.open[i] / frame.close[i - 1])


def test_every_symbol_loads(lean_data: list[Path]) -> None:
    source = LeanBars(lean_data, adjust="total")
    assert source.symbols() == SYMBOLS
    for symbol in SYMBOLS:
        frame = source.load(symbol)
        assert frame.timeframe == "1d" and frame.adjusted
        assert str(frame.session[-1]) == "2021-03-31"


@pytest.mark.parametrize(
    ("symbol", "day", "raw"),
    [
        ("BAC", "2004-08-30", 0.503),
        ("IBM", "1999-05-27", 0.495),
        ("QQQ", "2000-03-20", 0.501),
        ("IWM", "2005-06-09", 0.500),
        ("EEM", "2005-06-09", 0.333),
        ("EEM", "2008-07-24", 0.331),
    ],
)
def test_a_split_halves_raw_prices_and_leaves_adjusted_ones(
    lean_data: list[Path], symbol: str, day: str, raw: float
) -> None:
    ratios = {}
    choices: tuple[Adjust, ...] = ("none", "splits", "total")
    for adjust in choices:
        frame = LeanBars(lean_data, adjust=adjust).load(symbol)
        ratios[adjust] = overnight(frame, day)
        assert not any(day in note for note in frame.notes)
    assert ratios["none"] == pytest.approx(raw, abs=0.001)
    assert ratios["splits"] == pytest.approx(1.0, abs=0.02)
    assert ratios["total"] == pytest.approx(1.0, abs=0.02)


def test_total_prices_add_each_dividend_to_the_return(lean_data: list[Path]) -> None:
    """SPY went ex on 2021-03-19 with 1.2778 dollars a share, after a close of 391.48."""
    raw, total = (LeanBars(lean_data, adjust=a).load("SPY") for a in ("none", "total"))
    ex = int(np.searchsorted(raw.session, np.datetime64("2021-03-19")))
    assert raw.close[ex - 1] == 391.48
    earned = raw.close[ex] / (raw.close[ex - 1] - 1.2778) - 1
    assert total.close[ex] / total.close[ex - 1] - 1 == pytest.approx(earned, abs=2e-7)


@pytest.mark.parametrize("symbol", ["BAC", "IBM", "SPY"])
def test_no_jump_is_left_on_any_factor_day(lean_data: list[Path], symbol: str) -> None:
    """Across all factor days total prices drift overnight no more than on other days."""
    raw, total = (LeanBars(lean_data, adjust=a).load(symbol) for a in ("none", "total"))
    ratio = total.close / raw.close
    changed = np.flatnonzero(np.abs(np.diff(ratio)) > 1e-9) + 1
    assert len(changed) > 50
    moves = np.log(total.open[1:] / total.close[:-1])[changed - 1]
    assert np.abs(moves).max() < 0.08
    assert abs(moves.mean()) < 3 * moves.std() / np.sqrt(len(moves)) + 1e-3


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("GOOG", "2014-04-03 opens at 0.502 times the close before it and no factor row says why"),
        ("QQQ", "no bars for 1645 weekdays between 2004-11-30 and 2011-03-23"),
        ("EEM", "sparse in 1998 to 2002"),
        ("EEM", "after which the price is 10 times what it was"),
        ("IBM", "2002-12-23 opens at 2 times the close before it"),
    ],
)
def test_what_is_odd_in_the_files_is_named(lean_data: list[Path], symbol: str, said: str) -> None:
    assert any(said in note for note in LeanBars(lean_data).load(symbol).notes)


def test_a_far_price_after_a_long_gap_is_told_once(lean_data: list[Path]) -> None:
    assert not any("opens at" in note for note in LeanBars(lean_data).load("QQQ").notes)


@pytest.mark.parametrize("symbol", ["BAC", "IWM", "SPY"])
def test_what_is_in_order_is_not_complained_about(lean_data: list[Path], symbol: str) -> None:
    assert LeanBars(lean_data).load(symbol).notes == ()


def test_hours_and_minutes_agree_with_the_daily_bars(lean_data: list[Path]) -> None:
    source = LeanBars(lean_data, adjust="none")
    hours, daily = source.load("SPY", None, None, "1h"), source.load("SPY")
    assert (np.diff(hours.start) > 0).all() and (hours.start[1:] >= hours.end[:-1]).all()
    minutes = source.load("SPY", "2013-10-07", "2013-10-11", "1m")
    assert len(minutes) == 5 * 390
    for day in np.unique(minutes.session):
        of_day, of_hours = minutes.session == day, hours.session == day
        i = int(np.searchsorted(daily.session, day))
        assert hours.high[of_hours].max() == daily.high[i] and hours.low[of_hours].min() == daily.low[i]
        assert minutes.open[of_day][0] == daily.open[i] == hours.open[of_hours][0]
        assert minutes.high[of_day].max() == daily.high[i]
