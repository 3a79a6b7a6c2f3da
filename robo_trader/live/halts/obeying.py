"""A session's answer to a halt: cancel what enlarges exposure, flatten where asked, and say that it is done.

Positions are closed only when the orders that stand in the way are gone: an exit that fills meanwhile would
close twice. What could not be sent because the line was down is done when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robo_trader import clock
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.desk import OrderDesk
from robo_trader.ib.executions import Orders
from robo_trader.live.cerebro import LiveCerebro
from robo_trader.live.halts.choosing import Change, HaltFollower, Resting, left_bare, to_cancel
from robo_trader.live.journalled import JournalledGate
from robo_trader.risk.halt import ACTIVE

#: How long a flatten waits for cancelled orders to be gone, in seconds; then it closes what is left.
PATIENCE = 5.0
WHY = "an operator's flatten"


class Obeying:
    """Follows the halt state for one session; `trouble` tells a person, `answer` gives a sign of life."""

    def __init__(
        self,
        halts: HaltFollower,
        cerebro: LiveCerebro,
        connection: Connection,
        orders: Orders,
        desk: OrderDesk | None,
        gate: JournalledGate,
        trouble: Callable[[Any, str, str], None],
    ) -> None:
        self.halts = halts
        self.answer: Callable[[], object] = lambda: None
        self._cerebro, self._connection, self._orders = cerebro, connection, orders
        self._desk, self._gate, self._trouble = desk, gate, trouble
        self._flattening: tuple[Change, float] | None = None

    def follow(self, *, at_once: bool = False) -> None:
        """Look whether trading was stopped or goes on, and do what that asks for."""
        change = self.halts.follow(at_once=at_once)
        self._gate.halt = self.halts.halt
        if change is not None:
            self._flattening = None
            self._trouble("info" if change.halt.state == ACTIVE else "critical", change.halt.text(), "")
            self._obey(change)
        elif not at_once and self._flattening is not None:
            self._flatten(*self._flattening)

    def again(self) -> None:
        """Do what the line was down for."""
        if self.halts.pending is not None and self._flattening is None:
            self._obey(self.halts.pending)

    def _obey(self, change: Change) -> None:
        broker = self._cerebro.broker
        try:
            if change.cancel != "nothing" and self._desk is not None:
                resting = self.resting()
                held = {feed._name: broker.positions[feed].size for feed in self._cerebro.datas}
                goes = to_cancel(resting, held, cancel_all=change.cancel == "everything")
                for bare in left_bare(resting, goes):
                    text = f"{bare.filled:g} {bare.instrument} stay without protection"
                    self._trouble("critical", "a bracket that was filled in part loses its exits", text)
                self._desk.cancel(goes)
        except LineDownError as error:
            self._trouble("critical", "the halt could not reach the broker", error.message)
            return
        if change.flatten:
            self._flattening = change, clock.monotonic() + PATIENCE
            self._flatten(*self._flattening)
        else:
            self._done(change)

    def _flatten(self, change: Change, deadline: float) -> None:
        """Close every position at the market once nothing rests any more, as an operator asks for."""
        if not self._connection.up and self._desk is not None:
            return
        waits = [one.ref for one in self.resting()]
        if waits and clock.monotonic() < deadline:
            return
        if waits:
            self._trouble("critical", "orders that were cancelled still rest", ", ".join(waits))
        self._flattening = None
        broker, gate = self._cerebro.broker, self._gate
        gate.by_operator = True
        try:
            for feed in self._cerebro.datas:
                held = broker.positions[feed].size
                size = gate.surely(feed._name, held)
                if size != held:
                    told = f"{feed._name}: we hold {held:g}, and the broker {size:g} of it"
                    self._trouble("critical", "more than the broker holds is not closed", told)
                if size:
                    trade = broker.sell if size > 0 else broker.buy
                    trade(self._cerebro.strategies[0], feed, abs(size), because=WHY)
            broker.flush()
        finally:
            gate.by_operator = False
        self._done(change)

    def _done(self, change: Change) -> None:
        self.halts.obeyed(change)
        # 'robo halt' waits for this answer, and ends a process that does not give it.
        self.answer()

    def resting(self) -> list[Resting]:
        """Return our orders that the broker holds."""
        broker = self._cerebro.broker
        refs = {id(order): ref for ref, order in broker.by_ref()}
        found = []
        for ref, order in broker.by_ref():
            if order.alive():
                known = self._orders.get(ref)
                found.append(
                    Resting(
                        ref=ref,
                        instrument=order.data._name,
                        side="BUY" if order.isbuy() else "SELL",
                        remaining=abs(float(order.executed.remsize)),
                        type=order.getordername(),
                        parent=refs.get(id(order.parent), "") if order.parent is not None else "",
                        group=broker.group_of(order),
                        filled=float(known.executed) if known is not None else 0.0,
                    )
                )
        return found
