"""Find a strategy by name, file or module, and read its parameters.

`find_strategy` never starts what an old script would start at its bottom. What cannot be found
or loaded is a `StrategyError`; a parameter of the wrong type a `UsageError`.
"""

from __future__ import annotations

from robo_trader.strategy_manager.find import StrategyRef, find_strategy
from robo_trader.strategy_manager.load import stop_if_loading
from robo_trader.strategy_manager.params import coerce_params, param_table

__all__ = ["StrategyRef", "coerce_params", "find_strategy", "param_table", "stop_if_loading"]
