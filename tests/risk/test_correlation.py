"""The correlation rule against numpy's own coefficients, and what it knows at which moment."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from accounts import DAY, Account
from guards import make_guard

from robo_trader.risk.rules import correlation
from robo_trader.risk.sectors import BROAD_INDEX


def with_history(rng: np.random.Generator, names: str, n: int = 80) -> Account:
    account = Account(dict.fromkeys(names, 10.0))
    common = rng.normal(0.0, 0.01, n)
    dates = np.datetime64("2024-01-01") + np.arange(n)
    for k, name in enumerate(names):
        own = rng.normal(0.0, 0.01 * (0.2 + 0.35 * k), n)
        walk = 50.0 * np.exp(np.cumsum((-1 if k % 3 == 2 else 1) * common + own))
        keep = np.arange(n) if k % 2 else np.sort(rng.choice(n, n - 2 * k, replace=False))
        account.history[name] = (dates[keep], walk[keep])
    return account


def by_numpy(account: Account, one: str, other: str, window: int, least: int) -> float:
    """Return the correlation of the last common sessions' returns, by numpy's own function."""
    a = dict(zip(*(column[-window - 1 :] for column in account.history[one]), strict=True))
    b = dict(zip(*(column[-window - 1 :] for column in account.history[other]), strict=True))
    days = sorted(a.keys() & b.keys())
    if len(days) - 1 < least:
        return 0.0
    x, y = (np.array([prices[d] for d in days]) for prices in (a, b))
    return float(np.corrcoef(x[1:] / x[:-1], y[1:] / y[:-1])[0, 1])


@pytest.mark.parametrize("seed", range(12))
def test_correlation_is_numpys_and_side_times_side_decides(seed: int) -> None:
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    account = with_history(rng, "ABCDEF")
    guard = make_guard(correlation={"limit": 0.6, "window": 50, "least": 30})
    for s in "ABC":
        account.positions[s] = float(dice.choice((-100, 100)))
    vetoes = 0
    for s in "DEF":
        for side in ("BUY", "SELL"):
            sign = 1 if side == "BUY" else -1
            worst = max(
                sign * math.copysign(1, account.positions[o]) * by_numpy(account, s, o, 50, 30) for o in "ABC"
            )
            decision = guard.decide([account.intent(s, side, 10)], account)[0]
            assert (decision.action == "veto") == (worst > 0.6), (s, side, worst)
            vetoes += decision.action == "veto"
            if vetoes:
                account.now += 1
    assert guard.tally.orders == 6


@pytest.mark.parametrize("seed", range(4))
def test_many_questions_of_one_moment_are_answered_as_the_first(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "_BLOCK", 7)
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(30)]
    # Each has one twin, far from it in the order in which they become known.
    n, twins = 80, rng.normal(0.0, 0.01, (15, 80))
    dates = np.datetime64("2024-01-01") + np.arange(n)
    account = Account(dict.fromkeys(names, 10.0))
    for k, name in enumerate(names):
        own = rng.normal(0.0, 0.01 * (0.2 + 0.06 * (k % 10)), n)
        common = (-1 if k % 7 == 3 else 1) * twins[k % 15]
        account.history[name] = (dates, 50.0 * np.exp(np.cumsum(common + own)))
    for name in names[:4]:
        account.positions[name] = float(rng.choice((-100, 100)))
    guard = make_guard(correlation={"limit": 0.75, "window": 60, "least": 30})
    refused = 0
    for symbol in names * 2:
        side = "BUY" if account.position(symbol) >= 0 else "SELL"
        decision = guard.decide([account.intent(symbol, side, 1)], account)[0]
        sign = 1 if side == "BUY" else -1
        worst = max(
            sign * math.copysign(1, size) * by_numpy(account, symbol, o, 60, 30)
            for o, size in account.positions.items() if size and o != symbol
        )  # fmt: skip
        assert (decision.action == "veto") == (worst > 0.75), (symbol, worst)
        refused += decision.action == "veto"
        if rng.random() < 0.5:
            continue  # It was never sent; its twin may be, and it may be asked for again.
        account.accept([decision])
        for order in list(account.orders):
            account.fill(order)
    assert 0 < refused < len(names) * 2


def test_declared_pairs_index_funds_and_short_histories_are_exempt() -> None:
    account = with_history(np.random.default_rng(3), "AB")
    account.history["B"] = account.history["A"]
    account.positions["A"] = 100.0

    def verdict(sectors: dict[str, str] | None = None, **rule: Any) -> str:
        guard = make_guard(sectors, correlation={"limit": 0.7, **rule})
        return guard.decide([account.intent("B", "BUY", 1)], account)[0].action

    assert verdict() == "veto"
    assert verdict(pairs=[["B", "A"]]) == "allow"
    assert verdict({"A": "Broad index"}) == "allow"
    assert verdict({"B": "Broad index"}) == "allow"
    account.history["B"] = tuple(column[-30:] for column in account.history["A"])
    assert verdict() == "allow", "29 returns are too few"
    guard = make_guard(correlation=0.7)
    assert guard.decide([account.intent("A", "BUY", 1)], account)[0].action == "allow", "itself"


def test_correlation_knows_only_closes_known_at_the_moment() -> None:
    account = with_history(np.random.default_rng(3), "AB")
    full = {s: account.history[s] for s in "AB"}
    account.history = {s: (d[:45], c[:45]) for s, (d, c) in full.items()}
    guard = make_guard(correlation={"limit": 0.7, "window": 60, "least": 40})
    account.positions["A"] = 100.0
    before = guard.rules["correlation"].returns  # type: ignore[attr-defined]
    guard.decide([account.intent("B", "BUY", 1)], account)
    first = before.related("B", guard.view, -1.0)
    account.history = full
    account.now += DAY
    guard.decide([account.intent("B", "BUY", 1)], account)
    assert before.related("B", guard.view, -1.0) != first


def test_usage_of_the_drawdown_and_of_the_closest_pair() -> None:
    account = with_history(np.random.default_rng(5), "ABC")
    account.positions = {"A": 100.0, "B": -100.0, "C": 100.0}
    account.session_values = [2_000.0, account.value / 0.9]
    guard = make_guard({"C": BROAD_INDEX}, drawdown=0.15, correlation={"window": 50, "least": 30})
    rows = dict(guard.usage(account))
    assert rows["drawdown"].used == pytest.approx(0.1)
    assert rows["correlation"].scope in ("A and B", "B and A"), "an index fund has no part in it"
    assert rows["correlation"].used == pytest.approx(-by_numpy(account, "A", "B", 50, 30))
    account.positions = {f"S{i}": 1.0 for i in range(60)}
    account.prices |= dict.fromkeys(account.positions, 10.0)
    account.now += 1
    assert "correlation" not in dict(guard.usage(account)), "too many pairs for a figure in passing"
