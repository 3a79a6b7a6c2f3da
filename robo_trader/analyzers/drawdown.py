"""`Drawdown`: how far and how long the account was under water, with dates."""

from __future__ import annotations

from typing import Any

from robo_trader.analytics import Drawdown as Spell
from robo_trader.analytics import drawdowns, sampling_of
from robo_trader.analytics.ratios import ReturnSeries
from robo_trader.analyzers.daily import DailyFund


class Drawdown(DailyFund):
    """Drawdowns of daily closes as `robo_trader.analytics` computes them; the `top` deepest are kept."""

    params = (("top", 5),)

    @property
    def reason(self) -> str:
        """Why there is no drawdown to speak of, or an empty text."""
        dates, returns = self.dates, self.returns
        if not len(returns):
            return "there are no returns"
        return ReturnSeries(dates, returns, sampling_of(dates)).broken()

    @property
    def spells(self) -> list[Spell]:
        """All spells under water, deepest first; empty where `reason` says so."""
        return [] if self.reason else drawdowns(self.dates, self.returns)

    def get_analysis(self) -> dict[str, Any]:
        """Return max_drawdown (0 or a negative fraction; None with the reason where the account has
        no usable value), its peak, valley and recovery (ISO dates, None where there is none),
        max_duration in calendar days, n, reason, and the deepest `spells`."""
        reason, spells = self.reason, self.spells
        worst = spells[0].as_dict() if spells else {}
        return {
            "max_drawdown": None if reason else worst.get("depth", 0.0),
            "peak": worst.get("peak"),
            "valley": worst.get("valley"),
            "recovery": worst.get("recovery"),
            "max_duration": None if reason else max((spell.days for spell in spells), default=0),
            "n": len(self._days),
            "reason": reason,
            "spells": [spell.as_dict() for spell in spells[: self.p.top]],
        }
