"""Trade rate decisions and earnings: the plugin's registration, and nothing heavy.

The strategy is in `robo_event_driven.strategy`; it is imported when a run asks for ``event_driven``.
"""

from __future__ import annotations

from typing import Any

from robo_trader import hookimpl


@hookimpl
def robo_register(add: Any) -> None:
    """Offer the strategy ``event_driven``."""
    add.strategy("event_driven", "robo_event_driven.strategy:EventDriven")
