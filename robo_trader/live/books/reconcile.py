"""Compare a run's journal with the broker's books: what to book, what to follow, and what nobody explains.

Executions are the truth. What the broker has and the journal lacks is booked; orders that the broker still
holds are followed; those that it ended, or never saw, are closed here. Whatever remains is a `Difference`: no
new order goes out until it is gone or somebody has accepted it. An accepted difference counts as explained
as long as its sentence stays the same: that of a position names the part that our executions do not explain,
which does not change when we trade.

Nothing here does I/O or reads a clock, and nothing raises for what a broker may tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from robo_trader.ib.contracts import Qualified
from robo_trader.ib.desk import TYPES
from robo_trader.ib.executions import split_id
from robo_trader.ib.messages import Commission, CompletedOrder, Execution, OpenOrder, Position
from robo_trader.ib.snapshot import Snapshot
from robo_trader.journal.siblings import Siblings
from robo_trader.journal.standing import Standing, StandingFill, StandingOrder

#: Sizes leave with nine decimals: what was decided may be a part of that more or less.
_DUST = Decimal("1e-9")
Kind = Literal["position", "execution", "filled", "order", "unknown", "foreign"]
#: Backtrader's names of states in which nothing more is expected of an order.
OVER = frozenset(("Completed", "Canceled", "Cancelled", "Expired", "Margin", "Rejected"))
#: States in which an order may never have reached the broker.
_UNSEEN = frozenset(("Created", "Submitted"))
#: An order of which nothing is left to see.
GONE = "the broker neither holds it nor tells how it ended"
_LOOK = "look into the account's statement, or --accept it as it is"
_ELSEWHERE = "cancel it where it was made, or 'robo reconcile --accept' lets it be"
_CANCEL = "cancel it in TWS, then reconcile again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the journal does not explain.

    `text` is one sentence that stays the same as long as the difference does, and names it in the journal.
    `journal` and `broker` are what the two say, `todo` what a person can do. `extra` is what the account
    holds beyond our executions, signed: of a position only.
    """

    kind: Kind
    symbol: str
    text: str
    journal: str
    broker: str
    todo: str
    extra: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MissedFill:
    """An execution of ours to be booked; `corrects` is the id of the one that it replaces in the journal."""

    order: StandingOrder
    execution: Execution
    commission: Commission | None
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An order of ours that the broker still works: it is followed from here on."""

    order: StandingOrder
    broker: OpenOrder


@dataclass(frozen=True, slots=True)
class Gone:
    """An order that the journal believes working and the broker has ended.

    `status` is the end in Backtrader's spelling, `filled` what executions add up to, those to be booked
    included.
    """

    order: StandingOrder
    status: str
    filled: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a comparison found; everything but `differences` can be put right without asking anybody.

    `never_sent` orders left no trace at the broker, so that they may be closed as such; `charges` are
    commissions of booked executions that the journal lacks or has otherwise. `accepted` are the differences
    that somebody has accepted before, `lapsed` the sentences of accepted ones that are no more: they have
    to be accepted anew when they come again. `notes` concern nobody's orders here.
    """

    run_id: str
    fills_missed: tuple[MissedFill, ...] = ()
    orders_held: tuple[Held, ...] = ()
    orders_gone: tuple[Gone, ...] = ()
    never_sent: tuple[StandingOrder, ...] = ()
    charges: tuple[Commission, ...] = ()
    differences: tuple[Difference, ...] = ()
    accepted: tuple[Difference, ...] = ()
    lapsed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """True when new orders may go out."""
        return not self.differences

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences of every difference, those accepted before included: what `--accept` records."""
        return tuple(difference.text for difference in (*self.accepted, *self.differences))


def compare(
    standing: Standing,
    snapshot: Snapshot,
    contracts: Mapping[str, Qualified],
    *,
    account: str,
    accepted: Iterable[str] = (),
    others: Siblings | None = None,
) -> Reconciliation:
    """Compare a run with what the broker has of `account`.

    `contracts` are those that the run trades or traded, by symbol; `accepted` the sentences of differences
    that hold as accepted. `others` are the other runs in the account: what they hold explains a position too.
    """
    work = _Comparison(standing, snapshot, contracts, account, others or Siblings())
    work.executions()
    work.orders()
    work.positions()
    known = dict.fromkeys(accepted)
    found = {difference.text: difference for difference in work.differences}
    return Reconciliation(
        run_id=standing.run_id,
        fills_missed=tuple(work.missed),
        orders_held=tuple(work.held),
        orders_gone=tuple(work.gone),
        never_sent=tuple(work.never_sent),
        charges=tuple(work.charges),
        differences=tuple(d for text, d in found.items() if text not in known),
        accepted=tuple(d for text, d in found.items() if text in known),
        lapsed=tuple(text for text in known if text not in found),
        notes=tuple(work.notes),
    )


class _Comparison:
    """One comparison; its three steps build on each other."""

    def __init__(
        self,
        standing: Standing,
        snapshot: Snapshot,
        contracts: Mapping[str, Qualified],
        account: str,
        others: Siblings,
    ) -> None:
        self.others = others
        #: What other runs traded that their journals do not know yet, by contract.
        self.unheard: dict[int, Decimal] = {}
        self.snapshot, self.contracts, self.account = snapshot, contracts, account
        self.run = standing.run_id
        self.known = {order.ref: order for order in standing.orders}
        self.fills = {split_id(fill.execution)[0]: fill for fill in standing.fills if fill.execution}
        self.sizes: dict[str, Decimal] = dict(standing.positions)
        self.filled = {order.ref: order.filled for order in standing.orders}
        self.symbols: dict[int, str] = {}
        for symbol, contract in contracts.items():
            self.symbols.setdefault(contract.name.con_id, symbol)
        self.missed: list[MissedFill] = []
        self.held: list[Held] = []
        self.gone: list[Gone] = []
        self.never_sent: list[StandingOrder] = []
        self.charges: list[Commission] = []
        self.differences: list[Difference] = []
        self.notes: list[str] = []

    def ours(self, ref: str) -> bool:
        """Tell whether a reference is one that this run gives."""
        return number_of(self.run, ref) > 0

    # -- executions

    def executions(self) -> None:
        """Book what is ours and missing; tell what contradicts the journal."""
        latest: dict[str, Execution] = {}
        strangers: dict[str, Decimal] = {}
        for execution in self.snapshot.executions:
            if execution.account != self.account:
                continue
            if not self.ours(execution.ref):
                symbol = self.symbols.get(execution.con_id)
                if execution.ref.rpartition("-")[0] in self.others.heads:
                    if execution.exec_id not in self.others.executions:
                        self.unheard[execution.con_id] = self.unheard.get(
                            execution.con_id, Decimal(0)
                        ) + _signed(execution)
                elif symbol is not None:
                    strangers[symbol] = strangers.get(symbol, Decimal(0)) + _signed(execution)
                continue
            name, number = split_id(execution.exec_id)
            other = latest.get(name)
            if other is None or split_id(other.exec_id)[1] < number:
                latest[name] = execution
            elif other.exec_id == execution.exec_id and _what(other) != _what(execution):
                self._contradiction(execution, f"the broker also lists {_what(other)}")
        for name, execution in latest.items():
            self._execution(execution, self.fills.get(name))
        for ref, size in self.filled.items():
            order = self.known[ref]
            if size > max(one.size for one in order.may_be) + _DUST:
                text = f"order {ref}: executions add up to {_plain(size)} of {_plain(order.size)}"
                self._add("filled", order.symbol, text, _order(order), f"{_plain(size)} filled", _LOOK)
        for symbol, size in strangers.items():
            self.notes.append(f"{symbol}: executions of others add up to {_plain(size, sign=True)}")

    def _execution(self, execution: Execution, booked: StandingFill | None) -> None:
        order = self.known.get(execution.ref)
        if order is None:
            self._unknown(execution.ref, execution.con_id, "executions", _what(execution))
            return
        contract = self.contracts.get(order.symbol)
        if contract is not None and contract.name.con_id != execution.con_id:
            self._contradiction(
                execution,
                f"{order.symbol} ({contract.name.con_id})",
                f"{execution.symbol}, {execution.con_id}",
            )
            return
        if execution.side != order.side:
            self._contradiction(execution, _order(order))
            return
        cost = self.snapshot.cost(execution.exec_id)
        if booked is not None and booked.execution is not None:
            there, here = split_id(execution.exec_id)[1], split_id(booked.execution)[1]
            if there < here:
                return  # The journal knows a later correction than the broker lists.
            if there == here:
                if (booked.side, booked.size, booked.price) != (
                    execution.side,
                    execution.size,
                    execution.price,
                ):
                    size, price = _plain(booked.size), _plain(booked.price)
                    self._contradiction(execution, f"{booked.side} {size} at {price}")
                elif cost is not None and cost.amount != booked.commission:
                    self.charges.append(cost)
                return
            self._count(order, -booked.size)
        self._count(order, execution.size)
        self.missed.append(MissedFill(order, execution, cost, booked.execution if booked else None))

    def _count(self, order: StandingOrder, size: Decimal) -> None:
        self.filled[order.ref] += size
        signed = size if order.side == "BUY" else -size
        self.sizes[order.symbol] = self.sizes.get(order.symbol, Decimal(0)) + signed

    def _contradiction(self, execution: Execution, here: str, there: str = "") -> None:
        there = there or _what(execution)
        text = f"execution {execution.exec_id} of order {execution.ref}: {there}, against {here}"
        symbol = self.symbols.get(execution.con_id, execution.symbol)
        self._add("execution", symbol, text, here, there, _LOOK)

    # -- orders

    def orders(self) -> None:
        """Find what became of every order that should be working, and of every one that is."""
        mine = [o for o in self.snapshot.open_orders if o.account in ("", self.account)]
        working: dict[str, list[OpenOrder]] = {}
        for held in mine:
            if self.ours(held.ref):
                working.setdefault(held.ref, []).append(held)
            elif held.con_id in self.symbols and held.ref.rpartition("-")[0] not in self.others.heads:
                self._foreign(held)
            else:
                self.notes.append(f"an order of others, contract {held.con_id}: {_open(held)}")
        done: dict[str, CompletedOrder] = {}
        for ended in self.snapshot.completed_orders:
            if ended.account in ("", self.account) and self.ours(ended.ref):
                done[ended.ref] = ended
        for ref, copies in working.items():
            if ref not in self.known:
                self._unknown(ref, copies[0].con_id, "a working order", _open(copies[0]))
        for ref, ended in done.items():
            if ref not in self.known:
                self._unknown(ref, ended.con_id, "an order that is over", f"{ended.status}")
        for ref, order in self.known.items():
            self._order(order, working.get(ref, []), done.get(ref))

    def _order(self, order: StandingOrder, working: list[OpenOrder], ended: CompletedOrder | None) -> None:
        filled = self.filled[order.ref]
        if ended is not None and ended.filled > filled:
            text = (
                f"order {order.ref}: the broker filled {_plain(ended.filled)}, executions add up to"
                f" {_plain(filled)}"
            )
            self._add("filled", order.symbol, text, _order(order), f"{_plain(ended.filled)} filled", _LOOK)
        if len(working) > 1:
            listed = ", ".join(str(held.perm_id) for held in working)
            text = f"order {order.ref} is at the broker {len(working)} times: {listed}"
            self._add("order", order.symbol, text, _order(order), listed, _CANCEL)
        # What a change would have added may be there, or not.
        sizes = [one.size for one in order.may_be]
        whole = max(sizes) if working else min(sizes)
        full = whole > 0 and filled >= whole - _DUST
        if working and not full:
            held = working[0]
            if order.status in OVER:
                text = f"order {order.ref} is over here ({order.status}), and the broker works it"
                self._add("order", order.symbol, text, order.status, _open(held), _CANCEL)
                return
            if all(self._differs(one, held) for one in order.may_be):
                text = f"order {order.ref}: the broker has {_open(held)}, the journal {_order(order)}"
                self._add("order", order.symbol, text, _order(order), _open(held), _CANCEL)
            self.held.append(Held(order, held))
        elif order.status in OVER:
            return
        elif full:
            self.gone.append(Gone(order, "Completed", filled, ""))
        elif ended is not None:
            self.gone.append(Gone(order, _end(ended, filled), filled, ended.reason))
        elif order.status in _UNSEEN and not filled:
            self.never_sent.append(order)
        else:
            self.gone.append(Gone(order, "Canceled", filled, GONE))

    def _differs(self, order: StandingOrder, held: OpenOrder) -> bool:
        contract = self.contracts.get(order.symbol)
        # Prices are rounded to the contract's step before they leave.
        step = Decimal(repr(contract.tick)) if contract is not None else Decimal(0)
        # Of a group, and of a bracket's children, the broker makes the rest smaller by what was filled.
        grouped = order.parent is not None or order.oco is not None
        return (
            (order.side, TYPES.get(order.type, held.type)) != (held.side, held.type)
            or held.size - order.size > _DUST
            or (not grouped and order.size - held.size > _DUST)
            or (contract is not None and contract.name.con_id != held.con_id)
            or (order.type in ("Limit", "StopLimit") and _apart(order.limit, held.limit, step))
            or (order.type in ("Stop", "StopLimit") and _apart(order.stop, held.stop, step))
        )

    def _foreign(self, held: OpenOrder) -> None:
        symbol = self.symbols[held.con_id]
        whose = (
            f"permanent id {held.perm_id}" if held.perm_id else f"client {held.client_id}, {held.order_id}"
        )
        text = f"{symbol} ({held.con_id}): an order of others, {_open(held)}, {whose}"
        self._add("foreign", symbol, text, "not ours", f"{_open(held)} ({held.ref or whose})", _ELSEWHERE)

    def _unknown(self, ref: str, con_id: int, what: str, broker: str) -> None:
        symbol = self.symbols.get(con_id, str(con_id))
        text = f"reference {ref} is ours and not in the journal: the broker has {what}"
        if all(difference.text != text for difference in self.differences):
            self._add("unknown", symbol, text, "no such order", broker, _LOOK)

    # -- positions

    def positions(self) -> None:
        """Find what the account holds beyond, or short of, what our executions add up to."""
        theirs = {p.con_id: p for p in self.snapshot.positions if p.account == self.account}
        ours: dict[int, Decimal] = dict.fromkeys(self.symbols, Decimal(0))
        for symbol, size in self.sizes.items():
            contract = self.contracts.get(symbol)
            if contract is not None:
                ours[contract.name.con_id] += size
            elif size:
                text = f"{symbol}: we hold {_plain(size)}, and nobody knows the broker's contract"
                todo = f"start with {symbol} among the symbols, or close it by hand and accept"
                self._add("position", symbol, text, _plain(size), "?", todo)
        for con_id, size in ours.items():
            held = theirs[con_id].size if con_id in theirs else Decimal(0)
            theirs_too = self.others.positions.get(con_id, Decimal(0)) + self.unheard.get(con_id, Decimal(0))
            # Another run may have been closed by hand since: its share explains, and is not owed.
            if held not in (size, size + theirs_too):
                self._position(con_id, size, held)
        for con_id, position in theirs.items():
            if con_id not in self.symbols and position.size:
                self.notes.append(_elsewhere(position))

    def _position(self, con_id: int, ours: Decimal, theirs: Decimal) -> None:
        symbol, extra = self.symbols[con_id], theirs - ours
        more = f"{_plain(abs(extra))} {'more' if extra > 0 else 'less'}"
        text = f"{symbol} ({con_id}): {self.account} holds {more} than our executions explain"
        lost = [gone.order.ref for gone in self.gone if gone.order.symbol == symbol and gone.reason == GONE]
        broker = _plain(theirs) + (f"; no trace of {', '.join(lost)}" if lost else "")
        self._add("position", symbol, text, _plain(ours), broker, _LOOK, extra)

    def _add(
        self, kind: Kind, symbol: str, text: str, journal: str, broker: str, todo: str,
        extra: Decimal = Decimal(0),
    ) -> None:  # fmt: skip
        self.differences.append(
            Difference(
                kind=kind, symbol=symbol, text=text, journal=journal, broker=broker, todo=todo, extra=extra
            )
        )


def number_of(run_id: str, ref: str) -> int:
    """Return the number of the order in the run that a reference names, 0 where it is of another."""
    head, _, number = ref.rpartition("-")
    return int(number) if head == run_id.rpartition("-")[2] and number.isdecimal() else 0


def _end(ended: CompletedOrder, filled: Decimal) -> str:
    if ended.status == "Filled":
        return "Completed"
    return "Rejected" if ended.status == "Inactive" and not filled else "Canceled"


def _apart(here: Decimal | None, there: Decimal | None, step: Decimal) -> bool:
    if here is None or there is None:
        return here is not there
    return abs(here - there) > step


def _signed(execution: Execution) -> Decimal:
    return execution.size if execution.side == "BUY" else -execution.size


def _plain(number: Decimal, *, sign: bool = False) -> str:
    return f"{number.normalize() + 0:{'+' if sign else ''}f}"


def _what(execution: Execution) -> str:
    return f"{execution.side} {_plain(execution.size)} at {_plain(execution.price)}"


def _prices(limit: Decimal | None, stop: Decimal | None) -> str:
    told = [f"limit {_plain(limit)}" if limit is not None else "", f"stop {_plain(stop)}" if stop else ""]
    return "".join(f", {text}" for text in told if text)


def _order(order: StandingOrder) -> str:
    kind = TYPES.get(order.type, order.type)
    return f"{order.side} {_plain(order.size)} {order.symbol} {kind}{_prices(order.limit, order.stop)}"


def _open(held: OpenOrder) -> str:
    return f"{held.side} {_plain(held.size)} {held.type}{_prices(held.limit, held.stop)}"


def _elsewhere(position: Position) -> str:
    return f"{position.symbol} ({position.con_id}): {_plain(position.size)} held, not traded here"
