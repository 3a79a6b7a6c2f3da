"""`Result`: computed once, pleasant in a notebook, honest about what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import robo_trader
from robo_trader.bars.frame import BarFrame
from robo_trader.engine.record import Failure
from robo_trader.errors import RunError, UsageError
from robo_trader.instruments import Instrument
from robo_trader.runs import Result, Table, benchmark_of
from robo_trader.runs.plain import dumps, plain

Make = Callable[..., Result]


def frame_of(
    result: Result, symbol: str = "AAA", calendar: str = "XNYS", closes: tuple[float, ...] = ()
) -> BarFrame:
    s = result.record.sessions
    price = np.array(closes or (100.0, 104.0, 103.0))
    return BarFrame(
        symbol,
        "1d",
        s.time - 23_400_000_000_000,
        s.time,
        s.date,
        price,
        price,
        price,
        price,
        np.ones(3),
        Instrument(symbol, calendar=calendar),
    )


def test_public_name() -> None:
    assert robo_trader.Result is Result


def test_daily(make_result: Make) -> None:
    daily = make_result().daily
    assert daily.returns.tolist() == pytest.approx([0.0, 0.004905, 0.001089655], abs=1e-9)
    assert daily.exposure_gross.tolist() == pytest.approx([0.1, 0.0, 0.5 * 11.5 / 100600])
    assert daily.turnover.tolist() == pytest.approx([10010 / 100000, 10550 / 100490.5, 5.5 / 100600])


def test_a_deposit_is_no_return(make_result: Make) -> None:
    result = make_result()
    result.record.sessions.value[1:] += 50_000.0
    assert result.metric("total_return").value == pytest.approx(0.006)
    assert result.metric("final_value").value == 150_600.0


def test_equity(make_result: Make) -> None:
    equity = make_result().equity
    assert list(equity.columns) == ["value", "cash", "return"] and equity.index.name == "date"
    assert equity.loc["2024-01-03", "value"] == 100490.5


def test_tables(make_result: Make) -> None:
    result = make_result()
    assert isinstance(result.fills, Table) and len(result.fills) == 3
    assert result.fills[0].price == 100.1 and result.fills["price"] == [100.1, 105.5, 11.0]
    assert [f.symbol for f in result.fills[1:]] == ["AAA", "BBB"] and isinstance(result.fills[1:], Table)
    frame = result.orders.to_pandas()
    assert frame["time"].iloc[0] == pd.Timestamp("2024-01-02T14:30:00Z")
    assert result.trades.to_pandas()["exit_time"].isna().tolist() == [False, True]
    assert result.signals.to_pandas()["at"].dt.tz is not None
    assert result.fills[:0].to_pandas().empty
    assert "2024" in result.fills._repr_html_() and repr(result.fills).startswith("<3 x Fill")
    with pytest.raises(UsageError, match="did you mean 'price'"):
        _ = result.fills["prise"]
    assert result.fills == list(result.record.fills) and result.fills != result.orders


def test_metrics_by_name(make_result: Make) -> None:
    result = make_result()
    assert result.metrics["trades_closed"] == 1
    assert result.metric("win_rate").value == 1.0
    with pytest.raises(UsageError, match=r"no metric 'sharp' \(did you mean 'sharpe'\?\)"):
        result.metric("sharp")
    assert len(result.drawdowns()) == 0 and [m.n for m in result.monthly] == [3]
    assert [s.state for s in result.scorecard][1] == "met"


def test_bars_are_counted_where_they_are_known(make_result: Make) -> None:
    result = make_result()
    assert result.trades["bars"] == [None, None]
    frames = [frame_of(result), frame_of(result, "BBB")]
    assert Result(result.record, result.info, bars=frames).trades["bars"] == [2, 1]
    # Of two time frames the finer one counts, in whichever order they come.
    coarse = frames[0].where(slice(1, 2))
    for both in ([*frames, coarse], [coarse, *frames]):
        assert Result(result.record, result.info, bars=both).trades["bars"] == [2, 1]


def test_a_market_that_never_closes_makes_a_longer_year(make_result: Make) -> None:
    result = make_result()
    frames = [frame_of(result), frame_of(result, "BTC", "24/7")]
    assert Result(result.record, result.info, bars=frames).metric("sharpe").extra["factor"] == 365.0
    assert result.metric("sharpe").extra["factor"] == 252.0
    result.info.always_open = True
    assert Result(result.record, result.info).metric("sharpe").extra["factor"] == 365.0


def test_benchmark_of_a_frame(make_result: Make) -> None:
    result = make_result()
    got = benchmark_of(frame_of(result, "SPY"), result.daily.dates)
    assert got.symbol == "SPY" and np.isnan(got.returns[0])
    assert got.returns[1:].tolist() == pytest.approx([0.04, 103 / 104 - 1])


def test_as_baseline(make_result: Make) -> None:
    base = make_result().as_baseline("equal parts")
    assert base.note == "equal parts" and base.value.tolist() == [100000.0, 100490.5, 100600.0]
    assert base.metrics["trades"].value == 2


def test_report_is_drawn_by_the_report_room(
    make_result: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def write_report(result: Result, path: Path) -> Path:
        seen.append((result, path))
        return path

    monkeypatch.setattr("robo_trader.report.write_report", write_report, raising=False)
    result = make_result()
    with pytest.raises(RunError, match=r"has no folder \(say where"):
        result.report()
    assert result.report(tmp_path / "mine.html") == tmp_path / "mine.html"
    folder = result.save(tmp_path)
    assert result.report() == folder / "report.html" == seen[-1][1] and seen[-1][0] is result


def test_notebook(make_result: Make) -> None:
    failure = Failure("ValueError: <script>alert(1)</script>")
    result = make_result(state="failed", failure=failure)
    html = result._repr_html_()
    assert "<svg" in html and "0.60 %" in html and "30 needed" in html
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "failed" in repr(result) and result.id in repr(result)
    assert result.warnings == ("costs are 0", "bars were guessed")


def test_notebook_of_a_run_without_sessions(make_result: Make) -> None:
    from robo_trader.engine.record import Sessions

    none = np.zeros(0)
    empty = Sessions(none.astype("datetime64[D]"), none.astype(np.int64), none, none, none)
    result = make_result(sessions=empty, fills=[], orders=[])
    assert "<svg" not in result._repr_html_()
    assert result.equity.empty and result.drawdowns() == [] and result.monthly == []


def test_an_account_without_value_has_no_drawdowns(make_result: Make) -> None:
    result = make_result()
    result.record.sessions.fund[1] = np.nan
    assert result.drawdowns() == [] and result.monthly == []
    assert result.metric("max_drawdown").reason == "the account has no value on 2024-01-03"


def test_plain_values() -> None:
    from datetime import UTC, date, datetime, timedelta
    from decimal import Decimal
    from fractions import Fraction

    shown = plain(
        {
            "nan": float("nan"),
            1: (np.int64(3), np.float64("inf"), np.bool_(True)),
            "when": datetime(2024, 1, 2, tzinfo=UTC),
            "naive": datetime(2024, 1, 2),  # noqa: DTZ001 - a parameter may be one
            "day": date(2024, 1, 2),
            "np": np.datetime64("2024-01-02"),
            "for": timedelta(seconds=60),
            "kind": Result,
            "where": Path("a"),
            "some": {"b", "a"},
            "array": np.array([1.0, np.nan]),
            "exact": Decimal("1.10"),
            "part": Fraction(1, 3),
            "thing": object(),
            "record": Instrument("A"),
        }
    )
    assert shown["nan"] is None and shown["1"] == [3, None, True] and shown["array"] == [1.0, None]
    assert shown["when"] == "2024-01-02T00:00:00Z" and shown["naive"] == "2024-01-02T00:00:00"
    assert shown["day"] == shown["np"] == "2024-01-02" and shown["for"] == 60.0
    assert shown["kind"] == "robo_trader.runs.result:Result" and shown["where"] == "a"
    assert shown["some"] == ["a", "b"] and shown["exact"] == "Decimal('1.10')"
    assert shown["thing"] == "<builtins.object>" and shown["record"]["symbol"] == "A"
    assert dumps({"ä": 1.0}) == '{\n  "ä": 1.0\n}\n'
