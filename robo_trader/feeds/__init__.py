"""Backtrader data feeds: bars of a `BarFrame`, loaded in bulk."""

from robo_trader.feeds.bars import BarsFeed

__all__ = ["BarsFeed"]
