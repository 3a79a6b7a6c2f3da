"""The seam between strategy and broker in a live session: judged, then journalled, then sent.

An order gets its reference when decision and reference are committed. While the journal cannot be written,
what would open or add is vetoed; exits go out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from robo_trader.journal.live import RunJournal
from robo_trader.records import Decision, Intent
from robo_trader.risk.book import Book
from robo_trader.risk.exposure import SLACK
from robo_trader.risk.gate import Gate, settle
from robo_trader.risk.halt import HALTED, REDUCING, Halt
from robo_trader.risk.modifying import eases
from robo_trader.risk.repeats import Entry, Repeats

#: Finds the numbers of the signal and the event that an intent names as its reason.
Linker = Callable[[Intent], tuple[int | None, int | None]]
_UNWRITTEN = "the journal cannot be written: nothing that opens a position is sent"


class JournalledGate:
    """A `Gate` around another; `refs` has the reference of every order that may leave, by its id.

    `blocked` is a reason that stops whatever opens or adds, or empty: a difference that nobody has
    resolved, for example. `unexplained` is what the account holds beyond our executions, signed, by symbol:
    where it holds less than we do, an exit is one only as far as both agree.
    """

    def __init__(self, gate: Gate, journal: RunJournal, link: Linker = lambda intent: (None, None)) -> None:
        self.refs: dict[int, str] = {}
        self.blocked = ""
        self.unexplained: Mapping[str, float] = {}
        #: True while an operator's orders are made: they pass, and no rule is asked.
        self.by_operator = False
        #: The halt state as it was read last, and what reads it before each family.
        self.halt = Halt()
        self.before: Callable[[], None] = lambda: None
        self._gate = gate
        self._journal = journal
        self._link = link
        self._repeats = Repeats()

    def decide(self, family: Sequence[Intent], book: Book) -> list[Decision]:
        """Return the decisions, once they are committed."""
        self.before()
        senseless = next((one for one in family if not _has_prices(one)), None)
        if senseless is not None:
            reason = f"the price of order {senseless.order_id} is no number"
            plain = [one if _has_prices(one) else replace(one, limit=None, stop=None) for one in family]
            return self.write([_veto(intent, reason) for intent in plain], exits=True)
        exits = reduces(family, book, self.surely) or (family[0].modifies and eases(family[0], book))
        if self.by_operator:
            return self.write([Decision(intent=intent) for intent in family], exits=True)
        stopped = self._stopped(exits)
        if stopped:
            decisions = [_veto(intent, stopped) for intent in family]
        else:
            decisions = settle(self._gate.decide(family, book))
        return self.write(decisions, exits=exits)

    def write(self, decisions: list[Decision], *, exits: bool) -> list[Decision]:
        """Commit decisions and note the references; without a commit they come back as vetoes."""
        sent = [d for d in decisions if d.action != "veto"]
        entries = [entry for d in decisions for entry in self._repeats.told(d)]
        if not sent:
            self._entries(entries)
            return decisions
        own = {id(d) for d in decisions}
        self._entries([entry for entry in entries if id(entry.decision) not in own])
        signal, event = self._link(decisions[0].intent)
        refs = self._journal.decide(decisions, signal=signal, event=event, exits=exits)
        if refs is None:
            return [d if d.action == "veto" else _veto(d.intent, _UNWRITTEN) for d in decisions]
        for decision, ref in zip(decisions, refs, strict=True):
            if decision.action != "veto":
                self.refs[decision.intent.order_id] = ref
        return decisions

    def _stopped(self, exits: bool) -> str:
        """Return why a family may not be judged at all, or an empty text."""
        if self.halt.state == HALTED or (self.halt.state == REDUCING and not exits):
            return f"halt: {self.halt.text()}"
        return "" if exits else self.blocked

    def surely(self, symbol: str, held: float) -> float:
        """Return how much of a position of ours the broker holds, too: more of an exit would open one."""
        there = held + self.unexplained.get(symbol, 0.0)
        return math.copysign(min(abs(held), abs(there)), held) if held * there > 0 else 0.0

    def close(self) -> None:
        """Write what is still withheld of refusals that repeat themselves."""
        self._entries(self._repeats.rest())

    def _entries(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            signal, event = self._link(entry.decision.intent)
            self._journal.decide(
                [entry.decision], signal=signal, event=event, exits=True, repeats=entry.count
            )


def reduces(family: Sequence[Intent], book: Book, surely: Callable[[str, float], float]) -> bool:
    """Tell whether a family can only make positions smaller, at the broker as well as here."""
    for intent in family:
        if intent.parent is not None and not intent.modifies:
            continue
        held = surely(intent.symbol, book.position(book.instrument(intent.symbol).symbol))
        closing = held > 0 if intent.side == "SELL" else held < 0
        if not closing or intent.size > abs(held) + SLACK:
            return False
    return True


def _has_prices(intent: Intent) -> bool:
    """Tell whether the prices of an order, where it has some, are numbers: no journal holds others."""
    return all(price is None or math.isfinite(price) for price in (intent.limit, intent.stop))


def _veto(intent: Intent, reason: str) -> Decision:
    return replace(Decision(intent=intent), action="veto", size=0.0, reasons=(reason,))
