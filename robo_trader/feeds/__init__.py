"""Backtrader data feeds: bars of a `BarFrame`, loaded in bulk, and news beside bars."""

from typing import Any

from robo_trader.feeds.bars import BarsFeed

__all__ = ["BarsFeed", "NewsData"]


def __getattr__(name: str) -> Any:
    # Who only runs bars does not load what reads events.
    if name == "NewsData":
        from robo_trader.feeds.news import NewsData

        return NewsData
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
