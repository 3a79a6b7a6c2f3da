"""Orders and fills worked out from what the broker tells, however often, late or out of order it does.

The only source of fills is the execution, keyed by its id; statuses and errors decide only how an order
ended. A corrected execution has the id of the one that it replaces, but for a higher number after
the last dot. What is known is kept as facts, and an order's state is computed from them: messages that come
twice or in another order lead to the same fills, commissions and end.

Nothing here does I/O or reads a clock. A message that contradicts what is known (one id, two contents)
changes nothing and is told as a `Conflict`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from robo_trader.errors import UsageError
from robo_trader.ib.messages import Commission, Execution, Message, OpenOrder, OrderStatus, Problem
from robo_trader.records import Side


class State(StrEnum):
    """How far an order is. `INACTIVE` is parked: it may come back to life or be refused."""

    CREATED = "created"  # journalled; the broker has not answered
    WORKING = "working"
    INACTIVE = "inactive"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FILLED = "filled"

    @property
    def over(self) -> bool:
        """True when nothing more is expected; a late execution may still arrive."""
        return self in (State.CANCELLED, State.REJECTED, State.FILLED)


#: The broker's words for an order that it holds. ApiPending and PendingSubmit are the client's own.
_WORKING = frozenset(("PreSubmitted", "Submitted", "PendingCancel"))
_ENDED = frozenset(("Cancelled", "ApiCancelled"))
#: Errors about an order that leave it as it was: warnings, and cancellations that came too late.
HARMLESS = frozenset((135, 161, 165, 202, 399, 404, 10147, 10148, 10167))

#: A cancellation was carried out; the status says so too.
_CONFIRMED = 202
#: An order that is to be changed is not there; of a new order, its parent.
_NO_PARENT = 135
#: An order cannot be cancelled: it is unknown, or over.
_NOT_FOUND = 10147
_NOT_CANCELLED = (_NOT_FOUND, 10148)
#: A request or an order that is not valid, or not allowed.
_INVALID = 321
#: Why a change came to nothing that met an order's end.
_TOO_LATE = "the order was over before it came"


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill that was not known before."""

    ref: str
    execution: Execution


@dataclass(frozen=True, slots=True)
class Corrected:
    """`new` replaces `old`, which no longer counts."""

    ref: str
    old: Execution
    new: Execution


@dataclass(frozen=True, slots=True)
class Charged:
    """The commission of a fill is known, or has changed."""

    ref: str
    commission: Commission


@dataclass(frozen=True, slots=True)
class Moved:
    """An order's state changed; `reason` is the broker's text where it gave one."""

    ref: str
    before: State
    after: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """The broker said something about an order that lives on."""

    ref: str
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Modified:
    """The broker holds our order with the values of its change `number`; earlier ones count no more."""

    ref: str
    number: int


@dataclass(frozen=True, slots=True)
class NotModified:
    """The change `number` of our order came to nothing, and `reason` says why; the order is as it was."""

    ref: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """The broker told of an order that was not announced here: another program's, or of a lost journal."""

    ref: str
    order_id: int
    client_id: int
    perm_id: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A message contradicts what is known and was left aside."""

    ref: str
    text: str


Change = Filled | Corrected | Charged | Moved | Warned | Modified | NotModified | Adopted | Conflict


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order asks for, as it is on the wire."""

    size: Decimal
    limit: Decimal | None = None
    stop: Decimal | None = None


@dataclass(slots=True)
class Order:
    """One order and the facts about it. `size` is None where an execution alone told of the order.

    `reported` is the most that a status said was filled. `asked` are changes of it that are on their way, by
    their numbers.
    """

    ref: str
    client_id: int
    order_id: int
    side: Side
    size: Decimal | None
    perm_id: int = 0
    ours: bool = True
    reported: Decimal = Decimal(0)
    refused: str = ""
    told: str = ""  # the latest status that does not end the order
    ended: bool = False
    called_back: bool = False
    state: State = State.CREATED
    fills: dict[str, Execution] = field(default_factory=dict)
    asked: dict[int, Terms] = field(default_factory=dict)

    @property
    def executed(self) -> Decimal:
        """The size that executions account for."""
        return sum((fill.size for fill in self.fills.values()), Decimal(0))

    @property
    def missing(self) -> Decimal:
        """What statuses report as filled beyond the executions: time to ask for executions."""
        return max(self.reported - self.executed, Decimal(0))

    def take(self, number: int) -> Modified:
        """Have the values of the change `number`; those before it are no question any more."""
        self.size = self.asked[number].size
        self.asked = {n: terms for n, terms in self.asked.items() if n > number}
        return Modified(self.ref, number)

    def _compute(self) -> State:
        # Whether what a change would add is still to come, its answer will tell.
        most = max((terms.size for terms in self.asked.values()), default=Decimal(0))
        if self.size is not None and self.executed >= max(self.size, most) > 0:
            return State.FILLED
        if self.refused and not self.executed and (self.ended or self.told in ("", "Inactive")):
            return State.REJECTED
        if self.ended:
            return State.CANCELLED
        if self.told == "Inactive":
            return State.INACTIVE
        return State.WORKING if self.told or self.executed else State.CREATED


def split_id(exec_id: str) -> tuple[str, int]:
    """Return an execution's name and the number of its correction.

    >>> split_id("0000e0d5.65a1b2c3.01.02")
    ('0000e0d5.65a1b2c3.01', 2)
    """
    name, dot, last = exec_id.rpartition(".")
    return (name, int(last)) if dot and last.isdecimal() else (exec_id, 0)


class Orders:
    """All orders of a session. `apply` takes each message and returns what it changed."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._by_id: dict[tuple[int, int], Order] = {}
        self._by_perm: dict[int, Order] = {}
        self._owner: dict[str, Order] = {}  # by an execution's name
        self._commissions: dict[str, Commission] = {}
        self._costs: dict[str, dict[int, Commission]] = {}  # by execution and number of its correction
        self._unpaid: dict[str, Order] = {}
        self._early: dict[tuple[int, int], list[OrderStatus]] = {}
        self._short: dict[str, Order] = {}
        self._parked: dict[str, Order] = {}

    def announce(self, ref: str, *, client_id: int, order_id: int, side: Side, size: Decimal) -> Order:
        """Record an order of ours before it is sent; `ref` is its unique reference.

        `order_id` 0 is that of an earlier session, until the broker tells it.
        """
        if not ref or ref in self._orders:
            raise UsageError(f"the order reference {ref!r} is empty or taken", hint="make a new one")
        order = self._orders[ref] = Order(ref, client_id, order_id, side, size)
        if order_id:
            self._by_id[client_id, order_id] = order
        return order

    def change(self, ref: str, number: int, terms: Terms) -> None:
        """Record a change of our order before it is sent; numbers rise from change to change."""
        self._orders[ref].asked[number] = terms

    def unchanged(self, ref: str, reason: str, number: int | None = None) -> tuple[Change, ...]:
        """Record that the change `number` came to nothing; None: that all that are on their way did."""
        order = self._orders[ref]
        gone = [n for n in order.asked if number in (None, n)]
        for n in gone:
            del order.asked[n]
        return (*(NotModified(ref, n, reason) for n in gone), *self._settle(order))

    def call_back(self, ref: str) -> None:
        """Record that an order's cancellation was asked for: refusals may be of that from now on."""
        if ref in self._orders:
            self._orders[ref].called_back = True

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def parked(self) -> list[str]:
        """Return the references of our orders that the broker parked: it may hold them, or may not."""
        return [ref for ref, order in self._parked.items() if order.ours]

    def get(self, ref: str) -> Order | None:
        """Return the order with this reference."""
        return self._orders.get(ref)

    def numbered(self, number: int) -> Order | None:
        """Return the latest order of ours that an error with this number is about."""
        # An error carries our own client's number only, which is the one that was announced.
        return next((o for o in reversed(self._orders.values()) if o.ours and o.order_id == number > 0), None)

    def highest(self, client_id: int) -> int:
        """Return the highest number that this client is known to have given to an order, 0 for none."""
        return max((number for client, number in self._by_id if client == client_id), default=0)

    def commission(self, fill: Execution) -> Commission | None:
        """Return what `fill` cost; a correction keeps the old one's until its own arrives."""
        name, number = split_id(fill.exec_id)
        costs = self._costs.get(name, {})
        latest = max((n for n in costs if n <= number), default=None)
        return costs[latest] if latest is not None else None

    def owed(self) -> list[str]:
        """Return the references of our orders of which executions or commissions are still to come."""
        self._unpaid = {ref: order for ref, order in self._unpaid.items() if self.uncharged(order)}
        return [ref for ref, order in {**self._short, **self._unpaid}.items() if order.ours]

    def uncharged(self, order: Order) -> bool:
        """Tell whether the commission of one of an order's fills is not known."""
        return any(self.commission(fill) is None for fill in order.fills.values())

    def position(self, account: str, con_id: int) -> Decimal:
        """Return the signed size that the executions of a contract in `account` add up to."""
        fills = (fill for order in self._orders.values() for fill in order.fills.values())
        return sum(
            (
                fill.size if fill.side == "BUY" else -fill.size
                for fill in fills
                if fill.con_id == con_id and fill.account == account
            ),
            Decimal(0),
        )

    def apply(self, message: Message) -> tuple[Change, ...]:
        """Take one message and return what it changed; those about other things change nothing."""
        match message:
            case Execution():
                return self._execution(message)
            case Commission():
                return self._commission(message)
            case OrderStatus():
                return self._status(message)
            case OpenOrder():
                return self._open_order(message)
            case Problem(request=False):
                return self._problem(message)
        return ()

    def _find(self, ref: str, client_id: int, order_id: int, perm_id: int) -> Order | None:
        """Return the order meant: by the broker's permanent id, our reference, or the client's number.

        A number alone is not enough where it was given again to another order.
        """
        if perm_id and perm_id in self._by_perm:
            return self._by_perm[perm_id]
        order = self._orders.get(ref) if ref else None
        if order is None and order_id:
            order = self._by_id.get((client_id, order_id))
            if order is not None and ref and order.ref != ref:
                return None
        if order is None or (perm_id and order.perm_id):
            return None if perm_id else order  # one that has another permanent id is another order
        if order_id and not order.order_id:
            # Of an earlier session: the broker tells under which number this client may speak of it.
            order.client_id, order.order_id = client_id, order_id
            self._by_id[client_id, order_id] = order
        if perm_id:
            order.perm_id = perm_id
            self._by_perm[perm_id] = order
        return order

    def _adopt(self, message: Execution | OpenOrder, size: Decimal | None) -> tuple[Order, list[Change]]:
        ref = message.ref
        if not ref or ref in self._orders:
            # Another program may use one reference for many orders.
            ref = f"{ref or 'broker'}/{message.perm_id or f'{message.client_id}.{message.order_id}'}"
        order = Order(
            ref, message.client_id, message.order_id, message.side, size, message.perm_id, ours=False
        )
        self._orders[ref] = order
        if message.order_id:
            self._by_id[message.client_id, message.order_id] = order
        if message.perm_id:
            self._by_perm[message.perm_id] = order
        changes: list[Change] = [Adopted(ref, message.order_id, message.client_id, message.perm_id)]
        for status in self._early.pop((message.client_id, message.order_id), ()):
            changes += self._status(status)
        return order, changes

    def _execution(self, new: Execution) -> tuple[Change, ...]:
        order = self._find(new.ref, new.client_id, new.order_id, new.perm_id)
        changes: list[Change] = []
        if order is None:
            order, changes = self._adopt(new, None)
        name, number = split_id(new.exec_id)
        old = order.fills.get(name)
        if old is not None and split_id(old.exec_id)[1] >= number:
            if old.exec_id == new.exec_id and (old.size, old.price, old.side) != (
                new.size,
                new.price,
                new.side,
            ):
                changes.append(Conflict(order.ref, f"execution {new.exec_id} came twice and differs"))
            return tuple(changes)
        order.fills[name], self._owner[name] = new, order
        self._unpaid[order.ref] = order
        changes.append(Filled(order.ref, new) if old is None else Corrected(order.ref, old, new))
        if new.exec_id in self._commissions:
            changes.append(Charged(order.ref, self._commissions[new.exec_id]))
        return (*changes, *self._settle(order))

    def _commission(self, new: Commission) -> tuple[Change, ...]:
        if self._commissions.get(new.exec_id) == new:
            return ()
        self._commissions[new.exec_id] = new
        name, number = split_id(new.exec_id)
        self._costs.setdefault(name, {})[number] = new
        order = self._owner.get(name)
        current = order is not None and order.fills[name].exec_id == new.exec_id
        return (Charged(order.ref, new),) if order is not None and current else ()

    def _status(self, new: OrderStatus) -> tuple[Change, ...]:
        order = self._find("", new.client_id, new.order_id, new.perm_id)
        if order is None:
            self._early.setdefault((new.client_id, new.order_id), []).append(new)
            return ()
        order.reported = max(order.reported, new.filled)
        self._hear(order, new.status)
        return (*(self._called_filled(order) if new.status == "Filled" else ()), *self._settle(order))

    def _open_order(self, new: OpenOrder) -> tuple[Change, ...]:
        order = self._find(new.ref, new.client_id, new.order_id, new.perm_id)
        changes: list[Change] = []
        if order is None:
            order, changes = self._adopt(new, new.size)
        told = Terms(new.size, new.limit, new.stop)
        taken = next((n for n, terms in order.asked.items() if terms == told), None)
        if taken is not None:
            changes.append(order.take(taken))
        elif order.size is None or order.executed <= new.size < order.size:
            # Of a group the broker makes the rest smaller by what was filled.
            order.size = new.size
        if new.status == "Filled":
            # No status has to say so too: what no execution tells of is asked for.
            order.reported = max(order.reported, new.size)
        self._hear(order, new.status)
        return (
            *changes,
            *(self._called_filled(order) if new.status == "Filled" else ()),
            *self._settle(order),
        )

    def _problem(self, new: Problem) -> tuple[Change, ...]:
        order = self.numbered(new.id)
        if order is None:
            return ()
        if new.code == _CONFIRMED:
            return ()
        if new.code in _NOT_CANCELLED and order.told == "Inactive":
            # Parked for good: what cannot be cancelled any more is over.
            order.ended = True
            order.refused = order.refused or f"error {new.code}: {new.text}"
        if order.asked and order.told and _refuses_a_change(order, new.code):
            return self.unchanged(order.ref, f"error {new.code}: {new.text}", next(iter(order.asked)))
        # Of an order that nothing was heard of, these say that the broker does not have it.
        unknown = new.code in (_NO_PARENT, _NOT_FOUND) and not order.told and not order.reported
        if new.code == _INVALID and order.called_back:
            pass  # The cancellation may be what was refused: a gateway can be read-only.
        elif unknown or (new.code not in HARMLESS and not 2100 <= new.code < 2200):
            order.refused = f"error {new.code}: {new.text}"
        changes = self._settle(order)
        return changes or ((Warned(order.ref, new.code, new.text),) if not order.state.over else ())

    @staticmethod
    def _shown_by_fills(order: Order) -> tuple[Change, ...]:
        """More is filled than was asked for before: a change was taken, though nobody has told of it yet."""
        if order.size is None or order.executed <= order.size:
            return ()
        taken = next((n for n, terms in order.asked.items() if terms.size >= order.executed), None)
        return () if taken is None else (order.take(taken),)

    def _called_filled(self, order: Order) -> tuple[Change, ...]:
        """The broker calls an order filled: at the size of a change, which was taken then, or before any."""
        done = max(order.executed, order.reported)
        sizes = {terms.size: n for n, terms in order.asked.items()} if done != order.size else {}
        taken = (order.take(sizes[done]),) if done in sizes else ()
        return (*taken, *self._too_late(order))

    @staticmethod
    def _too_late(order: Order) -> tuple[Change, ...]:
        """An order that is over takes no change any more."""
        late = tuple(NotModified(order.ref, n, _TOO_LATE) for n in order.asked)
        order.asked.clear()
        return late

    @staticmethod
    def _hear(order: Order, status: str) -> None:
        if status in _ENDED:
            order.ended = True
        elif status in _WORKING or status == "Inactive":
            order.told = status

    def _settle(self, order: Order) -> tuple[Change, ...]:
        if order.missing > 0:
            self._short[order.ref] = order
        else:
            self._short.pop(order.ref, None)
        late = self._shown_by_fills(order)
        before, after = order.state, order._compute()
        late += self._too_late(order) if after.over else ()
        if before == after:
            return late
        order.state = after
        if after is State.INACTIVE:
            self._parked[order.ref] = order
        else:
            self._parked.pop(order.ref, None)
        reason = order.refused if after in (State.REJECTED, State.INACTIVE, State.CANCELLED) else ""
        return (*late, Moved(order.ref, before, after, reason))


def _refuses_a_change(order: Order, code: int) -> bool:
    """Tell whether an error about a working order says that it stays as it was."""
    if code == _INVALID and order.called_back:
        return False  # The cancellation may be what was refused.
    return code == _NO_PARENT or (code not in HARMLESS and not 2100 <= code < 2200)
