"""Numbers of a run: returns, drawdowns, exposure, round trips, metrics and the scorecard.

Pure functions over numpy arrays and the records of `robo_trader.records`; nothing here reads files
or imports pandas. `docs/metrics.md` defines every metric.
"""

from robo_trader.analytics.benchmark import returns_on
from robo_trader.analytics.metric import Metric
from robo_trader.analytics.metrics import compute_metrics
from robo_trader.analytics.positions import exposure, position_values, sessions_of, turnover
from robo_trader.analytics.returns import (
    Drawdown,
    Month,
    Sampling,
    daily_returns,
    drawdown_series,
    drawdowns,
    monthly_returns,
    sampling_of,
)
from robo_trader.analytics.scorecard import Score, scorecard
from robo_trader.analytics.trades import Trade, build_trades

__all__ = [
    "Drawdown",
    "Metric",
    "Month",
    "Sampling",
    "Score",
    "Trade",
    "build_trades",
    "compute_metrics",
    "daily_returns",
    "drawdown_series",
    "drawdowns",
    "exposure",
    "monthly_returns",
    "position_values",
    "returns_on",
    "sampling_of",
    "scorecard",
    "sessions_of",
    "turnover",
]
