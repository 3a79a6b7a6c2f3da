"""The crossover: when it buys and sells, what it refuses, and that nothing heavy loads with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from robo_sma_cross.strategy import SmaCross

import robo_trader
from robo_trader import UsageError

#: Flat, up, down: the fast average of 2 crosses the slow one of 4 upwards once and downwards once.
CLOSES = [100.0] * 5 + [101, 103, 106, 110, 114] + [113, 108, 102, 97, 93, 90, 88]


class Recorded(SmaCross):
    """Keeps every order with the date and the reason it was made for."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[str, str, str]] = []

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        if order.status == order.Completed:
            day = bt.num2date(order.executed.dt).date().isoformat()
            self.made.append((day, "BUY" if order.isbuy() else "SELL", order.info["because"]))


def run(*series: list[float], **params: Any) -> Recorded:
    """Run the strategy in plain Backtrader on daily bars that open at the close before them."""
    cerebro = bt.Cerebro(stdstats=False)
    for closes in series:
        close = np.array(closes, dtype=float)
        frame = pd.DataFrame(
            {"open": np.append(close[:1], close[:-1]), "close": close, "volume": 1000.0},
            index=pd.date_range("2024-01-01", periods=len(close)),
        )
        frame["high"], frame["low"] = (
            frame[["open", "close"]].max(axis=1),
            frame[["open", "close"]].min(axis=1),
        )
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.broker.setcash(100_000.0)
    cerebro.addstrategy(Recorded, **{"fast": 2, "slow": 4, **params})
    (strategy,) = cerebro.run()
    return strategy  # type: ignore[no-any-return]


def test_it_buys_after_the_upward_and_sells_after_the_downward_crossing() -> None:
    strategy = run(CLOSES)
    # The averages part on the sixth bar and swap on the twelfth; orders fill at the next open.
    assert [(day, side) for day, side, _ in strategy.made] == [("2024-01-07", "BUY"), ("2024-01-13", "SELL")]
    assert strategy.made[0][2] == "SMA(2) 100.50 above SMA(4) 100.25"
    assert strategy.made[1][2] == "SMA(2) 110.50 below SMA(4) 111.25"


def test_the_weight_is_shared_by_all_symbols() -> None:
    strategy = run(CLOSES[:8], [10 * c for c in CLOSES[:8]], weight=0.5)
    values = [strategy.getposition(d).size * strategy.getposition(d).price for d in strategy.bars]
    assert values == pytest.approx([25_000.0, 25_000.0], rel=0.05)


def test_a_symbol_with_an_order_at_work_is_left_alone() -> None:
    class Waiting(Recorded):
        def buy(self, **kwargs: Any) -> Any:
            # A limit far below the market stays open, as an order without a new bar would.
            return super().buy(**{**kwargs, "exectype": bt.Order.Limit, "price": 1.0})

    cerebro = bt.Cerebro(stdstats=False)
    frame = pd.DataFrame(
        dict.fromkeys(("open", "high", "low", "close"), CLOSES),
        index=pd.date_range("2024-01-01", periods=len(CLOSES)),
    )
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Waiting, fast=2, slow=4)
    (strategy,) = cerebro.run()
    assert len(strategy.broker.orders) == 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"fast": 50, "slow": 20}, "fast=50 and slow=20 do not make a crossover"),
        ({"fast": 0}, "fast=0 and slow=4"),
        ({"weight": 0.0}, "weight=0.0 must be above 0"),
        ({"weight": 1.5}, "weight=1.5"),
    ],
)
def test_contradicting_parameters_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(CLOSES, **params)


def test_registering_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, robo_sma_cross\n"
        "class Add:\n"
        "    def strategy(self, name, target): print(name, target)\n"
        "robo_sma_cross.robo_register(Add())\n"
        "print([m for m in ('backtrader', 'numpy', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["sma_cross robo_sma_cross.strategy:SmaCross", "[]"]


def test_it_runs_in_robo_trader_and_every_order_has_its_reason() -> None:
    days = pd.bdate_range("2024-01-02", periods=len(CLOSES))
    days = days[days != pd.Timestamp("2024-01-15")]  # a holiday in New York
    close = np.array(CLOSES[: len(days)], dtype=float)
    opened = np.append(close[:1], close[:-1])
    frame = pd.DataFrame(
        {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close},
        index=days,
    )
    frame.attrs["symbol"] = "XYZ"
    result = robo_trader.backtest(SmaCross, bars=frame, params={"fast": 2, "slow": 4}, cash=100_000.0)
    fills = result.record.fills
    assert [(f.time.date().isoformat(), f.side, f.price, f.because) for f in fills] == [
        ("2024-01-10", "BUY", 101.0, "SMA(2) 100.50 above SMA(4) 100.25"),
        ("2024-01-19", "SELL", 108.0, "SMA(2) 110.50 below SMA(4) 111.25"),
    ]
    assert result.metrics["trades"] == 1
