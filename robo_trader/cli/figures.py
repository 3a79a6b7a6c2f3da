"""Figures as people read them: ages, sizes, prices, money, and limits in their own unit.

Whatever is no number reads as 0: these show what another process wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_AGES = ((120.0, "s", 1.0), (7_200.0, "min", 60.0), (172_800.0, "h", 3_600.0), (float("inf"), "d", 86_400.0))


def age(seconds: float) -> str:
    """Return a duration in words: ``0.4 s``, ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    unit, each = next((unit, each) for most, unit, each in _AGES if seconds < most)
    return f"{seconds / each:.0f} {unit}"


def number(value: Any) -> float:
    """Return `value` as a number, 0 where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def size(value: Any) -> str:
    """Return a size: ``1,200``, ``0.25``."""
    return f"{number(value):,.6f}".rstrip("0").rstrip(".")


def price(value: Any) -> str:
    """Return a price with two decimals or as many as it has: ``187.40``, ``1.08435``."""
    whole, _, parts = f"{number(value):,.6f}".rstrip("0").partition(".")
    return f"{whole}.{parts:0<2}"


def money(value: Any) -> str:
    """Return an amount with two decimals: ``101,234.56``."""
    return f"{number(value):,.2f}"


def limited(row: Mapping[str, Any]) -> str:
    """Return what a limit is of, and whose where several sessions trade: ``SPY``, ``sma_cross: SPY``."""
    return f"{row['by']}: {row['scope']}" if row["by"] else str(row["scope"])


def limit(row: Mapping[str, Any]) -> list[str]:
    """Return limit, use and headroom of a row of limits as text, in the limit's own unit."""
    from robo_trader.risk.limits import percent

    if row["used"] is None:
        return [row["label"] or "–", "–", "–"]
    figures = [row["limit"], row["used"], row["headroom"]]
    if row["rule"] in ("correlation", "orders_per_minute"):
        return [f"{figure:.4g}" for figure in figures]
    return [percent(figure) for figure in figures]
