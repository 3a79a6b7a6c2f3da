"""The offline analyst: lexicon, rules, templates and a small linear model, without key or network."""

from __future__ import annotations

from robo_trader.intelligence.offline.analyst import OfflineAnalyst
from robo_trader.intelligence.offline.verdict import Verdict

__all__ = ["OfflineAnalyst", "Verdict"]
