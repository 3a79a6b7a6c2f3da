"""Sampling, drawdowns with their dates, monthly returns."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robo_trader.analytics import daily_returns, drawdown_series, drawdowns, monthly_returns, sampling_of

small = st.floats(-0.3, 0.3, allow_subnormal=False)


def weekdays(n: int, first: str = "2015-01-01") -> np.ndarray:
    return np.busday_offset(np.datetime64(first), np.arange(n), roll="forward")


def test_daily_returns_begin_with_the_start() -> None:
    assert daily_returns(np.array([110.0, 99.0]), 100.0).tolist() == pytest.approx([0.1, -0.1])


@pytest.mark.parametrize(
    ("step", "name", "factor"),
    [("D", "daily returns", 365.0), ("W", "weekly returns", 52.0), ("M", "monthly returns", 12.0)],
)
def test_sampling(step: str, name: str, factor: float) -> None:
    dates = np.arange("2015-01", "2018-01", dtype=f"datetime64[{step}]").astype("datetime64[D]")
    got = sampling_of(dates)
    assert (got.name, got.factor) == (name, factor)


def test_sampling_of_weekdays_holidays_and_sunday_sessions() -> None:
    days = weekdays(500)
    assert sampling_of(days[np.arange(500) % 23 != 0]).factor == 252.0
    # Sunday to Thursday is a week with weekends: one of the two days is not enough.
    weekday = (np.arange(700) + 3) % 7
    assert sampling_of((np.datetime64("1970-01-01") + np.arange(700))[weekday != 5]).factor == 252.0


def test_irregular_sampling_counts_what_a_year_had() -> None:
    dates = np.datetime64("2015-01-01") + 3 * np.arange(400)
    got = sampling_of(dates)
    assert got.name == "irregular returns" and got.factor == pytest.approx(365.25 / 3)


def test_drawdown_by_hand() -> None:
    dates = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], "datetime64[D]")
    returns = daily_returns(np.array([100.0, 110, 99, 104.5, 110]), 100.0)
    (spell,) = drawdowns(dates, returns)
    assert spell.as_dict() == {
        "depth": pytest.approx(-0.1),
        "peak": "2024-01-02",
        "valley": "2024-01-03",
        "recovery": "2024-01-05",
        "days": 3,
        "sessions": 3,
    }


def test_drawdown_from_the_very_start_without_recovery() -> None:
    dates = weekdays(3, "2024-01-01")
    (spell,) = drawdowns(dates, np.array([-0.1, 0.05, 0.01]))
    assert spell.depth == pytest.approx(-0.1)
    assert (spell.peak, spell.valley, spell.recovery) == (dates[0], dates[0], None)
    assert spell.days == 2 and spell.sessions == 3


def test_rounding_is_no_drawdown() -> None:
    returns = np.array([0.1, 0.0, 1 / 3, -0.25, 1 / 3, 0.0])
    spells = drawdowns(weekdays(6), returns)
    assert [round(s.depth, 6) for s in spells] == [-0.25]
    assert drawdowns(weekdays(3), np.array([0.1, -1e-16, 0.0])) == []


@given(returns=arrays(np.float64, st.integers(2, 150), elements=small))
def test_drawdowns_equal_empyrical_and_cover_all_of_it(empyrical: ModuleType, returns: np.ndarray) -> None:
    dates = weekdays(len(returns))
    series = drawdown_series(returns)
    np.testing.assert_allclose(series, empyrical.stats.drawdown_series(returns), rtol=0, atol=1e-12)
    spells = drawdowns(dates, returns)
    assert all(a.depth <= b.depth for a, b in pairwise(spells))
    assert min((s.depth for s in spells), default=0.0) == pytest.approx(min(series.min(), 0.0), abs=1e-12)
    assert sum(s.recovery is None for s in spells) <= 1
    under = {d for d, depth in zip(dates, series, strict=True) if depth < -1e-12}
    covered = set()
    for s in spells:
        assert series[dates == s.valley][0] == s.depth
        end = s.recovery if s.recovery is not None else dates[-1] + np.timedelta64(1, "D")
        covered |= {d for d in dates if s.peak < d < end or (d == s.peak and d in under)}
    assert under <= covered
    assert drawdowns(dates, returns, 2) == spells[:2]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pyfolio's own, with pandas 3.1
def test_table_equals_pyfolios(pyfolio: ModuleType) -> None:
    """The same spells as pyfolio's table, which knows business days only and needs a rise at first."""
    returns = np.random.default_rng(4).normal(3e-4, 0.012, 1500)
    returns[0] = 0.01
    dates = weekdays(1500)
    series = pd.Series(returns, index=pd.DatetimeIndex(dates, tz="UTC"))
    table = pyfolio.timeseries.gen_drawdown_table(series, top=8)
    for spell, (_, row) in zip(drawdowns(dates, returns, 8), table.iterrows(), strict=True):
        assert -100 * spell.depth == pytest.approx(row["Net drawdown in %"], rel=1e-12)
        assert str(spell.peak) == f"{row['Peak date']:%Y-%m-%d}"
        assert str(spell.valley) == f"{row['Valley date']:%Y-%m-%d}"
        theirs = row["Recovery date"]
        assert (None if pd.isna(theirs) else f"{theirs:%Y-%m-%d}") == (
            None if spell.recovery is None else str(spell.recovery)
        )


@given(returns=arrays(np.float64, st.integers(1, 200), elements=small))
def test_monthly_returns_equal_empyricals(empyrical: ModuleType, returns: np.ndarray) -> None:
    dates = np.datetime64("2015-01-20") + np.arange(len(returns))
    series = pd.Series(returns, index=pd.DatetimeIndex(dates))
    theirs = empyrical.aggregate_returns(series, "monthly")
    mine = monthly_returns(dates, returns)
    assert [(m.year, m.month) for m in mine] == list(theirs.index)
    np.testing.assert_allclose([m.value for m in mine], theirs.to_numpy(), rtol=0, atol=1e-12)
    assert sum(m.n for m in mine) == len(returns)


def test_no_returns_no_months() -> None:
    none = np.zeros(0)
    assert monthly_returns(none.astype("datetime64[D]"), none) == []
    assert drawdowns(none.astype("datetime64[D]"), none) == []
