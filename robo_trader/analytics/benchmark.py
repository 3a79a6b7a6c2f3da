"""Metrics against a benchmark: alpha, beta, tracking error, correlation, excess return.

Both series are taken on the dates that both have; dates on which either is NaN are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from robo_trader.analytics.metric import Metric, Unit
from robo_trader.analytics.ratios import MIN_RATIO, ReturnSeries, constant, power
from robo_trader.analytics.returns import Dates, Floats


def returns_on(dates: Dates, bar_dates: Dates, closes: Floats) -> Floats:
    """Return the close-to-close returns of bars on `dates`, using the last close known on each date.

    `bar_dates` ascend; with several bars a date the last one counts. The first return is against the
    last close before ``dates[0]``; it is NaN where there is none.
    """
    dates = np.asarray(dates, dtype="datetime64[D]")
    if not len(dates):
        return np.zeros(0)
    at = np.searchsorted(np.asarray(bar_dates, dtype="datetime64[D]"), dates, side="right") - 1
    before = int(np.searchsorted(bar_dates, dates[0], side="left")) - 1
    at = np.concatenate(([before], at))
    closes = np.asarray(closes, dtype=np.float64)
    known = np.where(at >= 0, closes[np.maximum(at, 0)], np.nan) if len(closes) else np.full(len(at), np.nan)
    return np.asarray(known[1:] / known[:-1] - 1.0)


def slope(returns: Floats, market: Floats) -> float:
    """Return beta: the covariance of `returns` with `market` divided by the variance of `market`."""
    centred = market - np.mean(market)
    return float(np.mean(centred * returns) / np.mean(np.square(centred)))


def measure_against(series: ReturnSeries, symbol: str, dates: Dates, returns: Floats) -> Iterator[Metric]:
    """Yield the metrics of `series` against the benchmark `symbol`; an empty symbol means there is none."""
    _, mine, theirs = np.intersect1d(series.dates, dates, return_indices=True)
    a, b = series.returns[mine], np.asarray(returns, dtype=np.float64)[theirs]
    ok = np.isfinite(a) & np.isfinite(b)
    a, b = a[ok], b[ok]
    n, f = len(a), series.sampling.factor
    sampling = f"{series.sampling.name} on common dates"
    rated = {"rf": series.rf, "factor": f}

    def why(least: int) -> str:
        if not symbol:
            return "no benchmark was given"
        if n < least:
            return f"{n} {sampling}; {least} needed"
        return series.broken()

    def make(name: str, value: float | None, unit: Unit, method: str, reason: str, **extra: Any) -> Metric:
        extra = {"benchmark": symbol, **extra} if symbol else extra
        return Metric(name, None if reason else value, unit, method, sampling, n, reason, extra)

    total = math.nan if not n else float(np.prod(1.0 + b)) - 1.0
    yield make("benchmark_return", total, "percent", "product of (1 + return), minus 1", why(1))
    own = math.nan if not n else float(np.prod(1.0 + a)) - 1.0
    yield make("excess_return", own - total, "percent", "total return minus the benchmark's", why(1))

    reason = why(MIN_RATIO)
    if not reason and constant(b):
        reason = "the benchmark's returns do not vary"
    beta = alpha = correlation = math.nan
    if not reason:
        beta = slope(a, b)
        each = series.rf_each
        left = float(np.mean((a - each) - beta * (b - each)))
        alpha = power(1.0 + left, f) - 1.0 if left > -1.0 else math.nan
    yield make("beta", beta, "ratio", "covariance with the benchmark / its variance", reason, **rated)
    method = "(1 + mean(excess - beta · benchmark's excess))^factor - 1"
    yield make("alpha", alpha, "percent", method, reason, **rated)
    still = "" if reason else "the returns do not vary" if constant(a) else ""
    if not reason and not still:
        correlation = float(np.corrcoef(a, b)[0, 1])
    yield make("correlation", correlation, "ratio", "Pearson's, with the benchmark", reason or still)

    reason, active = why(MIN_RATIO), a - b
    tracking = float(np.std(active, ddof=1)) * math.sqrt(f) if not reason else math.nan
    method = "sample deviation (n - 1) of the difference in returns · sqrt(factor)"
    yield make("tracking_error", tracking, "percent", method, reason, factor=f)
    if not reason and constant(active):
        reason = "the returns equal the benchmark's"
    ratio = math.nan if reason else float(np.mean(active)) * f / tracking
    method = "mean difference in returns · factor / tracking error"
    yield make("information_ratio", ratio, "ratio", method, reason, factor=f)
