"""Strategies that do everything that Backtrader's orders can: each must trade live as in a backtest."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import backtrader as bt

from robo_trader import Event, Signal, Strategy

Order = bt.Order


def tick(price: float, step: float = 0.01) -> float:
    """The price on the contract's step."""
    return round(round(price / step) * step, 8)


class Random(Strategy):
    """Does anything at any bar: entries and exits of every type, groups, brackets, cancellations.

    `kinds` names what it may do; a seed of the run makes another sequence.
    """

    params = {"chance": 0.35, "size": 40, "kinds": "", "step": 0.01, "spread": 0.01}
    ALL = (
        "market", "close", "limit", "stop", "stoplimit", "trail", "traillimit", "bracket",
        "sellbracket", "oco", "oco3", "cancel", "cancelall", "replace", "flatten", "reverse", "target",
        "percent", "part", "valid_date", "valid_delta", "valid_time",
    )  # fmt: skip

    def __init__(self) -> None:
        self.working: list[Any] = []
        self.made: dict[int, Any] = {}
        self.answers: list[bool] = []
        self.may = self.p.kinds.split(",") if self.p.kinds else list(self.ALL)

    def notify_order(self, order: Any) -> None:
        if not order.alive() and order in self.working:
            self.working.remove(order)

    def prenext(self) -> None:
        if not self.warming_up:
            self.next()

    def next(self) -> None:
        for data in self.bars:
            if (
                len(data)
                and data._name != "VIX"
                and "@" not in data._name
                and self.rng.random() < self.p.chance
            ):
                self.act(data, self.rng.choice(self.may))

    def act(self, data: Any, what: str) -> None:
        """Do one thing, and remember the orders that it led to."""
        made = getattr(self, f"do_{what}", None)
        found = made(data) if made is not None else self.plain(data, what)
        for order in found if isinstance(found, list) else [found]:
            if order is not None and order.alive():
                self.working.append(order)
                self.made[order.ref] = self.now

    def plain(self, data: Any, what: str) -> Any:
        close, buy = data.close[0], self.rng.random() < 0.5
        trade, way = (self.buy, 1) if buy else (self.sell, -1)
        size = self.rng.randrange(1, self.p.size)
        off = self.rng.uniform(0, 2) * self.p.spread * close
        worse, better = tick(close + way * off, self.p.step), tick(close - way * off, self.p.step)
        given: dict[str, Any] = {
            "market": {}, "close": {"exectype": Order.Close},
            "limit": {"exectype": Order.Limit, "price": better},
            "stop": {"exectype": Order.Stop, "price": worse},
            "stoplimit": {
                "exectype": Order.StopLimit, "price": worse,
                "plimit": tick(worse + way * off / 2, self.p.step),
            },
            "trail": {"exectype": Order.StopTrail, "trailamount": tick(max(off, self.p.step), self.p.step)},
            "trailpercent": {"exectype": Order.StopTrail, "trailpercent": 0.02},
            "traillimit": {
                "exectype": Order.StopTrailLimit, "trailamount": tick(max(off, self.p.step), self.p.step),
                "price": tick(close, self.p.step), "plimit": tick(close + way * off / 2, self.p.step),
            },
            "valid_date": {
                "exectype": Order.Limit, "price": better,
                "valid": (self.now + timedelta(days=self.rng.randrange(0, 4))).date(),
            },
            "valid_delta": {
                "exectype": Order.Limit, "price": better, "valid": timedelta(days=self.rng.randrange(1, 4)),
            },
            "valid_time": {
                "exectype": Order.Limit, "price": better,
                "valid": datetime.combine(
                    self.now.date() + timedelta(days=self.rng.randrange(1, 4)), time(12), UTC
                ),
            },
        }[what]  # fmt: skip
        return trade(data, size=size, because=what, **given)

    def do_bracket(self, data: Any) -> list[Any]:
        at, off = data.close[0], self.p.spread * data.close[0]
        return self.buy_bracket(
            data=data, size=self.rng.randrange(1, self.p.size), price=tick(at, self.p.step),
            limitprice=tick(at + off, self.p.step), stopprice=tick(at - off, self.p.step),
            exectype=self.rng.choice((Order.Limit, Order.Market, Order.Stop)),
        )  # fmt: skip

    def do_sellbracket(self, data: Any) -> list[Any]:
        at, off = data.close[0], self.p.spread * data.close[0]
        return self.sell_bracket(
            data=data, size=self.rng.randrange(1, self.p.size), price=tick(at, self.p.step),
            limitprice=tick(at - off, self.p.step), stopprice=tick(at + off, self.p.step),
        )  # fmt: skip

    def do_oco(self, data: Any, more: int = 1) -> list[Any]:
        at, off = data.close[0], self.p.spread * data.close[0]
        first = self.buy(
            data, size=10, exectype=Order.Limit, price=tick(at - off / 2, self.p.step), because="leader"
        )
        orders = [first]
        for i in range(more):
            orders.append(
                self.buy(
                    data,
                    size=10,
                    exectype=Order.Stop,
                    price=tick(at + off * (i + 1) / 2, self.p.step),
                    oco=first,
                )
            )
        return orders

    def do_oco3(self, data: Any) -> list[Any]:
        return self.do_oco(data, 2)

    def do_cancel(self, data: Any) -> None:
        mine = [o for o in self.older() if o.data is data]
        if mine:
            self.take_back(self.rng.choice(mine))

    def do_cancelall(self, data: Any) -> None:
        for order in self.older():
            self.take_back(order)

    def take_back(self, order: Any) -> None:
        self.cancel(order)
        self.working.remove(order)

    def older(self) -> list[Any]:
        """Orders of earlier moments that live: one of this moment cannot be taken back in a backtest."""
        return [o for o in self.working if o.alive() and self.made[o.ref] < self.now]

    def do_replace(self, data: Any) -> Any:
        self.do_cancel(data)
        return self.plain(data, "limit")

    def do_modify(self, data: Any) -> None:
        """Move the prices of a working order, change its size, or its distance from the market."""
        mine = [o for o in self.older() if o.data is data]
        if not mine:
            return
        order, step = self.rng.choice(mine), self.p.step
        off = self.rng.uniform(-1, 1) * self.p.spread * data.close[0]
        given: dict[str, Any] = {}
        if order.exectype in (Order.Limit, Order.Stop, Order.StopLimit):
            given["price"] = tick(order.created.price + off, step)
        if order.exectype == Order.StopLimit:
            given["pricelimit"] = tick(order.created.pricelimit + off, step)
        if order.trailamount:
            given["trailamount"] = max(tick(order.trailamount * self.rng.uniform(0.5, 1.5), step), step)
        if self.rng.random() < 0.5:
            given["size"] = self.rng.randrange(1, self.p.size)
        self.answers.append(self.broker.modify(order, because="modify", **given))

    def do_twice(self, data: Any) -> list[Any]:
        order = self.plain(data, "market")
        other = self.plain(data, "limit")
        self.cancel(other)
        return [order, other]

    def do_flatten(self, data: Any) -> Any:
        return self.close(data)

    def do_reverse(self, data: Any) -> Any:
        held = self.getposition(data).size
        return self.order_target_size(data, -held if held else self.p.size // 2)

    def do_target(self, data: Any) -> Any:
        return self.order_target_value(data, self.rng.choice((-2000, 0, 3000, 5000)))

    def do_percent(self, data: Any) -> Any:
        return self.order_target_percent(data, self.rng.choice((-0.05, 0.0, 0.04, 0.08)))

    def do_part(self, data: Any) -> Any:
        held = self.getposition(data).size
        if abs(held) < 2:
            return None
        trade = self.sell if held > 0 else self.buy
        return trade(data, size=abs(held) // 2)


class Mover(Strategy):
    """Follows the market: every third bar a limit is moved, or a stop raised behind what is held."""

    params = {"size": 20, "step": 0.01, "spread": 0.01, "every": 3}

    def __init__(self) -> None:
        self.entry: Any = None
        self.exit: Any = None

    def next(self) -> None:
        if self.warming_up:
            return
        data, p = self.bars[0], self.p
        close, held = data.close[0], self.getposition(data).size
        if held and (self.exit is None or not self.exit.alive()):
            below = tick(close * (1 - 3 * p.spread), p.step)
            self.exit = self.sell(data, size=held, exectype=Order.Stop, price=below, because="protect")
        elif not held and (self.entry is None or not self.entry.alive()):
            below = tick(close * (1 - 3 * p.spread), p.step)
            self.entry = self.buy(data, size=p.size, exectype=Order.Limit, price=below, because="cheap")
        elif len(self) % p.every == 0 and not held:
            size = p.size + len(self) % 7
            self.broker.modify(
                self.entry, price=tick(close * (1 - p.spread / 3), p.step), size=size, because="nearer"
            )
        elif len(self) % p.every == 0:
            higher = tick(close * (1 - p.spread / 3), p.step)
            if higher > self.exit.created.price:
                self.broker.modify(self.exit, price=higher, because="raise")


class Joiner(Strategy):
    """Gives a trailing stop that has moved a target in one group with it."""

    params = {"size": 20, "step": 0.01, "spread": 0.01}

    def __init__(self) -> None:
        self.trail: Any = None
        self.since = 0

    def next(self) -> None:
        if self.warming_up:
            return
        data, p, held = self.bars[0], self.p, self.getposition(self.bars[0]).size
        close = data.close[0]
        if not held and (self.trail is None or not self.trail.alive()):
            self.buy(data, size=p.size)
            far = tick(close * 1.5 * p.spread, p.step)
            self.trail = self.sell(data, size=p.size, exectype=Order.StopTrail, trailamount=far)
            self.since = len(self)
        elif self.trail.alive() and len(self) == self.since + 4:
            higher = tick(close * (1 + 2 * p.spread), p.step)
            self.sell(data, size=p.size, exectype=Order.Limit, price=higher, oco=self.trail)


class Chain(Random):
    """Orders that follow orders, made in `notify_order` and `notify_trade`."""

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        if order.status == order.Completed and self.rng.random() < 0.4:
            self.act(order.data, self.rng.choice(("limit", "stop", "flatten", "cancel")))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed and self.rng.random() < 0.4:
            self.act(trade.data, "market")


class Listener(Random):
    """Acts on events and signals as well, whenever they come."""

    def notify_event(self, event: Event) -> None:
        for data in self.bars:
            if len(data) and data._name in (event.symbols or ("AAA",)):
                self.act(data, self.rng.choice(self.may))

    def notify_signal(self, signal: Signal) -> None:
        data = next((d for d in self.bars if d._name == signal.symbol), None)
        if data is not None and len(data):
            self.act(data, self.rng.choice(("market", "limit", "flatten", "percent")))


class ListeningChain(Chain, Listener):
    """Both."""
