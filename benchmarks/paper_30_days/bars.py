"""The bars of the three rehearsals: real days, real hours, and minutes that a generator made up.

Days and the calendar of the minutes come from the bars that are bundled with robo_trader; the hours lie
beside this file, see README.md for their source.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import robo_trader

HERE = Path(__file__).parent
#: The names say that nobody can mistake these for a company.
SYNTHETIC = ("SYN1", "SYN2", "SYN3", "SYN4", "SYN5")
#: A year's volatility of the made-up prices, by symbol.
_VOLATILITY = (0.15, 0.20, 0.25, 0.30, 0.40)
_MINUTES = 390
_YEAR = 252 * _MINUTES


def hours() -> robo_trader.BarFrame:
    """Return SPY's real hourly bars; their stamps mark the start, in New York."""
    table = pd.read_csv(HERE / "SPY_60m.csv", parse_dates=["time"], index_col="time")
    return robo_trader.BarFrame.from_pandas(table, symbol="SPY", stamps="start", tz="America/New_York")


def minutes(seed: int, sessions: list[str]) -> dict[str, robo_trader.BarFrame]:
    """Return a minute bar for every minute of `sessions`, for five symbols. Made up, every one of them.

    Prices are random walks whose drift turns every few hours, so that averages cross; a session opens a
    little away from where the one before closed.
    """
    starts = np.concatenate([_session(day) for day in sessions])
    return {
        name: _walk(name, starts, np.random.default_rng([seed, k]), _VOLATILITY[k])
        for k, name in enumerate(SYNTHETIC)
    }


def _session(day: str) -> np.ndarray:
    opens = pd.Timestamp(f"{day} 09:30", tz="America/New_York").tz_convert("UTC")
    return opens.value + 60 * 10**9 * np.arange(_MINUTES, dtype=np.int64)


def _walk(name: str, starts: np.ndarray, rng: np.random.Generator, volatility: float) -> robo_trader.BarFrame:
    n = len(starts)
    step = volatility / np.sqrt(_YEAR)
    drift = np.repeat(rng.normal(0.0, 0.12 * step, n // 130 + 1), 130)[:n]
    gaps = np.where(np.arange(n) % _MINUTES == 0, rng.normal(0.0, volatility / 60, n), 0.0)
    close = 100.0 * np.exp(np.cumsum(drift + gaps + rng.normal(0.0, step, n)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(gaps)
    wick = np.abs(rng.normal(0.0, step, (2, n)))
    prices = {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + wick[0]),
        "low": np.minimum(opened, close) * (1 - wick[1]),
        "close": close,
    }
    columns = {key: np.round(values, 2) for key, values in prices.items()}
    columns["volume"] = rng.integers(2_000, 20_000, n).astype(float)
    table = pd.DataFrame(columns, index=pd.to_datetime(starts, utc=True))
    return robo_trader.BarFrame.from_pandas(table, symbol=name, stamps="start", timeframe="1m")
