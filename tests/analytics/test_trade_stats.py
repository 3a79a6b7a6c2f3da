"""Figures of closed trades, by hand and against pyfolio's; Wilson's interval against published values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import ModuleType

import pandas as pd
import pytest

from robo_trader.analytics import Metric, Trade, build_trades
from robo_trader.analytics.trade_stats import measure_trades, wilson
from robo_trader.records import Fill

T0 = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


def trade(net: float | None, *, commission: float = 0.0, bars: int | None = 3, open_: bool = False) -> Trade:
    return Trade(
        trade_id=1,
        symbol="A",
        side="BUY",
        size=1.0,
        entry_time=T0,
        entry_price=100.0,
        exit_time=None if open_ else T0 + timedelta(days=1),
        exit_price=None if open_ else 101.0,
        pnl=None if net is None else net + commission,
        commission=commission,
        pnl_net=net,
        bars=bars,
        because="",
    )


def measured(trades: list[Trade] | None) -> dict[str, Metric]:
    return {metric.name: metric for metric in measure_trades(trades)}


def test_by_hand() -> None:
    got = measured(
        [trade(30.0, commission=1.0), trade(-10.0), trade(0.0), trade(-5.0), trade(99.0, open_=True)]
    )
    values = {name: metric.value for name, metric in got.items()}
    assert values["trades"] == 5 and values["trades_closed"] == 4 and values["trades_open"] == 1
    assert values["win_rate"] == 0.25
    assert got["win_rate"].extra["even"] == 1
    assert values["profit_factor"] == 2.0
    assert values["expectancy"] == 3.75
    assert (values["avg_win"], values["avg_loss"], values["payoff_ratio"]) == (30.0, -7.5, 4.0)
    assert (values["largest_win"], values["largest_loss"]) == (30.0, -10.0)
    assert values["avg_bars"] == 3.0 and values["commission"] == 1.0
    assert got["win_rate"].n == 4 and got["win_rate"].sampling == "closed trades"


def test_a_trade_that_commissions_ate_is_a_loss() -> None:
    assert measured([trade(-0.5, commission=1.0)])["win_rate"].value == 0.0


@pytest.mark.parametrize(
    ("trades", "name", "reason"),
    [
        ([], "win_rate", "no closed trade"),
        ([], "expectancy", "no closed trade"),
        ([trade(1.0)], "profit_factor", "no losing trade"),
        ([trade(1.0)], "avg_loss", "no losing trade"),
        ([trade(-1.0)], "avg_win", "no winning trade"),
        ([trade(-1.0)], "payoff_ratio", "no winning trade"),
        ([trade(1.0, bars=None)], "avg_bars", "bars were not counted"),
        (None, "trades", "trades were not recorded"),
    ],
)
def test_reasons(trades: list[Trade] | None, name: str, reason: str) -> None:
    metric = measured(trades)[name]
    assert metric.value is None and metric.reason == reason


def test_losses_alone_have_a_profit_factor_of_zero() -> None:
    assert measured([trade(-1.0)])["profit_factor"].value == 0.0


def test_wilson_as_published() -> None:
    """Newcombe (1998), table I, method 3 (score, no continuity correction): 81 of 263, and 0 of 20."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
def test_profits_equal_pyfolios_round_trips(pyfolio: ModuleType) -> None:
    """pyfolio splits a round trip by lots; the sum of profits of what closed is the same."""
    plan = [("BUY", 10, 100.0), ("SELL", 4, 104.0), ("SELL", 6, 101.0), ("SELL", 5, 102.0), ("BUY", 5, 99.5)]
    fills = [
        Fill(
            time=T0 + timedelta(days=i),
            symbol="A",
            side="BUY" if side == "BUY" else "SELL",
            size=float(size),
            price=price,
            commission=0.0,
            order_id=i,
        )
        for i, (side, size, price) in enumerate(plan)
    ]
    frame = pd.DataFrame(
        {"amount": [10, -4, -6, -5, 5], "price": [p for _, _, p in plan], "symbol": "A"},
        index=pd.DatetimeIndex([f.time for f in fills]),
    )
    theirs = pyfolio.round_trips.extract_round_trips(frame)
    mine = build_trades(fills)
    assert sum(t.pnl for t in mine if t.pnl is not None) == pytest.approx(float(theirs.pnl.sum()))
