"""Backtrader indicators: signals beside bars."""

from robo_trader.indicators.llm import LLMSignal

__all__ = ["LLMSignal"]
