"""Orders that cost little to make and to copy; to a strategy they are Backtrader's.

Backtrader makes an order through its parameter machinery and copies it whole for each notification.
Here an order is made attribute by attribute, and a notification is a `Snapshot`: the parts that
change later (status, what was executed) and, for the rest, the order itself.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
from backtrader.order import BuyOrder, OrderData, OrderExecutionBit, SellOrder
from backtrader.utils import AutoOrderedDict

_CREATED, _SUBMITTED, _ACCEPTED, _PARTIAL, _COMPLETED, _CANCELED, _EXPIRED, _MARGIN, _REJECTED = range(9)
_TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)
#: The end of a day as Backtrader writes it, for day orders.
_LATE = dt.time(23, 59, 59, 9999)
_new = object.__new__


class Part(OrderData):
    """What was asked, or was executed so far. Once shared with a snapshot it is replaced, not changed."""

    pclose = 0.0
    p1 = p2 = 0
    dt: float | None = None
    size: float = 0
    remsize: float = 0
    price: Any = 0.0
    pricelimit: Any = 0.0
    trailamount: float | None = 0.0
    trailpercent: float | None = 0.0
    _plimit: float | None = 0.0
    value = comm = pnl = 0.0
    margin: float | None = None
    psize: float = 0
    pprice: float = 0
    exbits: Any = ()

    def clone(self) -> Any:
        self.markpending()
        return self.copy()

    def copy(self) -> Part:
        """Return a copy that may be changed."""
        # Attribute by attribute: a copied `__dict__` costs twice the time and four times the memory.
        new = _new(Part)
        new.p1, new.p2, new.exbits, new.dt = self.p1, self.p2, self.exbits, self.dt
        new.size, new.remsize, new.price = self.size, self.remsize, self.price
        if self.size:
            new.value, new.comm, new.pnl, new.margin = self.value, self.comm, self.pnl, self.margin
            new.psize, new.pprice = self.psize, self.pprice
        return new


class _Cheap:
    """What orders and their snapshots have in common."""

    # Attributes of Backtrader's orders.
    ref: int
    data: Any
    status: int
    executed: Any
    created: Any
    broker: Any
    comminfo: Any
    size: float
    valid: Any
    exectype: int
    triggered: bool
    plen: int
    _active: bool

    def alive(self) -> bool:
        return self.status <= _PARTIAL

    def submit(self, broker: Any = None) -> None:
        self.status, self.broker, self.plen = _SUBMITTED, broker, len(self.data)

    def reject(self, broker: Any = None) -> bool:
        if self.status == _REJECTED:
            return False
        self.broker = broker
        self._end(_REJECTED)
        return True

    def cancel(self) -> None:
        self._end(_CANCELED)

    def margin(self) -> None:
        self._end(_MARGIN)

    def expire(self) -> bool:
        if self.exectype != bt.Order.Market and self.valid and self.data.datetime[0] > self.valid:
            self._end(_EXPIRED)
            return True
        return False

    def _end(self, status: int) -> None:
        self.status = status
        self.own_executed().dt = self.data.datetime[0]

    def own_executed(self) -> Part:
        """Return the executed part for changing it; snapshots keep what they saw."""
        own: Part = self.executed.copy()
        self.executed = own
        return own

    def execute(self, dt: float, size: float, price: float, *args: Any) -> None:
        closed, closedvalue, closedcomm, opened, openedvalue, openedcomm, margin, pnl, psize, pprice = args
        executed = self.own_executed()
        executed.addbit(
            OrderExecutionBit(
                dt, size, price, closed, closedvalue, closedcomm, opened, openedvalue, openedcomm, pnl,
                psize, pprice,
            )
        )  # fmt: skip
        executed.margin = margin
        self.status = _PARTIAL if executed.remsize else _COMPLETED

    def _snapshot(self, origin: Any, cls: Any) -> Any:
        executed = self.executed
        bits = len(executed.exbits)
        if executed.p1 != bits or executed.p2 != bits:
            if executed.p1 != executed.p2 or executed.p2 == bits:
                executed = self.own_executed()
            executed.p1, executed.p2 = executed.p2, bits
        new = _new(cls)
        new._origin = origin
        new.ref = self.ref
        status = new.status = self.status
        new.executed = executed
        new.data = self.data
        new.exectype = self.exectype
        new.triggered = self.triggered
        new.comminfo = self.comminfo
        new.broker = self.broker
        new._active = self._active
        new.size = self.size
        if status != _REJECTED:
            new.plen = self.plen
        return new


class _Order(_Cheap):
    """An order; whatever is mostly the same stands here once."""

    broker: Any = None
    comminfo: Any = None
    triggered = False
    status = _CREATED
    exectype = bt.Order.Market
    _active = True
    parent: Any = None
    transmit = True
    price: float | None = None
    pricelimit: float | None = None
    _plimit: float | None = None
    valid: Any = None
    tradeid = 0
    oco: Any = None
    trailamount: float | None = None
    trailpercent: float | None = None
    simulated = False
    histnotify = False
    position = 0
    _limitoffset = 0.0
    _asked_size: Any = None
    _asked_exectype: Any = None
    _asked_valid: Any = None
    _info: Any = None
    _dteos: float | None = None
    owner: Any

    @property
    def info(self) -> Any:
        if self._info is None:
            self._info = AutoOrderedDict()
        return self._info

    @property
    def dteos(self) -> float:
        """The end of the session as Backtrader works it out when an order is made (float days)."""
        if self._dteos is None:
            data = self.data
            made = bt.num2date(self.created.dt, data.lines.datetime._tz)
            end = data.p.sessionend
            eos = made.replace(
                hour=end.hour, minute=end.minute, second=end.second, microsecond=end.microsecond
            )
            if eos < made:
                eos += dt.timedelta(days=1)
            self._dteos = float(data.date2num(eos))
        return self._dteos

    @property
    def p(self) -> Any:
        """The parameters as they were given."""
        return _Given(self)

    params = p


_PARAMETERS = frozenset(BuyOrder.params._getkeys())
#: Parameters that an order changes for itself.
_ASKED = ("size", "exectype", "valid")


class _Given:
    """An order's parameters as they were given."""

    __slots__ = ("_order",)
    simulated = False

    def __init__(self, order: Any) -> None:
        self._order = order

    def __getattr__(self, name: str) -> Any:
        if name in _ASKED:
            return getattr(self._order, f"_asked_{name}")
        if name in _PARAMETERS:
            return getattr(self._order, name)
        raise AttributeError(f"an order has no parameter {name!r}")


class _Snapshot(_Cheap):
    """An order as it stood when it was notified."""

    _origin: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_origin":
            raise AttributeError(name)
        return getattr(self._origin, name)

    @property
    def p(self) -> Any:
        return _Given(self._origin)

    params = p


def _class(base: type, mixin: type, buys: bool, **more: Any) -> Any:
    """Make a class below Backtrader's order class, past its metaclass, which would take `params` away."""
    own = (*vars(_Cheap).items(), *vars(mixin).items())
    body = {name: value for name, value in own if name == "__getattr__" or not name.startswith("__")}
    body |= {"isbuy": lambda self: buys, "issell": lambda self: not buys}
    body |= {"__module__": __name__, "__qualname__": base.__name__, "__doc__": base.__doc__}
    return type.__new__(type(base), base.__name__, (base,), body | more)


def _order_class(base: type, buys: bool) -> Any:
    snapshot: Any = _class(base, _Snapshot, buys)
    snapshot.clone = lambda self: self._snapshot(self._origin, snapshot)
    return _class(base, _Order, buys, clone=lambda self: self._snapshot(self, snapshot))


_BUY, _SELL = _order_class(BuyOrder, True), _order_class(SellOrder, False)


def make_order(
    buys: bool,
    owner: Any,
    data: Any,
    size: float,
    price: float | None,
    plimit: float | None,
    exectype: int | None,
    valid: Any,
    tradeid: Any,
    trailamount: float | None,
    trailpercent: float | None,
    parent: Any,
    transmit: bool,
    histnotify: bool,
) -> Any:
    """Return a new order, as Backtrader's `OrderBase.__init__` makes it."""
    order = _new(_BUY if buys else _SELL)
    order.ref = next(bt.Order.refbasis)
    order.owner, order.data = owner, data
    order._asked_size = size
    if exectype is not None:
        order._asked_exectype = exectype
    if not buys:
        size = -size
    order.size = size
    if exectype:
        order.exectype = exectype
    if price is not None:
        order.price = price
    if parent is not None:
        order.parent, order._active = parent, False
    if not transmit:
        order.transmit = transmit
    if tradeid:
        order.tradeid = tradeid
    if histnotify:
        order.histnotify = histnotify
    pclose = data.close[0]
    created = order.created = _new(Part)
    created.dt, created.size, created.pclose = data.datetime[0], size, pclose
    created.price = reference = pclose if not price and not plimit else price
    if plimit:
        created.pricelimit = plimit
        if not reference:
            created.price = plimit
    else:
        created.pricelimit = reference
    created._plimit, created.trailamount, created.trailpercent = plimit, trailamount, trailpercent
    if plimit is not None:
        order.pricelimit = order._plimit = plimit
    if trailamount is not None:
        order.trailamount = trailamount
    if trailpercent is not None:
        order.trailpercent = trailpercent
    if exectype in _TRAILING:
        reference = created.price
        order._limitoffset = reference - created.pricelimit
        created.price = float("inf") if buys else float("-inf")
        order.trailadjust(reference)
    executed = order.executed = _new(Part)
    executed.remsize, executed.exbits = size, []  # shared with all snapshots, as Backtrader's deque is
    if valid is not None:
        order._asked_valid, order.valid = valid, _deadline(valid, data)
    return order


def _deadline(valid: Any, data: Any) -> Any:
    """Return a validity as Backtrader keeps it: float days, or what it was where it is a number."""
    if isinstance(valid, dt.date):
        return data.date2num(valid)
    if isinstance(valid, dt.timedelta):
        if not valid:
            return data.date2num(dt.datetime.combine(data.datetime.date(), _LATE))
        return data.date2num(data.datetime.datetime() + valid)
    return valid
