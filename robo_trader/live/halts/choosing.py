"""What a halt asks of a session: which of its orders go and which stay, and when it is told of a change.

The choice is about the run's own book. An order enlarges exposure when it can make a position larger, begin
one or turn one round; it is a protective exit when all of it closes what is held, net of the exits that stay
already. Nothing here knows a broker or Backtrader: orders are plain records.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from robo_trader import clock
from robo_trader.records import Side
from robo_trader.risk.halt import ACTIVE, HALTED, Halt

if TYPE_CHECKING:
    from robo_trader.risk.book import WorkingOrder

#: How often the halt state is read where no order asks for it, in seconds.
EVERY = 0.25
#: Types that wait for a loss, in Backtrader's words and in the broker's.
_STOPS = frozenset(
    {"Stop", "StopLimit", "StopTrail", "StopTrailLimit", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT"}
)

Cancel = Literal["nothing", "openings", "everything"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """An order that the broker holds, or that is on its way there.

    `instrument` is whatever names the contract in the positions too. `remaining` is what may still be filled,
    above 0, and `filled` what was. `parent` is the reference of the bracket's parent, of one that is done
    too; `group` names the OCO group.
    """

    ref: str
    instrument: Hashable
    side: Side
    remaining: float | Decimal
    type: str
    parent: str = ""
    group: str = ""
    filled: float | Decimal = 0


def to_cancel(
    orders: Sequence[Resting],
    positions: Mapping[Any, float | Decimal],
    *,
    cancel_all: bool = False,
) -> list[str]:
    """Return the references of the orders that a halt cancels; `positions` are signed.

    - What only closes stays: the exits of brackets first, then stops, then the rest, each in the order of
      `orders`, until they cover the position. Of a group (OCO, children of one parent) at most one is filled,
      so it counts once.
    - An order that would close and then open is cancelled, for nobody can halve it at the broker; the exit of
      a bracket or an OCO group stays even so, as long as there is a position that it protects.
    - A child whose parent still works goes with it when that is cancelled, so the parent alone is named:
      should the parent be filled first, the child protects that fill. A child that would then open or add
      is named too.

    `cancel_all` names everything, parents before their children.
    """
    if cancel_all:
        return [order.ref for order in sorted(orders, key=lambda order: bool(order.parent))]
    there = {order.ref: order for order in orders}
    stays = _exits([order for order in orders if order.parent not in there], positions)

    def goes(order: Resting) -> bool:
        parent = there.get(order.parent)
        if parent is None:
            return order.ref not in stays
        first = parent.parent not in there and parent.ref not in stays
        return not (first and order.side != parent.side)

    return [order.ref for order in orders if goes(order)]


def left_bare(orders: Sequence[Resting], refs: Sequence[str]) -> list[Resting]:
    """Return the parents among `refs` that were filled in part and whose exits go with them.

    A broker lets the exits work only when the whole parent is filled: cancelling the rest of it cancels them,
    and what was filled is left without protection.
    """
    goes = set(refs)
    guarded = {order.parent for order in orders if order.parent}
    return [order for order in orders if order.ref in goes & guarded and order.filled > 0]


def _exits(heads: Sequence[Resting], positions: Mapping[Any, float | Decimal]) -> set[str]:
    """Return the references of the orders that protect what is held; none of `heads` waits for a parent."""
    # Only here, for numpy comes with it, and `robo halt` begins without.
    from robo_trader.risk.book import WorkingOrder
    from robo_trader.risk.exposure import SLACK, closing_part

    groups: dict[tuple[str, str], int] = {}
    rank: dict[int, int] = {}
    numbers = []
    for order in heads:
        kind, name = ("lone", order.ref)
        if order.parent or order.group:
            kind, name = ("parent", order.parent) if order.parent else ("group", order.group)
        number = groups.setdefault((kind, name), len(groups))
        own = 0 if order.parent else 1 if order.type in _STOPS else 2
        rank[number] = min(own, rank.get(number, own))
        numbers.append(number)
    stays: set[str] = set()
    kept: dict[Hashable, list[WorkingOrder]] = {}
    # Sorting keeps the order of arrival within a rank; members of one group stand together.
    for order, number in sorted(zip(heads, numbers, strict=True), key=lambda row: (rank[row[1]], row[1])):
        size, held = float(order.remaining), float(positions.get(order.instrument, 0))
        beside = kept.setdefault(order.instrument, [])
        closing = closing_part(order.side, size, held, beside, number)
        together = bool(order.parent or order.group)
        if closing >= size * (1 - SLACK) or (together and closing > SLACK):
            stays.add(order.ref)
            beside.append(WorkingOrder(0, order.side, size, order.type, group=number))
    return stays


# -- following the state -------------------------------------------------------------------------------


class Halts(Protocol):
    """Where the halt state stands; see `robo_trader.risk.halt.HaltStore`."""

    def read(self) -> Halt: ...


def mark_of(halt: Halt) -> str:
    """Return what names this halt in a heartbeat: when it was set, or what it says where nobody knows."""
    if halt.when is not None:
        return clock.iso(clock.to_ns(halt.when))
    return f"{halt.state}: {halt.who}: {halt.why}"


@dataclass(frozen=True, slots=True)
class Change:
    """The halt state has changed: what the session does now, and the mark by which it says that it did.

    `flatten` asks for orders that close every position, marked as an operator's so that the guard lets them
    pass; by then everything that stands in their way is cancelled.
    """

    halt: Halt
    cancel: Cancel
    flatten: bool
    mark: str


class HaltFollower:
    """Tells a session once of each change of the halt state.

    `follow` is called in every turn of the loop, and ``follow(at_once=True)`` before each family of orders;
    the former reads at most every `EVERY` seconds. When the session has sent what a change asks for, it
    calls `obeyed`, and its heartbeat carries `halted_at`: that is the answer that `robo halt` waits for.
    What could not be sent, because the line was down, stays `pending` for when it is back.
    """

    def __init__(self, halts: Halts) -> None:
        self._halts = halts
        self._read_at = float("-inf")
        self._told: set[str] = set()
        #: The state as it was read last.
        self.halt = Halt()
        #: The mark of the last halt that was obeyed; None while nothing is halted.
        self.halted_at: str | None = None
        #: The change that was returned and is not obeyed yet.
        self.pending: Change | None = None

    def follow(self, *, at_once: bool = False) -> Change | None:
        """Return what has changed, or None; a change is returned once."""
        now = clock.monotonic()
        if not at_once and now - self._read_at < EVERY:
            return None
        self._read_at = now
        before, self.halt = self.halt, self._halts.read()
        if self.halt.state == ACTIVE:
            self._told.clear()
            self.halted_at = self.pending = None
            return None if before.state == ACTIVE else Change(self.halt, "nothing", False, "")
        change = _asked(self.halt)
        # A store that is away for a moment lets the file speak; when it is back, its halt is no new one.
        if change.mark in self._told:
            return None
        self._told.add(change.mark)
        self.pending = change
        return change

    def obeyed(self, change: Change) -> None:
        """Note that everything that `change` asks for was sent to the broker."""
        if change.halt.state != ACTIVE:
            self.halted_at = change.mark
        if self.pending is change:
            self.pending = None


def _asked(halt: Halt) -> Change:
    """Return what a state that is not ACTIVE asks for.

    What the guard finds out (a breach, a store that cannot be read) keeps new orders back and leaves those at
    the broker alone, as in a backtest.
    """
    by_guard = bool(halt.rule) or halt.who == "the guard"
    cancel: Cancel = "nothing"
    if halt.state == HALTED:
        cancel = "everything" if halt.cancel_all or halt.flatten else "openings"
    elif not by_guard:
        cancel = "openings"
    return Change(halt, cancel, halt.state == HALTED and halt.flatten, mark_of(halt))
