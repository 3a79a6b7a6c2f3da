"""robo_trader: language models read the market's news, plain code trades on what they said.

This is the whole public face for authors of strategies and plugins. Every name is imported when
it is first used, so that ``import robo_trader`` costs nothing and `robo --help` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from robo_trader.backtesting import backtest
    from robo_trader.bars.frame import BarFrame
    from robo_trader.bars.source import BarSource
    from robo_trader.errors import (
        BrokerError,
        ConfigError,
        DataError,
        EventError,
        JournalError,
        ModelError,
        PluginError,
        RefusedError,
        RoboError,
        RunError,
        StateError,
        StrategyError,
        UsageError,
    )
    from robo_trader.events.source import EventSource
    from robo_trader.hookspecs import hookimpl
    from robo_trader.instruments import Instrument
    from robo_trader.intelligence.analyst import Analyst
    from robo_trader.monitoring.notifier import Notifier
    from robo_trader.records import Abstain, Event, Signal, View
    from robo_trader.risk.rule import RiskRule
    from robo_trader.runs import Result
    from robo_trader.signals import SignalSource
    from robo_trader.strategy import Strategy

_HOME = {
    "Abstain": "robo_trader.records",
    "Analyst": "robo_trader.intelligence.analyst",
    "BarFrame": "robo_trader.bars.frame",
    "BarSource": "robo_trader.bars.source",
    "BrokerError": "robo_trader.errors",
    "ConfigError": "robo_trader.errors",
    "DataError": "robo_trader.errors",
    "Event": "robo_trader.records",
    "EventError": "robo_trader.errors",
    "EventSource": "robo_trader.events.source",
    "GatewayError": "robo_trader.errors",
    "Instrument": "robo_trader.instruments",
    "JournalError": "robo_trader.errors",
    "ModelError": "robo_trader.errors",
    "Notifier": "robo_trader.monitoring.notifier",
    "PluginError": "robo_trader.errors",
    "RefusedError": "robo_trader.errors",
    "Result": "robo_trader.runs",
    "RiskRule": "robo_trader.risk.rule",
    "RoboError": "robo_trader.errors",
    "RunError": "robo_trader.errors",
    "Signal": "robo_trader.records",
    "SignalSource": "robo_trader.signals",
    "StateError": "robo_trader.errors",
    "Strategy": "robo_trader.strategy",
    "StrategyError": "robo_trader.errors",
    "UsageError": "robo_trader.errors",
    "View": "robo_trader.records",
    "backtest": "robo_trader.backtesting",
    "hookimpl": "robo_trader.hookspecs",
}

__all__ = [
    "Abstain",
    "Analyst",
    "BarFrame",
    "BarSource",
    "BrokerError",
    "ConfigError",
    "DataError",
    "Event",
    "EventError",
    "EventSource",
    "GatewayError",
    "Instrument",
    "JournalError",
    "ModelError",
    "Notifier",
    "PluginError",
    "RefusedError",
    "Result",
    "RiskRule",
    "RoboError",
    "RunError",
    "Signal",
    "SignalSource",
    "StateError",
    "Strategy",
    "StrategyError",
    "UsageError",
    "View",
    "__version__",
    "backtest",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'robo_trader' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
