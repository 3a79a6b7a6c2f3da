"""The tear sheet's frames reconcile with the run, and each panel applies exactly when it can."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from robo_trader.report.parts import Group
from robo_trader.report.source import read_book
from robo_trader.report.tearsheet import panels
from robo_trader.report.tearsheet.catalogue import PANELS, rolling_beta
from robo_trader.report.tearsheet.draw import quiet, webp
from robo_trader.report.tearsheet.frames import Frames, build_frames
from robo_trader.report.tearsheet.sheet import build_sheet
from robo_trader.runs import Benchmark, Result


def frames_of(result: Result) -> Frames:
    return build_frames(read_book(result), result.info.config)


def skipped(groups: list[Group]) -> dict[str, str]:
    return {part.title: part.reason for group in groups for part in group.skipped}


def test_positions_and_cash_add_up_to_the_account(ten_years: Result) -> None:
    f = frames_of(ten_years)
    assert list(f.positions.columns) == [*ten_years.record.sessions.sizes, "cash"]
    np.testing.assert_allclose(f.positions.sum(axis="columns"), ten_years.record.sessions.value, rtol=1e-12)
    np.testing.assert_allclose(f.positions["cash"], ten_years.record.sessions.cash, rtol=1e-9)
    assert str(f.returns.index.tz) == "UTC"


def test_a_futures_position_counts_its_whole_value(make: Callable[..., Result]) -> None:
    result = make(60)
    result.record.sessions.multipliers["SPY"] = 50.0
    at, f = result.record.sessions, frames_of(result)
    np.testing.assert_allclose(f.positions["SPY"], at.sizes["SPY"] * at.prices["SPY"] * 50.0)
    np.testing.assert_allclose(f.positions.sum(axis="columns"), at.value)
    spy = [fill for fill in result.record.fills if fill.symbol == "SPY"]
    got = f.transactions[f.transactions["symbol"] == "SPY"]["price"]
    np.testing.assert_allclose(got, [fill.price * 50.0 for fill in spy])


def test_fills_stand_at_their_session_and_at_their_time(ten_years: Result) -> None:
    f = frames_of(ten_years)
    fills = ten_years.record.fills
    assert list(f.executions.index) == [fill.time for fill in fills]
    assert [str(t.date()) for t in f.transactions.index] == [str(fill.time.date()) for fill in fills]
    signed = sum(fill.size if fill.side == "BUY" else -fill.size for fill in fills)
    assert f.transactions["amount"].sum() == signed


def test_round_trips_are_the_trades_as_recorded(ten_years: Result) -> None:
    f = frames_of(ten_years)
    closed = [t for t in ten_years.trades if not t.is_open]
    assert list(f.trips["pnl"]) == [t.pnl_net for t in closed]
    assert list(f.trips["symbol"]) == [t.symbol for t in closed]
    assert list(f.trips["long"]) == [t.side == "BUY" for t in closed]
    assert f.trips["duration"].iloc[0] == closed[0].exit_time - closed[0].entry_time
    at = ten_years.record.sessions
    day = np.datetime64(closed[0].entry_time.date())
    before = at.value[int(np.searchsorted(at.date, day)) - 1]
    assert f.trips["returns"].iloc[0] == pytest.approx((closed[0].pnl_net or 0.0) / before)


def test_huge_and_fractional_sizes_take_no_longer(make: Callable[..., Result]) -> None:
    # pyfolio's own matching keeps an entry per share and cuts 0.5 to nothing.
    result = make(300, ("BTC", "PENNY"), 24)
    fills = [
        replace(fill, size=fill.size * (1e9 if fill.symbol == "PENNY" else 1e-3))
        for fill in result.record.fills
    ]
    f = frames_of(Result(replace(result.record, fills=fills), result.info, bars=result.bars))
    assert len(f.trips) == len([t for t in result.trades if not t.is_open])


def test_the_benchmark_is_used_on_shared_dates_only(make: Callable[..., Result]) -> None:
    result = make(60)
    dates = result.record.sessions.date
    f = frames_of(result)
    assert f.benchmark is not None and f.returns_vs is not None
    assert len(f.benchmark) == len(f.returns_vs) == 59
    result.info.benchmark = Benchmark("X", dates[:1], np.zeros(1))
    assert frames_of(result).benchmark is None
    result.info.benchmark = Benchmark("X", dates + np.timedelta64(20_000, "D"), np.zeros(60))
    assert frames_of(result).benchmark is None


def test_pyfolios_statistics_agree_with_the_metrics(ten_years: Result) -> None:
    ten_years.info.benchmark, kept = None, ten_years.info.benchmark
    try:
        groups = build_sheet(read_book(ten_years), {}, panels=())
    finally:
        ten_years.info.benchmark = kept
    table = next(t for g in groups for t in g.tables if t.title == "Performance statistics")
    stats = {r[0].text: r[1].text for r in table.rows}
    same = {"Sharpe ratio": "sharpe", "Sortino ratio": "sortino", "Max drawdown": "max_drawdown"}
    for name, key in {**same, "Annual return": "cagr", "Annual volatility": "volatility"}.items():
        assert stats[name] == ten_years.measures[key].text().replace("-", "−"), name
    assert "Beta" not in stats


def test_the_monthly_table_is_that_of_the_metrics(ten_years: Result) -> None:
    groups = build_sheet(read_book(ten_years), {}, panels=())
    table = next(t for g in groups for t in g.tables if t.title == "Monthly returns in percent")
    cells = {row[0].text: row for row in table.rows}
    for month in ten_years.monthly:
        shown = cells[str(month.year)][month.month].text.replace("−", "-")
        assert float(shown) == pytest.approx(month.value * 100, abs=0.006)
    assert cells["2020"][12].text == "–"


def test_all_symbols_are_in_the_positions(make: Callable[..., Result]) -> None:
    result = make(40, ("A", "B", "C"), 6)
    idle = np.zeros(40)
    at = result.record.sessions
    at.sizes["NEVER"], at.prices["NEVER"], at.multipliers["NEVER"] = idle, idle + 5.0, 1.0
    groups = build_sheet(read_book(result), {}, panels=())
    table = next(t for g in groups for t in g.tables if t.title == "Positions, every symbol")
    assert [row[0].text for row in table.rows] == ["A", "B", "C", "NEVER"]
    assert [cell.text for cell in table.rows[3]][4:] == ["0", "0", "0.00"]


def test_without_trades_the_reasons_are_given(make: Callable[..., Result]) -> None:
    why = skipped(build_sheet(read_book(make(200, n_fills=0)), {}))
    assert why["Daily turnover"] == "needs a fill; the run has none"
    assert why["Exposure"] == "needs a position held at a session's close"
    assert why["Underwater"] == "the account never moved"
    assert why["Holding times"] == "needs 5 closed trades; the run has 0"
    assert not [reason for reason in why.values() if "could not" in reason]


def test_short_runs_leave_out_the_rolling_windows(make: Callable[..., Result]) -> None:
    rolling = [panel for panel in PANELS if panel.title.startswith("Rolling")]
    why = skipped(build_sheet(read_book(make(100)), {}, panels=rolling))
    assert why["Rolling Sharpe ratio"] == "needs 127 sessions; the run has 100"
    assert why["Rolling beta"] == "needs 127 sessions beside the benchmark; there are 99"
    drawn = build_sheet(read_book(make(260)), {}, panels=rolling)
    assert [image.title for group in drawn for image in group.images] == [p.title for p in rolling]


def test_our_rolling_beta_is_pyfolios(ten_years: Result) -> None:
    with quiet():
        from pyfolio import timeseries

    f = frames_of(ten_years)
    assert f.returns_vs is not None and f.benchmark is not None
    mine, theirs = f.returns_vs[:300], f.benchmark[:300]
    reference = timeseries.rolling_beta(mine, theirs, rolling_window=125).dropna().to_numpy(dtype=float)
    # pyfolio cuts its windows by label, which includes the end: 125 there are 126 returns.
    got = rolling_beta(mine, theirs, 126).dropna().to_numpy()
    np.testing.assert_allclose(got, reference, rtol=1e-9)


def test_each_need_says_what_is_missing(make: Callable[..., Result]) -> None:
    rich, poor = frames_of(make(200, n_fills=40)), frames_of(make(1, n_fills=0, benchmark=None))
    cases = {
        panels.benchmark: "needs a benchmark",
        panels.long_benchmark: "needs 127 sessions",
        panels.fills: "needs a fill",
        panels.held: "needs a position",
        panels.moves: "never moved",
        panels.named_sectors: "needs two sectors",
        panels.sessions(2): "needs 2 sessions; the run has 1",
        panels.months(2): "needs 2 months; the run has 1",
        panels.trips(1): "needs 1 closed trades",
    }
    for need, words in cases.items():
        assert words in need(poor)
        if need is not panels.named_sectors:
            assert need(rich) == ""


def test_slippage_is_asked_of_runs_that_paid_none(make: Callable[..., Result]) -> None:
    result = make(60)
    assert panels.not_charged(build_frames(read_book(result), {"run": {"slippage": 0.0}})) == ""
    assert "already" in panels.not_charged(build_frames(read_book(result), {"run": {"slippage": 5e-4}}))


def test_fills_outside_new_yorks_day_are_not_hidden(make: Callable[..., Result]) -> None:
    result = make(60)
    assert panels.york_hours(frames_of(result)) == ""
    fills = [replace(f, time=f.time - timedelta(hours=9)) for f in result.record.fills]
    moved = Result(replace(result.record, fills=fills), result.info, bars=result.bars)
    assert f"{len(fills)} of {len(fills)} fills lie outside" in panels.york_hours(frames_of(moved))


def test_sectors_come_from_the_configuration_too(make: Callable[..., Result]) -> None:
    config = {
        "bars": {"symbols": {"SPY": {"sector": "broad"}, "QQQ": {"sector": "tech"}, "X": {"sector": "y"}}}
    }
    f = build_frames(read_book(make(30)), config)
    assert f.sectors == {"SPY": "broad", "QQQ": "tech"}
    assert panels.named_sectors(f) == ""


def test_a_year_of_365_sessions_is_pointed_out(make: Callable[..., Result]) -> None:
    groups = build_sheet(read_book(make(40, always_open=True)), {}, panels=())
    table = next(t for g in groups for t in g.tables if t.title == "Performance statistics")
    assert "This run's sessions make 365" in table.note


def test_foreign_warnings_stay_inside(make: Callable[..., Result]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build_sheet(read_book(make(30)), {}, panels=PANELS[:12])
        warnings.warn("ours", UserWarning, stacklevel=1)
    assert [str(w.message) for w in caught if issubclass(w.category, UserWarning)] == ["ours"]


def test_drawing_nothing_is_an_error_of_that_panel() -> None:
    with quiet():
        with pytest.raises(ValueError, match="nothing to draw"):
            webp(lambda ax: ax.axhline(1.0))
        source, width, height = webp(lambda ax: ax.plot([0, 1, 2], [1, 2, 3]))
    assert source.startswith("data:image/webp;base64,") and (width, height) == (576, 272)


def test_a_panel_that_breaks_is_named_and_the_rest_is_drawn(make: Callable[..., Result]) -> None:
    def broken(pf: Any, f: Frames, ax: Any) -> None:
        raise KeyError("no such\ncolumn")

    tried = [panels.Panel("Returns", "Broken", "nothing", broken), PANELS[0]]
    groups = build_sheet(read_book(make(30)), {}, panels=tried)
    assert skipped(groups)["Broken"] == "could not be drawn for this run: 'no such\\ncolumn'"
    assert [image.title for group in groups for image in group.images] == ["Cumulative returns"]


def test_sectors_are_drawn_when_named(make: Callable[..., Result]) -> None:
    config = {"bars": {"symbols": {"SPY": {"sector": "broad"}, "QQQ": {"sector": "tech"}}}}
    sectors = [panel for panel in PANELS if panel.title == "Sectors"]
    groups = build_sheet(read_book(make(60)), config, panels=sectors)
    assert [image.title for group in groups for image in group.images] == ["Sectors"]


def test_each_part_is_announced(make: Callable[..., Result]) -> None:
    said: list[str] = []
    build_sheet(read_book(make(3, n_fills=0)), {}, step=said.append, panels=PANELS[:3])
    assert said == [panel.title for panel in PANELS[:3]]


def test_labels_of_a_calm_run_do_not_repeat_themselves(make: Callable[..., Result]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from robo_trader.report.tearsheet.draw import _restyle

    returns = frames_of(make(40)).returns / 10
    with quiet():
        import pyfolio

        for paint in (pyfolio.plotting.plot_drawdown_underwater, pyfolio.plotting.plot_drawdown_periods):
            figure = Figure()
            FigureCanvasAgg(figure)
            axes = figure.add_subplot()
            paint(returns, ax=axes)
            _restyle(axes)
            labels = [axes.yaxis.get_major_formatter()(value) for value in axes.get_yticks()]
            assert len(set(labels)) == len(labels), paint.__name__
            assert axes.get_title() == ""
