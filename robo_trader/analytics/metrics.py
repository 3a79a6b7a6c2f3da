"""`compute_metrics`: every metric of a run, always the same names in the same order.

What was not recorded or cannot be computed is there with value None and the reason, so that a
reader of `run.json` never has to guess whether a key is missing or misspelt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from robo_trader.analytics.benchmark import measure_against
from robo_trader.analytics.metric import Metric
from robo_trader.analytics.ratios import MIN_SPREAD, ReturnSeries, measure_returns
from robo_trader.analytics.returns import Dates, Floats, sampling_of
from robo_trader.analytics.trade_stats import measure_trades
from robo_trader.analytics.trades import Trade
from robo_trader.errors import UsageError

__all__ = ["Metric", "compute_metrics"]


def compute_metrics(
    dates: Dates,
    returns: Floats,
    value: Floats,
    *,
    starting_cash: float,
    exposure: tuple[Floats, Floats] | None = None,
    turnover: Floats | None = None,
    trades: Sequence[Trade] | None = None,
    benchmark: tuple[str, Dates, Floats] | None = None,
    rf: float = 0.0,
    always_open: bool | None = None,
) -> dict[str, Metric]:
    """Return all metrics by name.

    `dates`, `returns` and `value` have one entry per session: its date, the fund's close-to-close
    return (a fraction) and the account's value at the close. `exposure` is gross and net, `turnover`
    the traded share of the account, both per session (see `positions`). `benchmark` is a name with
    its own dates and returns. `rf` is the yearly risk-free rate as a fraction. `always_open` makes
    a year 365 sessions instead of 252 (None: the dates decide).
    """
    dates = np.asarray(dates, dtype="datetime64[D]")
    returns = np.asarray(returns, dtype=np.float64)
    value = np.asarray(value, dtype=np.float64)
    if not len(dates) == len(returns) == len(value):
        raise UsageError(
            f"{len(dates)} dates, {len(returns)} returns and {len(value)} values; each date needs one of each"
        )
    series = ReturnSeries(dates, returns, sampling_of(dates, always_open), rf)
    name, on, theirs = benchmark or ("", dates[:0], returns[:0])
    # A sum or product too large for a double becomes infinity, which no Metric lets through.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found: list[Metric] = [
            _final_value(value, starting_cash),
            *measure_returns(series),
            *_positions(series, exposure, turnover),
            *measure_trades(trades),
            *measure_against(series, name, on, theirs),
        ]
    return {metric.name: metric for metric in found}


def _final_value(value: Floats, starting_cash: float) -> Metric:
    last = float(value[-1]) if len(value) else None
    method = "account value at the last session's close"
    reason = "" if len(value) else "there are no sessions"
    extra = {"starting_cash": starting_cash}
    return Metric("final_value", last, "money", method, "session closes", len(value), reason, extra)


def _positions(
    series: ReturnSeries, exposure: tuple[Floats, Floats] | None, turnover: Floats | None
) -> Iterator[Metric]:
    sampling, n = "session closes", len(series.dates)
    gross, net = exposure if exposure is not None else (series.returns[:0], series.returns[:0])
    reason = "positions were not recorded" if exposure is None else _unusable(gross, 1)
    has = not reason
    method = "mean of (long + |short|) / account value"
    top = {"max": float(np.max(gross))} if has else {}
    mean = float(np.mean(gross)) if has else None
    yield Metric("exposure_gross", mean, "percent", method, sampling, n, reason, top)
    ends = {"min": float(np.min(net)), "max": float(np.max(net))} if has else {}
    method = "mean of (long - |short|) / account value"
    mean = float(np.mean(net)) if has else None
    yield Metric("exposure_net", mean, "percent", method, sampling, n, reason, ends)
    share = float(np.mean(gross > 0)) if has else None
    method = "sessions with a position at the close / sessions"
    yield Metric("time_in_market", share, "percent", method, sampling, n, reason)

    each = turnover if turnover is not None else series.returns[:0]
    reason = "fills were not recorded" if turnover is None else _unusable(each, MIN_SPREAD)
    factor = series.sampling.factor
    rate = float(np.mean(each)) * factor if not reason else None
    total = {"total": float(np.sum(each))} if turnover is not None and np.isfinite(each).all() else {}
    method = "mean of (bought + sold) / account value at the close, a session · factor: times a year"
    yield Metric("turnover", rate, "ratio", method, "sessions", n, reason, {"factor": factor, **total})


def _unusable(values: Floats, least: int) -> str:
    if len(values) < least:
        return f"{len(values)} sessions; {least} needed" if len(values) else "there are no sessions"
    return "" if np.isfinite(values).all() else "the account's value fell to 0 or below"
