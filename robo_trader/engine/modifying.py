"""`modify()`: what every broker of the project offers beyond Backtrader's to a strategy with a working order.

The order stays the same object with the same place in its bracket and group; its values change. A change is
judged by the guard before anything happens, and a refused one leaves the order as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple

import backtrader as bt

from robo_trader.records import Decision, Intent
from robo_trader.risk.exposure import SLACK

_TRAILS = ("size", "trailamount", "trailpercent")
#: What can be changed of each type; a market order is filled before anybody could.
_CHANGEABLE: dict[int, tuple[str, ...]] = {
    bt.Order.Market: (),
    bt.Order.Close: ("size",),
    bt.Order.Limit: ("size", "price"),
    bt.Order.Stop: ("size", "price"),
    bt.Order.StopLimit: ("size", "price", "pricelimit"),
    bt.Order.StopTrail: _TRAILS,
    bt.Order.StopTrailLimit: _TRAILS,
}
#: The key in `order.info` that says why the order's last change was refused.
REFUSED = "refused"


class Values(NamedTuple):
    """What an order asks for: `size` is all of it, positive; the rest as it was given to buy() or sell()."""

    size: float
    price: float | None
    pricelimit: float | None
    trailamount: float | None
    trailpercent: float | None


def values_of(order: Any) -> Values:
    """Return what an order asks for now."""
    made = order.created
    return Values(
        abs(float(made.size)), made.price, made.pricelimit, order.trailamount, order.trailpercent
    )  # fmt: skip


def done_of(order: Any) -> float:
    """Return how much of an order's size is no more to be filled; positive.

    That is what was filled of it, and of a bracket's exit what the others have closed in its place.
    """
    size, part = abs(float(order.created.size)), order.executed
    filled = abs(float(part.size))
    others = size - filled - abs(float(part.remsize))
    return filled + others if others > SLACK * size else filled


def put(order: Any, values: Values) -> None:
    """Let an order ask for `values` from now on."""
    signed = values.size if order.isbuy() else -values.size
    made = order.created
    # The fast engine's notifications share what was filled, and Backtrader's share the parameters.
    quick = hasattr(order, "own_executed")
    part = order.own_executed() if quick else order.executed
    gone = done_of(order)
    order.size = made.size = signed
    part.remsize = signed - (gone if order.isbuy() else -gone)
    made.price, made.pricelimit = values.price, values.pricelimit
    for holder in (made, order if quick else order.p):
        holder.trailamount, holder.trailpercent = values.trailamount, values.trailpercent


class Modifying:
    """The part of a broker that changes working orders; `RecordingBroker` is made with it."""

    # What the broker has.
    gate: Any
    recorder: Any
    book: Any
    cash: float
    positions: Any
    pending: Any
    submitted: Any
    _pchildren: Any
    p: Any
    _reason_in_words: Callable[[Any], str]

    def modify(
        self,
        order: Any,
        *,
        size: float | None = None,
        price: float | None = None,
        pricelimit: float | None = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        because: Any = None,
    ) -> bool:
        """Change a working order and return whether the change is in force, or on its way to the broker.

        The arguments mean what they mean to ``buy()`` and ``sell()``; None leaves a value as it is. `size`
        is the whole order, what has been filled included. A trailing stop can be given another distance of
        the kind that it has. The exits of one bracket change their size together, since at most one of them
        is filled, and do so with an entry that becomes smaller than they are.

        The values count at once, and in the market from the next bar that starts, as a new order's would.
        The guard judges a change as it judges an order: it may trim what a larger size adds; changes that
        make no position larger pass unless the state is HALTED. `notify_order` tells of the order again, in
        the status that it has (``Accepted``, or ``Partial``).

        A refused change leaves the order working as it was: the answer is False, ``order.info["refused"]``
        says why, and `notify_order` tells of the order again. Live, the broker may refuse what has left:
        then `notify_order` comes with that text later, the values being the old ones again. The text is
        gone with the next change that is not refused. Of an order that is over the answer is False and
        nothing more.
        """
        found = self._at_work(order)
        if found is None:
            if order.alive():
                order.info[REFUSED] = "it has not been sent yet"
            return False
        self._before_a_change(found)
        if not found.alive():
            return False
        given = {
            "size": size, "price": price, "pricelimit": pricelimit,
            "trailamount": trailamount, "trailpercent": trailpercent,
        }  # fmt: skip
        before = values_of(found)
        changed = {name: value for name, value in given.items() if value is not None}
        senseless = _senseless(found, changed, before)
        if senseless:
            return self._leave_as_it_is(found, senseless)
        after = before._replace(**{name: float(value) for name, value in changed.items()})
        if after.price != before.price and found.exectype != bt.Order.StopLimit:
            after = after._replace(pricelimit=after.price)
        if after == before:
            return True
        after, refused = self._let_judge(found, before, after, because)
        if refused:
            return self._leave_as_it_is(found, refused)
        put(found, after)
        found.info[REFUSED] = ""
        self.recorder.modified(found)
        self._modified(found, before, after)
        self.book.touch(found)
        if after.size != before.size:
            for other in self._that_follow(found, after.size):
                self.modify(other, size=after.size, because=because)
        return True

    def _let_judge(self, order: Any, before: Values, after: Values, because: Any) -> tuple[Values, str]:
        """Return the values that may come into force, and why none may."""
        put(order, after)
        poorer, intent = self._falls_short(order, before, after), self._change(order, because)
        put(order, before)
        nearer = _drawn_nearer(order, before, after)
        if nearer is not None:
            intent = replace(intent, stop=nearer)
        if poorer:
            return before, "not enough cash"
        decision: Decision = self.gate.decide([intent], self.book)[0]
        self.recorder.decision(decision)
        if decision.action == "veto":
            return before, "; ".join(decision.reasons) or "vetoed"
        if decision.action == "resize" and decision.size is not None:
            after = after._replace(size=intent.filled + decision.size)
        return after, ""

    def _change(self, order: Any, because: Any) -> Intent:
        """Return what the guard is asked: the order as it would be, for what is not filled of it."""
        intent: Intent = self._intent(order)  # type: ignore[attr-defined]
        filled = done_of(order)
        reason = intent.because if because is None else self._reason_in_words(because)
        return replace(intent, size=intent.size - filled, filled=filled, modifies=True, because=reason)

    def _falls_short(self, order: Any, before: Values, after: Values) -> bool:
        """Tell whether the cash does not reach for an order that has become larger or dearer."""
        if not self.p.checksubmit or (after[1:3] == before[1:3] and after.size <= before.size):
            return False
        left = self._cash_after(order)
        if left >= 0:
            return False
        put(order, before)
        otherwise = self._cash_after(order)
        put(order, after)
        return left < otherwise

    def _cash_after(self, order: Any) -> float:
        """Return the cash once an order is filled at its price, as `check_submitted` reckons it."""
        held = self.positions[order.data].clone()
        return float(self._execute(order, cash=self.cash, position=held))  # type: ignore[attr-defined]

    def _leave_as_it_is(self, order: Any, why: str) -> bool:
        order.info[REFUSED] = why
        self.notify(order)  # type: ignore[attr-defined]
        return False

    def _that_follow(self, order: Any, size: float) -> list[Any]:
        """Return the exits that take on the new size of an order: its own, or those beside it."""
        root = order if order.parent is None else order.parent
        exits = [
            o
            for o in self._pchildren.get(root.ref, ())
            if o.parent is not None and o.ref != order.ref and o.alive() and o.isbuy() != root.isbuy()
        ]
        if order.parent is None:
            return [o for o in exits if abs(o.created.size) > size * (1 + SLACK)]
        return exits if order.isbuy() != root.isbuy() else []

    # -- what brokers do differently -------------------------------------------------------------------

    def _at_work(self, order: Any) -> Any:
        """Return the order itself where it works or is on its way; a notification is a copy of it."""
        there = (*self.pending, *self.submitted)
        return next((o for o in there if o is not None and o.ref == order.ref), None)

    def _before_a_change(self, order: Any) -> None:
        """Get ready to look at an order that is to be changed."""

    def _modified(self, order: Any, before: Values, after: Values) -> None:
        """An order has other values."""
        self.notify(order)  # type: ignore[attr-defined]


def _senseless(order: Any, changed: dict[str, Any], before: Values) -> str:
    """Return why a change cannot be meant, or an empty text."""
    kind = order.getordername()
    able = _CHANGEABLE.get(order.exectype, ())
    if not able:
        return f"a {kind} order is on its way and cannot be changed; cancel it"
    for name, value in changed.items():
        if name not in able or (name.startswith("trail") and not getattr(before, name)):
            return f"a {kind} order has no {name} that could be changed"
        if not _is_number(value) or (name.startswith("trail") and value <= 0):
            return f"{value!r} is no {name}"
    size, done = changed.get("size"), done_of(order)
    if size is not None and size <= done:
        return f"a size of {size:g} leaves nothing of it, {done:g} being filled; cancel it"
    return ""


def _drawn_nearer(order: Any, before: Values, after: Values) -> float | None:
    """Return how near to the market a shorter distance draws a trailing stop, None where none does.

    The stop itself moves with the next bar's close; the guard has to know now that a fill is nearer.
    """
    sign = 1.0 if order.isbuy() else -1.0
    if before.trailamount:
        shorter = before.trailamount - (after.trailamount or 0.0)
        return before.price - sign * shorter if before.price is not None and shorter > 0 else None
    if not before.trailpercent or not after.trailpercent or after.trailpercent >= before.trailpercent:
        return None
    if before.price is None:
        return None
    return before.price / (1.0 + sign * before.trailpercent) * (1.0 + sign * after.trailpercent)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that a float can hold; True and False are not meant as one."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
