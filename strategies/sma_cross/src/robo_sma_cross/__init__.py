"""A crossover of two moving averages: the plugin's registration, and nothing heavy.

The strategy is in `robo_sma_cross.strategy`; it is imported when a run asks for ``sma_cross``.
"""

from __future__ import annotations

from typing import Any

from robo_trader import hookimpl


@hookimpl
def robo_register(add: Any) -> None:
    """Offer the strategy ``sma_cross``."""
    add.strategy("sma_cross", "robo_sma_cross.strategy:SmaCross")
