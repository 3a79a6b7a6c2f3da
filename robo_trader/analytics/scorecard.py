"""The plan's targets beside what a run reached: met, missed or unknown, and never tuned to.

A target is judged only on enough evidence: a ratio that could not be computed, or trade figures of
fewer than 20 closed trades, are unknown. A range is missed on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from robo_trader.analytics.metric import Metric

#: Closed trades needed to judge a trade figure: at 20 the 95 % interval of a win rate is 41 points wide.
MIN_TRADES = 20


@dataclass(frozen=True, slots=True)
class Target:
    """What the plan asks of a metric: inside [low, high], or beyond one `limit`, exclusive."""

    metric: str
    label: str
    text: str
    low: float | None = None
    high: float | None = None
    strict: bool = False
    least: int = 0


TARGETS = (
    Target("monthly_return", "Return a month", "2 to 5 %", 0.02, 0.05),
    Target("max_drawdown", "Maximum drawdown", "under 15 %", low=-0.15, strict=True),
    Target("sharpe", "Sharpe ratio", "above 1.5", low=1.5, strict=True),
    Target("win_rate", "Win rate", "45 to 55 %", 0.45, 0.55, least=MIN_TRADES),
    Target("profit_factor", "Profit factor", "above 1.5", low=1.5, strict=True, least=MIN_TRADES),
)


@dataclass(frozen=True, slots=True)
class Score:
    """One target and whether it was reached; `note` says what the bare word does not."""

    metric: str
    label: str
    target: str
    value: float | None
    shown: str
    state: Literal["met", "missed", "unknown"]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for `run.json`."""
        return {
            "metric": self.metric,
            "target": self.target,
            "value": self.value,
            "state": self.state,
            "note": self.note,
        }


def scorecard(metrics: Mapping[str, Metric]) -> list[Score]:
    """Return one `Score` per target of the plan."""
    return [_judge(target, metrics.get(target.metric)) for target in TARGETS]


def _judge(target: Target, metric: Metric | None) -> Score:
    def score(state: Literal["met", "missed", "unknown"], note: str = "") -> Score:
        value, shown = (metric.value, metric.text()) if metric else (None, "–")
        return Score(target.metric, target.label, target.text, value, shown, state, note)

    if metric is None:
        return score("unknown", "not measured")
    if metric.value is None:
        return score("unknown", metric.reason)
    if metric.n < target.least:
        return score("unknown", f"{metric.n} {metric.sampling}; {target.least} needed to judge")
    v = metric.value
    if target.low is not None and (v <= target.low if target.strict else v < target.low):
        return score("missed")
    if target.high is not None and v > target.high:
        return score("missed", "above the range")
    low = metric.extra.get("low")
    if target.strict and low is not None and low <= (target.low or 0.0):
        return score("met", f"but the 95 % interval begins at {low:.2f}")
    return score("met")
