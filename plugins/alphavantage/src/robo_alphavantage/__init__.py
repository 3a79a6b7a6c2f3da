"""News from Alpha Vantage: the plugin's registration, and nothing heavy.

The event source is in `robo_alphavantage.source`; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import Any

from robo_trader import hookimpl


@hookimpl
def robo_register(add: Any) -> None:
    """Offer the event source ``alphavantage``."""
    add.event_source("alphavantage", "robo_alphavantage.source:AlphaVantage")
