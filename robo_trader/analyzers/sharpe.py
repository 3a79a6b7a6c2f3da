"""`Sharpe`: the annual Sharpe ratio of daily returns with its 95 % interval."""

from __future__ import annotations

from typing import Any

from robo_trader.analytics import Metric, sampling_of
from robo_trader.analytics.ratios import ReturnSeries, measure_sharpe
from robo_trader.analyzers.daily import DailyFund


class Sharpe(DailyFund):
    """Sharpe ratio as `robo_trader.analytics` computes it.

    `rf` is the yearly risk-free rate as a fraction; `always_open` makes a year 365 days instead of
    252 (None: the dates decide).
    """

    params = (("rf", 0.0), ("always_open", None))

    @property
    def metric(self) -> Metric:
        """The ratio with method, sampling, n and, where it has no value, the reason."""
        dates = self.dates
        series = ReturnSeries(dates, self.returns, sampling_of(dates, self.p.always_open), self.p.rf)
        return next(measure_sharpe(series))

    def get_analysis(self) -> dict[str, Any]:
        """Return sharpe, low and high (95 %), standard_error, n, rf, factor and reason.

        `sharpe` is None, with the reason, where there are too few returns or they do not vary.
        """
        metric = self.metric
        extra = metric.extra
        return {
            "sharpe": metric.value,
            "low": extra.get("low"),
            "high": extra.get("high"),
            "standard_error": extra.get("standard_error"),
            "n": metric.n,
            "rf": extra["rf"],
            "factor": extra["factor"],
            "reason": metric.reason,
        }
