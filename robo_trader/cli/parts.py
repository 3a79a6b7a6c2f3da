"""The fills of each trade, and how much of each was its."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from robo_trader.records import Fill

#: Less of a size is none: sums of decimal fractions are not exact.
FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Part:
    """A fill's share in one trade: the size that entered or left it."""

    fill: Fill
    role: Literal["entry", "exit"]
    size: float


def parts_of_trades(fills: Iterable[Fill]) -> dict[int, list[Part]]:
    """Return {trade_id: parts}, numbering trades as `trades.csv` does: by entry, across symbols.

    A fill that reverses a position ends one trade and opens the next.
    """
    out: dict[int, list[Part]] = {}
    held: dict[str, float] = {}
    current: dict[str, int] = {}
    for fill in fills:
        signed = fill.size if fill.side == "BUY" else -fill.size
        before = held.get(fill.symbol, 0.0)
        after = before + signed
        tolerance = FLAT * max(abs(before), fill.size)
        left = fill.size
        if abs(before) > tolerance and before * signed < 0:
            leaving = min(abs(before), fill.size)
            out[current[fill.symbol]].append(Part(fill, "exit", leaving))
            left = fill.size - leaving
            if abs(after) <= tolerance:
                after = left = 0.0
            before = 0.0
        if left > tolerance:
            if abs(before) <= tolerance:
                current[fill.symbol] = len(out) + 1
                out[current[fill.symbol]] = []
            out[current[fill.symbol]].append(Part(fill, "entry", left))
        held[fill.symbol] = after
    return out
