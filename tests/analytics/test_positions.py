"""Exposure and turnover, by hand and against pyfolio's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from robo_trader.analytics import compute_metrics, exposure, position_values, sessions_of, turnover
from robo_trader.analytics.trades import times_ns
from robo_trader.records import Fill

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
CLOSE = datetime(2024, 1, 2, 21, 0, tzinfo=UTC)


def fill(side: str, size: float, price: float, time: datetime, symbol: str = "A") -> Fill:
    return Fill(
        time=time,
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        size=size,
        price=price,
        commission=0.0,
        order_id=1,
    )


def ends(n: int, first: datetime = CLOSE) -> np.ndarray:
    return times_ns(first + timedelta(days=i) for i in range(n))


def test_exposure_by_hand() -> None:
    sizes = {"A": np.array([0.0, 10.0, 10.0]), "B": np.array([0.0, 0.0, -2.0])}
    prices = {"A": np.array([np.nan, 100.0, 110.0]), "B": np.array([50.0, 50.0, 50.0])}
    values = position_values(sizes, prices, {"B": 5.0})
    assert values["A"].tolist() == [0.0, 1000.0, 1100.0] and values["B"].tolist() == [0.0, 0.0, -500.0]
    gross, net = exposure(values, np.array([2000.0, 2000.0, 2000.0]))
    assert gross.tolist() == [0.0, 0.5, 0.8] and net.tolist() == pytest.approx([0.0, 0.5, 0.3])
    assert np.isnan(exposure(values, np.array([1.0, 0.0, -1.0]))[0][1:]).all()


def test_metrics_of_exposure() -> None:
    dates, flat = np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]"), np.zeros(3)
    shown = (np.array([0.0, 0.5, 0.8]), np.array([0.0, 0.5, -0.3]))
    got = compute_metrics(dates, flat, flat + 1, starting_cash=1.0, exposure=shown)
    assert got["exposure_gross"].value == pytest.approx(1.3 / 3) and got["exposure_gross"].extra["max"] == 0.8
    assert got["exposure_net"].extra["min"] == -0.3
    assert got["time_in_market"].value == pytest.approx(2 / 3)


def test_turnover_counts_both_sides() -> None:
    fills = [fill("BUY", 10, 100, OPEN), fill("SELL", 10, 100, OPEN + timedelta(days=1))]
    got = turnover(fills, ends(3), np.array([1000.0, 1000.0, 1000.0]), {})
    assert got.tolist() == [1.0, 1.0, 0.0]
    assert turnover([], ends(2), np.array([1.0, 1.0]), {}).tolist() == [0.0, 0.0]


def test_turnover_a_year() -> None:
    n = 40
    dates = np.busday_offset(np.datetime64("2024-01-01"), np.arange(n), roll="forward")
    flat, each = np.zeros(n), np.full(n, 0.02)
    got = compute_metrics(dates, flat, flat + 1, starting_cash=1.0, turnover=each)["turnover"]
    assert got.value == pytest.approx(0.02 * 252) and got.extra["total"] == pytest.approx(0.8)
    short = compute_metrics(dates[:19], flat[:19], flat[:19] + 1, starting_cash=1.0, turnover=each[:19])
    assert short["turnover"].reason == "19 sessions; 20 needed"


def test_turnover_equals_pyfolios(pyfolio: ModuleType) -> None:
    rng = np.random.default_rng(3)
    days = pd.bdate_range("2024-01-01", periods=30, tz="UTC")
    fills, rows = [], []
    for i in range(30):
        for _ in range(int(rng.integers(0, 3))):
            size, price = float(rng.integers(1, 20)), float(rng.uniform(50, 150))
            buy = rng.random() < 0.5
            fills.append(
                fill(
                    "BUY" if buy else "SELL", size, price, (days[i] + pd.Timedelta(hours=15)).to_pydatetime()
                )
            )
            rows.append((days[i], size if buy else -size, price))
    account = 10_000 + rng.normal(0, 100, 30).cumsum()
    positions = pd.DataFrame({"A": account * 0.3, "cash": account * 0.7}, index=days)
    txns = pd.DataFrame([r[1:] for r in rows], columns=["amount", "price"], index=[r[0] for r in rows])
    txns["symbol"] = "A"
    theirs = (
        pyfolio.txn.get_turnover(positions, txns, denominator="portfolio_value").reindex(days).fillna(0.0)
    )
    close = times_ns((day + pd.Timedelta(hours=21)).to_pydatetime() for day in days)
    np.testing.assert_allclose(turnover(fills, close, account, {}), theirs.to_numpy(), rtol=1e-12)


def test_a_fill_belongs_to_the_session_that_it_falls_in() -> None:
    fills = [
        fill("BUY", 1, 1, OPEN),
        fill("BUY", 1, 1, CLOSE),
        fill("SELL", 1, 1, CLOSE + timedelta(seconds=1)),
    ]
    assert sessions_of(fills, ends(3)).tolist() == [0, 0, 1]
    late = fill("BUY", 1, 1, CLOSE + timedelta(days=9))
    assert sessions_of([late], ends(3)).tolist() == [2]
    assert sessions_of([], ends(3)).tolist() == []


def test_at_midnight_the_positions_tell_the_day() -> None:
    """Where markets never close a session ends at the moment at which the next one opens."""
    midnight = datetime(2024, 1, 2, tzinfo=UTC)
    day_ends = times_ns(midnight + timedelta(days=i) for i in range(3))
    at_open = [fill("BUY", 2, 10, midnight), fill("SELL", 2, 10, midnight + timedelta(days=1))]
    assert sessions_of(at_open, day_ends, {"A": np.array([0.0, 2.0, 0.0])}).tolist() == [1, 2]
    at_end = [fill("BUY", 2, 10, midnight), fill("SELL", 2, 10, midnight + timedelta(days=1))]
    assert sessions_of(at_end, day_ends, {"A": np.array([2.0, 0.0, 0.0])}).tolist() == [0, 1]
    both = [fill("BUY", 2, 10, midnight), fill("BUY", 1, 10, midnight)]
    assert sessions_of(both, day_ends, {"A": np.array([2.0, 3.0, 3.0])}).tolist() == [0, 1]
    # Positions that fit neither reading leave the fills where their times put them.
    assert sessions_of(both, day_ends, {"A": np.array([7.0, 7.0, 7.0])}).tolist() == [0, 0]
    assert sessions_of(both, day_ends, {"B": np.array([7.0, 7.0, 7.0])}).tolist() == [0, 0]


def test_a_fill_at_the_last_close_stays_in_the_last_session() -> None:
    last = [fill("BUY", 2, 10, CLOSE + timedelta(days=2))]
    assert sessions_of(last, ends(3), {"A": np.zeros(3)}).tolist() == [2]
