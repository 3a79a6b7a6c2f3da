"""The words of the report: figures, findings, the guard, and what they must not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from robo_trader.analytics.metric import Metric
from robo_trader.records import Decision, Intent
from robo_trader.report import parts
from robo_trader.report.summary import findings, guard_words, headlines, metrics_table, twin_table
from robo_trader.report.trades import event_rows, explain_command, short_source, trade_rows
from robo_trader.risk.halt import Halt
from robo_trader.runs import Result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234.50"),
        (-0.004, "0.00"),
        (-1.0, "−1.00"),
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0.00"),
    ],
)
def test_figures_have_separators_and_a_true_minus(value: float | None, text: str) -> None:
    assert parts.number(value) == text


def test_sizes_keep_the_digits_that_matter() -> None:
    assert [parts.size(v) for v in (100.0, 0.00012345, 1_500_000.0, -3.5, None)] == [
        "100", "0.00012345", "1,500,000", "−3.5", "–",
    ]  # fmt: skip
    assert [parts.price(v) for v in (1.23456, 1234.5, None)] == ["1.2346", "1,234.50", "–"]


def test_long_words_are_cut_and_lists_counted() -> None:
    assert parts.shorten("a  b\nc", 10) == "a b c"
    assert parts.shorten("abcdefgh", 5) == "abcd…"
    assert parts.listed(list("abcde"), 3) == "a, b, c and 2 more"
    assert parts.gathered(["A: x", "B: x", "x y: z", "A: x"]) == ["A, B: x", "x y: z"]


def test_a_headline_says_why_it_has_no_value(make: Callable[..., Result]) -> None:
    shown = {h.label: h for h in headlines(make(3, ("SPY",), 0).measures)}
    assert shown["Sharpe ratio"].text == "–" and "needed" in shown["Sharpe ratio"].aside
    assert shown["Sharpe ratio"].how.startswith("No value: ")
    assert (
        shown["Profit factor"].aside == "no losing trade" or "no closed trade" in shown["Profit factor"].aside
    )


def test_a_headline_tells_method_sampling_and_n(ten_years: Result) -> None:
    sharpe = next(h for h in headlines(ten_years.measures) if h.label == "Sharpe ratio")
    assert "2,520 daily returns" in sharpe.how and "factor 252" in sharpe.how and "`" not in sharpe.how
    assert sharpe.aside.startswith("95 %: ")


def metric(name: str, value: float | None, **extra: Any) -> Metric:
    return Metric(name, value, "ratio", "m", "daily returns", 9, "" if value is not None else "none", extra)


def test_findings_speak_of_luck_the_market_and_few_trades() -> None:
    measures = {
        "sharpe_low": metric("sharpe_low", -0.5),
        "sharpe_high": metric("sharpe_high", 1.0),
        "excess_return": metric("excess_return", -0.1, benchmark="SPY"),
        "benchmark_return": metric("benchmark_return", 0.3, benchmark="SPY"),
        "trades_closed": metric("trades_closed", 1.0),
    }
    twin = {"metrics": {"total_return": 0.25}, "own": {"total_return": 0.05}}
    said = findings(measures, twin)
    assert len(said) == 4
    assert "luck alone" in said[0]
    assert said[1] == "SPY alone returned 30.00 % over the same sessions, 10.00 points more."
    assert said[2] == "One closed trade proves little."
    assert "look-ahead would have added 20.00 points" in said[3]
    good = {
        **measures,
        "sharpe_low": metric("sharpe_low", 0.1),
        "trades_closed": metric("trades_closed", 50.0),
    }
    good["excess_return"] = metric("excess_return", 0.1)
    assert findings(good, {"state": "not applicable"}) == []


def decided(result: Result, *actions: tuple[str, str]) -> Result:
    intent = Intent(
        order_id=1, time=datetime(2024, 1, 2, tzinfo=UTC), symbol="SPY", side="BUY", size=1.0, type="Market"
    )
    decisions = [
        Decision(intent=intent, action=action, reasons=(why,) if why else ())  # type: ignore[arg-type]
        for action, why in actions
    ]
    return Result(replace(result.record, decisions=decisions), result.info)


def test_the_guard_says_what_it_did(make: Callable[..., Result]) -> None:
    off = make(5, ("SPY",), 0)
    assert guard_words(off) == "The risk guard was off."
    assert guard_words(decided(off, ("allow", ""), ("allow", ""))) == (
        "The risk guard was off: all 2 orders passed unchanged."
    )
    on = make(5, ("SPY",), 0, config={"risk": {"profile": "default"}})
    assert "had no order to judge" in guard_words(on)
    assert "let the one order pass unchanged" in guard_words(decided(on, ("allow", "")))
    said = guard_words(
        decided(
            on, ("allow", ""), ("resize", "position 10 %"), ("resize", "position 10 %"), ("veto", "halted")
        )
    )
    assert said == (
        "The risk guard (default): of all 4 orders 2 shrunk (position 10 %: 2) and 1 vetoed (halted: 1); "
        "compare with --risk off."
    )


def test_numbers_do_not_tell_reasons_apart_and_halts_are_counted(make: Callable[..., Result]) -> None:
    run = make(5, ("SPY",), 0, config={"risk": {"profile": "default"}})
    rules = [("veto", f"daily_loss: the session has lost {n} %") for n in (3, 4, 5)]
    at = datetime(2024, 1, 2, tzinfo=UTC)
    states = [("REDUCING", "daily_loss"), ("REDUCING", "drawdown"), ("REDUCING", "daily_loss")]
    run.info.halts = [Halt(state, "the guard", at, "why", rule=rule) for state, rule in states]  # type: ignore[arg-type]
    said = guard_words(decided(run, *rules))
    assert "all 3 orders 3 vetoed (daily loss: 3); compare" in said
    assert said.endswith("Openings were stopped for a while (daily loss: 1, drawdown: 1).")


def test_every_metric_is_listed_with_its_method(ten_years: Result) -> None:
    table = metrics_table(ten_years.measures)
    assert len(table.rows) == len(ten_years.measures)
    assert all(row[2].text for row in table.rows)


def test_the_twin_is_compared_in_points_of_return() -> None:
    twin = {"metrics": {"total_return": 0.2, "sharpe": None}, "own": {"total_return": 0.05, "sharpe": 1.0}}
    table = twin_table(MappingProxyType(twin))
    assert table is not None
    assert [c.text for c in table.rows[0]] == ["Total return", "5.00 %", "20.00 %", "15.00 points"]
    assert [c.text for c in table.rows[1]] == ["Sharpe ratio", "1.00", "–", "–"]
    assert twin_table({"state": "not applicable", "why": "x"}) is None


def test_trades_are_cut_from_the_front_and_counted(
    ten_years: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    import robo_trader.report.trades as module

    rows, note = trade_rows(tuple(ten_years.trades), ten_years.id)
    assert len(rows) == len(ten_years.trades) and note == ""
    assert rows[0].explain == explain_command(ten_years.id, rows[0].number)
    monkeypatch.setattr(module, "MOST_TRADES", 5)
    rows, note = trade_rows(tuple(ten_years.trades), ten_years.id)
    assert [r.number for r in rows] == [26, 27, 28, 29, 30]
    assert note == "The last 5 of 30 trades; all are in trades.csv."
    monkeypatch.setattr(module, "MOST_EVENTS", 1)
    events, note = event_rows(ten_years.record.events_delivered)
    assert len(events) == 1 and note == "The last 1 of 2 events."


def test_an_open_trade_is_open(make: Callable[..., Result]) -> None:
    result = make(20, ("SPY",), 1)
    rows, _ = trade_rows(tuple(result.trades), result.id)
    assert rows[0].left == "still open" and rows[0].exit == ""


def test_a_source_is_named_without_the_machine() -> None:
    assert short_source("/data/private/bars/SPY.csv") == "bars/SPY.csv"
    assert short_source("https://example.org/a/b.csv") == "https://example.org/a/b.csv"
    assert short_source("memory") == "memory"
