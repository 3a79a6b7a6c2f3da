"""What a journal says after a comparison with the broker, for tests of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from robo_trader.journal.standing import Standing, StandingFill, StandingOrder
from robo_trader.live.books.reconcile import Reconciliation

D = Decimal
RUN = "20261120T150000Z-turns-abc123"


def stand(orders: Iterable[StandingOrder], fills: Sequence[StandingFill]) -> Standing:
    """Add up what the fills say, as the journal does."""
    filled: dict[int, Decimal] = {}
    held: dict[str, Decimal] = {}
    for fill in fills:
        filled[fill.order_number] = filled.get(fill.order_number, D(0)) + fill.size
        signed = fill.size if fill.side == "BUY" else -fill.size
        held[fill.symbol] = held.get(fill.symbol, D(0)) + signed
    done = tuple(replace(order, filled=filled.get(order.number, D(0))) for order in orders)
    return Standing(RUN, D(100_000), done, tuple(fills), {s: n for s, n in held.items() if n})


def put_right(standing: Standing, found: Reconciliation) -> Standing:
    """Do what a session does with the answer."""
    replaced = {missed.corrects for missed in found.fills_missed}
    costs = {charge.exec_id: charge.amount for charge in found.charges}
    fills = [
        replace(f, commission=costs.get(f.execution or "", f.commission))
        for f in standing.fills
        if f.execution not in replaced
    ]
    for missed in found.fills_missed:
        o, e = missed.order, missed.execution
        cost = missed.commission.amount if missed.commission else D(0)
        fills.append(
            StandingFill(o.number, o.ref, e.exec_id, e.time, o.symbol, e.side, e.size, e.price, cost)
        )
    ended = {gone.order.number: gone.status for gone in found.orders_gone}
    ended |= {order.number: "Rejected" for order in found.never_sent}
    return stand((replace(o, status=ended.get(o.number, o.status)) for o in standing.orders), fills)
