"""An independent judge of a run: raw bars and a `RunRecord` in, complaints out.

Written from first principles: it knows the bars' times and prices and what each kind of order
promises, and neither `robo_trader.matching` nor Backtrader. For every order it walks over the bars
whose start is not before the order's submission and works out where the order *may* and where it
*must* be filled. Everything recorded has to agree with that:

* a fill has a time, a bar, a phase (open or rest) and a price that the walk allows, and comes no
  later than the first place where the order had to be filled;
* an order that was never filled had no such place, or a reason (cancelled, expired, no cash, …);
* bracket children wait for the bar after their parent's; of a group at most one is filled;
* no fill after the validity ended or after a cancellation;
* cash, positions, prices and value at every session are what the fills say, to 1e-9.

A `Diary`, kept by the test's strategy, adds what a record does not hold: what was asked (validity,
trailing distance), and what the strategy saw of the world and when.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

OPEN, REST = 0, 1
ALIVE = ("Created", "Submitted", "Accepted", "Partial")


@dataclass
class Asked:
    """What the strategy asked of one order. Times are ns UTC; `until` and `session` end its validity.

    `late` says that the bars which start at `time` had already started: the order answers a fill
    at their open.
    """

    time: int
    late: bool = False
    until: int | None = None
    session: date | None = None
    amount: float | None = None
    percent: float | None = None


@dataclass
class Look:
    """What a strategy saw in a callback at `time` (ns UTC): bars known and positions, by symbol."""

    hook: str
    time: int
    bars: dict[str, int]
    positions: dict[str, float]


@dataclass
class Note:
    """One `notify_order`: which order (by its `because`), its status, what was executed so far.

    `late` is as in `Asked`.
    """

    time: int
    order: str
    status: str
    executed: float
    late: bool = False


@dataclass
class Diary:
    """What the strategy of a test wrote down; `asked` is keyed by the orders' `because`."""

    asked: dict[str, Asked] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    cancels: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where an order may be filled: bar `i`, at its open or in its rest, between two prices."""

    i: int
    phase: int
    low: float
    high: float
    must: bool = True


def judge(
    frames: list[Any],
    record: Any,
    *,
    commission: float = 0.0,
    slippage: float = 0.0,
    diary: Diary | None = None,
) -> list[str]:
    """Return everything that is wrong with `record`, one sentence each."""
    return _Judge(frames, record, commission, slippage, diary or Diary()).complaints()


class _Judge:
    def __init__(
        self, frames: list[Any], record: Any, commission: float, slippage: float, diary: Diary
    ) -> None:
        self.frames = {frame.symbol: frame for frame in frames}
        self.record = record
        self.commission, self.slippage = commission, slippage
        self.diary = diary
        self.orders = {order.order_id: order for order in record.orders}
        self.fills: dict[int, list[int]] = defaultdict(list)
        for k, fill in enumerate(record.fills):
            self.fills[fill.order_id].append(k)
        self.where: dict[int, Place] = {}
        self.wrong: list[str] = []

    def complaints(self) -> list[str]:
        self._books()
        for order in self.record.orders:
            self._order(order)
        if self.wrong:
            return self.wrong  # the rest relies on knowing the bar of each fill
        self._groups()
        self._cancellations()
        self._accounts()
        self._sights()
        self._notifications()
        return self.wrong

    def say(self, text: str) -> None:
        self.wrong.append(text)

    # -- what the orders and fills say of each other ---------------------------------------------

    def _books(self) -> None:
        if [order.order_id for order in self.record.orders] != list(range(1, len(self.orders) + 1)):
            self.say("order ids do not count from 1")
        for fill in self.record.fills:
            order = self.orders.get(fill.order_id)
            if order is None:
                self.say(f"{fill} belongs to no order")
            elif (order.symbol, order.side) != (fill.symbol, fill.side):
                self.say(f"{fill} is not what order {order.order_id} asked for")
        for order in self.record.orders:
            filled = sum(self.record.fills[k].size for k in self.fills[order.order_id])
            if not _close(filled, order.filled) or filled > order.size * (1 + 1e-9):
                self.say(f"{_name(order)} says filled {order.filled}, its fills {filled}")
            complete = _close(filled, order.size)
            if complete != (order.status == "Completed") or order.status == "":
                self.say(f"{_name(order)} filled {filled} of {order.size}")
            if filled and not complete and order.status not in ("Margin", "Partial"):
                self.say(f"{_name(order)} was filled in part")
        decided = [decision.intent.order_id for decision in self.record.decisions]
        if len(decided) != len(set(decided)):
            self.say("an order was decided about twice")

    # -- one order against the bars --------------------------------------------------------------

    def _order(self, order: Any) -> None:
        asked = self.diary.asked.get(order.because)
        if asked is not None and asked.time != order.time:
            self.say(f"{_name(order)} was submitted at {asked.time}, recorded at {order.time}")
        submitted = int(order.time) + (1 if asked is not None and asked.late else 0)
        since = self._eligible_from(order, submitted)
        mine = [self.record.fills[k] for k in self.fills[order.order_id]]
        if since is None:
            if mine:
                self.say(f"{_name(order)} was filled before its parent")
            return
        places = list(self._places(order, since, asked))
        if len(mine) > 1:
            self.say(f"{_name(order)} was filled {len(mine)} times")
        elif mine:
            self._fill(order, mine[0], places, asked)
        elif order.status in ALIVE and places and places[-1].must:
            self.say(f"{_name(order)} is still waiting, but had to be filled at {places[-1]}")
        elif order.status == "Expired":
            self._expired(order, places, asked)
        elif order.status in ("Canceled", "Margin", "Rejected") and places and places[-1].must:
            self._ended(order, places[-1])

    def _ended(self, order: Any, place: Place) -> None:
        """An order that ended without a fill must not have had to be filled before that."""
        told = [n.time for n in self.diary.notes if n.order == order.because and n.status == order.status]
        if told and self._step(order, place)[0] < told[0]:
            self.say(f"{_name(order)} ended at {told[0]}, but had to be filled at {place}")

    def _eligible_from(self, order: Any, submitted: int) -> int | None:
        """The earliest start of a bar that the order may use; None if it never becomes active."""
        if order.parent is None:
            return submitted
        parent = self.orders[order.parent]
        if parent.status != "Completed":
            return None
        place = self.where.get(order.parent)
        if place is None:
            return None
        return max(submitted, int(self.frames[parent.symbol].end[place.i]))

    def _fill(self, order: Any, fill: Any, places: list[Place], asked: Asked | None) -> None:
        frame = self.frames[order.symbol]
        time = _ns(fill.time)
        slack = 1e-9 * fill.price
        possible = [
            place
            for place in places
            if int(frame.start[place.i] if place.phase == OPEN else frame.end[place.i]) == time
            and place.low - slack <= fill.price <= place.high + slack
        ]
        if not possible:
            self.say(f"{_name(order)} was filled at {fill.price} at {time}; allowed were {places}")
            return
        # The end of one bar may be the start of the next, at the same price: when was it told?
        told = [
            (n.time, 2 if n.late else 1) for n in self.diary.notes if n.order == order.because and n.executed
        ]
        place = next((p for p in possible if self._step(order, p) in told), possible[0])
        self.where[order.order_id] = place
        limit = order.limit if order.type in ("Limit", "StopLimit") else None
        if limit is not None and (fill.price > limit if order.side == "BUY" else fill.price < limit):
            self.say(f"{_name(order)} was filled worse than its limit, at {fill.price}")
        if not self._valid(order, place, asked):
            self.say(f"{_name(order)} was filled at {time}, after its validity: {asked}")
        if not _close(fill.commission, self._commission(fill)):
            self.say(f"{_name(order)} paid a commission of {fill.commission}")

    def _commission(self, fill: Any) -> float:
        multiplier = self.frames[fill.symbol].instrument.multiplier
        return float(fill.size * fill.price * multiplier * self.commission)

    def _valid(self, order: Any, place: Place, asked: Asked | None, *, whole_bar: bool = False) -> bool:
        if asked is None or order.type == "Market":
            return True
        frame = self.frames[order.symbol]
        at = frame.start[place.i] if place.phase == OPEN and not whole_bar else frame.end[place.i]
        if asked.until is not None and at > asked.until:
            return False
        return asked.session is None or frame.session[place.i] <= np.datetime64(asked.session)

    def _expired(self, order: Any, places: list[Place], asked: Asked | None) -> None:
        if asked is None or (asked.until is None and asked.session is None):
            self.say(f"{_name(order)} expired, but nothing was said of its validity")
        elif places and places[-1].must and self._valid(order, places[-1], asked, whole_bar=True):
            self.say(f"{_name(order)} expired, but had to be filled at {places[-1]} before: {asked}")

    # -- where an order may and must be filled ---------------------------------------------------

    def _places(self, order: Any, since: int, asked: Asked | None) -> list[Place]:
        frame = self.frames[order.symbol]
        if order.type == "Close":
            return self._at_close(frame, since)
        first = int(np.searchsorted(frame.start, since, side="left"))
        walk = _Walk(order, frame, self.slippage, asked)
        found: list[Place] = []
        for i in range(first, len(frame.end)):
            for place in walk.bar(i):
                found.append(place)
                if place.must:
                    return found
        return found

    def _at_close(self, frame: Any, since: int) -> list[Place]:
        """Market-on-close: the bar in progress will do, if it is the last of its session.

        A bar that waits for another instrument's has its close printed before its end.
        """
        printed = frame.end if getattr(frame, "closed", None) is None else frame.closed
        for i in range(int(np.searchsorted(printed, since, side="right")), len(frame.end)):
            if i + 1 == len(frame.end) or frame.session[i + 1] != frame.session[i]:
                return [Place(i, REST, float(frame.close[i]), float(frame.close[i]))]
        return []

    # -- groups and cancellations ----------------------------------------------------------------

    def _groups(self) -> None:
        groups: dict[int, list[Any]] = defaultdict(list)
        for order in self.record.orders:
            groups[order.oco or order.order_id].append(order)
        for leader, members in groups.items():
            filled = [order for order in members if order.filled]
            if len(filled) > 1:
                self.say(f"group {leader} has more than one fill: {[_name(o) for o in filled]}")
        siblings: dict[int, list[Any]] = defaultdict(list)
        for order in self.record.orders:
            if order.parent is not None:
                siblings[order.parent].append(order)
        for parent, children in siblings.items():
            filled = [order for order in children if order.filled]
            if len(filled) > 1:
                self.say(f"bracket {parent} left twice: {[_name(o) for o in filled]}")

    def _cancellations(self) -> None:
        """A cancelled order is dead from that moment on, if it existed before that moment."""
        by_name = {order.because: order for order in self.record.orders if order.because}
        for name, time in self.diary.cancels:
            order = by_name.get(name)
            place = self.where.get(order.order_id) if order is not None else None
            if order is not None and order.time == time:
                continue  # made and cancelled in one moment: Backtrader sends it all the same
            if place is not None and self._step(order, place) > (time, REST):
                self.say(f"{_name(order)} was cancelled at {time} and filled later at {place}")

    def _step(self, order: Any, place: Place) -> tuple[int, int]:
        """When a fill reached the account: (time, 1 at ends of bars or 2 at starts).

        At equal times ends come first, then strategies and events, then starts.
        """
        frame = self.frames[order.symbol]
        if place.phase == OPEN and self.record.notify == "at_open":
            return int(frame.start[place.i]), 2
        return int(frame.end[place.i]), 1

    # -- the account -----------------------------------------------------------------------------

    def _accounts(self) -> None:
        sessions = self.record.sessions
        steps = [
            self._step(self.orders[fill.order_id], self.where[fill.order_id]) for fill in self.record.fills
        ]
        if steps != sorted(steps):
            self.say("fills are not in the order of their times")
        done, cash = 0, self.record.starting_cash
        sizes: dict[str, float] = dict.fromkeys(self.frames, 0.0)
        for k, time in enumerate(sessions.time.tolist()):
            while done < len(steps) and steps[done] <= (time, 1):
                cash += self._book(self.record.fills[done], sizes)
                done += 1
            worth = 0.0
            scale = abs(cash)
            for symbol, frame in self.frames.items():
                known = int(np.searchsorted(frame.end, time, side="right"))
                price = float(frame.close[known - 1]) if known else float("nan")
                if not np.array_equal(sessions.prices[symbol][k], price, equal_nan=True):
                    self.say(f"{symbol} is priced {sessions.prices[symbol][k]}, not {price}, at {time}")
                if not _close(sessions.sizes[symbol][k], sizes[symbol], 1e-9 * (1 + abs(sizes[symbol]))):
                    self.say(f"{symbol}: {sessions.sizes[symbol][k]} held, not {sizes[symbol]}, at {time}")
                if known:
                    part = sizes[symbol] * price * frame.instrument.multiplier
                    worth += part
                    scale += abs(part)
            if not _close(sessions.cash[k], cash, 1e-9 * scale):
                self.say(f"cash is {sessions.cash[k]}, not {cash}, at {time}")
            if not _close(sessions.value[k], cash + worth, 1e-9 * scale):
                self.say(f"value is {sessions.value[k]}, not {cash + worth}, at {time}")
            fund = 100.0 * (cash + worth) / self.record.starting_cash
            if not _close(sessions.fund[k], fund, 1e-9 * scale):
                self.say(f"the fund's share is {sessions.fund[k]}, not {fund}, at {time}")
        if self.record.state == "finished" and done < len(steps):
            self.say(f"{len(steps) - done} fills came after the last session")

    def _book(self, fill: Any, sizes: dict[str, float]) -> float:
        signed = fill.size if fill.side == "BUY" else -fill.size
        sizes[fill.symbol] += signed
        multiplier = self.frames[fill.symbol].instrument.multiplier
        return float(-signed * fill.price * multiplier - fill.commission)

    # -- what the strategy saw -------------------------------------------------------------------

    def _sights(self) -> None:
        """In each callback exactly the bars that have ended are known, and the fills made so far."""
        steps = [
            (self._step(self.orders[fill.order_id], self.where[fill.order_id]), fill)
            for fill in self.record.fills
        ]
        for look in self.diary.looks:
            for symbol, frame in self.frames.items():
                known = int(np.searchsorted(frame.end, look.time, side="right"))
                if look.bars[symbol] != known:
                    self.say(
                        f"{look.hook} at {look.time} saw {look.bars[symbol]} bars of {symbol}, not {known}"
                    )
            if look.hook == "order":
                continue  # several fills of one moment are told one after the other
            held: dict[str, float] = dict.fromkeys(self.frames, 0.0)
            for step, fill in steps:
                if step <= (look.time, 1):
                    held[fill.symbol] += fill.size if fill.side == "BUY" else -fill.size
            for symbol, size in held.items():
                if not _close(look.positions[symbol], size, 1e-9 * (1 + abs(size))):
                    self.say(
                        f"{look.hook} at {look.time} saw {look.positions[symbol]} of {symbol}, not {size}"
                    )

    def _notifications(self) -> None:
        """A fill is told at the bar's start or end (see `_step`), and told once."""
        told: dict[str, list[int]] = defaultdict(list)
        for note in self.diary.notes:
            if note.executed and note.status in ("Completed", "Partial"):
                told[note.order].append(note.time)
        for order in self.record.orders if self.diary.notes else ():
            place = self.where.get(order.order_id)
            expected = [self._step(order, place)[0]] if place is not None else []
            if order.because in self.diary.asked and told[order.because] != expected:
                self.say(f"{_name(order)}: fill told at {told[order.because]}, not at {expected}")


class _Walk:
    """Goes over bars on behalf of one order and remembers its stop, as it trails, and its trigger."""

    def __init__(self, order: Any, frame: Any, slippage: float, asked: Asked | None) -> None:
        self.type, self.buy = order.type, order.side == "BUY"
        self.frame, self.slippage, self.asked = frame, slippage, asked
        self.stop, self.limit = order.stop, order.limit
        self.gap = order.stop - order.limit if order.type == "StopTrailLimit" else 0.0
        self.triggered = False

    def bar(self, i: int) -> list[Place]:
        """Return where bar `i` may fill the order, first things first; then let the stop trail."""
        frame = self.frame
        o, h, low, c = (float(getattr(frame, name)[i]) for name in ("open", "high", "low", "close"))
        before = self.triggered
        if self.type == "Market":
            return [self._open(i, o, h, low, None)]
        if self.type == "Limit" or before:
            return self._limit(i, o, h, low)
        found: list[Place] = []
        if self._beyond(o, self.stop):
            if self.limit is None:
                return [self._open(i, o, h, low, None)]
            self.triggered = True
            found = self._limit(i, o, h, low)
        elif self._beyond(h if self.buy else low, self.stop):
            if self.limit is None:
                return [self._slipped(i, REST, self.stop, h, low, None)]
            self.triggered = True
            found = self._triggered_inside(i, h, low, c)
        self._trail(c)
        return found

    def _beyond(self, price: float, level: float) -> bool:
        return price >= level if self.buy else price <= level

    def _limit(self, i: int, o: float, h: float, low: float) -> list[Place]:
        limit = self.limit
        if o <= limit if self.buy else o >= limit:
            return [self._open(i, o, h, low, limit)]
        if low <= limit if self.buy else h >= limit:
            return [Place(i, REST, limit, limit)]
        return []

    def _triggered_inside(self, i: int, h: float, low: float, c: float) -> list[Place]:
        """The stop was reached after the open. Can the limit have been filled after that?"""
        if self.limit >= self.stop if self.buy else self.limit <= self.stop:
            return [self._slipped(i, REST, self.stop, h, low, self.limit)]
        # The price has passed the limit on its way to the stop. Only the close proves that it came
        # back; an order need not be filled on such evidence.
        if c <= self.limit if self.buy else c >= self.limit:
            return [Place(i, REST, self.limit, self.limit, must=False)]
        return []

    def _open(self, i: int, o: float, h: float, low: float, limit: float | None) -> Place:
        return self._slipped(i, OPEN, o, h, low, limit)

    def _slipped(self, i: int, phase: int, price: float, h: float, low: float, limit: float | None) -> Place:
        """The price worsened by slippage, but not beyond the bar or the limit."""
        if self.buy:
            worst = min(price * (1 + self.slippage), h)
            worst = worst if limit is None else min(worst, limit)
            return Place(i, phase, worst, worst)
        best = max(price * (1 - self.slippage), low)
        best = best if limit is None else max(best, limit)
        # A slipped sale with a limit may leave the bar, as Backtrader's does; never the limit.
        least = best if limit is None or phase == REST else max(price * (1 - self.slippage), limit)
        return Place(i, phase, min(least, best), best)

    def _trail(self, close: float) -> None:
        if self.type not in ("StopTrail", "StopTrailLimit"):
            return
        assert self.asked is not None, "the oracle needs to be told the distance of a trailing stop"
        distance = self.asked.amount or close * (self.asked.percent or 0.0)
        self.stop = min(self.stop, close + distance) if self.buy else max(self.stop, close - distance)
        if self.limit is not None:
            self.limit = self.stop - self.gap


def _close(a: float, b: float, slack: float | None = None) -> bool:
    return abs(a - b) <= (1e-9 * max(abs(a), abs(b)) if slack is None else slack)


def _ns(moment: Any) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000


def _name(order: Any) -> str:
    return (
        f"order {order.order_id} ({order.side} {order.size} {order.symbol} {order.type} "
        f"limit={order.limit} stop={order.stop}, {order.status}, {order.because})"
    )
