"""From views to numbers that a strategy can trade on, and from bars to such numbers.

`clamp` is the policy that bounds what views may move, `stream` applies it over time, `tape` answers
for any bar end what was known then, `source` is the base class of packs that score bars and
`scoring` the host's side of it. Nothing here imports Backtrader.
"""

from __future__ import annotations

from robo_trader.signals.source import SignalSource
from robo_trader.signals.tape import RoleSignals, SignalColumns, SignalTape

__all__ = ["RoleSignals", "SignalColumns", "SignalSource", "SignalTape"]
