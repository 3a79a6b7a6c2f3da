"""Every metric of returns equals empyrical's; what cannot be said is None with a reason."""

from __future__ import annotations

import json
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robo_trader.analytics import Metric, compute_metrics
from robo_trader.analytics.ratios import MIN_RATIO, MIN_SPREAD, sharpe_interval

TOLERANCE = 1e-12


def weekdays(n: int, first: str = "2015-01-01") -> np.ndarray:
    return np.busday_offset(np.datetime64(first), np.arange(n), roll="forward")


def every_day(n: int, first: str = "2015-01-01") -> np.ndarray:
    return np.datetime64(first) + np.arange(n)


def measure(returns: np.ndarray, dates: np.ndarray | None = None, **more: object) -> dict[str, Metric]:
    dates = weekdays(len(returns)) if dates is None else dates
    value = 1000.0 * np.cumprod(1 + returns)
    return compute_metrics(dates, returns, value, starting_cash=1000.0, **more)  # type: ignore[arg-type]


def near(mine: float | None, theirs: float) -> bool:
    assert mine is not None
    return abs(mine - theirs) <= TOLERANCE * max(1.0, abs(theirs))


# A return below 1e-12 is rounding, and its square may vanish: no series of an account looks so.
returns_of_a_year = arrays(np.float64, st.integers(70, 300), elements=st.floats(-0.2, 0.2)).map(
    lambda x: np.where(np.abs(x) < 1e-12, 0.0, x)
)


@given(returns=returns_of_a_year, rf=st.sampled_from([0.0, 0.03, -0.005]), round_the_clock=st.booleans())
def test_equal_to_empyrical(
    empyrical: ModuleType, returns: np.ndarray, rf: float, round_the_clock: bool
) -> None:
    factor = 365 if round_the_clock else 252
    dates = (every_day if round_the_clock else weekdays)(len(returns))
    each = (1 + rf) ** (1 / factor) - 1
    got = measure(returns, dates, rf=rf)
    how = {"annualization": factor}
    assert near(got["total_return"].value, empyrical.cum_returns_final(returns))
    assert near(got["volatility"].value, empyrical.annual_volatility(returns, **how))
    assert near(got["max_drawdown"].value, empyrical.max_drawdown(returns))
    if factor <= 4 * len(returns):
        assert near(got["cagr"].value, empyrical.annual_return(returns, **how))
        calmar = got["calmar"]
        if calmar.value is None:
            assert calmar.reason == "the account was never under water"
        else:
            assert near(calmar.value, empyrical.calmar_ratio(returns, **how))
    sharpe, sortino = got["sharpe"], got["sortino"]
    if sharpe.value is None:
        assert sharpe.reason == "the returns do not vary"
    else:
        assert near(sharpe.value, empyrical.sharpe_ratio(returns, risk_free=each, **how))
        assert sharpe.extra["rf"] == rf and sharpe.extra["factor"] == factor
    if sortino.value is None:
        assert sortino.reason == "no return below the risk-free rate"
        assert not (returns < each).any()
    else:
        assert near(sortino.value, empyrical.sortino_ratio(returns, required_return=each, **how))


def test_realistic_returns_equal_empyrical(empyrical: ModuleType) -> None:
    returns = np.random.default_rng(7).normal(4e-4, 0.011, 2520)
    got = measure(returns)
    assert near(got["sharpe"].value, empyrical.sharpe_ratio(returns))
    assert near(got["sortino"].value, empyrical.sortino_ratio(returns))
    assert near(got["calmar"].value, empyrical.calmar_ratio(returns))
    assert near(got["cagr"].value, empyrical.annual_return(returns))
    assert got["best_day"].value == returns.max() and got["worst_day"].value == returns.min()
    assert got["worst_day"].extra["date"] == str(weekdays(2520)[returns.argmin()])


def test_monthly_return_compounds_to_the_cagr() -> None:
    got = measure(np.random.default_rng(1).normal(1e-3, 0.01, 400))
    monthly, cagr = got["monthly_return"].value, got["cagr"].value
    assert monthly is not None and cagr is not None
    assert (1 + monthly) ** 12 - 1 == pytest.approx(cagr, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("total_return", 1),
        ("max_drawdown", 1),
        ("best_day", 1),
        ("volatility", MIN_SPREAD),
        ("sharpe", MIN_RATIO),
        ("sharpe_low", MIN_RATIO),
        ("sortino", MIN_RATIO),
        ("cagr", 63),
        ("monthly_return", 63),
        ("calmar", 63),
    ],
)
def test_smallest_sample(name: str, least: int) -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, least)
    enough = measure(returns)[name]
    assert enough.value is not None and enough.n == least and enough.reason == ""
    short = measure(returns[:-1])[name]
    assert short.value is None
    assert short.reason == (
        f"{least - 1} daily returns; {least} needed" if least > 1 else "there are no returns"
    )


def test_a_year_of_a_market_that_never_closes_has_365_days() -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, 200)
    assert measure(returns, every_day(200))["volatility"].extra["factor"] == 365
    assert measure(returns, weekdays(200))["volatility"].extra["factor"] == 252
    # Three days in the middle of a week show nothing; the caller may know.
    assert measure(returns, weekdays(200), always_open=True)["volatility"].extra["factor"] == 365


def test_sharpe_interval_of_normal_returns_is_lo_2002() -> None:
    """For normal returns the error is Lo's (2002) sqrt((1 + S²/2)/n), here with n - 1."""
    x = np.random.default_rng(11).normal(0.001, 0.01, 200_000)
    got = sharpe_interval(x, 252)
    each = got["sharpe"] / math.sqrt(252)
    lo = math.sqrt((1 + each**2 / 2) / (len(x) - 1)) * math.sqrt(252)
    assert got["standard_error"] == pytest.approx(lo, rel=1e-3)
    assert got["low"] < got["sharpe"] < got["high"]
    assert (got["low"] + got["high"]) / 2 == pytest.approx(got["sharpe"])


def test_sharpe_interval_holds_the_true_ratio_95_times_in_100() -> None:
    rng = np.random.default_rng(5)
    skewed = -rng.exponential(0.01, (2000, 500)) + 0.0105  # skew -2, kurtosis 9
    true = 0.0005 / 0.01 * math.sqrt(252)
    held = 0
    for row in skewed:
        got = sharpe_interval(row, 252)
        held += got["low"] <= true <= got["high"]
    assert 0.93 <= held / 2000 <= 0.97


def test_sharpe_probability_of_two_good_years() -> None:
    """A ratio of 1.8 over 504 days, as one trial: z = 1.8/sqrt(252) · sqrt(503)/sqrt(1 + S²/2) = 2.53."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 0.01, 504)
    x = (x - x.mean()) / x.std(ddof=1) * 0.01 + 0.01 * 1.8 / math.sqrt(252)
    got = sharpe_interval(x, 252)
    assert got["sharpe"] == pytest.approx(1.8)
    assert got["probability"] == pytest.approx(0.9944, abs=0.0005)


def test_an_account_at_zero_has_no_ratios() -> None:
    returns = np.full(100, 0.001)
    returns[40] = -1.0
    got = measure(returns)
    for name in ("total_return", "sharpe", "sortino", "calmar", "cagr", "max_drawdown", "volatility"):
        assert got[name].value is None
        assert "fell to 0 or below on 2015-02-26" in got[name].reason


def test_an_unknown_value_is_named() -> None:
    returns = np.full(100, 0.001)
    returns[3] = np.nan
    assert measure(returns)["sharpe"].reason == "the account has no value on 2015-01-06"


def test_nothing_at_all() -> None:
    none = np.zeros(0)
    got = compute_metrics(none.astype("datetime64[D]"), none, none, starting_cash=1.0)
    assert all(metric.value is None and metric.reason for metric in got.values() if metric.unit != "count")


def test_flat_account() -> None:
    got = measure(np.zeros(300))
    assert got["total_return"].value == 0.0 and got["volatility"].value == 0.0
    assert got["max_drawdown"].value == 0.0 and got["max_drawdown_duration"].value == 0.0
    assert got["sharpe"].reason == "the returns do not vary"
    assert got["calmar"].reason == "the account was never under water"


@given(
    returns=arrays(
        np.float64,
        st.integers(0, 120),
        elements=st.floats(allow_nan=True, allow_infinity=True) | st.floats(-2, 2) | st.just(0.0),
    )
)
def test_no_nan_and_no_infinity_ever_leaves(returns: np.ndarray) -> None:
    dates = weekdays(len(returns))
    value = np.where(returns == returns, returns, 0.0)
    got = compute_metrics(
        dates,
        returns,
        value,
        starting_cash=1.0,
        exposure=(returns, returns),
        turnover=returns,
        trades=[],
        benchmark=("B", dates, returns[::-1]),
    )
    for metric in got.values():
        assert (metric.value is None) == bool(metric.reason)
    json.dumps({name: metric.value for name, metric in got.items()}, allow_nan=False)


def test_metric_refuses_none_without_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Metric("x", None, "ratio", "", "", 0)
    assert Metric("x", math.inf, "ratio", "", "", 0).reason == "the calculation gave inf"


def test_metric_text() -> None:
    def text(value: float | None, unit: str) -> str:
        return Metric("x", value, unit, "", "", 1, "" if value is not None else "why").text()  # type: ignore[arg-type]

    assert text(0.1234, "percent") == "12.34 %"
    assert text(1.5, "ratio") == "1.50"
    assert text(34.0, "days") == "34 days"
    assert text(12345.0, "count") == "12,345" and text(2.25, "count") == "2.2"
    assert text(-1234.5, "money") == "-1,234.50"
    assert text(None, "money") == "–"


def test_same_names_in_the_same_order_whatever_is_missing() -> None:
    dates, returns = weekdays(5), np.zeros(5)
    bare = compute_metrics(dates, returns, returns, starting_cash=1.0)
    full = compute_metrics(
        dates, returns, returns, starting_cash=1.0, exposure=(returns, returns), turnover=returns, trades=[]
    )
    assert list(bare) == list(full)
    assert bare["trades"].reason == "trades were not recorded"
    assert bare["exposure_gross"].reason == "positions were not recorded"
    assert bare["alpha"].reason == "no benchmark was given"
