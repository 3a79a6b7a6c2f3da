"""What a report needs of a result: a protocol, and `Book`, its numbers as plain arrays.

The report reads nothing else, so that anything that looks like a result can be shown. It knows a
run's `RunInfo` and `Trade` by their fields alone: the arrow points from runs to the report.

Failure contract: a result without a single session is shown too; all arrays are empty then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robo_trader.analytics.metric import Metric
from robo_trader.analytics.positions import position_values, sessions_of
from robo_trader.analytics.returns import drawdown_series, sampling_of
from robo_trader.analytics.scorecard import Score
from robo_trader.analytics.trades import Trade
from robo_trader.records import Fill

if TYPE_CHECKING:
    from robo_trader.bars.frame import BarFrame
    from robo_trader.engine.record import RunRecord
    from robo_trader.risk.halt import Halt

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]


class Series(Protocol):
    """Close-to-close returns of something else, by session date."""

    @property
    def symbol(self) -> str: ...
    @property
    def dates(self) -> Dates: ...
    @property
    def returns(self) -> Floats: ...


class Other(Protocol):
    """Another strategy on the same bars; empty arrays and a note where there is nothing."""

    @property
    def dates(self) -> Dates: ...
    @property
    def value(self) -> Floats: ...
    @property
    def metrics(self) -> Mapping[str, Metric]: ...
    @property
    def note(self) -> str: ...


class Info(Protocol):
    """The circumstances of a run, as `RunInfo` holds them."""

    id: str
    strategy: str
    command: str
    config: Mapping[str, Any]
    params: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    data: Sequence[Mapping[str, Any]]
    warnings: list[str]
    notes: list[str]
    timings: dict[str, float]
    twin: Mapping[str, Any]
    always_open: bool | None
    clean_from: datetime | None
    halts: Sequence[Halt]
    extra: Mapping[str, Any]
    started: datetime

    @property
    def benchmark(self) -> Series | None: ...
    @property
    def baselines(self) -> Mapping[str, Other]: ...


class Daily(Protocol):
    """The run per session, arrays of one length."""

    @property
    def dates(self) -> Dates: ...
    @property
    def value(self) -> Floats: ...
    @property
    def cash(self) -> Floats: ...
    @property
    def returns(self) -> Floats: ...


class Reportable(Protocol):
    """A finished, failed or interrupted run, with its numbers; `Result` is one."""

    @property
    def record(self) -> RunRecord: ...
    @property
    def info(self) -> Info: ...
    @property
    def daily(self) -> Daily: ...
    @property
    def trades(self) -> Iterable[Trade]: ...
    @property
    def bars(self) -> Sequence[BarFrame]: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def measures(self) -> Mapping[str, Metric]: ...
    @property
    def split(self) -> Mapping[str, Mapping[str, Metric]]: ...
    @property
    def scorecard(self) -> Sequence[Score]: ...
    @property
    def always_open(self) -> bool | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """A run's numbers as the report draws them.

    `returns` are daily, close to close and free of deposits; `drawdown` is 0 or below; `values`
    is the signed money value of each symbol at each close; `fill_session` the index of the session
    of each fill. `benchmark` has one return a session (NaN where it has none) or is None. `bars`
    is empty where the result kept none.
    """

    dates: Dates
    returns: Floats
    drawdown: Floats
    account: Floats
    cash: Floats
    values: dict[str, Floats]
    fills: tuple[Fill, ...]
    fill_session: NDArray[np.int64]
    trades: tuple[Trade, ...]
    multipliers: Mapping[str, float]
    factor: float
    benchmark: Floats | None
    benchmark_name: str
    bars: tuple[BarFrame, ...]

    @property
    def symbols(self) -> list[str]:
        """Every symbol of the run, in its order."""
        return list(self.values)

    @property
    def closed(self) -> list[Trade]:
        """The trades that came back to flat."""
        return [trade for trade in self.trades if trade.exit_time is not None]


def read_book(result: Reportable) -> Book:
    """Take the arrays out of `result`."""
    at, daily = result.record.sessions, result.daily
    dates = np.asarray(daily.dates, dtype="datetime64[D]")
    fills = tuple(result.record.fills)
    benchmark = result.info.benchmark
    return Book(
        dates=dates,
        returns=daily.returns,
        drawdown=drawdown_series(daily.returns),
        account=np.asarray(daily.value, dtype=np.float64),
        cash=np.asarray(daily.cash, dtype=np.float64),
        values=position_values(at.sizes, at.prices, at.multipliers),
        fills=fills,
        fill_session=sessions_of(fills, at.time, at.sizes) if len(dates) else np.zeros(0, dtype=np.int64),
        trades=tuple(result.trades),
        multipliers=dict(at.multipliers),
        factor=sampling_of(dates, result.always_open).factor,
        benchmark=None if benchmark is None else joined(dates, benchmark.dates, benchmark.returns),
        benchmark_name="" if benchmark is None else benchmark.symbol,
        bars=tuple(result.bars),
    )


def joined(dates: Dates, other: Dates, values: Floats) -> Floats:
    """Return `values` at `dates`, NaN where `other` has no such date."""
    out = np.full(len(dates), np.nan)
    if len(other):
        other = np.asarray(other, dtype="datetime64[D]")
        where = np.minimum(np.searchsorted(other, dates), len(other) - 1)
        hit = other[where] == dates
        out[hit] = np.asarray(values, dtype=np.float64)[where[hit]]
    return out
