"""From views to numbers that a strategy can trade on, and from bars to such numbers.

`clamp` is the policy that bounds what views may move, `stream` applies it over time, `tape` answers
for any bar end what was known then, `source` is the base class of packs that score bars and
`scoring` the host's side of it. Nothing here imports Backtrader.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robo_trader.signals.source import SignalSource
    from robo_trader.signals.tape import RoleSignals, SignalColumns, SignalTape

__all__ = ["RoleSignals", "SignalColumns", "SignalSource", "SignalTape"]


def __getattr__(name: str) -> Any:
    # Who only clamps views does not load numpy.
    if name in __all__:
        module = "source" if name == "SignalSource" else "tape"
        return getattr(import_module(f"robo_trader.signals.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
