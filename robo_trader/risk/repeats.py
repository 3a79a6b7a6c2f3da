"""Decisions for the journal: a refusal that repeats itself is one entry with a count.

A strategy that asks again on every bar for what the guard refuses would fill a journal with one
sentence. Two vetoes are the same when order and rules are: the numbers in the reasons may differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from robo_trader.records import Decision


@dataclass(slots=True)
class Entry:
    """A decision, when it came last (aware UTC), and the ids of all orders that got it."""

    decision: Decision
    last: datetime
    orders: list[int]

    @property
    def count(self) -> int:
        """How often it came."""
        return len(self.orders)


def collapse(decisions: Iterable[Decision]) -> list[Entry]:
    """Return `decisions` in their order, a veto that follows the same one of its symbol joined to it."""
    entries: list[Entry] = []
    latest: dict[str, tuple[tuple[object, ...] | None, Entry]] = {}
    for decision in decisions:
        intent = decision.intent
        key = _key(decision)
        before = latest.get(intent.symbol)
        if key is not None and before is not None and before[0] == key:
            before[1].orders.append(intent.order_id)
            before[1].last = intent.time
            continue
        entry = Entry(decision, intent.time, [intent.order_id])
        entries.append(entry)
        latest[intent.symbol] = (key, entry)
    return entries


class Repeats:
    """Says what a live session writes: of a series of equal refusals the first at once, the rest as one.

    What is withheld was refused and is never sent, so that a crash loses a count and nothing else.
    """

    def __init__(self) -> None:
        self._series: dict[str, tuple[tuple[object, ...] | None, Entry | None]] = {}

    def told(self, decision: Decision) -> list[Entry]:
        """Return what to write now that `decision` was made, in order; nothing while it repeats the last."""
        intent, key = decision.intent, _key(decision)
        before, held = self._series.get(intent.symbol, (None, None))
        if key is None or key != before:
            self._series[intent.symbol] = (key, None)
            return [*([held] if held else []), Entry(decision, intent.time, [intent.order_id])]
        if held is None:
            self._series[intent.symbol] = (key, Entry(decision, intent.time, [intent.order_id]))
        else:
            held.orders.append(intent.order_id)
            held.last = intent.time
        return []

    def rest(self) -> list[Entry]:
        """Return what is still withheld, once the session ends."""
        found = [held for _, held in self._series.values() if held is not None]
        self._series.clear()
        return found


def _key(decision: Decision) -> tuple[object, ...] | None:
    """Return what makes two vetoes the same, or None for what is never joined."""
    if decision.action != "veto":
        return None
    i = decision.intent
    rules = tuple(reason.partition(":")[0] for reason in decision.reasons)
    # A price moves with the market on every try; that there is one is part of the order.
    changed = i.order_id if i.modifies else None
    return (changed, i.side, i.size, i.type, i.limit is not None, i.stop is not None, rules)
