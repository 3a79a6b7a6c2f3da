"""What robo_trader itself offers, registered through the same door as a stranger's plugin."""

from __future__ import annotations

from robo_trader.hookspecs import Registry, hookimpl


@hookimpl
def robo_register(add: Registry) -> None:
    """Offer the baselines, the demonstration and the rules of the guard."""
    add.strategy("buy_and_hold", "robo_trader.strategies:BuyAndHold")
    add.strategy("random_entry", "robo_trader.strategies:RandomEntry")
    add.strategy("fomc_drift", "robo_trader.strategies:FomcDrift")
    add.analyst("offline", "robo_trader.intelligence.offline.analyst:OfflineAnalyst")
    add.analyst("llm", "robo_trader.intelligence.llm:LLMAnalyst")
    rules = "robo_trader.risk.rules"
    add.risk_rule("position", f"{rules}.exposure:Position")
    add.risk_rule("sector", f"{rules}.exposure:Sector")
    add.risk_rule("gross", f"{rules}.exposure:Gross")
    add.risk_rule("net", f"{rules}.exposure:Net")
    add.risk_rule("leverage", f"{rules}.exposure:Leverage")
    add.risk_rule("daily_loss", f"{rules}.brakes:DailyLoss")
    add.risk_rule("drawdown", f"{rules}.brakes:Drawdown")
    add.risk_rule("correlation", f"{rules}.correlation:Correlation")
    add.risk_rule("orders_per_minute", f"{rules}.orders:OrdersPerMinute")
    add.risk_rule("duplicate", f"{rules}.orders:DuplicateOrder")
    add.risk_rule("allow", f"{rules}.orders:AllowList")
    add.risk_rule("deny", f"{rules}.orders:DenyList")
    add.risk_rule("trading_hours", f"{rules}.orders:TradingHours")
