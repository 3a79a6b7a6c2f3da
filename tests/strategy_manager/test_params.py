"""Parameters: their names, their types, and what text becomes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import StrategyError, UsageError
from robo_trader.strategy_manager import coerce_params, param_table


class Base(bt.Strategy):
    params = (("fast", 10), ("slow", 30.5))


class Cross(Base):
    params = dict(
        name="x",
        on=True,
        none=None,
        levels=(1, 2),
        words=["a"],
        empty=(),
        table={"a": 1},
        day=date(2024, 1, 2),
        at=datetime(2024, 1, 2),  # noqa: DTZ001 - how Backtrader's users write them
        clock=time(15, 30),
        wait=timedelta(minutes=5),
        average=bt.indicators.SMA,
    )


def test_the_table_holds_inherited_parameters_first() -> None:
    assert list(param_table(Cross))[:3] == ["fast", "slow", "name"]
    assert param_table(Base) == {"fast": 10, "slow": 30.5}
    assert param_table(bt.Strategy) == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("fast", "12", 12),
        ("fast", "-3", -3),
        ("slow", "12", 12.0),
        ("slow", "1e-3", 0.001),
        ("slow", 12, 12.0),
        ("name", "12", "12"),
        ("name", "", ""),
        ("on", "false", False),
        ("on", "Yes", True),
        ("none", "12", 12),
        ("none", "1.5", 1.5),
        ("none", "None", None),
        ("none", "true", True),
        ("none", "SPY", "SPY"),
        ("none", [1], [1]),
        ("levels", "3,4,5", (3, 4, 5)),
        ("levels", "(3, 4)", (3, 4)),
        ("levels", [3], (3,)),
        ("words", "a, b", ["a", "b"]),
        ("empty", "1,x", (1, "x")),
        ("table", "{'b': 2}", {"b": 2}),
        ("day", "2024-09-18", date(2024, 9, 18)),
        ("at", "2024-09-18T14:00", datetime(2024, 9, 18, 14)),  # noqa: DTZ001
        ("clock", "09:30", time(9, 30)),
        ("wait", "90s", timedelta(seconds=90)),
        ("average", bt.indicators.EMA, bt.indicators.EMA),
    ],
)
def test_text_becomes_the_type_of_the_default(name: str, text: Any, value: Any) -> None:
    found = coerce_params(Cross, {name: text})[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("fast", "ten", "Cross's parameter fast must be a whole number, not 'ten' (its default is 10)"),
        ("fast", "1.5", "must be a whole number, not '1.5'"),
        ("fast", 1.5, "must be a whole number, not 1.5"),
        ("fast", True, "must be a whole number, not True"),
        ("fast", "", "must be a whole number, not ''"),
        ("slow", "x", "must be a number, not 'x' (its default is 30.5)"),
        ("slow", "nan", "must be a number, not 'nan'"),
        ("slow", False, "must be a number, not False"),
        ("name", 3, "must be text, not 3"),
        ("on", "maybe", "must be true or false, not 'maybe'"),
        ("on", 1, "must be true or false, not 1"),
        ("levels", "1,x", "must be a list such as 1,2,3, not '1,x'"),
        ("levels", "(1,", "must be a list such as 1,2,3, not '(1,'"),
        ("levels", 3, "must be a list such as 1,2,3, not 3"),
        ("table", "[1]", "must be a dict, not '[1]'"),
        ("day", "soon", "must be a date such as 2024-09-18, not 'soon'"),
        ("at", "soon", "must be a time such as"),
        ("clock", "25:00", "must be a time of day such as 15:30"),
        ("wait", "soon", "must be a duration such as 5m"),
        ("average", "EMA", "cannot be given as text ('EMA')"),
    ],
)
def test_a_wrong_type_is_a_usage_error_with_the_value(name: str, value: Any, error: str) -> None:
    with pytest.raises(UsageError) as caught:
        coerce_params(Cross, {name: value})
    assert error in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(StrategyError, match=r"Cross has no parameter 'fsat' .did you mean 'fast'"):
        coerce_params(Cross, {"fsat": "1"})
    with pytest.raises(StrategyError, match=r"'zzz' .it has fast, slow\)"):
        coerce_params(Base, {"zzz": "1"})
    with pytest.raises(StrategyError, match=r"Strategy has no parameter 'a' .it has none"):
        coerce_params(bt.Strategy, {"a": "1"})


@given(st.sampled_from(sorted(param_table(Cross))), st.text(max_size=12))
def test_any_text_is_taken_or_refused_cleanly(name: str, text: str) -> None:
    try:
        coerce_params(Cross, {name: text})
    except UsageError as error:
        assert name in error.message


@given(st.integers(), st.floats(allow_nan=False))
def test_numbers_survive_being_text(whole: int, number: float) -> None:
    assert coerce_params(Base, {"fast": str(whole), "slow": repr(number)}) == {"fast": whole, "slow": number}
