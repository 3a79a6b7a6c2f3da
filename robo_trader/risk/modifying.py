"""Changes of working orders before the guard: which enlarge nothing, and what may become of the others.

A change is an `Intent` that names the order it `modifies`; its size is what may still be filled of it. The
book has the order as it works now, in whose place the changed one is judged.
"""

from __future__ import annotations

from dataclasses import replace

from robo_trader.records import Decision, Intent
from robo_trader.risk.book import Book, WorkingOrder
from robo_trader.risk.exposure import SLACK, closing_part


def eases(intent: Intent, book: Book) -> bool:
    """Tell whether a change makes no position larger, so that no rule stands in its way, nor REDUCING.

    That is one that is not for more, and either only closes (a stop that follows the market), or costs
    no more and is no nearer to a fill.
    """
    old = _as_it_works(intent, book)
    if old is None or intent.size > old.size * (1 + SLACK):
        return False
    if old.dormant:
        return True  # An exit whose entry still works opens nothing.
    symbol = book.instrument(intent.symbol).symbol
    position, working = book.position(symbol), book.working(symbol)
    closing = closing_part(intent.side, intent.size, position, working, old.group)
    if closing >= intent.size * (1 - SLACK):
        return True
    if intent.side == "BUY":
        return intent.stop == old.stop and not _above(intent.limit, old.limit)
    return intent.limit == old.limit and not _above(intent.stop, old.stop)


def only_trims(decision: Decision, book: Book) -> Decision:
    """Return the decision about a change: a guard may trim what it adds, never what works already."""
    intent = decision.intent
    old = _as_it_works(intent, book)
    if decision.action != "resize" or decision.size is None or old is None:
        return decision
    if decision.size >= min(old.size, intent.size) * (1 - SLACK):
        return decision
    return replace(decision, action="veto", size=0.0, reasons=(*decision.reasons, "the order stays as it is"))


def _as_it_works(intent: Intent, book: Book) -> WorkingOrder | None:
    working = book.working(book.instrument(intent.symbol).symbol)
    return next((order for order in working if order.order_id == intent.order_id), None)


def _above(new: float | None, old: float | None) -> bool:
    return new is not None and old is not None and new > old
