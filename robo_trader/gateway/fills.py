"""Fills: booked once, told to everybody, and what follows from them for brackets and groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from robo_trader.gateway.orderbook import OrderBook
from robo_trader.gateway.orders import DUST, Execution, Order

#: Decimals of a slice: a broker tells sizes that add up.
_DECIMALS = 9


class Fills(OrderBook):
    """An order book whose orders can be filled."""

    def trade(self, order: Order, size: float, price: float, time: int | None = None) -> None:
        """Fill `size` of an order as the faults will have it: at once, late, in slices, or never wholly."""
        faults = self.faults
        if faults.partial is None:
            self._later(order, faults.fill_delay, lambda: self._fill_now(order, size, price, time))
            return
        count = faults.partial.slices
        step = max(1.0, size // count) if size >= count else round(size / count, _DECIMALS)
        stop = faults.partial.stop_after
        sizes = [step] * (count - 1) + [round(size - step * (count - 1), _DECIMALS)]
        sizes = [s for s in sizes if s > DUST]
        self._slice(
            order,
            sizes if stop is None else sizes[:stop],
            price,
            time,
            stop is not None and stop < len(sizes),
        )

    def _slice(self, order: Order, sizes: list[float], price: float, time: int | None, stays: bool) -> None:
        if not sizes:
            order.stuck = stays
            return

        def one() -> None:
            self.fill(order, sizes[0], price, time)
            if len(sizes) == 1:
                order.stuck = stays
            elif order.alive:
                delay = self.faults.partial.delay if self.faults.partial else 0.0
                self._later(order, delay, lambda: self._slice(order, sizes[1:], price, None, stays))

        self._later(order, self.faults.fill_delay, one)

    def _later(self, order: Order, delay: float, action: Callable[[], None]) -> None:
        if not delay:
            action()
            return

        def run() -> None:
            self._pending.pop(order.perm_id, None)
            if not self.connected:
                self._pending[order.perm_id] = asyncio.get_running_loop().call_later(0.05, run)
            elif order.alive:
                action()

        self._pending[order.perm_id] = asyncio.get_running_loop().call_later(delay, run)

    def _fill_now(self, order: Order, size: float, price: float, time: int | None) -> None:
        self.fill(order, size, price, time)

    def fill(self, order: Order, size: float, price: float, time: int | None = None) -> Execution:
        """Book a fill and tell everybody; a fill of a cancelled order that was on its way is booked too."""
        size = min(size, order.remaining)
        order.filled += size
        order.value += size * price
        order.last_price = price
        order.executions += 1
        contract = order.contract
        commission = self.account.commission(contract, size, price, order.charged)
        order.charged += commission
        realized = self.account.apply(contract, order.sign * size, price)
        self.account.pay(commission, contract.currency)
        execution = Execution(
            exec_id=f"0000e1a7.{order.perm_id:08x}.{order.executions:02d}.01",
            perm_id=order.perm_id,
            client=order.client,
            order_id=order.order_id,
            contract=contract,
            time=self.market.clock.stamp() if time is None else time + self.market.clock.skew_ns,
            side="BOT" if order.buy else "SLD",
            shares=size,
            price=price,
            cumulative=order.filled,
            average=order.average,
            ref=order.values["orderRef"],
            account=self.account.name,
            commission=commission,
            realized=None if realized is None else realized - commission,
        )
        whole = order.remaining <= DUST
        was_alive = order.alive
        if whole:
            order.status = "Filled"
            order.completed_at = self.market.clock.now()
            self._gone(order)
        elif was_alive:
            order.status = "Submitted"
        position = self.account.positions[contract.con_id]
        self.books.save_fill(order, execution, self.account, position)
        if self.faults.exec_first:
            self.reports.execution(execution)
            self._tell(order, status_first=True)
        else:
            self._tell(order, status_first=True)
            self.reports.execution(execution)
        self.reports.account_changed(position)
        self._after_fill(order, size)
        return execution

    def _after_fill(self, order: Order, size: float) -> None:
        if self._lets_children_go(order):
            spec = self.universe.get(order.contract.con_id)
            for child in self.children(order):
                if not child.waiting:
                    if spec is not None:
                        child.eligible_at = max(child.eligible_at, self.market.bar_end(spec))
                    self.activate(child)
        if not order.group:
            return
        for other in self._group(order):
            cancels = bool(order.values["ocaGroup"]) and order.oca_type == 1
            if cancels or other.remaining - size <= DUST:
                self.end(other, "Cancelled", "OCA group was filled")
            elif other.alive:
                other.quantity -= size
                self._change(other)

    def correct(self, exec_id: str, price: float) -> Execution | None:
        """Replace an execution by one at another price; its id's last part goes up by one."""
        old = self.books.executions.get(exec_id)
        if old is None:
            return None
        base, _, number = exec_id.rpartition(".")
        contract, change = old.contract, (price - old.price) * old.shares
        average = old.average + change / old.cumulative
        new = replace(old, exec_id=f"{base}.{int(number) + 1:02d}", price=price, average=average)
        mine = [e for e in self.books.latest() if e.contract.con_id == contract.con_id]
        before, _ = self.account.replayed(mine)
        after, realized = self.account.replayed([new if e is old else e for e in mine])
        here = realized[new.exec_id]
        new = replace(new, realized=None if here is None else here - old.commission)
        # What was sold since at a profit is worth less or more now: everything follows from the executions.
        position, again = self.account.positions[contract.con_id], after.positions[contract.con_id]
        position.cost, position.realized = again.cost, again.realized
        self.account.cash += after.cash - before.cash
        self.account.realized += after.realized - before.realized
        order = self.books.orders.get(old.perm_id)
        if order is not None:
            order.value += change
            order.last_price = price if order.last_price == old.price else order.last_price
        self.books.save_fill(order, new, self.account, position)
        self.reports.execution(new)
        self.reports.account_changed(position)
        return new
