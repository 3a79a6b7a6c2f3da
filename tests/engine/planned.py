"""A strategy that carries out a drawn plan, in plain Backtrader as well as in the engine.

The plan says in which callback (the how-maniest `next`, `notify_order` or `notify_event`) what is
done. Everything asked and seen goes into a `Diary` for the oracle and into a log for comparisons.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
from hypothesis import strategies as st
from oracle import Asked, Diary, Look, Note

HOUR = 3_600_000_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)

SINGLE = ("market", "limit", "stop", "stoplimit", "trail", "trail percent", "trail limit", "at close")
HANDLING = ("flatten", "reverse", "cancel")
FAMILIES = ("bracket", "short bracket", "trailing bracket", "market bracket")


@dataclass(frozen=True)
class Action:
    """One thing to do. `near` and `far` are distances from the last close, as fractions."""

    hook: str
    at: int
    feed: int
    what: str
    buy: bool
    size: float
    near: float
    far: float
    valid: tuple[str, int] | None
    oco: bool
    pick: int


@dataclass
class Outcome:
    """What a planned run leaves behind."""

    diary: Diary = field(default_factory=Diary)
    log: list[Any] = field(default_factory=list)


def actions(
    *,
    hooks: tuple[str, ...] = ("next", "order", "event"),
    what: tuple[str, ...] = SINGLE + HANDLING + FAMILIES,
    oco: bool = True,
    valid: tuple[str, ...] | bool = True,
    fractions: bool = True,
) -> Any:
    """Return a hypothesis strategy for one action; `valid` names kinds of validity, or all, or none."""
    steps = st.integers(-6, 6).map(lambda k: k / 200)
    kinds = ("date", "days", "hours", "moment", "today") if valid is True else valid or ()
    validity = st.none()
    if kinds:
        validity |= st.tuples(st.sampled_from(kinds), st.integers(0, 30))
    return st.builds(
        Action,
        hook=st.sampled_from(hooks),
        at=st.integers(0, 20) | st.integers(0, 3),
        feed=st.integers(0, 2),
        what=st.sampled_from(what),
        buy=st.booleans(),
        size=st.sampled_from([1, 7, 20] + ([0.5, 3.7] if fractions else [])),
        near=steps,
        far=steps,
        valid=validity,
        oco=st.booleans() if oco else st.just(False),
        pick=st.integers(0, 5),
    )


def plans(**kwargs: Any) -> Any:
    """Return a hypothesis strategy for a plan: up to fourteen actions."""
    return st.lists(actions(**kwargs), min_size=1, max_size=14).map(tuple)


class Planned(bt.Strategy):
    """Carries out ``plan`` and tells ``out``. Prices are rounded to ``tick`` where one is given."""

    params = (("plan", ()), ("out", None), ("tick", None), ("prepare", None))

    def __init__(self) -> None:
        self.counts = {"next": 0, "order": 0, "event": 0}
        self.made: list[Any] = []
        self.last_next = -1
        self.answering = False
        self.out = self.p.out
        self.diary = self.out.diary
        if self.p.prepare is not None:
            self.p.prepare(self)

    # -- callbacks -------------------------------------------------------------------------------

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        self.out.log.append(
            ("next", len(self), [len(d) for d in self.datas], self.broker.getcash(), self.broker.getvalue())
        )
        self.last_next = self._now()
        self._do("next")

    def notify_order(self, order: Any) -> None:
        name = order.info.get("because", "")
        self.answering = True
        self.diary.notes.append(
            Note(self._now(), name, order.getstatusname(), abs(order.executed.size), self._late())
        )
        self.out.log.append(
            ("order", name, order.getstatusname(), order.getordername(), order.executed.size,
             order.executed.price, order.executed.comm, order.executed.pnl, order.executed.dt,
             order.created.price, order.created.pricelimit, len(self), len(order.data),
             [(bit.size, bit.price) for bit in order.executed.exbits])
        )  # fmt: skip
        self._do("order")
        self.answering = False

    def notify_trade(self, trade: Any) -> None:
        self.out.log.append(
            ("trade", trade.data._name, trade.status, trade.size, trade.price, trade.pnl, trade.pnlcomm,
             trade.dtopen, trade.dtclose, trade.barlen)
        )  # fmt: skip

    def notify_event(self, event: Any) -> None:
        self._do("event")

    # -- doing -----------------------------------------------------------------------------------

    def _now(self) -> int:
        robo = getattr(self.cerebro, "robo", None)
        return robo.now if robo is not None else 0

    def _late(self) -> bool:
        """True inside the answer to a fill at the open: ends of bars are told before `next`, starts after."""
        now = self._now()
        ends = any((data.frame.end == now).any() for data in self.datas if hasattr(data, "frame"))
        return self.answering and (self.last_next == now or not ends)

    def _do(self, hook: str) -> None:
        self.diary.looks.append(
            Look(hook, self._now(), {d._name: len(d) for d in self.datas},
                 {d._name: self.getposition(d).size for d in self.datas})
        )  # fmt: skip
        count = self.counts[hook]
        self.counts[hook] += 1
        for k, action in enumerate(self.p.plan):
            if (action.hook, action.at) == (hook, count):
                self._act(action, f"plan {k}")

    def _act(self, a: Action, name: str) -> None:
        data = self.datas[a.feed % len(self.datas)]
        if not len(data):
            return
        held = self.getposition(data).size
        if a.what == "cancel":
            alive = [order for order in self.made if order.alive()]
            if alive:
                order = alive[a.pick % len(alive)]
                self.cancel(order)
                self.diary.cancels.append((order.info["because"], self._now()))
        elif a.what == "modify":
            alive = [order for order in self.made if order.alive()]
            if alive:
                self._modify(a, alive[a.pick % len(alive)], name)
        elif a.what == "flatten":
            self._keep(self.close(data, because=name), name)
        elif a.what == "reverse":
            side = self.sell if held > 0 else self.buy
            self._keep(side(data, size=abs(held) + a.size, because=name), name)
        elif "bracket" in a.what:
            self._bracket(a, data, name)
        else:
            side = self.buy if a.buy else self.sell
            self._keep(side(data, size=a.size, because=name, **self._terms(a, data)), name, a, data)

    def _modify(self, a: Action, order: Any, name: str) -> None:
        """Change an order as its type allows, its size too where a plan says `oco`."""
        kind, data = order.exectype, order.data
        more: dict[str, Any] = {"size": a.size} if a.oco else {}
        if kind in (bt.Order.Limit, bt.Order.Stop, bt.Order.StopLimit):
            more["price"] = self._level(data, a.near)
        if kind == bt.Order.StopLimit:
            more["pricelimit"] = self._level(data, a.far)
        if order.trailamount:
            more["trailamount"] = self._distance(data, a.near)
        answer = self.broker.modify(order, because=name, **more)
        self.out.log.append(("modify", name, answer, order.info.get("refused", ""), order.created.price))

    def _terms(self, a: Action, data: Any) -> dict[str, Any]:
        terms: dict[str, Any] = {"exectype": getattr(bt.Order, _TYPES[a.what])}
        if a.what in ("limit", "stop", "stoplimit"):
            terms["price"] = self._level(data, a.near)
        if a.what == "stoplimit":
            terms["plimit"] = self._level(data, a.far)
        if a.what == "trail percent":
            terms["trailpercent"] = abs(a.near) or 0.01
        if a.what in ("trail", "trail limit"):
            terms["trailamount"] = self._distance(data, a.near)
        if a.what == "trail limit":
            terms["price"], terms["plimit"] = self._level(data, a.near), self._level(data, a.far)
        if a.valid is not None:
            terms["valid"] = self._valid(a.valid, data)
        if a.oco:
            alive = [order for order in self.made if order.alive() and order.parent is None]
            if alive:
                terms["oco"] = alive[a.pick % len(alive)]
        return terms

    def _bracket(self, a: Action, data: Any, name: str) -> None:
        short = a.what == "short bracket"
        sign = -1 if short else 1
        more: dict[str, Any] = {}
        if a.what == "market bracket":
            more["exectype"] = bt.Order.Market
        if a.valid is not None:
            more["valid"] = self._valid(a.valid, data)
        stop: dict[str, Any] = {"because": name + " stop"}
        if a.what == "trailing bracket":
            more["stopexec"] = bt.Order.StopTrail
            stop["trailamount"] = self._distance(data, a.far)
        else:
            more["stopprice"] = self._level(data, -sign * (abs(a.far) or 0.01))
        made = (self.sell_bracket if short else self.buy_bracket)(
            data, size=a.size, price=self._level(data, a.near),
            limitprice=self._level(data, sign * (abs(a.near) + 0.01)),
            oargs={"because": name}, stopargs=stop, limitargs={"because": name + " limit"}, **more,
        )  # fmt: skip
        for order, part in zip(made, ("", " stop", " limit"), strict=True):
            self._keep(order, name + part, a, data)

    def _keep(self, order: Any, name: str, a: Action | None = None, data: Any = None) -> None:
        if order is None:
            return
        self.made.append(order)
        asked = Asked(self._now(), self._late(), amount=order.trailamount, percent=order.trailpercent)
        if a is not None and a.valid is not None:
            self._note_validity(asked, a.valid, data)
        self.diary.asked[name] = asked

    # -- prices and validity ---------------------------------------------------------------------

    def _level(self, data: Any, distance: float) -> float:
        price = data.close[0] * (1 + distance)
        tick = self.p.tick
        return max(round(round(price / tick) * tick, 10), tick) if tick else price

    def _distance(self, data: Any, distance: float) -> float:
        return abs(self._level(data, abs(distance)) - data.close[0]) or (self.p.tick or 0.5)

    @staticmethod
    def _valid(valid: tuple[str, int], data: Any) -> Any:
        kind, n = valid
        if kind == "date":
            return data.datetime.date(0) + dt.timedelta(days=n % 6)
        if kind == "days":
            return dt.timedelta(days=1 + n % 5)
        if kind == "hours":
            return dt.timedelta(hours=1 + 2 * n)
        if kind == "moment":
            return data.datetime.datetime(0) + dt.timedelta(hours=2 * n)
        return dt.timedelta()

    def _note_validity(self, asked: Asked, valid: tuple[str, int], data: Any) -> None:
        """What the validity means, in words of the calendar rather than of Backtrader."""
        kind, n = valid
        dated = data._timeframe >= bt.TimeFrame.Days
        if kind == "date":
            asked.session = data.datetime.date(0) + dt.timedelta(days=n % 6)
        elif kind == "days" and dated:
            asked.session = self._today(data, self._now() - 1000) + dt.timedelta(days=1 + n % 5)
        elif kind == "days":
            asked.until = self._now() + (1 + n % 5) * 24 * HOUR
        elif kind == "hours":
            asked.until = self._now() + (1 + 2 * n) * HOUR
        elif kind == "moment":
            last = data.datetime.datetime(0) + dt.timedelta(hours=2 * n)
            asked.until = (last - _EPOCH) // dt.timedelta(microseconds=1) * 1000
        else:
            asked.session = self._today(data, self._now())

    @staticmethod
    def _today(data: Any, now: int) -> dt.date:
        """The date of the session that is on at `now`, or of the UTC day."""
        today = (_EPOCH + dt.timedelta(microseconds=now // 1000)).date()
        frame = getattr(data, "frame", None)
        if frame is not None:
            on = (frame.start <= now) & (now < frame.end)
            today = max([today, *frame.session[on].astype(dt.date)])
        return today


_TYPES = {
    "market": "Market",
    "limit": "Limit",
    "stop": "Stop",
    "stoplimit": "StopLimit",
    "trail": "StopTrail",
    "trail percent": "StopTrail",
    "trail limit": "StopTrailLimit",
    "at close": "Close",
}
