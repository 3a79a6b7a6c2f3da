"""Runs Cerebro over bars and events, and returns a record of what happened.

Knows neither metrics nor reports. `run` is the one way in.
"""

from robo_trader.engine.run import run
from robo_trader.engine.settings import EngineSettings

__all__ = ["EngineSettings", "run"]
