"""Strategies that do anything at any time do the same live as in a backtest.

Prices lie on a step that binary floats hold exactly: what a price loses on the tick is `test_parity`'s.
"""

from __future__ import annotations

from typing import Any

import pytest
import tapes
import zoo

from robo_trader.audit.parity import audit_parity

COSTS = {"run.commission": 0.001, "run.slippage": 0.0005}
#: Where, who, with which seeds; the guard is on but where it would leave too little to compare.
RUNS: list[tuple[str, str, int, str]] = [
    *(("daily", "Random", seed, "off") for seed in (1, 4, 5)),
    ("daily", "Random", 2, "default"),
    *(("events", "Listener", seed, "default") for seed in (1, 3)),
    *(("events", "ListeningChain", seed, "default") for seed in (1, 2)),
    ("late", "Random", 1, "default"),
    *(("vix", "Random", seed, "default") for seed in (1, 2)),
    *(("minutes", "Random", seed, "off") for seed in (1, 2)),
    ("frames", "Random", 1, "default"),
    *(("heard", "ListeningChain", seed, "off") for seed in (12, 13)),
    *(("future", "Random", seed, "off") for seed in (1, 2, 4)),
]
#: Each kind of order alone, so that a break names it.
KINDS = (
    "market", "close", "limit", "stop", "stoplimit", "trail", "traillimit", "bracket", "sellbracket", "oco",
    "oco3,cancel", "valid_date", "valid_delta", "valid_time", "limit,replace", "bracket,cancelall",
    "market,part,reverse,flatten", "target,percent",
    "limit,stop,stoplimit,modify,modify", "trail,traillimit,modify", "bracket,sellbracket,modify,modify",
    "oco3,modify,cancel", "valid_date,valid_delta,close,modify,modify",
)  # fmt: skip


def same(strategy: type, what: str, seed: int, risk: str, **params: Any) -> Any:
    words, given, flags = tapes.setting(what, seed)
    known = strategy.params._getkeys()  # type: ignore[attr-defined]
    given = {name: value for name, value in given.items() if name in known}
    report = audit_parity(
        strategy, params={**given, **params}, **words,
        flags={**COSTS, "run.seed": seed, "risk.profile": risk, **flags},
    )  # fmt: skip
    assert report.differences == []
    return report


@pytest.mark.parametrize(("what", "strategy", "seed", "risk"), RUNS)
def test_a_random_trader_trades_the_same(what: str, strategy: str, seed: int, risk: str) -> None:
    report = same(getattr(zoo, strategy), what, seed, risk)
    assert report.backtest["fills"] >= 8


@pytest.mark.parametrize("kinds", KINDS)
def test_each_kind_of_order_is_the_same(kinds: str) -> None:
    report = same(zoo.Random, "daily", 6, "off", kinds=kinds)
    assert report.backtest["orders"] >= 20 and report.backtest["fills"] >= 1


def test_around_the_clock_the_same() -> None:
    """Whole sizes: fractions of more than nine decimals are cut off live."""
    kinds = "market,limit,stop,bracket,oco,close,valid_delta,flatten,trail"
    report = same(zoo.Random, "crypto", 1, "off", kinds=kinds, chance=0.6)
    assert report.backtest["fills"] >= 20


CHANGES = "limit,stop,stoplimit,bracket,oco,trail,modify,modify,modify,cancel"


@pytest.mark.parametrize(
    ("what", "strategy", "seed", "risk"),
    [
        ("daily", "Random", 3, "default"), ("events", "ListeningChain", 4, "off"),
        ("minutes", "Random", 3, "off"), ("heard", "Listener", 2, "default"), ("future", "Random", 5, "off"),
    ],
)  # fmt: skip
def test_who_changes_orders_at_any_moment_trades_the_same(
    what: str, strategy: str, seed: int, risk: str
) -> None:
    report = same(getattr(zoo, strategy), what, seed, risk, kinds=CHANGES, chance=0.6)
    assert report.backtest["fills"] >= 8
    assert report.backtest["decisions"] > report.backtest["orders"], "some were changes"


def test_a_stop_that_has_moved_stays_where_it_is_when_a_target_joins_it() -> None:
    report = same(zoo.Joiner, "daily", 1, "off")
    assert report.backtest["fills"] >= 8


@pytest.mark.parametrize(("what", "risk"), [("daily", "off"), ("daily", "default"), ("minutes", "off")])
def test_a_limit_that_moves_and_a_stop_that_is_raised(what: str, risk: str) -> None:
    report = same(zoo.Mover, what, 1, risk)
    assert report.backtest["fills"] >= 10
    assert report.backtest["decisions"] > report.backtest["orders"]
