"""Guards with a choice of rules."""

from __future__ import annotations

from typing import Any

from robo_trader.risk.guard import Guard
from robo_trader.risk.rules import brakes, correlation, exposure, orders
from robo_trader.risk.sectors import SectorMap

RULES: dict[str, Any] = {
    "position": exposure.Position,
    "sector": exposure.Sector,
    "gross": exposure.Gross,
    "net": exposure.Net,
    "leverage": exposure.Leverage,
    "daily_loss": brakes.DailyLoss,
    "drawdown": brakes.Drawdown,
    "correlation": correlation.Correlation,
    "orders_per_minute": orders.OrdersPerMinute,
    "duplicate": orders.DuplicateOrder,
    "allow": orders.AllowList,
    "deny": orders.DenyList,
    "trading_hours": orders.TradingHours,
}


def make_guard(sectors: dict[str, str] | None = None, halts: Any = None, **rules: Any) -> Guard:
    """Return a guard: ``position=0.1`` or ``correlation={"limit": 0.5}``, each a rule."""
    made = {
        name: RULES[name](**(given if isinstance(given, dict) else {"limit": given}))
        for name, given in rules.items()
    }
    return Guard(made, sectors=SectorMap(sectors or {}), halts=halts)
