"""The broker's books without work that changes nothing: for both sets of fill rules.

* Valued when somebody asks: the account's value is worked out on the first question of a bar.
* No work on bars where no order waits, unless a scheme charges interest or settles futures.
* Cheap orders, and fills of ordinary schemes in few steps, in Backtrader's order of operations.

What changes the account is noted by bar step, so that its history can be worked out after the run
(`valuation`); where that cannot be done the account is noted session by session (`eager`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import backtrader as bt
from backtrader.brokers import BackBroker

from robo_trader.clock import NS_PER_SECOND
from robo_trader.engine.broker import because_text
from robo_trader.engine.fast.account import ALONE, EPOCH, Family, FastAccount, scheme_terms
from robo_trader.engine.fast.orders import make_order

_ACCEPTED = bt.Order.Accepted


class FastBooks(FastAccount):
    """Mixed in before `StockBroker` or `HonestBroker`: how orders come in and are filled."""

    # -- orders come in --------------------------------------------------------------------------------

    def buy(
        self, owner: Any, data: Any, size: float, price: float | None = None, plimit: float | None = None,
        exectype: int | None = None, valid: Any = None, tradeid: Any = 0, oco: Any = None,
        trailamount: float | None = None, trailpercent: float | None = None, parent: Any = None,
        transmit: bool = True, histnotify: bool = False, _checksubmit: bool = True, **kwargs: Any,
    ) -> Any:  # fmt: skip
        if valid is not None:
            valid = self._prepare(data, {"valid": valid})["valid"]
        order = make_order(True, owner, data, size, price, plimit, exectype, valid, tradeid, trailamount,
                           trailpercent, parent, transmit, histnotify)  # fmt: skip
        return self._send(order, oco, _checksubmit, kwargs)

    def sell(
        self, owner: Any, data: Any, size: float, price: float | None = None, plimit: float | None = None,
        exectype: int | None = None, valid: Any = None, tradeid: Any = 0, oco: Any = None,
        trailamount: float | None = None, trailpercent: float | None = None, parent: Any = None,
        transmit: bool = True, histnotify: bool = False, _checksubmit: bool = True, **kwargs: Any,
    ) -> Any:  # fmt: skip
        if valid is not None:
            valid = self._prepare(data, {"valid": valid})["valid"]
        order = make_order(False, owner, data, size, price, plimit, exectype, valid, tradeid, trailamount,
                           trailpercent, parent, transmit, histnotify)  # fmt: skip
        return self._send(order, oco, _checksubmit, kwargs)

    def _send(self, order: Any, oco: Any, check: bool, info: dict[str, Any]) -> Any:
        if info:
            if "because" in info:
                info["because"] = because_text(info["because"])
            order.info.update(info)
        self._ocoize(order, oco)
        return self.submit(order, check)

    def _receive(self, order: Any) -> bool:
        if (
            not self._free
            or self.trading_from
            or order.parent is not None
            or not order.transmit
            or not isfinite(order.size)
            or order.ref in self._submitted_at
        ):
            return super()._receive(order)
        ref = order.ref
        leader = self._ocos[ref]
        now = self._submitted_at[ref] = self.now
        self.recorder.order(order, now, leader if leader != ref else None)
        self.recorder.allowed(order, now)
        return True

    def _pass_gate(self, family: list[Any]) -> bool:
        if not self._free:
            return super()._pass_gate(family)
        for order in family:
            self.recorder.allowed(order, self.now)
        return True

    def _before_a_change(self, order: Any) -> None:
        if self._free:
            # From here on each decision is written down: those of orders say what they asked for first.
            self._free = False
            self.recorder.unfold()
            self.book.know(order.data)

    def submit(self, order: Any, check: bool = True) -> Any:
        if not self._receive(order):
            return order
        if order.parent is not None or not order.transmit:
            if order.transmit:
                family = self._pchildren.get(order.parent.ref if order.parent is not None else order.ref, ())
                self._twice = self._twice or any(member.status != bt.Order.Created for member in family)
            return BackBroker.submit(self, order, check)
        self._pchildren[order.ref] = ALONE
        return self.transmit(order, check)

    def _take_children(self, order: Any) -> Any:
        parent = order.parent
        if parent is not None and self._pchildren.get(parent.ref) is ALONE:
            # A child that comes after its parent went out: now they are a family.
            # A notification as parent tells what was; the order itself may have come further.
            origin = getattr(parent, "_origin", parent)
            done = origin.status == bt.Order.Completed
            self._pchildren[parent.ref] = Family([] if done else [origin])
            self._twice = self._twice or not done
        return super()._take_children(order)

    def _bracketize(self, order: Any, cancel: bool = False) -> None:
        if self._pchildren.get(order.ref) is not ALONE:
            super()._bracketize(order, cancel)
        elif cancel:
            del self._pchildren[order.ref]

    def _ocoize(self, order: Any, oco: Any) -> None:
        if oco is not None:
            super()._ocoize(order, oco)
            return
        ref = order.ref
        self._ocos[ref] = ref
        self._ocol[ref] = [ref]

    def notify(self, order: Any) -> None:
        if not self._free and order.status > _ACCEPTED:
            self.book.touch(order)
        if self.unheard:
            return
        if not self._working:
            self.nudge.append("notice")
        self.notifs.append(order.clone())

    def submit_accept(self, order: Any) -> None:
        order.pannotated = None
        order.submit()
        order.status, order.broker = _ACCEPTED, None
        self.pending.append(order)
        self.notify(order)

    def _ococheck(self, order: Any) -> None:
        # Most groups have one member, and then there is nobody to cancel, unless it waits twice.
        if self._twice:
            super()._ococheck(order)
            return
        leader = self._ocos.get(self._ocos[order.ref])
        if self._ocol.get(leader) == [order.ref]:
            del self._ocol[leader]
            return
        super()._ococheck(order)

    def check_submitted(self) -> None:
        """Accept what was submitted, as far as the cash would reach at the prices of submission."""
        if self.p.filler is not None or self.p.coo or not self._all_ordinary:
            super().check_submitted()
            return
        cash = self._cash
        held: dict[Any, tuple[float, float]] = {}
        submitted = self.submitted
        while submitted:
            order = submitted.popleft()
            if order.parent is not None and self._take_children(order) is None:
                continue
            data = order.data
            size, paid = held.get(data) or _size_and_price(self.positions[data])
            price = order.created.price
            after, at, opened, closed = _updated(size, paid, order.executed.remsize, price)
            held[data] = (after, at)
            cash = self._pretend(self.getcommissioninfo(data), price, opened, closed, cash)
            if cash >= 0.0:
                self.submit_accept(order)
                continue
            order.margin()
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)

    @staticmethod
    def _pretend(scheme: Any, price: float, opened: float, closed: float, cash: float) -> float:
        """Return the cash that would be left if an order were filled at its reference price."""
        mult, leverage, scaled = scheme_terms(scheme)
        rate = scheme.p.commission
        if closed:
            # The price is the position's as well, so that nothing is won or lost.
            worth = -closed * price * mult if scaled else -closed * price
            cash += worth / leverage if worth > 0 else worth
            cash -= abs(closed) * rate * price * mult if scaled else abs(closed) * rate * price
        if opened:
            worth = opened * price * mult if scaled else opened * price
            cash -= worth / leverage if worth > 0 else worth
            cash -= abs(opened) * rate * price * mult if scaled else abs(opened) * rate * price
        return cash

    # -- fills -------------------------------------------------------------------------------------------

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        data = order.data
        if ago is None:
            return super()._execute(order, ago, price, cash, position, dtcoc)
        if self.notes_bars and not self.busy:
            self.positions[data].note_before(-1 if data._robo_cursor in self.clocks else 0)
        if not self.fills_simply(data):
            self.changed.append(data if data._compensate is None else data._compensate)
            return super()._execute(order, ago, price, cash, position, dtcoc)
        if price is not None:
            self._fill(order, ago, price, dtcoc, self._time_of_fill(order, ago, dtcoc))
        return None

    def fills_simply(self, data: Any) -> bool:
        """Return True where a fill of `data` needs nothing but ordinary arithmetic."""
        return bool(self._ordinary.get(data)) and self.p.filler is None and data._compensate is None

    def _fill(self, order: Any, ago: int, price: float, dtcoc: float | None, time: int) -> None:
        """Fill `order` at `price`: Backtrader's `_execute` for an ordinary scheme, step by step."""
        data, size = order.data, order.executed.remsize
        scheme = self.getcommissioninfo(data)
        mult, leverage, scaled = scheme_terms(scheme)
        rate = scheme.p.commission
        position = self.positions[data]
        before = position.price
        psize, pprice, opened, closed = _updated(position.size, before, size, price)
        pnl = -closed * (price - before) * scheme.p.mult
        cash = self._cash
        closedvalue = closedcomm = openedvalue = openedcomm = 0.0
        if closed:
            closedvalue = -closed * before * mult if scaled else -closed * before
            cash += (closedvalue / leverage if closedvalue > 0 else closedvalue) + pnl
            closedcomm = abs(closed) * rate * price * mult if scaled else abs(closed) * rate * price
            cash -= closedcomm
            cash += 0.0
            self._cash, self._touched = cash, True
        wanted = opened
        if opened:
            openedvalue = opened * price * mult if scaled else opened * price
            cash -= openedvalue / leverage if openedvalue > 0 else openedvalue
            openedcomm = abs(opened) * rate * price * mult if scaled else abs(opened) * rate * price
            cash -= openedcomm
            if cash < 0.0:
                opened, openedvalue, openedcomm = 0, 0.0, 0.0
            else:
                if abs(psize) > abs(opened):
                    cash += 0.0
                position.adjbase = price
                self._cash, self._touched = cash, True
        executed = closed + opened
        if executed:
            position.update(executed, price, self._moment_of(data))
            self.changed.append(data)
            if closed and self.p.int2pnl and self.d_credit:
                closedcomm += self.d_credit.pop(data, 0.0)
            order.execute(dtcoc or data.datetime[ago], executed, price, closed, closedvalue, closedcomm,
                          opened, openedvalue, openedcomm, scheme.p.margin, pnl, psize, pprice)  # fmt: skip
            order.comminfo = scheme
            self.notify(order)
            self._ococheck(order)
            self.recorder.fill(order, time, executed, price, closedcomm + openedcomm)
        if wanted and not opened:
            order.margin()
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)
        if executed and self.scales_exits and order.parent is not None and order.alive():
            self._shrink_exits(order)

    def _moment_of(self, data: Any) -> datetime:
        """Return a feed's current time as `data.datetime.datetime()` does: naive, in the feed's zone."""
        end = data.frame.end.item(len(data) - 1)
        if end != self._moment[0] or data.lines.datetime._tz is not None:
            self._moment = end, _datetime(data, end)
        return self._moment[1]

    def _time_of_fill(self, order: Any, ago: int, dtcoc: float | None) -> int:
        """Return when a fill that is being made happens (ns UTC)."""
        raise NotImplementedError


def _datetime(data: Any, end: int) -> datetime:
    seconds, rest = divmod(end, NS_PER_SECOND)
    if rest or data.lines.datetime._tz is not None:
        moment: datetime = data.datetime.datetime()
        return moment
    # Backtrader's float days give whole seconds exactly.
    return EPOCH + timedelta(seconds=seconds)


def _size_and_price(position: Any) -> tuple[float, float]:
    return position.size, position.price


def _updated(held: float, at: float, size: float, price: float) -> tuple[float, float, float, float]:
    """Return (size, price, opened, closed) of a position after a trade, as `Position.update` does."""
    after = held + size
    if not after:
        return after, 0.0, 0, size
    if not held:
        return after, price, size, 0
    if (held > 0) == (size > 0):
        return after, (at * held + size * price) / after, size, 0
    if (held > 0) == (after > 0):
        return after, at, 0, size
    return after, price, after, -held
