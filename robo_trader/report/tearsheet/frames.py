"""A run's arrays as the pandas objects that pyfolio wants.

Backtrader's own bridge to pyfolio drops every data feed but the last, so nothing of it is used.
All indexes are session dates at midnight UTC, aware, except the executions' own times. Money
includes the multiplier, so a future's position is its full contract value, and ``cash`` is what
is left of the account beside the positions: the columns of a row add up to the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.report.source import Book

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """What the panels draw from.

    `transactions` has one row a fill at its session's date, `executions` the same rows at their
    own times; `trips` are the closed trades with pyfolio's column names. `benchmark` is None where
    the run has none or they share fewer than two dates; `returns_vs` are the returns on those
    shared dates. `sectors` maps symbols to sectors, for those that somebody named. `factor` is how
    many returns make a year, `charged` whether the run paid slippage already.
    """

    returns: pd.Series
    positions: pd.DataFrame
    transactions: pd.DataFrame
    executions: pd.DataFrame
    trips: pd.DataFrame
    benchmark: pd.Series | None
    returns_vs: pd.Series | None
    sectors: Mapping[str, str]
    factor: float
    charged: bool

    @property
    def allocation(self) -> pd.DataFrame:
        """Positions as fractions of the account; NaN where the account is not above 0."""
        total = self.positions.sum(axis="columns")
        return self.positions.divide(total.where(total > 0), axis="index")


def build_frames(book: Book, config: Mapping[str, Any]) -> Frames:
    """Return the frames of `book`; `config` is the run's resolved configuration."""
    import pandas as pd

    index = pd.DatetimeIndex(book.dates.astype("datetime64[ns]"), tz="UTC", name="date")
    returns = pd.Series(book.returns, index=index, name="strategy")
    names = _column_names(book.symbols)
    positions = pd.DataFrame({names[s]: v for s, v in book.values.items()}, index=index, dtype=float)
    positions = positions.fillna(0.0)
    positions["cash"] = book.account - positions.sum(axis="columns")
    transactions, executions = _transactions(book, index, names)
    benchmark, returns_vs = _against(book, returns)
    run = config.get("run", {})
    slippage = run.get("slippage", 0.0) if isinstance(run, Mapping) else 0.0
    return Frames(
        returns=returns,
        positions=positions,
        transactions=transactions,
        executions=executions,
        trips=_trips(book, names),
        benchmark=benchmark,
        returns_vs=returns_vs,
        sectors=_sectors(book, config, names),
        factor=book.factor,
        charged=bool(slippage),
    )


def _column_names(symbols: list[str]) -> dict[str, str]:
    """pyfolio takes the column ``cash`` for money; a symbol of that name has to step aside."""
    return {s: f"{s} (symbol)" if s == "cash" else s for s in symbols}


def _transactions(
    book: Book, index: pd.DatetimeIndex, names: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    # A symbol that was filled but never marked still has its fills.
    rows = {
        "symbol": [names.get(f.symbol, f.symbol) for f in book.fills],
        "amount": [f.size if f.side == "BUY" else -f.size for f in book.fills],
        "price": [f.price * book.multipliers.get(f.symbol, 1.0) for f in book.fills],
    }
    times = pd.DatetimeIndex([f.time for f in book.fills], tz="UTC", name="time")
    at = index[book.fill_session] if len(book.fills) else index[:0]
    return pd.DataFrame(rows, index=at), pd.DataFrame(rows, index=times)


def _trips(book: Book, names: Mapping[str, str]) -> pd.DataFrame:
    """The closed trades, as recorded: pyfolio's own matching cuts fractional sizes to whole ones
    and keeps a list entry per share, so a book of coins is lost and a big one never ends."""
    import pandas as pd

    closed = book.closed
    opened = pd.DatetimeIndex([t.entry_time for t in closed], tz="UTC")
    done = pd.DatetimeIndex([t.exit_time for t in closed], tz="UTC")
    pnl = np.array([np.nan if t.pnl_net is None else t.pnl_net for t in closed], dtype=np.float64)
    invested = np.array(
        [t.size * t.entry_price * book.multipliers.get(t.symbol, 1.0) for t in closed], dtype=np.float64
    )
    before = _account_before(book, opened.asi8 if len(closed) else np.zeros(0, np.int64), opened.unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns, rt_returns = pnl / before, pnl / np.abs(invested)
    return pd.DataFrame(
        {
            "pnl": pnl,
            "open_dt": opened,
            "close_dt": done,
            "long": [t.side == "BUY" for t in closed],
            "rt_returns": rt_returns,
            "symbol": [names.get(t.symbol, t.symbol) for t in closed],
            "duration": done - opened,
            "returns": returns,
        }
    )


def _account_before(book: Book, opened: Any, unit: str) -> np.ndarray[Any, Any]:
    """The account's value at the last close before each opening; its first value before any close."""
    if not len(book.dates) or not len(opened):
        return np.zeros(len(opened))
    days = opened.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    before = np.maximum(np.searchsorted(book.dates, days) - 1, 0)
    return np.asarray(book.account[before])


def _against(book: Book, returns: pd.Series) -> tuple[pd.Series | None, pd.Series | None]:
    if book.benchmark is None:
        return None, None
    known = np.isfinite(book.benchmark)
    if int(known.sum()) < 2:
        return None, None
    benchmark = returns[known].copy()
    benchmark[:] = book.benchmark[known]
    return benchmark.rename(book.benchmark_name), returns[known]


def _sectors(book: Book, config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Sectors from the bars' instruments, else from the configuration's table of symbols."""
    out = {bar.symbol: bar.instrument.sector for bar in book.bars if bar.instrument.sector}
    bars = config.get("bars", {})
    table = bars.get("symbols", {}) if isinstance(bars, Mapping) else {}
    for symbol, settings in table.items() if isinstance(table, Mapping) else ():
        if isinstance(settings, Mapping) and settings.get("sector"):
            out.setdefault(symbol, str(settings["sector"]))
    return {names[s]: sector for s, sector in out.items() if s in names}
