"""The arithmetic of "working orders count as if filled", as pure functions in units and money.

Orders that will surely be filled (market, close) are counted as filled. The others may be filled or
not, so they count on the side that is worse: buys towards the highest position that can arise,
sells towards the lowest. A group (OCO, the children of one bracket) counts at its largest, and a
bracket's exits not at all before their parent is filled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from robo_trader.risk.book import CERTAIN, WorkingOrder

#: Comparisons of money and sizes leave room for the rounding of floats.
SLACK = 1e-9


class Span(NamedTuple):
    """How far a symbol can get from where it stands.

    `low` and `high` are the lowest and the highest position that can arise, in signed units. `sold`
    and `bought` are their money for a multiplier of 1 where they lie on their own side of nothing;
    otherwise the orders only close, and what they leave counts at the last close.
    """

    low: float
    high: float
    sold: float
    bought: float


def span(
    position: float, working: Sequence[WorkingOrder], price: float, *, without: int | None = None
) -> Span:
    """Return what `working`, but for the group `without`, can make of `position`.

    What is held counts at the last close `price`, and what may come at the price that its order
    names, if that is higher; of a group counts the member that is worth most.
    """
    members: dict[int, int] = {}
    for order in working:
        members[order.group] = members.get(order.group, 0) + 1
    base = position
    units: dict[str, dict[int, float]] = {"BUY": {}, "SELL": {}}
    worth: dict[str, dict[int, float]] = {"BUY": {}, "SELL": {}}
    for order in working:
        side, group, size = order.side, order.group, order.size
        if order.dormant or group == without:
            continue
        if order.type in CERTAIN and members[group] == 1:
            base += size if side == "BUY" else -size
            continue
        named = max(order.limit or 0.0, order.stop or 0.0, price)
        units[side][group] = max(units[side].get(group, 0.0), size)
        worth[side][group] = max(worth[side].get(group, 0.0), size * named)
    return Span(
        base - sum(units["SELL"].values()),
        base + sum(units["BUY"].values()),
        base * price - sum(worth["SELL"].values()),
        base * price + sum(worth["BUY"].values()),
    )


def closing_part(
    side: str, size: float, position: float, working: Iterable[WorkingOrder], group: int
) -> float:
    """Return how much of an order of `size` reduces the position, net of the exits at work.

    Working orders of the order's own `group` do not count against it: at most one of them is filled.
    """
    held = position if side == "SELL" else -position
    if held <= 0:
        return 0.0
    exits: dict[int, float] = {}
    for order in working:
        if order.side == side and not order.dormant and order.group != group:
            exits[order.group] = max(exits.get(order.group, 0.0), order.size)
    return min(size, max(0.0, held - sum(exits.values())))


def round_down(size: float, whole: float, lot: float) -> float:
    """Return `size` in whole lots where `whole`, the size asked for, was in whole lots."""
    lots = whole / lot
    if abs(lots - round(lots)) > SLACK * max(1.0, lots):
        return size
    return math.floor(size / lot * (1 + 1e-12) + SLACK) * lot


def exit_size(entered: float, exited: float, wanted: float) -> float:
    """Return the size that a bracket's exit may have: at most what was entered and is not out yet.

    `entered` is what the parent has filled so far, or its whole size while it works; `exited` what
    the exits have filled so far.
    """
    return max(0.0, min(wanted, entered - exited))
