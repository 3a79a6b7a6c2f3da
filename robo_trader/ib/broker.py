"""`IBBroker`: the account of a live session, kept by the backtest's own arithmetic.

Orders pass the same gate as in a backtest and leave through an `OrderDesk`; nothing is filled here.
Executions that the broker tells, each once by its id, move cash and positions; commissions when they
arrive. The account is the strategy's own book: its starting cash and its own fills, whatever else the
broker's account holds.

Only Cerebro's thread touches it. Orders of one callback leave together, when it returns (`flush`), so
that members of a group know of each other.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import backtrader as bt

from robo_trader.clock import to_ns
from robo_trader.engine.recorder import Recorder
from robo_trader.errors import BrokerError
from robo_trader.feeds.bars import BarsFeed
from robo_trader.ib.book import LiveBook
from robo_trader.ib.changing import PREVIEW, ChangeWitness, Changing
from robo_trader.ib.connection import LineDownError
from robo_trader.ib.desk import OrderDesk, Outgoing
from robo_trader.ib.executions import (
    Change,
    Charged,
    Corrected,
    Filled,
    Modified,
    Moved,
    NotModified,
    State,
    Warned,
    split_id,
)
from robo_trader.ib.ledger import Ledger
from robo_trader.ib.messages import Execution
from robo_trader.ib.plan import Plan
from robo_trader.ib.wording import TRAILING, bar_length, good_until, outgoing
from robo_trader.records import Fill
from robo_trader.risk.gate import Gate

#: "Your order will not be placed at the exchange until …": of every order outside regular hours.
_HELD = 399
_STATUSES = bt.Order.Status


class Witness(ChangeWitness, Protocol):
    """Who writes down what becomes of orders; see `robo_trader.journal.live.RunJournal`."""

    def state(self, order_id: int, status: str, filled: float, reason: str) -> None: ...

    def fill(self, fill: Fill, execution: str, corrects: str | None) -> None: ...

    def charge(self, execution: str, amount: Decimal, currency: str) -> None: ...


class IBBroker(Changing, Ledger):
    """A broker for Cerebro whose orders go to Interactive Brokers.

    `desk` sends; None for a preview, in which every order that passes ends as `PREVIEW`. `refs` has the
    journal's reference of each order id that passed the gate. `large` may refuse an opening order with
    a reason before it is sent.
    """

    book: LiveBook

    def __init__(
        self,
        recorder: Recorder,
        gate: Gate | None,
        desk: OrderDesk | None,
        witness: Witness,
        refs: Mapping[int, str],
        large: Callable[[Outgoing], str] = lambda order: "",
    ) -> None:
        super().__init__(recorder, gate)
        self._desk = desk
        self._witness = witness
        self._refs = refs
        self._large = large
        self._outbox: list[Any] = []
        self._by_ref: dict[str, Any] = {}
        self._told: dict[int, tuple[int, float]] = {}
        self._why: dict[int, str] = {}
        self._paid: dict[str, Decimal] = {}
        self._booked: dict[str, int] = {}
        self._grouped: set[str] = set()
        self._said: set[tuple[int, str]] = set()
        self._plan = Plan()
        #: Orders that the strategy cancelled: theirs is no end of a validity.
        self._called_back: set[str] = set()
        #: Those of them that nobody waited for yet and when they were asked for; what hears of their end.
        self._leaving: dict[str, int] = {}
        self.hear_of: Callable[[Iterable[str]], None] = lambda refs: None
        #: References of orders that are to be cancelled as soon as the line is back.
        self.wanted_gone: set[str] = set()

    def start(self) -> None:
        super().start()
        self.book = LiveBook(self, self.recorder)

    # -- orders on their way -------------------------------------------------------------------------

    @property
    def received(self) -> int:
        """How many orders and changes of orders the strategy has made."""
        return len(self._submitted_at) + self.changes

    def transmit(self, order: Any, check: bool = True) -> Any:
        """Put an order into the outbox; it leaves with the others of this callback."""
        if order.status == bt.Order.Created:
            order.submit(self)
            self.orders.append(order)
            self._outbox.append(order)
            self.notify(order)
        return order

    def flush(self, *, opening: bool = False) -> None:
        """Send what the strategy has ordered since the last call, family by family.

        `opening` says that a bar which starts at this moment has started already.
        """
        self._send_changes()
        if not self._outbox:
            return
        outbox, self._outbox = self._outbox, []
        plan = self._plan
        plan.begin(self.cash, self.now, self.cerebro.datas, opening=opening)
        for family in _families(outbox):
            # Its group may have ended with an order before it.
            family = [order for order in family if order.alive()]
            planned = plan.size(family[0].data) if family else None
            for order in family:
                held = plan.positions.setdefault(order.data, self.positions[order.data].clone())
                plan.cash = self._execute(order, cash=plan.cash, position=held)
                if plan.cash < 0.0:
                    break
            if not family:
                continue
            if plan.cash < 0.0 and not self._only_reduces(family, planned):
                # As a backtest does: what the capital does not reach for is not sent, nor what came after it.
                for order in family:
                    order.margin() if order is family[0] else order.cancel()
                    self.notify(order)
                self._end_group(family[0], outbox)
                continue
            self._send(family)

    def _pass_gate(self, family: list[Any]) -> bool:
        """Let the gate decide once it is known what became of orders that the strategy has cancelled.

        An exit that is on its way out would make a second one an opening, and a replaced order a double.
        """
        self._hear_of_cancelled()
        return super()._pass_gate(family)

    def _hear_of_cancelled(self) -> None:
        leaving, self._leaving = self._leaving, {}
        if leaving:
            self.hear_of(leaving)

    def _before_a_change(self, order: Any) -> None:
        self._hear_of_cancelled()
        self._learn_rest(order)

    def _end_group(self, order: Any, outbox: Sequence[Any]) -> None:
        """End the rest of an order's OCO group: what was sent, and what is about to be."""
        kin = self._kin(order)
        self._called_back.update(kin)
        self._ask_to_cancel(kin)
        group = self._ocol.get(self._ocos.get(order.ref, order.ref), ())
        for other in outbox:
            if other.ref in group and other.alive() and self._ref(other) not in self._by_ref:
                other.cancel()
                self.notify(other)

    def _only_reduces(self, family: Sequence[Any], planned: float | None) -> bool:
        """Tell whether an order can only make a position smaller; such a one is never short of capital.

        `planned` is the position once what is on its way is filled: of exits that are no group, the second
        may open what the first has closed.
        """
        size, held = family[0].created.size, self.positions[family[0].data].size
        if planned is not None and not self.group_of(family[0]):
            held = planned if planned * held > 0 else 0.0
        return len(family) == 1 and size * held < 0 and abs(size) <= abs(held)

    def _send(self, family: list[Any]) -> None:
        if self._desk is None:
            self._reject(family, PREVIEW)
            return
        try:
            leaving = [outgoing(order, *self._names(order)) for order in family]
            refused = self._large(leaving[0])
            if refused:
                self._reject(family, refused)
                self._witness.trouble(f"{family[0].data._name}: an order was not sent: {refused}")
                return
            for order, out in zip(family, leaving, strict=True):
                self._by_ref[out.ref] = order
            self._join_leaders(leaving)
            self._desk.send(leaving)
        except LineDownError as error:
            unsent = [o for o in family if not self._desk.was_sent(self._ref(o))]
            self._reject(unsent, f"not sent: {error.message}")
            if len(unsent) < len(family):
                # Whether they arrived is asked once the line is back; they are not sent again.
                self._witness.trouble("the line broke while orders left; the broker will be asked for them")
        except BrokerError as error:
            self._reject(family, f"not sent: {error.message}")
            self._witness.trouble(f"{family[0].data._name}: an order was not sent: {error.message}")

    def _join_leaders(self, leaving: Iterable[Outgoing]) -> None:
        """Tell the broker of a group whose first order left alone."""
        assert self._desk is not None
        for group in {out.group for out in leaving if out.group} - self._grouped:
            self._grouped.add(group)
            leader = self._by_ref.get(group)
            if leader is not None and leader.alive() and self._desk.was_sent(group):
                # As it is asked for now: a change that was refused must not come into force so.
                self._desk.join_group(outgoing(leader, group, "", group))

    def _ref(self, order: Any) -> str:
        return self._refs[self.recorder.order_id(order.ref)]

    def _names(self, order: Any) -> tuple[str, str, str]:
        parent = self._ref(order.parent) if order.parent is not None else ""
        return self._ref(order), parent, self.group_of(order)

    def _reject(self, orders: Iterable[Any], reason: str) -> None:
        for order in orders:
            self._set_reason(order, reason)
            self._why[order.ref] = reason
            order.reject(self)
            self.notify(order)

    def group_of(self, order: Any) -> str:
        """Return the name of an order's OCO group at the broker; empty for a lone one and for children."""
        leader = self._ocos.get(order.ref, order.ref)
        if order.parent is not None or len(self._ocol.get(leader, ())) < 2:
            return ""
        return self._refs.get(self.recorder.order_id(leader), "")

    def cancel(self, order: Any, bracket: bool = False) -> bool:
        """Ask the broker to cancel; one that has not left yet is taken back at once.

        The rest of its bracket and of its group goes with it, as in Backtrader; the broker would leave them.
        """
        if order in self._outbox:
            # Exits whose parent never leaves would open a position.
            for gone in [o for o in self._outbox if o is order or o.parent is order]:
                self._outbox.remove(gone)
                gone.cancel()
                self.notify(gone)
            return True
        ref = self._refs.get(self.recorder.order_id(order.ref), "")
        if not order.alive() or not ref or self._desk is None:
            return False
        # Who cancels each order of a bracket asks for all of them each time.
        refs = [each for each in (ref, *self._kin(order)) if self._leaving.get(each) != self.now]
        self._called_back.update(refs)
        self._take_back_changes(refs)
        self._ask_to_cancel(refs)
        self._leaving.update({each: self.now for each in refs if each not in self.wanted_gone})
        return True

    def _ask_to_cancel(self, refs: list[str]) -> None:
        if self._desk is None or not refs:
            return
        try:
            self._desk.cancel(refs)
        except LineDownError:
            self.wanted_gone.update(refs)
            named = ", ".join(refs)
            self._witness.trouble(f"the line is down: {named} cancelled when it is back")

    def _kin(self, order: Any) -> list[str]:
        """Return the references of the living others of an order's bracket and of its OCO group."""
        root = order.parent if order.parent is not None else order
        group = self._ocol.get(self._ocos.get(order.ref, order.ref), ())
        return [
            ref
            for ref, other in self._by_ref.items()
            if other is not order
            and other.alive()
            and (other is root or other.parent is root or other.ref in group)
        ]

    def get_orders_open(self, safe: bool = False) -> list[Any]:
        """Return the orders that the broker holds, or that are on their way there; copies if `safe`."""
        there = [order for order in (*self._by_ref.values(), *self._outbox) if order.alive()]
        return [order.clone() for order in there] if safe else there

    # -- what the broker says --------------------------------------------------------------------------

    def hear(self, changes: Sequence[Change]) -> None:
        """Take what became of our orders; a commission that came with its fill is booked with it."""
        charged = {c.commission.exec_id: c.commission for c in changes if isinstance(c, Charged)}
        for change in changes:
            order = self._by_ref.get(change.ref)
            if order is None:
                continue
            match change:
                case Filled(execution=done):
                    cost = charged.get(done.exec_id)
                    self._fill(order, done, Decimal(0) if cost is None else cost.amount)
                case Corrected(old=old, new=new):
                    self._correct(order, old, new)
                case Charged(commission=cost):
                    self._charge(order, cost.exec_id, cost.amount, cost.currency)
                case Moved():
                    self._move(order, change)
                case Modified() | NotModified():
                    self._answered(order, change)
                case Warned(code=code, text=text):
                    self._warn(order, code, text)
        self._let_grow_again()
        # What was filled counts in the account's value at once, as a fill at an open does in a backtest.
        self._get_value()

    def _warn(self, order: Any, code: int, text: str) -> None:
        """Tell what the broker says of an order that lives on; what it says of each of them, once."""
        name = order.data._name
        if code == _HELD and (code, name) in self._said:
            return
        self._said.add((code, name))
        said = " ".join(text.replace("\\n", " ").split())
        self._witness.trouble(f"{name}: the broker says {code}, {said}")

    def _fill(self, order: Any, done: Execution, commission: Decimal) -> None:
        signed = float(done.size) if done.side == "BUY" else -float(done.size)
        self._paid[split_id(done.exec_id)[0]] = commission
        signed = self.book_fill(order, signed, float(done.price), float(commission), to_ns(done.time))
        self._keep_open(order)
        self._booked[split_id(done.exec_id)[0]] = len(self.recorder.fills)
        self.recorder.fill(order, to_ns(done.time), signed, float(done.price), float(commission))
        self._witness.fill(self._record(order, done, commission), done.exec_id, None)
        self.notify(order)

    def _record(self, order: Any, done: Execution, commission: Decimal) -> Fill:
        return Fill(
            time=done.time, symbol=order.data._name, side=done.side, size=float(done.size),
            price=float(done.price), commission=float(commission),
            order_id=self.recorder.order_id(order.ref), because=self.recorder.because(order),
        )  # fmt: skip

    def _correct(self, order: Any, old: Execution, new: Execution) -> None:
        """Take back what `old` did and book what `new` says; the order's own sums follow."""
        signed = self.amend(order, old, new)
        name = split_id(new.exec_id)[0]
        paid = self._paid.get(name, Decimal(0))
        index = self._booked.get(name)
        if index is not None:
            self.recorder.replace_fill(index, signed, float(new.price), float(paid))
        self._witness.fill(self._record(order, new, paid), new.exec_id, old.exec_id)
        self._witness.trouble(
            f"{order.data._name}: the broker corrected an execution of {old.size} at {old.price} to "
            f"{new.size} at {new.price}"
        )
        self.notify(order)

    def _charge(self, order: Any, exec_id: str, amount: Decimal, currency: str) -> None:
        name = split_id(exec_id)[0]
        before = self._paid.get(name, Decimal(0))
        self._witness.charge(exec_id, amount, currency)
        if amount == before:
            return
        self._paid[name] = amount
        more = float(amount - before)
        self.cash -= more
        order.executed.comm += more
        index = self._booked.get(name)
        if index is not None:
            self.recorder.recharge(index, float(amount))

    def _move(self, order: Any, change: Moved) -> None:
        if not order.alive():
            return  # How it ended has been told.
        if change.reason:
            self._why[order.ref] = change.reason
            self._set_reason(order, change.reason)
        if change.after is State.WORKING and order.status in (bt.Order.Created, bt.Order.Submitted):
            order.accept(self)
        elif change.after is State.CANCELLED:
            ended = good_until(order) if change.ref not in self._called_back else None
            if ended is not None and self.now + bar_length(order.data) >= ended:
                order.status = bt.Order.Expired
                self._ask_to_cancel(self._kin(order))
            else:
                order.cancel()
        elif change.after is State.REJECTED:
            order.reject(self)
            number = self.recorder.order_id(order.ref)
            said = change.reason or "no reason"
            self._witness.trouble(f"{order.data._name}: the broker rejected order {number}: {said}")
            if order.parent is not None and not order.parent.executed.size:
                # The entry neither waits for the exit that was to let it go, nor fills without it.
                self._ask_to_cancel(self._kin(order))
        elif change.after is State.FILLED and order.alive() and order.executed.size:
            order.completed()  # Less than was asked for: its group was filled in part.
        elif change.after is State.INACTIVE:
            self._witness.trouble(
                f"{order.data._name}: the broker parked an order: {change.reason or 'no reason'}"
            )
            return
        else:
            return
        self.notify(order)

    def notify(self, order: Any) -> None:
        """Queue a notification for the strategy, and write the state down where it has changed."""
        super().notify(order)
        order_id = self.recorder.order_id(order.ref)
        now = (order.status, float(order.executed.size))
        if order_id in self._refs and self._told.get(order_id) != now:
            self._told[order_id] = now
            name = _STATUSES[order.status]
            self._witness.state(
                order_id, name, abs(now[1]), "" if order.alive() else self._why.get(order.ref, "")
            )

    # -- after a restart -------------------------------------------------------------------------------

    def restore(
        self, feed: BarsFeed, execution: str, size: float, price: float, commission: Decimal
    ) -> tuple[float, float]:
        """Book an execution of an earlier session again; `size` is signed. Nobody is told.

        Return what it opened and what it closed.
        """
        self._paid[split_id(execution)[0]] = commission
        _, _, opened, closed, _ = self.shift(
            feed, self.getcommissioninfo(feed), size, price, float(commission)
        )
        return opened, closed

    def adopt(self, ref: str, order: Any) -> None:
        """Follow an order of an earlier session, which the broker still holds, as `order`."""
        self.orders.append(order)
        self._by_ref[ref] = order
        self._submitted_at[order.ref] = self.now
        self.book.know(order.data)
        self.book.took([order])

    def ended(self, order: Any, status: str, reason: str) -> None:
        """End an order as the broker's books say that it did; `status` is Backtrader's name."""
        if order is None or not order.alive() or status not in _STATUSES:
            return
        self._why[order.ref] = reason
        self._set_reason(order, reason)
        order.status = _STATUSES.index(status)
        self.notify(order)

    def by_ref(self) -> Iterable[tuple[str, Any]]:
        """Return every order that was sent or adopted, with its reference."""
        return self._by_ref.items()

    # -- the loop ---------------------------------------------------------------------------------------

    def next(self) -> None:
        """At the end of bars interest, futures' cash and trailing stops move; fills come from the broker."""
        self._plan.forget()
        self._charge_interest()
        self._follow_stops()
        self._finish()

    def _follow_stops(self) -> None:
        """Move what is known of trailing stops as the broker does: the guard counts an order's price."""
        for order in self._by_ref.values():
            if order.exectype not in TRAILING or order.parent is not None or not order.alive():
                continue
            frame, i = order.data.frame, len(order.data) - 1
            if int(frame.end[i]) == self.now and self._submitted_at[order.ref] <= int(frame.start[i]):
                self._trail(order, float(frame.close[i]))


def _families(outbox: Sequence[Any]) -> list[list[Any]]:
    """Return the orders by bracket, in their order; a lone one is a family of its own."""
    found: dict[int, list[Any]] = defaultdict(list)
    for order in deque(outbox):
        found[int(getattr(order.parent, "ref", order.ref))].append(order)
    return list(found.values())
