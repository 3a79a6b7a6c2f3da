"""Sizing: closed forms, bounds, and estimates that know no later trade."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import UsageError
from robo_trader.sizing import (
    Edge,
    TradeHistory,
    conviction_weight,
    edge_of,
    kelly,
    kelly_weight,
    shrunk,
    volatility,
    volatility_weight,
)

DAY = datetime(2024, 1, 2, tzinfo=UTC)
probabilities = st.floats(0, 1)
odds = st.floats(0.01, 100)


@pytest.mark.parametrize(
    ("p", "b", "f"), [(0.6, 1.0, 0.20), (0.6, 1.5, 1 / 3), (0.5, 1.0, 0.0), (0.4, 1.0, 0.0), (1.0, 2.0, 1.0)]
)
def test_kellys_closed_form(p: float, b: float, f: float) -> None:
    assert kelly(p, b) == pytest.approx(f, abs=1e-12)


@given(st.floats(0.05, 0.95), st.floats(0.2, 5))
def test_kelly_grows_capital_fastest(p: float, b: float) -> None:
    def growth(f: float) -> float:
        return p * math.log1p(b * f) + (1 - p) * math.log1p(-f)

    best = kelly(p, b)
    assert all(growth(best) >= growth(f) - 1e-12 for f in np.linspace(0, 0.99, 50))


@given(probabilities, odds, st.integers(0, 10_000), st.floats(0, 1_000))
def test_shrinking_never_leaves_the_span_from_break_even_to_the_estimate(
    p: float, b: float, n: int, k: float
) -> None:
    even = 1 / (1 + b)
    assert min(p, even) - 1e-12 <= shrunk(p, b, n, k) <= max(p, even) + 1e-12


def test_certainty_comes_with_trades() -> None:
    weights = [kelly_weight(Edge(n, round(0.6 * n), 1.0), most=1.0) for n in (5, 20, 100, 10_000)]
    assert weights == sorted(weights)
    assert weights[0] == pytest.approx(0.5 * (2 * (5 * 0.6 + 20 * 0.5) / 25 - 1))
    assert weights[-1] == pytest.approx(0.10, abs=1e-3)


@given(st.integers(0, 500), st.floats(0, 1), odds, st.floats(0, 1), st.floats(0, 1))
def test_kelly_weights_keep_their_bounds(n: int, part: float, b: float, fraction: float, most: float) -> None:
    edge = Edge(n, round(part * n), b)
    assert 0.0 <= kelly_weight(edge, fraction=fraction, most=most) <= most


def test_who_never_lost_is_believed_an_even_bet_only() -> None:
    assert kelly_weight(Edge(10, 10, math.inf), most=1.0) == pytest.approx(
        0.5 * kelly(shrunk(1.0, 1.0, 10), 1.0)
    )
    assert kelly_weight(Edge(0, 0, 0.0)) == kelly_weight(Edge(10, 0, 0.0)) == 0.0


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_conviction_grows_with_the_signal_and_is_odd(a: float, b: float, most: float) -> None:
    low, high = sorted((a, b))
    assert conviction_weight(low, most=most) <= conviction_weight(high, most=most)
    assert conviction_weight(-a, most=most) == -conviction_weight(a, most=most)
    assert abs(conviction_weight(a, most=most)) <= most


def test_conviction_of_silence_is_nothing() -> None:
    assert conviction_weight(math.nan) == 0.0
    assert conviction_weight(0.30) == pytest.approx(0.05)
    assert conviction_weight(-0.9) == -0.10


def test_volatility_is_the_sample_deviation_of_returns_a_year() -> None:
    closes = np.array([100.0, 101, 99, 102, 103, 101])
    moves = closes[1:] / closes[:-1] - 1
    assert volatility(closes, bars=5) == pytest.approx(moves.std(ddof=1) * math.sqrt(252))
    assert math.isnan(volatility(closes, bars=6))


@given(st.floats(0.001, 5), st.floats(0, 1))
def test_a_targeted_position_swings_by_the_target_or_less(vol: float, target: float) -> None:
    weight = volatility_weight(vol, target=target)
    assert weight * vol <= target + 1e-12
    assert weight == 1.0 or weight * vol == pytest.approx(target)


def test_unknown_volatility_earns_nothing() -> None:
    assert volatility_weight(math.nan) == volatility_weight(0.0) == 0.0


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-1, 1)), max_size=30), st.integers(0, 50))
def test_an_estimate_knows_no_trade_that_was_closed_later(trades: list[tuple[int, float]], cut: int) -> None:
    every, known = TradeHistory(), TradeHistory()
    for day, result in trades:
        every.add(DAY + timedelta(days=day), result)
        if day <= cut:
            known.add(DAY + timedelta(days=day), result)
    at = DAY + timedelta(days=cut)
    edge = every.edge(at)
    assert edge == known.edge(DAY + timedelta(days=99))
    results = [r for day, r in trades if day <= cut]
    assert edge.n == len(results) and edge.wins == sum(r > 0 for r in results)


def test_odds_are_the_mean_win_per_mean_loss() -> None:
    edge = edge_of([0.03, 0.01, -0.01, 0.0])
    assert (edge.n, edge.wins, edge.win_rate) == (4, 2, 0.5)
    assert edge.odds == pytest.approx(2.0)
    history = TradeHistory()
    for i, result in enumerate([-1.0, 0.5, 0.5]):
        history.add(DAY + timedelta(days=i), result)
    assert history.edge(DAY + timedelta(days=5), last=2) == Edge(2, 2, math.inf)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: kelly(1.1, 1),
        lambda: kelly(0.5, 0),
        lambda: kelly(math.nan, 1),
        lambda: kelly_weight(Edge(1, 1, 1.0), fraction=2),
        lambda: kelly_weight(Edge(1, 1, 1.0), most=-1.0),
        lambda: conviction_weight(0.1, full=0),
        lambda: volatility_weight(0.1, target=-1),
        lambda: shrunk(0.5, 1, -1),
        lambda: TradeHistory().add(DAY, math.inf),
        lambda: TradeHistory().add(DAY.replace(tzinfo=None), 0.1),
    ],
)
def test_wrong_numbers_are_refused(wrong: object) -> None:
    with pytest.raises(UsageError):
        wrong()  # type: ignore[operator]
