"""Bars from QuantConnect Lean's data files: the plugin's registration, and nothing heavy.

The bar source is in `robo_lean.source`; it is imported when a run asks for ``--bars lean``.
"""

from __future__ import annotations

from typing import Any

from robo_trader import hookimpl


@hookimpl
def robo_register(add: Any) -> None:
    """Offer the bar source ``lean``."""
    add.bars("lean", "robo_lean.source:LeanBars")
