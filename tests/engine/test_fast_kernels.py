"""Indicators by whole columns are Backtrader's own, to the last bit, on columns of every kind."""

from __future__ import annotations

import warnings
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from worlds import always_open

from robo_trader.engine import EngineSettings, run
from robo_trader.engine.fast import arrays

IND = bt.indicators
#: Every one with a kernel somewhere below it, and some without.
MAKERS: dict[str, Any] = {
    "sma": lambda d, n: IND.SMA(d, period=n),
    "ema": lambda d, n: IND.EMA(d, period=n),
    "smma": lambda d, n: IND.SMMA(d, period=n),
    "wma": lambda d, n: IND.WMA(d, period=n),
    "dema": lambda d, n: IND.DEMA(d, period=n),
    "hma": lambda d, n: IND.HMA(d, period=max(n, 4)),
    "kama": lambda d, n: IND.KAMA(d, period=n),
    "zlema": lambda d, n: IND.ZLEMA(d, period=n),
    "rsi": lambda d, n: IND.RSI(d, period=n, safediv=True),
    "rsi of ema": lambda d, n: IND.RSI_EMA(d, period=n, safediv=True),
    "atr": lambda d, n: IND.ATR(d, period=n),
    "macd": lambda d, n: IND.MACDHisto(d, period_me1=n, period_me2=n + 3, period_signal=2),
    "bollinger": lambda d, n: IND.BollingerBands(d, period=n),
    "deviation": lambda d, n: IND.StdDev(d, period=n),
    "mean deviation": lambda d, n: IND.MeanDev(d, period=n),
    "roc": lambda d, n: IND.ROC(d, period=n),
    "momentum": lambda d, n: IND.MomentumOscillator(d, period=n),
    "highest": lambda d, n: IND.Highest(d.high, period=n),
    "lowest": lambda d, n: IND.Lowest(d.low, period=n),
    "sum": lambda d, n: IND.SumN(d.volume, period=n),
    "any": lambda d, n: IND.AnyN(d.close > d.open, period=n),
    "all": lambda d, n: IND.AllN(d.close > d.open, period=n),
    "accumulated": lambda d, n: IND.Accum(d.close - d.open),
    "cross": lambda d, n: IND.CrossOver(IND.SMA(d, period=n), IND.EMA(d, period=n)),
    "cross up": lambda d, n: IND.CrossUp(d.close, IND.SMA(d, period=n)),
    "stochastic": lambda d, n: IND.Stochastic(d, period=n, safediv=True),
    "williams": lambda d, n: IND.WilliamsR(d, period=n),
    "cci": lambda d, n: IND.CCI(d, period=n),
    "adx": lambda d, n: IND.AverageDirectionalMovementIndex(d, period=n),
    "aroon": lambda d, n: IND.AroonUpDown(d, period=n),
    "vortex": lambda d, n: IND.Vortex(d, period=n),
    "pivot": lambda d, n: IND.PercentRank(d, period=n),
    "operators": lambda d, n: (2 - d.close / 3) * d.open + abs(d.low - d.high(-1)),
    "powers": lambda d, n: (d.close / d.open) ** 2,
    "if": lambda d, n: bt.If(d.close >= d.open, d.high, -1.5),
    "logic": lambda d, n: bt.Or(bt.And(d.close > d.open, d.high != d.close), d.low == d.open),
    "most": lambda d, n: bt.Max(d.open(-1), d.close, 3.0),
    "least": lambda d, n: bt.Min(d.open, d.close(-2)),
    "total": lambda d, n: bt.Sum(d.open, d.close, d.volume),
}


class Columns(bt.Strategy):
    """Keeps every line of the indicators that it is told to make."""

    params = (("names", ()), ("period", 3), ("out", None))

    def __init__(self) -> None:
        self.made = [MAKERS[name](self.data, self.p.period) for name in self.p.names]

    def stop(self) -> None:
        for name, made in zip(self.p.names, self.made, strict=True):
            for line in getattr(made, "lines", [made]):
                self.p.out.append((name, np.array(line.array).tobytes()))


def columns(engine: str, frame: Any, names: tuple[str, ...], period: int) -> tuple[list[Any], Any]:
    out: list[Any] = []
    params = {"names": names, "period": period, "out": out}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        record = run([frame], Columns, params, settings=EngineSettings(engine=engine))
    return out, record.failure and record.failure.message


def prices(seed: int, n: int, scale: float, tick: float | None, calm: float) -> Any:
    rng = np.random.default_rng(seed)
    close = scale * np.exp(np.cumsum(rng.normal(0, calm, n)))
    opened = np.concatenate(([scale], close[:-1])) * np.where(rng.random(n) < 0.5, 1.0, 1 + calm / 3)
    rows = np.column_stack([opened, np.maximum(opened, close), np.minimum(opened, close), close])
    rows *= 1 + calm * np.array([0, 1, -1, 0]) * rng.random((n, 1)) * 0.5
    if tick is not None:
        rows = np.maximum(np.round(rows / tick) * tick, tick)
        rows[:, 1], rows[:, 2] = rows.max(axis=1), rows.min(axis=1)
    frame = always_open("A", rows)
    return frame


@given(
    names=st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=6, unique=True).map(tuple),
    period=st.sampled_from([2, 3, 5, 14, 60]),
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([130, 400]),
    scale=st.sampled_from([1e-7, 0.3, 0.7, 100.0, 65_000.0, 1e13]),
    tick=st.sampled_from([None, None, 0.01, 0.25]),
    calm=st.sampled_from([0.0, 0.001, 0.02, 0.5]),
)
def test_every_line_of_every_indicator_has_backtraders_bits(
    names: tuple[str, ...], period: int, seed: int, n: int, scale: float, tick: float | None, calm: float
) -> None:
    frame = prices(seed, n, scale, tick, calm)
    fast, failed = columns("fast", frame, names, period)
    plain, failed_too = columns("plain", frame, names, period)
    assert failed == failed_too
    for mine, theirs in zip(fast, plain, strict=True):
        assert mine == theirs, mine[0]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_each_alone(name: str) -> None:
    frame = prices(7, 200, 100.0, 0.01, 0.01)
    (fast, failed), (plain, _) = (columns(engine, frame, (name,), 5) for engine in ("fast", "plain"))
    assert failed is None and fast == plain and fast


@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=40),
    period=st.integers(1, 8),
)
@example(values=[0.5, 0.75, 0.9, 0.6, 0.51, 0.99, 0.7, 0.8], period=3)  # their binary exponent is 0
@example(values=[0.0] * 8, period=3)
def test_window_sums_are_exact_or_not_given(values: list[float], period: int) -> None:
    from math import fsum

    found = arrays.window_sums(np.array(values), period)
    if found is None:
        return
    try:
        wanted = [fsum(values[i : i + period]) for i in range(len(values) - period + 1)]
    except OverflowError:
        raise AssertionError("sums were given where Backtrader raises") from None
    assert found.tolist() == wanted
