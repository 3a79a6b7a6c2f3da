"""Metrics of closed round trips: win rate, profit factor, expectancy, sizes of wins and losses.

They describe the trades that happened, so one closed trade is enough; whether so few prove anything
is for the scorecard, which asks for more. A trade wins when its profit after commissions is above 0
and loses below 0; exactly 0 is neither, and counts in the number of trades.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from robo_trader.analytics.metric import Metric, Unit
from robo_trader.analytics.ratios import Z95
from robo_trader.analytics.trades import Trade

_CLOSED = "closed trades"


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927, without continuity correction)."""
    z2 = Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def measure_trades(trades: Sequence[Trade] | None) -> Iterator[Metric]:
    """Yield the trade metrics; None means that nobody recorded trades."""
    missing = "trades were not recorded" if trades is None else ""
    closed = [t for t in trades or () if not t.is_open]
    open_ = len(trades or ()) - len(closed)
    net = np.array([t.pnl_net for t in closed], dtype=np.float64)
    wins, losses = net[net > 0], net[net < 0]
    n = len(closed)

    def make(
        name: str, value: float | None, unit: Unit, method: str, reason: str = "", **extra: Any
    ) -> Metric:
        reason = missing or reason
        return Metric(name, None if reason else value, unit, method, _CLOSED, n, reason, extra)

    sides: dict[str, Any] = {
        "long": sum(t.side == "BUY" for t in closed),
        "short": sum(t.side == "SELL" for t in closed),
    }
    yield make("trades", n + open_, "count", "round trips begun, flat to flat per symbol")
    yield make("trades_closed", n, "count", "round trips that came back to flat", **sides)
    yield make("trades_open", open_, "count", "round trips still open at the end")

    none = "" if n else "no closed trade"
    no_win = none or ("" if len(wins) else "no winning trade")
    no_loss = none or ("" if len(losses) else "no losing trade")
    low, high = wilson(len(wins) / n, n) if n else (0.0, 0.0)
    counts: dict[str, Any] = {"won": len(wins), "lost": len(losses), "even": n - len(wins) - len(losses)}
    interval: dict[str, Any] = {"low": low, "high": high, "level": 0.95} if n else {}
    method = "trades with a net profit above 0 / closed trades; low and high: Wilson's 95 % interval"
    yield make("win_rate", len(wins) / n if n else None, "percent", method, none, **counts, **interval)
    gained, lost = float(wins.sum()), float(-losses.sum())
    factor = gained / lost if lost else None
    method = "sum of net profits / |sum of net losses|"
    yield make("profit_factor", factor, "ratio", method, no_loss, gained=gained, lost=lost)
    yield make("expectancy", _mean(net), "money", "mean net profit a trade", none)
    yield make("avg_win", _mean(wins), "money", "mean net profit of winning trades", no_win)
    yield make("avg_loss", _mean(losses), "money", "mean net loss (negative) of losing trades", no_loss)
    payoff = float(wins.mean() / -losses.mean()) if len(wins) and len(losses) else None
    yield make("payoff_ratio", payoff, "ratio", "average win / |average loss|", no_win or no_loss)
    for name, pick, empty in (("largest_win", wins, no_win), ("largest_loss", losses, no_loss)):
        at = float(pick[np.argmax(np.abs(pick))]) if len(pick) else None
        yield make(name, at, "money", "net profit of the single trade", empty)
    bars = np.array([t.bars for t in closed if t.bars is not None], dtype=np.float64)
    counted = none or ("" if len(bars) == n else "bars were not counted")
    yield make("avg_bars", _mean(bars), "count", "mean number of bar ends between entry and exit", counted)
    paid = sum(t.commission for t in trades or ())
    yield make("commission", paid, "money", "commissions of all trades, open ones too")


def _mean(values: Any) -> float | None:
    return float(values.mean()) if len(values) else None
