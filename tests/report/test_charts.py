"""The charts' data: what is drawn, where, in how many points, and with which trade behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.analytics import build_trades
from robo_trader.bars.frame import BarFrame
from robo_trader.clock import NS_PER_SECOND
from robo_trader.instruments import Instrument
from robo_trader.records import Fill
from robo_trader.report import prices as module
from robo_trader.report.charts import below_peak, equity_chart, price_chart, twin_line
from robo_trader.report.prices import price_data
from robo_trader.report.source import joined, read_book
from robo_trader.runs import Baseline, Result

MINUTE = 60 * NS_PER_SECOND


def minute_bars(n: int, per_day: int = 390) -> BarFrame:
    """Minute bars of business days from 14:30Z."""
    day = np.arange(n) // per_day
    dates = np.busday_offset(np.datetime64("2020-01-06"), day)
    start = dates.astype("datetime64[ns]").astype(np.int64) + 52_200 * NS_PER_SECOND
    start = start + (np.arange(n) % per_day) * MINUTE
    close = 100 + np.arange(n) * 0.01
    return BarFrame(
        symbol="SPY", timeframe="1m", start=start, end=start + MINUTE, session=dates, open=close - 0.02,
        high=close + 0.05, low=close - 0.05, close=close, volume=np.ones(n), instrument=Instrument("SPY"),
    )  # fmt: skip


def fill_at(time: datetime, side: Any, size: float, symbol: str = "S") -> Fill:
    """A fill without a word of reason."""
    return Fill(time=time, symbol=symbol, side=side, size=size, price=10.0, commission=0.0, order_id=1)


def chart_of(result: Result) -> module.Prices:
    return price_data(read_book(result), result.record.sessions)


def test_daily_bars_stand_at_their_session_date(make: Callable[..., Result]) -> None:
    result = make(60)
    first = chart_of(result).symbols[0]
    frame = next(b for b in result.bars if b.symbol == first.symbol)
    np.testing.assert_array_equal(first.x, frame.session.astype("datetime64[ms]").astype(float))
    np.testing.assert_array_equal(first.high, frame.high)
    assert not first.intraday and first.width == pytest.approx(0.7 * 86_400_000)


def test_marks_stand_in_the_bar_of_their_fill_and_know_their_trade(ten_years: Result) -> None:
    trades = {t.trade_id: t for t in ten_years.trades}
    seen = 0
    for chart in chart_of(ten_years).symbols:
        fills = [f for f in ten_years.record.fills if f.symbol == chart.symbol]
        for x, number, fill in zip(chart.marks["x"], chart.marks["trade"], fills, strict=True):
            day = np.datetime64(int(x), "ms").astype("datetime64[D]")
            assert day == np.datetime64(fill.time.date())
            trade = trades[number]
            assert trade.symbol == fill.symbol
            assert trade.entry_time <= fill.time <= (trade.exit_time or fill.time)
            seen += 1
        assert chart.marks["because"][0].startswith(chart.symbol)
    assert seen == len(ten_years.record.fills)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=1, max_size=40))
def test_every_fill_belongs_to_the_trade_that_it_opens_or_closes(orders: list[tuple[bool, int]]) -> None:
    begin = datetime(2024, 1, 2, 15, tzinfo=UTC)
    fills = [
        fill_at(begin + timedelta(hours=i), "BUY" if buy else "SELL", size / 10)
        for i, (buy, size) in enumerate(orders)
    ]
    trades = build_trades(fills)
    book: Any = type("B", (), {"trades": tuple(trades), "fills": tuple(fills)})()
    for fill, number in module._marks(book)["S"]:
        trade = next(t for t in trades if t.trade_id == number)
        # A fill that turns the position is shown at the trade that it opens.
        assert trade.entry_time <= fill.time
        assert trade.exit_time is None or fill.time <= trade.exit_time


def test_without_bars_the_closes_of_the_sessions_are_drawn(make: Callable[..., Result]) -> None:
    result = make(30)
    got = chart_of(Result(result.record, result.info))
    assert all(chart.high is None for chart in got.symbols)
    assert any("Without bars" in note for note in got.notes)
    np.testing.assert_array_equal(got.symbols[0].close, result.record.sessions.prices[got.symbols[0].symbol])


def test_minute_bars_are_bunched_and_say_so(make: Callable[..., Result]) -> None:
    frame = minute_bars(20_000)
    result = make(52, ("SPY",), 4)
    got = chart_of(Result(result.record, result.info, bars=[frame]))
    chart = got.symbols[0]
    assert chart.intraday and chart.high is not None and chart.low is not None
    assert len(chart.x) <= module.MOST_BARS
    assert chart.high.max() == frame.high.max() and chart.low.min() == frame.low.min()
    assert chart.close[-1] == frame.close[-1] and chart.open is not None and chart.open[0] == frame.open[0]
    assert got.notes == ["Bars are drawn in bunches of up to 4."]


def test_a_long_intraday_history_is_drawn_by_session() -> None:
    frame = minute_bars(200_000)
    first = module._bunches(frame, 5_000)
    assert len(first) == len(np.unique(frame.session)) and set(np.diff(first)) == {390}


@pytest.mark.parametrize("n", [1, 2, 7, 5_000, 5_001])
def test_bunches_cover_every_bar_within_the_limit(n: int) -> None:
    first = module._bunches(minute_bars(n), 1_000)
    assert first[0] == 0 and len(first) <= 1_000 and (np.diff(first) > 0).all()


def test_with_many_symbols_closes_replace_candles(make: Callable[..., Result]) -> None:
    got = chart_of(make(900, [f"S{i}" for i in range(50)], 50))
    assert all(chart.high is None for chart in got.symbols)
    assert "closes instead of candles" in got.notes[-1]
    assert sum(len(chart.x) for chart in got.symbols) <= module.BUDGET


def test_the_most_traded_symbol_comes_first(make: Callable[..., Result]) -> None:
    result = make(60, ("A", "B"), 0)
    when = result.record.sessions.date[3].item()
    fill = fill_at(datetime(when.year, when.month, when.day, 15, tzinfo=UTC), "BUY", 1.0, symbol="B")
    result = Result(replace(result.record, fills=[fill]), result.info, bars=result.bars)
    chart = chart_of(result)
    assert [c.symbol for c in chart.symbols] == ["B", "A"]
    assert chart.symbols[0].marks["because"] == ["no reason was given"]


def test_the_documents_are_json_without_a_bracket(ten_years: Result) -> None:
    book = read_book(ten_years)
    equity = equity_chart(
        book, 100_000.0, ten_years.info.baselines, label="<b>x", twin=twin_line(ten_years.info.twin)
    )
    price = price_chart(price_data(book, ten_years.record.sessions))
    for chart in (equity, price):
        assert "<" not in chart.json
        assert json.loads(chart.json)["doc"]["roots"]
    assert [line.label for line in equity.lines] == [
        "<b>x",
        "SPY (benchmark)",
        "buy_and_hold",
        "hindsight twin",
    ]
    assert [line.hidden for line in equity.lines] == [False, False, False, True]
    assert "<b>x" not in json.dumps(json.loads(equity.json)), "a user's words must not reach Bokeh"
    assert price.choices[0] in ten_years.record.sessions.sizes and len(price.choices) == 5


def test_charts_without_anything_to_draw_say_so(make: Callable[..., Result]) -> None:
    result = make(3, ("SPY",), 0)
    book = replace(read_book(result), dates=np.array([], "datetime64[D]"))
    with pytest.raises(ValueError, match="no session"):
        equity_chart(book, 1.0, {}, label="x")
    with pytest.raises(ValueError, match="no symbol has a price"):
        price_chart(module.Prices())


def test_a_baseline_on_other_dates_is_joined(make: Callable[..., Result]) -> None:
    book = read_book(make(10))
    late = Baseline(book.dates[5:], np.arange(5.0) + 1)
    lines = equity_chart(book, 1.0, {"late": late}, label="x").lines
    assert [line.label for line in lines] == ["x", "SPY (benchmark)", "late"]
    got = joined(book.dates, late.dates, late.value)
    assert np.isnan(got[:5]).all() and list(got[5:]) == [1, 2, 3, 4, 5]
    assert np.isnan(joined(book.dates, book.dates[:0], np.zeros(0))).all()


def test_drawdown_counts_the_start_and_skips_gaps() -> None:
    got = below_peak(np.array([90.0, np.nan, 120.0, 60.0]), 100.0)
    np.testing.assert_allclose(got, [-0.1, np.nan, 0.0, -0.5])


def test_a_fill_at_a_close_stands_in_its_own_bar(make: Callable[..., Result]) -> None:
    frame = make(10, ("SPY",), 0).bars[0]
    result = make(10, ("SPY",), 0)
    place = module._placer(
        frame, result.record.sessions, frame.session.astype("datetime64[ms]").astype(float), False
    )
    day = np.datetime64(int(place(int(frame.end[4]), float(frame.close[4]))), "ms").astype("datetime64[D]")
    assert day == frame.session[4]
    # After the last bar there is none to stand in but the last.
    last = place(int(frame.end[-1]) + 1, 1.0)
    assert np.datetime64(int(last), "ms").astype("datetime64[D]") == frame.session[-1]


def test_where_bars_touch_the_price_tells_the_open_from_the_close(make: Callable[..., Result]) -> None:
    frame = minute_bars(100)
    place = module._placer(frame, make(1, n_fills=0).record.sessions, frame.start / 1e6, True)
    moment = int(frame.end[9])
    assert place(moment, float(frame.open[10])) == frame.start[10] / 1e6
    assert place(moment, float(frame.low[9])) == frame.start[9] / 1e6
    assert place(moment, 500.0) == frame.start[10] / 1e6, "an open with slippage"
    assert place(moment - MINUTE // 2, 1.0) == frame.start[9] / 1e6


def test_dates_that_only_the_other_has_are_left_out() -> None:
    dates = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    other = np.array(["2023-12-31", "2024-01-02", "2024-01-03", "2024-01-09"], dtype="datetime64[D]")
    got = joined(dates, other, np.array([9.0, 2.0, 3.0, 9.0]))
    np.testing.assert_array_equal(got, [np.nan, 2.0, 3.0, np.nan, np.nan])
