"""Metrics of a series of returns: growth, risk, Sharpe, Sortino, Calmar, drawdown.

The formulas are empyrical's, so that the numbers can be checked against it; the smallest samples
below stand with their reasons in `docs/metrics.md`. A sample that is too small, returns that do
not vary or an account that fell to zero give None with the reason, never NaN or infinity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_trader.analytics.metric import Metric, Unit
from robo_trader.analytics.returns import (
    Dates,
    Floats,
    Sampling,
    drawdown_series,
    drawdowns,
    monthly_returns,
    wealth,
)

#: Returns needed for a standard deviation: at 20 its own standard error is 16 %.
MIN_SPREAD = 20
#: Returns needed for a ratio of mean to deviation: below 30 the normal interval itself is no guide.
MIN_RATIO = 30
#: Two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054

_SHARPE_ERROR = (
    "Mertens (2002), in the form of Bailey and López de Prado (2012): "
    "standard error sqrt((1 - skew·S + (kurtosis - 1)/4·S²)/(n - 1)) of the per-return Sharpe S; "
    "assumes returns that do not depend on each other"
)


@dataclass(frozen=True, slots=True)
class ReturnSeries:
    """Returns with their dates, how they were sampled, and the yearly risk-free rate (a fraction)."""

    dates: Dates
    returns: Floats
    sampling: Sampling
    rf: float = 0.0

    @property
    def rf_each(self) -> float:
        """The risk-free rate of one sampling period: (1 + rf)^(1/factor) - 1."""
        return power(1.0 + self.rf, 1.0 / self.sampling.factor) - 1.0

    @property
    def min_year(self) -> int:
        """Returns needed before anything is raised to a year: a quarter of one."""
        return math.ceil(self.sampling.factor / 4)

    def broken(self) -> str:
        """Why nothing can be said of these returns at all, or an empty text."""
        bad = ~np.isfinite(self.returns)
        if bad.any():
            return f"the account has no value on {self.dates[int(np.argmax(bad))]}"
        gone = self.returns <= -1.0
        if gone.any():
            return f"the account's value fell to 0 or below on {self.dates[int(np.argmax(gone))]}"
        if not np.isfinite(wealth(self.returns)[-1:]).all():
            return "the returns are too large to compound"
        return ""


def power(base: float, exponent: float) -> float:
    """Return base^exponent, infinity where it is too large for a double."""
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf


def constant(x: Floats) -> bool:
    """True when `x` does not vary beyond rounding."""
    return bool(np.ptp(x) <= 1e-13 * max(1e-3, float(np.max(np.abs(x)))))


def measure_returns(series: ReturnSeries) -> Iterator[Metric]:
    """Yield the metrics that need nothing but returns."""
    yield from _growth(series)
    yield from _risk(series)
    yield from measure_sharpe(series)
    yield from _drawdown(series)
    yield from _extremes(series)


class _Maker:
    """Builds metrics that share sampling, n and the reason that rules all of them out."""

    def __init__(self, series: ReturnSeries) -> None:
        self.n = len(series.returns)
        self.sampling = series.sampling.name
        self.broken = series.broken()
        self.scale = {"factor": series.sampling.factor}
        self.rated = {"rf": series.rf, **self.scale}

    def why(self, least: int) -> str:
        """Why a metric that needs `least` returns cannot be had, or an empty text."""
        if not self.n:
            return "there are no returns"
        if self.n < least:
            return f"{self.n} {self.sampling}; {least} needed"
        return self.broken

    def make(
        self, name: str, value: float | None, unit: Unit, method: str, reason: str = "", **extra: Any
    ) -> Metric:
        return Metric(name, None if reason else value, unit, method, self.sampling, self.n, reason, extra)


def _growth(s: ReturnSeries) -> Iterator[Metric]:
    m = _Maker(s)
    f = s.sampling.factor
    why, why_year = m.why(1), m.why(s.min_year)
    final = 1.0 if why else float(np.prod(1.0 + s.returns))
    yield m.make("total_return", final - 1.0, "percent", "product of (1 + return), minus 1", why)
    years = m.n / f
    cagr = None if why_year else power(final, 1.0 / years) - 1.0
    method = "(1 + total return)^(factor/n) - 1: a year is `factor` returns, not calendar days"
    yield m.make("cagr", cagr, "percent", method, why_year, years=years, **m.scale)
    monthly = None if why_year else power(final, 1.0 / (12.0 * years)) - 1.0
    method = "geometric mean a month: (1 + total return)^(factor/(12·n)) - 1"
    yield m.make("monthly_return", monthly, "percent", method, why_year, **m.scale)


def _risk(s: ReturnSeries) -> Iterator[Metric]:
    m = _Maker(s)
    f, why = s.sampling.factor, m.why(MIN_SPREAD)
    value = None if why else float(np.std(s.returns, ddof=1)) * math.sqrt(f)
    yield m.make("volatility", value, "percent", "sample deviation (n - 1) · sqrt(factor)", why, **m.scale)
    excess, why = s.returns - s.rf_each, m.why(MIN_RATIO)
    below = int((excess < 0).sum())
    value = None if why else sortino_ratio(excess, f)
    if not why and value is None:
        why = "no return below the risk-free rate"
    method = "mean excess return · factor / (sqrt(mean(min(excess, 0)²)) · sqrt(factor)), excess over rf"
    yield m.make("sortino", value, "ratio", method, why, below=below, **m.rated)


def sortino_ratio(excess: Floats, factor: float) -> float | None:
    """Return the annual Sortino ratio of excess returns, None when none of them is below 0."""
    below = math.sqrt(float(np.mean(np.square(np.minimum(excess, 0.0)))))
    return float(np.mean(excess)) * factor / (below * math.sqrt(factor)) if below else None


def sharpe_interval(excess: Floats, factor: float) -> dict[str, float]:
    """Return the annual Sharpe ratio of excess returns with its 95 % interval.

    Keys: sharpe, standard_error, low, high (annual), probability (that the true ratio is above 0),
    skew, kurtosis (3 for a normal distribution). Source: Mertens (2002), see `_SHARPE_ERROR`.
    """
    n = len(excess)
    each = float(np.mean(excess)) / float(np.std(excess, ddof=1))
    centred = excess - np.mean(excess)
    scaled = centred / math.sqrt(float(np.mean(np.square(centred))))
    skew, kurtosis = float(np.mean(scaled**3)), float(np.mean(scaled**4))
    # kurtosis >= 1 + skew² for every sample, so the root is of a number that is not negative.
    error = math.sqrt(max(0.0, 1.0 - skew * each + (kurtosis - 1.0) / 4.0 * each**2) / (n - 1))
    scale = math.sqrt(factor)
    return {
        "sharpe": each * scale,
        "standard_error": error * scale,
        "low": (each - Z95 * error) * scale,
        "high": (each + Z95 * error) * scale,
        "probability": 0.5 * (1.0 + math.erf(each / error / math.sqrt(2.0))) if error else float(each > 0),
        "skew": skew,
        "kurtosis": kurtosis,
    }


def measure_sharpe(s: ReturnSeries) -> Iterator[Metric]:
    """Yield the Sharpe ratio, the ends of its 95 % interval, and the chance that it is above 0."""
    m = _Maker(s)
    excess, why = s.returns - s.rf_each, m.why(MIN_RATIO)
    if not why and constant(excess):
        why = "the returns do not vary"
    got: dict[str, float] = {} if why else sharpe_interval(excess, s.sampling.factor)
    ends = {k: got[k] for k in ("standard_error", "low", "high") if k in got}
    method = "mean excess return / sample deviation (n - 1) · sqrt(factor)"
    yield m.make("sharpe", got.get("sharpe"), "ratio", method, why, **m.rated, **ends)
    shape = {k: got[k] for k in ("skew", "kurtosis") if k in got}
    for name, word in (("low", "lower"), ("high", "upper")):
        method = f"{word} end of the 95 % interval of Sharpe; {_SHARPE_ERROR}"
        yield m.make(f"sharpe_{name}", got.get(name), "ratio", method, why, level=0.95, **m.rated, **shape)
    method = f"chance that the true Sharpe is above 0, one trial; {_SHARPE_ERROR}"
    yield m.make("sharpe_probability", got.get("probability"), "percent", method, why, **m.rated)


def _drawdown(s: ReturnSeries) -> Iterator[Metric]:
    m = _Maker(s)
    why, why_year = m.why(1), m.why(s.min_year)
    spells = [] if why else drawdowns(s.dates, s.returns)
    depth = 0.0 if why else float(np.min(drawdown_series(s.returns)))
    worst = spells[0].as_dict() if spells else {}
    worst.pop("depth", None)
    method = "lowest close against the highest close before it, the start included"
    yield m.make("max_drawdown", depth if spells else 0.0, "percent", method, why, **worst)
    longest = max(spells, key=lambda d: d.days, default=None)
    method = "longest spell from a high to its recovery (or to the end), in calendar days"
    extra = longest.as_dict() if longest else {}
    days = float(longest.days) if longest else 0.0
    yield m.make("max_drawdown_duration", days, "days", method, why, **extra)
    if not why_year and not spells:
        why_year = "the account was never under water"
    value = None
    if not why_year:
        years = m.n / s.sampling.factor
        value = (power(float(np.prod(1.0 + s.returns)), 1.0 / years) - 1.0) / abs(depth)
    yield m.make("calmar", value, "ratio", "CAGR / |maximum drawdown|", why_year, **m.scale)


def _extremes(s: ReturnSeries) -> Iterator[Metric]:
    m = _Maker(s)
    why = m.why(1)
    for name, pick in (("best_day", np.argmax), ("worst_day", np.argmin)):
        at = 0 if why else int(pick(s.returns))
        value = None if why else float(s.returns[at])
        date = {} if why else {"date": str(s.dates[at])}
        yield m.make(
            name, value, "percent", f"{'largest' if name == 'best_day' else 'smallest'} return", why, **date
        )
    months = [] if why else monthly_returns(s.dates, s.returns)
    for name, sign in (("best_month", 1), ("worst_month", -1)):
        got = max(months, key=lambda month: sign * month.value, default=None)
        extra = {} if got is None else {"month": f"{got.year:04d}-{got.month:02d}", "months": len(months)}
        word = "largest" if sign > 0 else "smallest"
        method = f"{word} compounded return of a calendar month, partial months included"
        yield m.make(name, None if got is None else got.value, "percent", method, why, **extra)
