"""`Result`: what `backtest()` returns. The record of a run, and everything computed from it.

Everything is computed when it is first asked for and then kept. Nothing here writes, except
`save()` and `report()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robo_trader import analytics
from robo_trader.analytics import Drawdown, Metric, Month, Score, Trade
from robo_trader.analytics.returns import Dates, Floats
from robo_trader.clock import to_ns
from robo_trader.errors import RunError, UsageError, did_you_mean
from robo_trader.records import Fill, Signal
from robo_trader.runs.info import Baseline, Benchmark, RunInfo
from robo_trader.runs.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from robo_trader.bars.frame import BarFrame
    from robo_trader.engine.record import OrderRecord, RunRecord

#: The fund's value per share before the first bar; Backtrader's convention, kept by the engine.
FUND_START = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """The run per session, all arrays of one length.

    `dates` are session dates, `time` the moment of the mark (ns UTC), `value` and `cash` money,
    `returns` close to close of the fund value; exposures and turnover are fractions of the value.
    """

    dates: Dates
    time: np.ndarray[tuple[int], np.dtype[np.int64]]
    value: Floats
    cash: Floats
    returns: Floats
    exposure_gross: Floats
    exposure_net: Floats
    turnover: Floats


class Result:
    """A run and its numbers.

    `record` is what happened, `info` the circumstances, `bars` the frames that were traded (empty
    where nobody kept them), `run_dir` the folder it was saved to, or None.
    """

    def __init__(
        self,
        record: RunRecord,
        info: RunInfo,
        *,
        bars: Sequence[BarFrame] = (),
        run_dir: Path | None = None,
    ) -> None:
        self.record = record
        self.info = info
        self.bars = tuple(bars)
        self.run_dir = run_dir

    @property
    def id(self) -> str:
        """The run's id, also the name of its folder."""
        return self.info.id

    @property
    def state(self) -> str:
        """``finished``, ``interrupted`` or ``failed``."""
        return self.record.state

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader should know, each sentence once."""
        return tuple(dict.fromkeys((*self.info.warnings, *self.record.warnings)))

    # -- numbers --------------------------------------------------------------------------------

    @cached_property
    def daily(self) -> Daily:
        """Value, returns, exposure and turnover per session, as numpy arrays."""
        s = self.record.sessions
        values = analytics.position_values(s.sizes, s.prices, s.multipliers)
        gross, net = analytics.exposure(values, s.value)
        return Daily(
            dates=np.asarray(s.date, dtype="datetime64[D]"),
            time=s.time,
            value=s.value,
            cash=s.cash,
            returns=analytics.daily_returns(s.fund, FUND_START),
            exposure_gross=gross,
            exposure_net=net,
            turnover=analytics.turnover(self.record.fills, s.time, s.value, s.multipliers, s.sizes),
        )

    @cached_property
    def measures(self) -> dict[str, Metric]:
        """Every metric with its method, sampling, n and, where it has no value, the reason.

        Where a model read the events they are of the sessions from `info.clean_from` on; `split`
        has the others.
        """
        first, n = self._clean, len(self.daily.dates)
        found = self._measured(first, n)
        if not n or first < n:
            return found
        reason = "every session lies before the end of the model's knowledge"
        return {name: m if m.value is not None else replace(m, reason=reason) for name, m in found.items()}

    @cached_property
    def split(self) -> dict[str, dict[str, Metric]]:
        """The metrics of the sessions ``before`` the model was clean, and of the ``whole`` run.

        Empty where no model read the events.
        """
        n = len(self.daily.dates)
        if self.info.clean_from is None:
            return {}
        return {"before": self._measured(0, self._clean), "whole": self._measured(0, n)}

    @property
    def _clean(self) -> int:
        """The first session of which no model can have known anything."""
        since = self.info.clean_from
        return 0 if since is None else int(np.searchsorted(self.daily.time, to_ns(since), "left"))

    def _measured(self, first: int, last: int) -> dict[str, Metric]:
        """Return the metrics of the sessions ``[first, last)`` and of the trades entered in them."""
        d, against, part = self.daily, self.info.benchmark, slice(first, last)
        whole = first == 0 and last == len(d.dates)
        trades: Sequence[Trade] = self.trades.rows
        if not whole:
            since = d.time[first - 1] if first else np.iinfo(np.int64).min
            until = d.time[last - 1] if last > first else since
            trades = [t for t in trades if since < to_ns(t.entry_time) <= until]
        return analytics.compute_metrics(
            d.dates[part],
            d.returns[part],
            d.value[part],
            starting_cash=float(d.value[first - 1]) if first else self.record.starting_cash,
            exposure=(d.exposure_gross[part], d.exposure_net[part]),
            turnover=d.turnover[part],
            trades=trades,
            benchmark=None if against is None else (against.symbol, against.dates, against.returns),
            rf=self.info.rf,
            always_open=self.always_open,
        )

    @property
    def metrics(self) -> dict[str, float | None]:
        """The bare values by name; see `metric()` for how a value came about."""
        return {name: metric.value for name, metric in self.measures.items()}

    def metric(self, name: str) -> Metric:
        """Return one metric; raises `UsageError` for a name that does not exist."""
        return pick_metric(self.measures, name)

    @cached_property
    def scorecard(self) -> list[Score]:
        """The plan's targets: met, missed or unknown."""
        return analytics.scorecard(self.measures)

    def drawdowns(self, top: int = 5) -> list[Drawdown]:
        """Return the deepest spells under water, deepest first."""
        d = self.daily
        return analytics.drawdowns(d.dates, d.returns, top) if np.isfinite(d.returns).all() else []

    @property
    def monthly(self) -> list[Month]:
        """The compounded return of each calendar month."""
        d = self.daily
        return analytics.monthly_returns(d.dates, d.returns) if np.isfinite(d.returns).all() else []

    @property
    def always_open(self) -> bool | None:
        """Whether a market of this run never closes; None leaves it to the session dates."""
        if self.info.always_open is None and self.bars:
            return any(frame.instrument.calendar == "24/7" for frame in self.bars)
        return self.info.always_open

    # -- tables ---------------------------------------------------------------------------------

    @cached_property
    def equity(self) -> pd.DataFrame:
        """A DataFrame indexed by session date with the columns value, cash and return."""
        import pandas as pd

        d = self.daily
        index = pd.DatetimeIndex(d.dates.astype("datetime64[s]"), name="date")
        return pd.DataFrame({"value": d.value, "cash": d.cash, "return": d.returns}, index=index)

    @cached_property
    def fills(self) -> Table[Fill]:
        """The executions, in order."""
        return Table(Fill, self.record.fills)

    @cached_property
    def orders(self) -> Table[OrderRecord]:
        """The orders as they stood at the end, in order of submission."""
        from robo_trader.engine.record import OrderRecord

        return Table(OrderRecord, self.record.orders)

    @cached_property
    def signals(self) -> Table[Signal]:
        """The signals that reached the strategy."""
        return Table(Signal, self.record.signals)

    @cached_property
    def trades(self) -> Table[Trade]:
        """The round trips, open ones included, by entry."""
        s = self.record.sessions
        ends: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        for frame in self.bars:
            # Several time frames of one symbol: the finest counts the bars.
            if frame.symbol not in ends or len(frame) > len(ends[frame.symbol]):
                ends[frame.symbol] = frame.end
        last = {symbol: float(price[-1]) for symbol, price in s.prices.items() if len(price)}
        return Table(
            Trade,
            analytics.build_trades(
                self.record.fills,
                s.multipliers,
                bar_ends=ends,
                last_prices=last,
                last_time=int(s.time[-1]) if len(s.time) else None,
            ),
        )

    # -- what can be done with it ---------------------------------------------------------------

    def as_baseline(self, note: str = "") -> Baseline:
        """Return this run as something to put beside another one."""
        return Baseline(self.daily.dates, self.daily.value, self.measures, note)

    def save(self, parent: str | Path = "runs") -> Path:
        """Write the run directory below `parent` and return it; see `write_run`."""
        from robo_trader.runs.writing import write_result

        self.run_dir = write_result(self, Path(parent))
        return self.run_dir

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report (one self-contained HTML file) and return where it is.

        Without `path` it is the run directory's `report.html`; a run that was not saved needs one.
        """
        from robo_trader.report import write_report

        if path is None:
            if self.run_dir is None:
                raise RunError(f"run {self.id} has no folder", hint="say where: result.report('report.html')")
            path = self.run_dir / "report.html"
        return write_report(self, Path(path))

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{n} {self.measures[n].text()}" for n in ("total_return", "sharpe", "max_drawdown")
        )
        return f"<Result {self.id}: {self.state}, {shown}, {len(self.fills)} fills>"

    def _repr_html_(self) -> str:
        from robo_trader.runs.notebook import result_html

        return result_html(self)


def pick_metric(measures: Mapping[str, Metric], name: str) -> Metric:
    """Return the metric called `name`, or raise `UsageError` with the nearest name."""
    if name not in measures:
        hint = did_you_mean(name, measures) or f"there are {', '.join(measures)}"
        raise UsageError(f"no metric {name!r}", hint=hint)
    return measures[name]


def benchmark_of(frame: BarFrame, dates: Dates) -> Benchmark:
    """Return the benchmark's returns on the run's session `dates`, from its last closes known then."""
    returns = analytics.returns_on(dates, frame.session, frame.close)
    return Benchmark(frame.symbol, np.asarray(dates, dtype="datetime64[D]"), returns)
