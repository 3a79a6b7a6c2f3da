"""Follow the news while its signal lasts: the plugin's registration, and nothing heavy.

The strategy is in `robo_news_momentum.strategy`; it is imported when a run asks for ``news_momentum``.
"""

from __future__ import annotations

from typing import Any

from robo_trader import hookimpl


@hookimpl
def robo_register(add: Any) -> None:
    """Offer the strategy ``news_momentum``."""
    add.strategy("news_momentum", "robo_news_momentum.strategy:NewsMomentum")
