"""What robo_trader itself offers, registered through the same door as a stranger's plugin."""

from __future__ import annotations

from robo_trader.hookspecs import Registry, hookimpl


@hookimpl
def robo_register(add: Registry) -> None:
    """Offer the baselines, the demonstration and the rules of the guard."""
    add.strategy("buy_and_hold", "robo_trader.strategies:BuyAndHold")
    add.strategy("random_entry", "robo_trader.strategies:RandomEntry")
    add.strategy("fomc_drift", "robo_trader.strategies:FomcDrift")
    add.bars("ib", "robo_trader.ib.history:IBBars")
    add.analyst("offline", "robo_trader.intelligence.offline.analyst:OfflineAnalyst")
    add.analyst("ensemble", "robo_trader.intelligence.ensemble:EnsembleAnalyst")
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
    feeds = "robo_trader.news.sources"
    add.event_source("yahoo", f"{feeds}:Yahoo")
    add.event_source("bloomberg", f"{feeds}:Bloomberg")
    add.event_source("cnbc", f"{feeds}:Cnbc")
    add.event_source("nasdaq", f"{feeds}:Nasdaq")
    add.event_source("seekingalpha", f"{feeds}:SeekingAlpha")
    add.event_source("edgar", f"{feeds}:Edgar")
    add.event_source("federalreserve", f"{feeds}:FederalReserve")
    add.event_source("feeds", f"{feeds}:FeedSource")
    add.event_source("calendar", "robo_trader.news.calendars:CalendarSource")
    add.event_source("ib", "robo_trader.ib.news:IBNews")
