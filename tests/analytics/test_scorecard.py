"""The plan's targets, at their very limits and where the evidence is thin."""

from __future__ import annotations

import pytest

from robo_trader.analytics import Metric, scorecard


def metric(name: str, value: float | None, n: int = 500, **extra: float) -> Metric:
    return Metric(
        name, value, "ratio", "", "closed trades", n, "" if value is not None else "no closed trade", extra
    )


def state(name: str, value: float | None, n: int = 500) -> str:
    return next(s.state for s in scorecard({name: metric(name, value, n)}) if s.metric == name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("monthly_return", 0.02, "met"),
        ("monthly_return", 0.05, "met"),
        ("monthly_return", 0.0199, "missed"),
        ("monthly_return", 0.0501, "missed"),
        ("max_drawdown", -0.1499, "met"),
        ("max_drawdown", -0.15, "missed"),
        ("max_drawdown", 0.0, "met"),
        ("sharpe", 1.5, "missed"),
        ("sharpe", 1.5001, "met"),
        ("win_rate", 0.45, "met"),
        ("win_rate", 0.55, "met"),
        ("win_rate", 0.56, "missed"),
        ("profit_factor", 1.5, "missed"),
        ("profit_factor", 1.51, "met"),
        ("profit_factor", None, "unknown"),
    ],
)
def test_limits(name: str, value: float | None, expected: str) -> None:
    assert state(name, value) == expected


@pytest.mark.parametrize("name", ["win_rate", "profit_factor"])
def test_few_trades_prove_nothing(name: str) -> None:
    value = 0.5 if name == "win_rate" else 2.0
    assert state(name, value, 20) == "met" and state(name, value, 19) == "unknown"
    scores = {s.metric: s for s in scorecard({name: metric(name, value, 19)})}
    assert scores[name].note == "19 closed trades; 20 needed to judge"


def test_notes() -> None:
    scores = {s.metric: s for s in scorecard({"sharpe": metric("sharpe", 2.0, low=0.4, high=3.6)})}
    assert scores["sharpe"].note == "but the 95 % interval begins at 0.40"
    assert scores["win_rate"].note == "not measured"
    sure = scorecard({"sharpe": metric("sharpe", 4.0, low=2.0, high=6.0)})
    assert next(s for s in sure if s.metric == "sharpe").note == ""
    above = scorecard({"win_rate": metric("win_rate", 0.7)})
    assert next(s for s in above if s.metric == "win_rate").note == "above the range"
    gone = scorecard({"profit_factor": metric("profit_factor", None)})
    assert next(s for s in gone if s.metric == "profit_factor").note == "no closed trade"


def test_five_rows_in_the_plans_order() -> None:
    rows = scorecard({})
    names = ["monthly_return", "max_drawdown", "sharpe", "win_rate", "profit_factor"]
    assert [row.metric for row in rows] == names
    assert {row.state for row in rows} == {"unknown"}
    assert rows[0].as_dict() == {
        "metric": "monthly_return",
        "target": "2 to 5 %",
        "value": None,
        "state": "unknown",
        "note": "not measured",
    }
