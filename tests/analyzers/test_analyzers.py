"""The analyzers in a plain Cerebro say what analytics says of the same account."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from robo_trader.analytics import compute_metrics, drawdowns
from robo_trader.analyzers import Drawdown, Sharpe


class InAndOut(bt.Strategy):
    """Long every other week; may pay money in on one bar."""

    params = (("deposit_at", 0), ("trade", True))

    def next(self) -> None:
        if len(self) == self.p.deposit_at:
            self.broker.add_cash(50_000.0)
        if self.p.trade and len(self) % 5 == 0:
            if self.position:
                self.close()
            else:
                self.buy(size=300)


class Values(bt.Analyzer):
    """The fund's value at each midnight, and at the end."""

    def start(self) -> None:
        self.at_midnight: list[float] = []
        self.last = (0, 0.0)

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        now = self.strategy.datetime.datetime()
        self.last = (now.hour, fundvalue)
        if now.hour == 0:
            self.at_midnight.append(fundvalue)

    def stop(self) -> None:
        if self.last[0]:
            self.at_midnight.append(self.last[1])


def prices(n: int, freq: str = "B", seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(2e-4, 0.01, n)))
    open_ = close * np.exp(rng.normal(0, 0.003, n))
    top, low = np.maximum(open_, close) * 1.005, np.minimum(open_, close) * 0.995
    index = pd.date_range("2020-01-01", periods=n, freq=freq)
    return pd.DataFrame(dict(open=open_, high=top, low=low, close=close, volume=1.0), index=index)


def run(*frames: pd.DataFrame, intraday: bool = False, rf: float = 0.0, **params: Any) -> Any:
    cerebro = bt.Cerebro(stdstats=False)
    unit = bt.TimeFrame.Minutes if intraday else bt.TimeFrame.Days
    for frame in frames:
        cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=unit))
    cerebro.broker.setcash(100_000.0)
    cerebro.broker.set_fundmode(True)
    cerebro.addstrategy(InAndOut, **params)
    cerebro.addanalyzer(Sharpe, _name="sharpe", rf=rf)
    cerebro.addanalyzer(Values, _name="values")
    cerebro.addanalyzer(Drawdown, _name="drawdown", top=3)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="returns", timeframe=bt.TimeFrame.Days, fund=True)
    kept = dict(timeframe=bt.TimeFrame.Days, riskfreerate=0.0, stddev_sample=True, fund=True)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio_A, _name="theirs", **kept)
    (strategy,) = cerebro.run()
    return strategy.analyzers


@pytest.mark.parametrize("rf", [0.0, 0.03])
def test_equal_to_analytics(rf: float) -> None:
    got = run(prices(400), rf=rf)
    series = got.returns.get_analysis()
    dates = np.array([d.date() for d in series], dtype="datetime64[D]")
    returns = np.array(list(series.values()))
    metrics = compute_metrics(dates, returns, 1e5 * np.cumprod(1 + returns), starting_cash=1e5, rf=rf)
    sharpe, drawdown = got.sharpe.get_analysis(), got.drawdown.get_analysis()
    assert sharpe["sharpe"] == pytest.approx(metrics["sharpe"].value, rel=1e-12)
    assert sharpe["low"] == pytest.approx(metrics["sharpe_low"].value, rel=1e-12)
    assert (sharpe["n"], sharpe["rf"], sharpe["factor"], sharpe["reason"]) == (400, rf, 252.0, "")
    worst = metrics["max_drawdown"]
    assert drawdown["max_drawdown"] == pytest.approx(worst.value, rel=1e-12)
    assert [drawdown[k] for k in ("peak", "valley", "recovery")] == [
        worst.extra[k] for k in ("peak", "valley", "recovery")
    ]
    assert drawdown["max_duration"] == metrics["max_drawdown_duration"].value
    assert len(drawdown["spells"]) == 3
    assert [s["peak"] for s in drawdown["spells"]] == [str(s.peak) for s in drawdowns(dates, returns, 3)]
    json.dumps([sharpe, drawdown], allow_nan=False)


def test_equal_to_backtraders_own_where_that_is_right() -> None:
    got = run(prices(400))
    assert got.sharpe.get_analysis()["sharpe"] == pytest.approx(
        got.theirs.get_analysis()["sharperatio"], rel=1e-12
    )


def test_money_paid_in_is_no_return() -> None:
    plain, paid = run(prices(300)), run(prices(300), deposit_at=150)
    assert paid.sharpe.get_analysis()["sharpe"] != plain.sharpe.get_analysis()["sharpe"]
    deposit = paid.sharpe.returns[150]
    assert abs(deposit) < 0.05  # a deposit of half the account would be 0.5
    assert paid.drawdown.get_analysis()["max_drawdown"] > -0.5


def test_intraday_bars_are_sampled_at_the_last_bar_of_each_day() -> None:
    got = run(prices(24 * 60, freq="h"), intraday=True)
    sharpe = got.sharpe.get_analysis()
    # The bar stamped 00:00 on the first day ended the day before it.
    assert sharpe["n"] == 61 and sharpe["factor"] == 365.0
    assert str(got.sharpe.dates[0]) == "2019-12-31"
    closes = got.values.at_midnight
    assert got.sharpe.returns.tolist() == pytest.approx(
        [b / a - 1 for a, b in pairwise([100.0, *closes])], rel=1e-9
    )


def test_two_clocks_make_one_value_a_day() -> None:
    first = prices(100)
    later = prices(100, seed=2)
    later.index = later.index + pd.Timedelta(minutes=15)
    assert run(first, later).sharpe.get_analysis()["n"] == 100


def test_reasons() -> None:
    short = run(prices(29)).sharpe.get_analysis()
    assert short["sharpe"] is None and short["reason"] == "29 daily returns; 30 needed"
    still = run(prices(60), trade=False)
    assert still.sharpe.get_analysis()["reason"] == "the returns do not vary"
    assert still.drawdown.get_analysis()["max_drawdown"] == 0.0
    assert still.drawdown.get_analysis()["peak"] is None
