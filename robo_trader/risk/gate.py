"""The seam between strategy and broker: a family of intents in, one decision for each out.

Every order passes a `Gate` before a broker, simulated or real, sees it. A bracket is one family,
decided when its last child arrives; a plain order is a family of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from robo_trader.records import Decision, Intent
from robo_trader.risk.book import Book

__all__ = ["DROPPED", "AllowAll", "Book", "Gate", "SeesTheEnd", "settle"]

#: The reason of a child that is left out of its family, which goes on without it.
DROPPED = "bracket: its parent opens nothing that an exit could close"


class Gate(Protocol):
    """Decides about a family of orders. It never raises for a bad order: it vetoes with a reason."""

    def decide(self, family: Sequence[Intent], book: Book) -> Sequence[Decision]: ...


@runtime_checkable
class SeesTheEnd(Protocol):
    """A gate that wants to see how a backtest ended."""

    def close(self, book: Book) -> None:
        """Look at the book as the run left it."""


class AllowAll:
    """The gate of ``--risk off``: everything passes as it is."""

    def decide(self, family: Sequence[Intent], book: Book) -> Sequence[Decision]:
        """Return an allowing decision for each intent."""
        return [Decision(intent=intent) for intent in family]


def settle(decisions: Sequence[Decision]) -> list[Decision]:
    """Return a family's decisions with the rules that hold whatever the gate is.

    A veto of one is a veto of all, but for exits that are `DROPPED`. Children of a parent that was
    made smaller become smaller with it (rounded down to whole sizes where both were whole, but not
    below 1): an exit larger than its entry would open a position of its own.
    """
    if any(d.action == "veto" and d.reasons != (DROPPED,) for d in decisions):
        return [
            d
            if d.action == "veto"
            else Decision(intent=d.intent, action="veto", reasons=("its family was vetoed",))
            for d in decisions
        ]
    shrunk = {d.intent.order_id: d for d in decisions if d.action == "resize" and d.size is not None}
    return [_with_parent(d, shrunk.get(d.intent.parent)) if d.intent.parent else d for d in decisions]


def _with_parent(child: Decision, parent: Decision | None) -> Decision:
    if parent is None or parent.size is None:
        return child
    wanted, before, after = child.intent.size, parent.intent.size, parent.size
    most = after if wanted == before else wanted * after / before
    if float(wanted).is_integer() and float(after).is_integer():
        most = max(1.0, math.floor(most))
    if most >= (child.size if child.size is not None else wanted):
        return child
    return replace(child, action="resize", size=most, reasons=(*child.reasons, "scaled with its parent"))
