"""Bars for the audit of parity: the shared minute days, and series of the tests' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MINUTE_DAYS = ("20131007", "20131008", "20131009", "20131010", "20131011", "20230803")


def minute_days(data_dir: Path) -> pd.DataFrame:
    """The six minute days of SPY, regular hours, prices in dollars."""
    parts = []
    for day in MINUTE_DAYS:
        path = data_dir / "open" / "bars_intraday" / "lean" / f"spy_{day}_trade_1min.csv"
        rows = pd.read_csv(path, header=None, names=["ms", "open", "high", "low", "close", "volume"])
        rows.index = pd.Timestamp(day).tz_localize("America/New_York") + pd.to_timedelta(rows.pop("ms"), "ms")
        rows[["open", "high", "low", "close"]] /= 10_000
        parts.append(rows.between_time("09:30", "15:59"))
    return pd.concat(parts).rename_axis("datetime")


def walk(
    index: pd.DatetimeIndex, seed: int = 1, *, start: float = 100.0, step: float = 0.01, tick: float = 0.01
) -> pd.DataFrame:
    """A random walk on the tick over `index`."""
    rng = np.random.default_rng(seed)
    n = len(index)
    close = start * np.exp(np.cumsum(rng.normal(0.0002, step, n)))
    opened = np.concatenate(([start], close[:-1])) * np.exp(rng.normal(0, step / 3, n))
    high = np.maximum(opened, close) * (1 + rng.random(n) * step)
    low = np.minimum(opened, close) * (1 - rng.random(n) * step)
    table = {"open": opened, "high": high, "low": low, "close": close}
    rounded = {name: np.round(np.round(values / tick) * tick, 8) for name, values in table.items()}
    return pd.DataFrame({**rounded, "volume": np.full(n, 1e6)}, index=index)


def days(n: int = 260, seed: int = 1, first: str = "2019-01-02", **more: float) -> pd.DataFrame:
    """So many daily bars of New York's sessions."""
    from robo_trader.calendars import get_calendar

    stop = np.datetime64(first) + np.timedelta64(n * 2, "D")
    sessions = np.arange(np.datetime64(first), stop)
    there = get_calendar("XNYS").session_bounds(sessions)[2]
    return walk(pd.DatetimeIndex(sessions[there][:n], name="date"), seed, **more)


#: A step that is on every tick and that binary floats hold exactly, so that no price is a float's digit off.
STEP = 0.25


def minutes(n_days: int = 4, seed: int = 1, first: str = "2019-07-01", every: int = 5) -> pd.DataFrame:
    """Bars of so many minutes over sessions of New York, half days (3 July) and nights included."""
    from robo_trader.calendars import get_calendar

    sessions = np.arange(np.datetime64(first), np.datetime64(first) + np.timedelta64(n_days * 2 + 3, "D"))
    opens, closes, there = get_calendar("XNYS").session_bounds(sessions)
    chosen = list(zip(opens[there], closes[there], strict=True))[:n_days]
    stamps = np.concatenate([np.arange(a, b, every * 60 * 10**9) for a, b in chosen])
    return walk(pd.DatetimeIndex(stamps, tz="UTC", name="datetime"), seed, step=0.004, tick=STEP)


def around_the_clock(hours: int = 60, seed: int = 1) -> pd.DataFrame:
    """Hours of a market that never closes."""
    index = pd.date_range("2019-03-01", periods=hours, freq="h", tz="UTC", name="datetime")
    return walk(index, seed, step=0.01, tick=STEP)


def told(symbols: tuple[str, ...], stamps: pd.DatetimeIndex, seed: int, n: int = 40) -> list[Any]:
    """So many events of the tests' own about `symbols`, some exactly when bars end."""
    from robo_trader import Event

    rng = np.random.default_rng(seed)
    first, last = stamps[0], stamps[-1]
    found = []
    for i in range(n):
        at = (first + (last - first) * rng.random()).floor("s")
        if i % 3 == 0:
            at = stamps[int(rng.integers(len(stamps)))]
        title = ("Company raises its guidance", "Company cuts its guidance")[int(rng.integers(2))]
        found.append(
            Event(
                kind="news", title=title, published_at=at.to_pydatetime(), known_at=at.to_pydatetime(),
                symbols=(str(rng.choice(symbols)),), data={"written": True, "n": i},
            )
        )  # fmt: skip
    return found


def setting(what: str, seed: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Arguments, parameters of the strategy and configuration of one comparison."""
    daily = {"AAA": days(110, seed, tick=STEP), "BBB": days(110, seed + 100, start=40.0, tick=STEP)}
    params: dict[str, Any] = {"step": STEP, "spread": 0.02}
    closes = daily["AAA"].index.tz_localize("America/New_York") + pd.Timedelta(hours=16)
    match what:
        case "daily":
            return {"bars": daily, "start": "2019-02-20"}, params, {}
        case "late":
            daily["BBB"] = daily["BBB"].iloc[60:]
            return {"bars": daily, "start": "2019-05-01"}, params, {}
        case "events":
            events = told(("AAA", "BBB"), closes.tz_convert("UTC"), seed)
            return {"bars": daily, "start": "2019-02-20", "events": events}, params, {}
        case "vix":
            vix = days(110, seed + 7, start=20.0, step=0.03)
            return {"bars": {"AAA": daily["AAA"], "VIX": vix}, "start": "2019-02-20"}, params, {}
        case "minutes":
            bars = {"AAA": minutes(seed=seed)}
            return {"bars": bars, "start": "2019-07-02"}, {**params, "chance": 0.15}, {"bars.stamps": "start"}
        case "frames":
            bars = {"AAA": minutes(6, seed)}
            more = {"timeframe": "5m,1d", "start": "2019-07-05"}
            return {"bars": bars, **more}, {**params, "chance": 0.15}, {"bars.stamps": "start"}
        case "heard":
            bars = {"AAA": minutes(6, seed)}
            events = told(("AAA",), bars["AAA"].index, seed)
            more = {"timeframe": "5m,1d", "start": "2019-07-05", "events": events}
            return {"bars": bars, **more}, {**params, "chance": 0.1}, {"bars.stamps": "start"}
        case "crypto":
            flags = {"bars.stamps": "start", "run.fractional": True}
            return {"bars": {"BTC-USD": around_the_clock(120, seed)}, "start": "2019-03-02"}, params, flags
        case "future":
            about = {
                "multiplier": 50.0,
                "sec_type": "FUT",
                "tick": 0.25,
                "exchange": "CME",
                "calendar": "CMES",
            }
            flags = {"bars.symbols": {"ESX": about}, "risk.profile": "off"}
            return {"bars": {"ESX": daily["AAA"]}, "start": "2019-02-20"}, {**params, "size": 4}, flags
    raise ValueError(what)
