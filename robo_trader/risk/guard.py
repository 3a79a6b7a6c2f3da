"""The guard: every order of every strategy passes it on its way to a broker.

It decides about families. Of an order, what reduces the position always passes (net of exits that
are at work already); the rest is put to every rule, all reasons are kept, and the smallest answer
holds. A bracket's children follow their parent and are never larger than it.

Failure contract: `decide` does not raise. An order that cannot be judged, because its price or size
is not known or a rule raised, is vetoed as far as it opens anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from robo_trader.clock import from_ns
from robo_trader.records import Action, Answer, Decision, Intent
from robo_trader.risk.book import Book, WorkingOrder
from robo_trader.risk.exposure import SLACK, closing_part, round_down
from robo_trader.risk.gate import DROPPED, settle
from robo_trader.risk.halt import ACTIVE, HALTED, REDUCING, Halt, State
from robo_trader.risk.modifying import eases, only_trims
from robo_trader.risk.rule import BATCH, RiskRule, label_of, overrides, raised
from robo_trader.risk.sectors import SectorMap
from robo_trader.risk.tally import Tally
from robo_trader.risk.usage import Measures, Usage
from robo_trader.risk.view import Facts, View

_Check = Callable[[Intent, View], Decision | None]


@runtime_checkable
class _Braking(Protocol):
    """A rule that can be asked whether it stops openings, and told to forget it."""

    brake: bool

    def state(self, book: View) -> str: ...

    def reset(self, book: View) -> None: ...


@runtime_checkable
class _Settling(Protocol):
    """A rule that may have something to say of the sessions since it was asked last."""

    def settle(self, book: View) -> None: ...


class Halts(Protocol):
    """Where the halt state stands; see `robo_trader.risk.halt.HaltStore`."""

    def read(self) -> Halt: ...

    def set(self, state: State, *, who: str, why: str, rule: str) -> Halt: ...


class Guard:
    """Decides about orders by `rules` (name → rule, asked in this order).

    Without `halts`, as in a backtest, brakes lift by themselves and no halt state is asked for; with
    it the state is read before each family, and a breach of a brake sets ``REDUCING``. One guard
    serves one run, since rules remember.
    """

    def __init__(
        self,
        rules: Mapping[str, RiskRule],
        *,
        sectors: SectorMap | None = None,
        halts: Halts | None = None,
        profile: str = "default",
    ) -> None:
        self.rules = dict(rules)
        self.profile = profile
        self.tally = Tally()
        self.view = View(sectors if sectors is not None else SectorMap.load())
        self._halts = halts
        self._state = ACTIVE
        self._known = False
        self._resumed: datetime | None = None
        self._asked = [(n, r, r.check) for n, r in self.rules.items() if not getattr(r, "idle", False)]
        self._told = [(n, r.sent) for n, r in self.rules.items() if overrides(r, "sent")]
        self._always = [row for row in self._asked if not overrides(row[1], "unasked")]
        self._spared = [row[1] for row in self._asked if overrides(row[1], "unasked")]
        self._symbols: dict[str, str] = {}
        self._stamp = -1
        self._budget = 0.0
        self._batch = 0
        #: What went wrong in rules that no longer know what was sent: they let nothing open any more.
        self._broken: dict[str, str] = {}
        for rule in self.rules.values():
            if halts is not None and hasattr(rule, "lifts"):
                rule.lifts = False

    # -- decisions ---------------------------------------------------------------------------

    def decide(self, family: Sequence[Intent], book: Book, *, by_operator: bool = False) -> list[Decision]:
        """Return one decision for each intent of `family`, in its order.

        `by_operator` marks orders that a person gave (a flatten): they pass in every halt state,
        and no rule is asked.
        """
        if by_operator:
            return [Decision(intent=intent) for intent in family]
        known = family
        try:
            if len(family) != 1 or self._symbols.get(family[0].symbol) != family[0].symbol:
                known = [self._known_as(intent, book) for intent in family]
            state = ACTIVE
            if self._halts is not None:
                halt = self._follow_halts(book)
                state = halt.state
                if state == HALTED:
                    return self._done([_refusal(i, "halt", halt.text()) for i in family], family)
            if family[0].modifies and eases(family[0], book):
                return [Decision(intent=intent) for intent in family]
            blind = ""
            try:
                self.view.look(book)
            except Exception as error:  # noqa: BLE001 - reducing orders still pass, others say why not
                blind = _blind(error)
            if len(known) == 1 and known[0].parent is None:
                decisions = [self._judge(known[0], book, state, blind, None)[0]]
            else:
                decisions = self._family(known, book, state, blind)
            if known[0].modifies:
                decisions = [only_trims(decision, book) for decision in decisions]
        except Exception as error:  # noqa: BLE001 - an order that nobody could judge is not sent
            return self._done([_refusal(intent, "guard", _blind(error)) for intent in family], family)
        decisions = self._done(decisions, known)
        if known is family:
            return decisions
        return [replace(d, intent=intent) for d, intent in zip(decisions, family, strict=True)]

    def _done(self, decisions: list[Decision], family: Sequence[Intent]) -> list[Decision]:
        """Count what was decided, and tell the rules what goes out."""
        for decision, intent in zip(decisions, family, strict=True):
            self.tally.count(decision)
            if decision.action != "veto":
                for name, sent in self._told:
                    try:
                        sent(intent, self.view)
                    except Exception as error:  # noqa: BLE001 - what was decided holds; the next openings do not
                        self._broken[name] = raised(error)
        return decisions

    def _known_as(self, intent: Intent, book: Book) -> Intent:
        """Return `intent` under its instrument's symbol: feeds of one symbol share its limits."""
        symbol = self._symbols.get(intent.symbol)
        if symbol is None:
            symbol = self._symbols[intent.symbol] = book.instrument(intent.symbol).symbol
        return intent if symbol == intent.symbol else replace(intent, symbol=symbol)

    def _family(self, family: Sequence[Intent], book: Book, state: State, blind: str) -> list[Decision]:
        """Judge the heads of a family, let the children follow their parents."""
        inside = {intent.order_id for intent in family}
        extra: dict[str, list[WorkingOrder]] = {}
        parents: dict[int, _Entry] = {}
        out: list[Decision] = []
        for intent in family:
            entry = parents.get(intent.parent) if intent.parent is not None else None
            if entry is not None and entry.takes_out(intent):
                out.append(entry.scale(intent, self.view.facts(intent.symbol).lot))
                continue
            if intent.parent in inside and intent.parent not in parents:
                out.append(Decision(intent=intent, action="veto", size=0.0, reasons=_FAMILY))
                continue
            late = self._late_child(intent, book, inside)
            if late is not None:
                out.append(late)
                continue
            decision, opened, wanted = self._judge(intent, book, state, blind, extra.get(intent.symbol, ()))
            out.append(decision)
            if decision.action != "veto":
                size = intent.size if decision.size is None else decision.size
                parents[intent.order_id] = _Entry(intent, wanted, opened)
                more = extra.setdefault(intent.symbol, [])
                more.append(_working(intent, size, inside))
                self.view.update(intent.symbol, more)
        settled, self._batch = settle(out), 0
        for symbol in {intent.symbol for intent in family}:
            passed = [d for d in settled if d.action != "veto" and d.intent.symbol == symbol]
            self.view.update(symbol, [_working(d.intent, d.size or d.intent.size, inside) for d in passed])
        return settled

    def _count(
        self, intent: Intent, size: float, position: float, working: Sequence[WorkingOrder],
        price: float, facts: Facts,
    ) -> None:  # fmt: skip
        """Count a lone order that passes, before the book knows of it."""
        if not working and intent.type == "Market" and intent.oco is None:
            self.view.hold(intent.symbol, position + (size if intent.side == "BUY" else -size), price, facts)
        else:
            self.view.update(intent.symbol, [_working(intent, size, ())])

    def _late_child(self, intent: Intent, book: Book, inside: set[int]) -> Decision | None:
        """Let an exit that is added to a bracket follow the parent that still works."""
        if intent.parent is None or intent.parent in inside:
            return None
        for order in book.working(intent.symbol):
            if order.order_id == intent.parent and order.side != intent.side:
                held = book.position(intent.symbol) * (1 if order.side == "BUY" else -1)
                # A parent that reverses a position opens only what it does not need for closing.
                entry = _Entry(intent, order.size, order.size + min(held, 0.0))
                return entry.scale(intent, self.view.facts(intent.symbol).lot)
        return None

    def _judge(
        self, intent: Intent, book: Book, state: State, blind: str, extra: Sequence[WorkingOrder] | None
    ) -> tuple[Decision, float, float]:
        """Return the decision about one order, and what it opens: what is allowed and was wanted.

        `extra` are the orders of its family that came before it; None: it comes alone.
        """
        symbol, side, size = intent.symbol, intent.side, intent.size
        view = self.view
        if not 0 < size < math.inf:
            return _refusal(intent, "guard", f"{size!r} is no size"), 0.0, 0.0
        position = book.position(symbol)
        working = book.working(symbol)
        facts = view.known.get(symbol) or view.facts(symbol)
        if extra:
            working = [*working, *extra]
        price = view.prices.get(symbol) if not blind else None
        if price is None:
            price = book.price(symbol) if blind else view.price(symbol)
        group = intent.order_id if intent.oco is None and intent.parent is None else _group(intent)
        closing = 0.0
        if position and (position > 0) == (side == "SELL"):
            closing = (
                closing_part(side, size, position, working, group) if working else min(size, abs(position))
            )
            if closing >= size * (1 - SLACK):
                # An exit may unbalance the portfolio, and it is one more in this minute: it uses up what
                # the rules gave away.
                self._budget -= size * price * facts[1]
                self._batch = max(self._batch - 1, 0)
                if extra is None and not blind:
                    self._count(intent, size, position, working, price, facts)
                return Decision(intent=intent), 0.0, 0.0
        if blind or not price > 0:
            why = blind or f"{symbol} has no price yet"
            return self._settle(intent, closing, 0.0, [_vetoed("guard", why)])
        opening = intent if not closing else replace(intent, size=size - closing)
        view.judge(opening, closing, position, working, price, group, facts)
        wanted = allowed = opening.size
        said: list[Answer] = []
        if state != ACTIVE:
            allowed = 0.0
            said.append(_vetoed("halt", f"only what reduces a position passes while {state}"))
        for name, rule, check in self._to_ask(size):
            try:
                answer = check(opening, view)
                if answer is None or answer.action == "allow":
                    continue
                fits, told = _understood(name, answer, wanted, closing)
            except Exception as error:  # noqa: BLE001 - an order that a rule could not judge is not sent
                fits, told = 0.0, replace(_vetoed(name, raised(error)), size=closing)
            allowed = min(allowed, fits)
            said.append(told)
            if not fits and getattr(rule, "brake", False) and self._halts is not None:
                said[-1] = self._stopped_by(told)
        if self._broken:
            allowed = 0.0
            said += [_vetoed(name, why) for name, why in self._broken.items()]
        decision, opened = Decision(intent=intent), wanted
        if said:
            decision, opened, wanted = self._settle(intent, closing, allowed, said)
        if extra is None and decision.action != "veto":
            passed = size if decision.size is None else decision.size
            self._count(intent, passed, position, working, price, facts)
        return decision, opened, wanted

    def _to_ask(self, size: float) -> Sequence[tuple[str, RiskRule, _Check]]:
        """Return the rules to ask: those that gave money away are spared until it is used up."""
        view = self.view
        if view.stamp != self._stamp or not self._batch:
            self._stamp, self._batch = view.stamp, BATCH
            self._budget = self._given_away()
        self._batch -= 1
        if view.unit != view.plain_unit:
            # A price above the market makes what is there dearer too: nothing is given away for that.
            self._budget = 0.0
            return self._asked
        self._budget -= size * view.unit
        return self._always if self._budget >= 0 else self._asked

    def _given_away(self) -> float:
        """Return how much money of new exposure every rule would let pass without looking."""
        try:
            given = [float(rule.unasked(self.view)) for rule in self._spared]
        except Exception:  # noqa: BLE001 - then every rule is asked about every order
            return 0.0
        return min(given, default=0.0) if all(money >= 0 for money in given) else 0.0

    def _settle(
        self, intent: Intent, closing: float, allowed: float, said: Sequence[Answer]
    ) -> tuple[Decision, float, float]:
        """Put the closing part and what is allowed of the rest together."""
        size = intent.size
        if allowed > 0:
            allowed = round_down(closing + allowed, size, self.view.facts(intent.symbol).lot) - closing
        passes = closing + allowed if allowed > 0 else closing
        answers, reasons = tuple(said), tuple(f"{answer.rule}: {answer.reason}" for answer in said)
        if passes <= 0:
            refused = Decision(intent=intent, action="veto", size=0.0, reasons=reasons, answers=answers)
            return refused, 0.0, size - closing
        if closing and allowed <= 0:
            reasons = (*reasons, f"the part that closes the position, {closing:g}, passes")
        decision = Decision(intent=intent, action="resize", size=passes, reasons=reasons, answers=answers)
        return decision, max(0.0, allowed), size - closing

    # -- halt states -------------------------------------------------------------------------

    def watch(self, book: Book) -> None:
        """Look at the brakes without an order, as a live session does on every bar."""
        self.view.look(book)
        if self._halts is None or self._follow_halts(book).state != ACTIVE:
            return
        for name, rule in self.rules.items():
            why = rule.state(self.view) if isinstance(rule, _Braking) and rule.brake else ""
            if why:
                self._breach(name, why)

    def _follow_halts(self, book: Book) -> Halt:
        """Read the halt state; when an operator has resumed, the brakes measure anew."""
        assert self._halts is not None
        halt = self._halts.read()
        # A store that fails for a moment reads as REDUCING too; only somebody's word resumes.
        if halt.state == ACTIVE and self._known and halt.when not in (None, self._resumed):
            self.view.look(book)
            for name, rule in self.rules.items():
                if isinstance(rule, _Braking):
                    try:
                        rule.reset(self.view)
                    except Exception as error:  # noqa: BLE001 - exits still pass
                        self._broken[name] = raised(error)
        if halt.state == ACTIVE:
            self._known, self._resumed = True, halt.when
        self._state = halt.state
        return halt

    def _stopped_by(self, told: Answer) -> Answer:
        """Set ``REDUCING`` for a brake; where that fails, its answer says so and still holds."""
        try:
            self._breach(told.rule, told.reason)
        except Exception as error:  # noqa: BLE001 - a store that is away must not keep an exit back
            return replace(told, reason=f"{told.reason}; the halt state could not be set: {error}")
        return told

    def _breach(self, name: str, why: str) -> None:
        if self._state == ACTIVE and self._halts is not None:
            who = f"the guard ({name})"
            self._state = self._halts.set("REDUCING", who=who, why=f"{name}: {why}", rule=name).state

    # -- what it did -------------------------------------------------------------------------

    def close(self, book: Book) -> None:
        """Let the brakes of a backtest see how it ended, if any order was ever judged."""
        if self._halts is None and self.view.now >= 0:
            self.view.look(book)
            for name, rule in self.rules.items():
                if isinstance(rule, _Settling):
                    try:
                        rule.settle(self.view)
                    except Exception as error:  # noqa: BLE001 - a run that is over is not lost for it
                        self._broken[name] = raised(error)

    def halts(self) -> list[Halt]:
        """Return when brakes stopped openings and let go of them by themselves, in a backtest."""
        changes = [
            (c.at, turn, name, c.stops, c.why)
            for name, rule in self.rules.items() for turn, c in enumerate(getattr(rule, "changes", ()))
        ]  # fmt: skip
        out: list[Halt] = []
        holding: set[str] = set()
        # What one rule says keeps its order where two of its changes have one moment.
        for at, _, name, stops, why in sorted(changes):
            (holding.add if stops else holding.discard)(name)
            state = REDUCING if holding else ACTIVE
            out.append(Halt(state, f"the guard ({name})", from_ns(at), f"{name}: {why}", rule=name))
        return out

    def usage(self, book: Book) -> list[tuple[str, Usage]]:
        """Return each rule's limits with how much of them is used, as ``(rule, usage)``."""
        self.view.look(book)
        measured = [(name, rule) for name, rule in self.rules.items() if isinstance(rule, Measures)]
        return [(name, row) for name, rule in measured for row in rule.usage(self.view)]

    def summary(self) -> dict[str, object]:
        """Return profile, limits and counts as plain data, for `run.json`."""
        for name, rule in self.rules.items():
            if getattr(rule, "lifted", 0):
                self.tally.lifted[name] = rule.lifted  # type: ignore[attr-defined]
        return {"profile": self.profile, "limits": self.labels(), **self.tally.as_dict()}

    def labels(self) -> dict[str, str]:
        """Return each rule's limit as text."""
        return {
            n: self._broken.get(n) or label_of(r) for n, r in self.rules.items() if not getattr(r, "idle", 0)
        }

    def line(self) -> str:
        """Return one line for people that says what the guard did."""
        self.summary()
        return self.tally.line(self.labels())


class _Entry(NamedTuple):
    """A bracket's parent: the size that it was to open, and the size that it may."""

    intent: Intent
    wanted: float
    allowed: float

    def takes_out(self, child: Intent) -> bool:
        """Tell whether `child` is an exit from what this parent opens."""
        return child.side != self.intent.side and child.symbol == self.intent.symbol

    def scale(self, child: Intent, lot: float) -> Decision:
        """Scale an exit with its parent; it never outgrows what the parent opens."""
        if self.allowed <= 0:
            return Decision(intent=child, action="veto", size=0.0, reasons=(DROPPED,))
        size = min(child.size, self.wanted)
        if self.allowed < self.wanted:
            size = min(size * self.allowed / self.wanted, self.allowed)
        if size >= child.size * (1 - SLACK):
            return Decision(intent=child)
        # A part of one lot still protects something: one lot is no larger than the smallest entry.
        size = round_down(size, child.size, lot) or min(lot, self.allowed)
        numbers = {"parent_asked": self.wanted, "parent_decided": self.allowed}
        answer = Answer(rule="bracket", action="resize", reason=_SCALED, size=size, numbers=numbers)
        return Decision(
            intent=child, action="resize", size=size, reasons=(f"bracket: {_SCALED}",), answers=(answer,)
        )


_FAMILY = ("its family was vetoed",)
_SCALED = "scaled to what its parent opens"


def _understood(name: str, answer: Decision, wanted: float, closing: float) -> tuple[float, Answer]:
    """Return the size that fits, and what the rule `name` said; that of `closing` passes anyhow.

    A stranger's rule need not give numbers. What is no answer raises whatever it raises.
    """
    size = answer.size
    resizes = answer.action == "resize" and size is not None and bool(0 < size < wanted)
    fits = float(size) if resizes and size is not None else 0.0
    if isinstance(answer.reasons, str):
        raise TypeError("its reasons are no tuple of texts")
    given = answer.answers[0] if answer.answers else Answer(rule=name, action=answer.action)
    action: Action = "resize" if fits else "veto"
    reason = "; ".join(map(str, answer.reasons))
    return fits, replace(
        given, rule=name, action=action, reason=reason, size=closing + fits,
        limit=_number(given.limit), seen=_number(given.seen), numbers=dict(given.numbers),
    )  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _refusal(intent: Intent, rule: str, reason: str) -> Decision:
    answers = (_vetoed(rule, reason),)
    return Decision(intent=intent, action="veto", size=0.0, reasons=(f"{rule}: {reason}",), answers=answers)


def _vetoed(rule: str, reason: str) -> Answer:
    return Answer(rule=rule, action="veto", reason=reason, size=0.0)


def _blind(error: Exception) -> str:
    return f"the account could not be read: {type(error).__name__}: {error}"


def _group(intent: Intent) -> int:
    """Return the group that an order belongs to."""
    if intent.parent is not None:
        return -intent.parent
    return intent.oco if intent.oco is not None else intent.order_id


def _working(intent: Intent, size: float, inside: Collection[int]) -> WorkingOrder:
    """Return what an order will be to the book; exits whose parent is `inside` the family wait for it."""
    return WorkingOrder(
        intent.order_id, intent.side, size, intent.type, intent.limit, intent.stop, _group(intent),
        dormant=intent.parent is not None and intent.parent in inside,
    )  # fmt: skip
