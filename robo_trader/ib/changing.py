"""`Changing`: the part of `IBBroker` that changes orders which the broker holds.

A change is judged and journalled like an order, counts here at once, and leaves with the orders of its
callback, or once the broker is known to have the order. The broker's answer settles it: its own word of the
order's values confirms it, an error takes it back. What a broken line swallowed is settled by the next
comparison with the broker's books, never by sending again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

import backtrader as bt

from robo_trader.engine.modifying import REFUSED, Values, done_of, put, values_of
from robo_trader.errors import BrokerError
from robo_trader.ib.executions import Modified, NotModified
from robo_trader.ib.wording import TRAILING, outgoing
from robo_trader.risk.exposure import SLACK

#: Why an order of a preview ends, and a change comes to nothing: it was computed, guarded and journalled.
PREVIEW = "preview: nothing is sent"
_OVER = "the order was over before it came"
_CALLED_BACK = "the order is being cancelled"


class ChangeWitness(Protocol):
    """Who writes down what becomes of changes; see `robo_trader.journal.live.RunJournal`."""

    def asked(self, order_id: int) -> int: ...

    def modified(
        self, order_id: int, number: int, size: float, limit: float | None, stop: float | None
    ) -> None: ...

    def not_modified(self, order_id: int, number: int, reason: str) -> None: ...

    def trouble(self, text: str) -> None: ...


class Changing:
    """Mixed into `IBBroker`; only Cerebro's thread touches it."""

    # What the broker has.
    _desk: Any
    _witness: Any
    _large: Any
    _outbox: list[Any]
    _by_ref: dict[str, Any]
    _called_back: set[str]
    #: An order's reference, its parent's, and its group's name.
    _names: Callable[[Any], tuple[str, str, str]]
    _submitted_at: dict[int, int]
    recorder: Any
    book: Any
    now: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: By `ref`: orders whose change is to leave, with its number.
        self._changed: dict[int, tuple[Any, int]] = {}
        #: By `ref`: the values that the broker is known to hold while changes of them are on their way.
        self._held: dict[int, Values] = {}
        self._asked: dict[int, dict[int, Values]] = {}
        #: By the `ref` of an entry that is to become smaller: the exits that follow, and how large they were.
        self._following: dict[int, dict[int, tuple[Any, float]]] = {}
        self._as_large_as_ever: list[Any] = []
        #: How many changes the strategy has made.
        self.changes = 0

    def _at_work(self, order: Any) -> Any:
        there = (*self._by_ref.values(), *self._outbox)
        return next((o for o in there if o.ref == order.ref and o.alive()), None)

    def _modified(self, order: Any, before: Values, after: Values) -> None:
        """Let a change leave with this callback's orders; the broker's answer is told."""
        self.changes += 1
        number = self._witness.asked(self._number_of(order))
        if order in self._outbox:
            self._write_down(order, number, after)
            self.notify(order)  # type: ignore[attr-defined]
            return
        self._submitted_at[order.ref] = max(self._submitted_at[order.ref], self.now)
        self.await_answer(order, number, after, before)
        self._changed[order.ref] = order, number

    def await_answer(self, order: Any, number: int, asked: Values, held: Values) -> None:
        """Remember a change whose answer is to come, and what the order asks for until then."""
        self._held.setdefault(order.ref, held)
        self._asked.setdefault(order.ref, {})[number] = asked

    def _that_follow(self, order: Any, size: float) -> list[Any]:
        found: list[Any] = super()._that_follow(order, size)  # type: ignore[misc]
        if order.parent is None and order.ref in self._asked:
            sizes = self._following.setdefault(order.ref, {})
            for each in found:
                sizes.setdefault(each.ref, (each, abs(float(each.created.size))))
        return found

    def _let_grow_again(self) -> None:
        """Entries stay as large as they were: their exits become again what they were."""
        entries, self._as_large_as_ever = self._as_large_as_ever, []
        for order in entries:
            if order.ref in self._asked:
                continue
            for each, size in self._following.pop(order.ref, {}).values():
                small = each.alive() and abs(float(each.created.size)) < size
                if small and not self.modify(each, size=size):  # type: ignore[attr-defined]
                    number, why = self._number_of(each), each.info.get(REFUSED, "")
                    self._witness.trouble(
                        f"{each.data._name}: exit {number} stays smaller than its entry: {why}"
                    )

    def _send_changes(self) -> None:
        changed, self._changed = self._changed, {}
        for order, number in changed.values():
            if order.status == bt.Order.Submitted and self._desk is not None:
                # Were the order refused meanwhile, its change would arrive as a new one.
                self._changed[order.ref] = order, number
                continue
            why = self._send_change(order, number)
            if why:
                self._come_to_nothing(order, number, why)

    def _take_back_changes(self, refs: Collection[str]) -> None:
        """Send no change of orders that are being cancelled."""
        for order, number in [*self._changed.values()]:
            if self._names(order)[0] in refs:
                del self._changed[order.ref]
                self._come_to_nothing(order, number, _CALLED_BACK)

    def _send_change(self, order: Any, number: int) -> str:
        """Send a change; return why it was not sent, or an empty text."""
        if not order.alive():
            return _OVER
        if self._desk is None:
            return PREVIEW
        ref, parent, group = self._names(order)
        if ref in self._called_back:
            return "it is being cancelled"
        try:
            out = outgoing(order, ref, parent, group)
            more = out.size - Decimal(repr(self._held[order.ref].size))
            elsewhere = done_of(order) - abs(float(order.executed.size))
            if elsewhere:
                out = replace(out, size=out.size - Decimal(repr(round(elsewhere, 9))))
            refused: str = self._large(replace(out, size=more)) if more > 0 else ""
            if not refused and not self._desk.modify(out, number):
                self._witness.trouble("the line broke while a change left; the broker will be asked for it")
        except BrokerError as error:
            return f"not sent: {error.message}"
        return refused

    def _learn_rest(self, order: Any) -> None:
        """Take what the broker has taken off an exit, when another was filled in part, off it here, too."""
        ref, parent, group = self._names(order)
        known = self._desk.orders.get(ref) if self._desk is not None else None
        if known is None or known.size is None or not (parent or group):
            return
        held, filled = self._held.get(order.ref, values_of(order)).size, abs(float(order.executed.size))
        left = abs(float(order.created.size)) - filled - (held - float(known.size))
        if 0 < left < abs(float(order.executed.remsize)) * (1 - SLACK):
            order.executed.remsize = left if order.isbuy() else -left

    # -- what the broker says ------------------------------------------------------------------------------

    def _answered(self, order: Any, answer: Modified | NotModified) -> None:
        if isinstance(answer, NotModified):
            self._come_to_nothing(order, answer.number, answer.reason)
            self._as_large_as_ever.append(order)
            return
        asked = self._asked.get(order.ref, {})
        values = asked.get(answer.number)
        if values is None:
            return
        self._held[order.ref] = values
        self._write_down(order, answer.number, values)
        self._forget(order, answer.number)
        if order.ref not in self._asked:
            self._following.pop(order.ref, None)
        if order.alive():
            self.notify(order)  # type: ignore[attr-defined]

    def _come_to_nothing(self, order: Any, number: int, why: str) -> None:
        """A change was refused, or did not leave: what the broker holds counts again."""
        asked = self._asked.get(order.ref, {})
        if number not in asked:
            return
        # Those before it that are on the wire may still be taken; the others never left.
        known = self._desk.orders.get(self._names(order)[0]) if self._desk is not None else None
        on_the_wire = {} if known is None else {n: asked[n] for n in known.asked if n in asked}
        for n in [n for n in asked if n <= number and n not in on_the_wire]:
            self._witness.not_modified(self._number_of(order), n, why)
        self._forget(order, number, on_the_wire)
        order.info[REFUSED] = why
        if why not in (PREVIEW, _CALLED_BACK):
            name = order.data._name
            self._witness.trouble(f"{name}: order {self._number_of(order)} stays as it was: {why}")
        if order.alive():
            self.notify(order)  # type: ignore[attr-defined]

    def _forget(self, order: Any, number: int, on_the_wire: Mapping[int, Values] | None = None) -> None:
        """Let go of the changes up to `number` but those `on_the_wire`; the newest that is left counts.

        When none is on its way any more, what is held counts.
        """
        asked = self._asked.pop(order.ref, {})
        later = {n: values for n, values in asked.items() if n > number}
        left = {**(on_the_wire or {}), **later}
        if left:
            self._asked[order.ref] = left
        if later:
            return
        held, made = left[max(left)] if left else self._held.pop(order.ref), order.created
        if order.exectype in TRAILING:
            held = held._replace(price=made.price, pricelimit=made.pricelimit)  # It went on meanwhile.
        put(order, held)
        self.recorder.modified(order)
        self.book.touch(order)

    def _keep_open(self, order: Any) -> None:
        """An order that is to become smaller is not complete before the broker says that it did."""
        held = self._held.get(order.ref)
        if held is not None and order.status == bt.Order.Completed and held.size > abs(order.executed.size):
            order.status = bt.Order.Partial

    def unanswered(self) -> Mapping[int, Mapping[int, Values]]:
        """Return the changes of which the broker has not said what became of them, by the orders' `ref`."""
        return self._asked

    # -- how -----------------------------------------------------------------------------------------------

    def _write_down(self, order: Any, number: int, values: Values) -> None:
        """Note in the journal that an order has `values` now."""
        kind = order.exectype
        limit = stop = None
        if kind == bt.Order.Limit:
            limit = values.price
        elif kind not in (bt.Order.Market, bt.Order.Close):
            stop = values.price
            limit = values.pricelimit if kind in (bt.Order.StopLimit, bt.Order.StopTrailLimit) else None
        self._witness.modified(self._number_of(order), number, values.size, limit, stop)

    def _number_of(self, order: Any) -> int:
        return int(self.recorder.order_id(order.ref))
