"""A strategy that trades a lot in many ways and writes down everything that it is told."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt

OVER = frozenset(("Completed", "Canceled", "Expired", "Margin", "Rejected"))


@dataclass
class Notice:
    """What one notification told: sums so far, as the strategy saw them."""

    number: int
    status: str
    size: float
    price: float
    commission: float


@dataclass
class Diary:
    """What a strategy was told, in order; other threads read it and wait on `news`."""

    seed: int = 0
    bars: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    quiet: bool = False
    probe: bool = False
    probes: list[int] = field(default_factory=list)
    changes: list[bool] = field(default_factory=list)
    strategy: Any = None
    ended: bool = False
    news: threading.Condition = field(default_factory=threading.Condition)

    def tell(self) -> None:
        with self.news:
            self.news.notify_all()

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done`, looked at after each notification and every 20 ms; False where it never was."""
        with self.news:
            step = 0.02
            for _ in range(int(seconds / step) + 1):
                if done():
                    return True
                if self.ended:
                    return done()
                self.news.wait(step)
            return done()

    @property
    def count(self) -> int:
        """Bars that every feed has had since the session began."""
        return min((len(rows) for rows in self.bars.values()), default=0)

    def last(self) -> dict[int, Notice]:
        """The newest notice of each order."""
        return {notice.number: notice for notice in list(self.notices)}


class Turns(bt.Strategy):  # type: ignore[misc]
    """Acts at random, by a seed; quiet once its diary says so."""

    diary: Diary
    params = (("seed", 0),)

    def __init__(self) -> None:
        self.dice = random.Random(self.diary.seed)
        self.mine: list[Any] = []
        self.lengths = [0 for _ in self.datas]
        self.diary.strategy = self
        self.live = False

    def next(self) -> None:
        for i, data in enumerate(self.datas):
            if len(data) > self.lengths[i]:
                self.lengths[i] = len(data)
                row = (
                    data.datetime[0],
                    data.open[0],
                    data.high[0],
                    data.low[0],
                    data.close[0],
                    data.volume[0],
                )
                self.diary.bars.setdefault(data._name, []).append(row)
        try:
            if self.diary.probe and not self.diary.probes:
                made = [self.buy(data=data, size=1) for data in self.datas]
                self.diary.probes = [order.ref for order in made]
            elif self.diary.quiet:
                for order in self.near():
                    self.cancel(order)
            else:
                self.act()
        finally:
            self.diary.tell()

    def near(self) -> list[Any]:
        """Every order that may trade, those of earlier sessions as well."""
        working = [order for _, order in self.broker.by_ref() if order.alive()]
        return [
            o for o in working if o.created.price is None or 0.7 < o.created.price / o.data.close[0] < 1.3
        ]

    def working(self) -> list[Any]:
        return [order for order in self.mine if order.alive()]

    def act(self) -> None:
        dice = self.dice
        data = dice.choice(self.datas)
        price, held = data.close[0], self.getposition(data).size
        size = dice.choice((1, 5, 10, 25))
        side = "buy" if held < -100 else "sell" if held > 100 else dice.choice(("buy", "sell"))
        up = 1 if side == "buy" else -1
        trade = self.buy if side == "buy" else self.sell
        near = round(price * (1 - up * dice.choice((-0.002, 0.0, 0.0005, 0.002))), 2)
        beyond = round(price * (1 + up * 0.001), 2)
        match dice.randrange(15):
            case 0 | 1 | 2:
                self.mine.append(trade(data=data, size=size))
            case 3 | 4:
                self.mine.append(trade(data=data, size=size, exectype=bt.Order.Limit, price=near))
            case 5:
                away = round(price * (1 - up * 0.5), 2)
                self.mine.append(trade(data=data, size=size, exectype=bt.Order.Limit, price=away))
            case 6:
                self.mine.append(trade(data=data, size=size, exectype=bt.Order.Stop, price=beyond))
            case 7 | 8:
                make = self.buy_bracket if side == "buy" else self.sell_bracket
                self.mine += make(
                    data=data, size=size, price=near, stopprice=round(price * (1 - up * 0.003), 2),
                    limitprice=round(price * (1 + up * 0.003), 2),
                )  # fmt: skip
            case 9:
                first = trade(data=data, size=size, exectype=bt.Order.Limit, price=near)
                other = trade(data=data, size=size, exectype=bt.Order.Stop, price=beyond, oco=first)
                self.mine += [first, other]
            case 10 | 11 | 12:
                working = [o for o in self.working() if o.exectype in (bt.Order.Limit, bt.Order.Stop)]
                if working:
                    self.change(dice.choice(working))
            case _:
                working = self.working()
                if working:
                    self.cancel(dice.choice(working))

    def change(self, order: Any) -> None:
        """Move an order's price, change its size, or both; now and then so that it is refused."""
        dice, at = self.dice, order.created.price
        price = round(at * (1 + dice.choice((-0.002, -0.0005, 0.0005, 0.002))), 2)
        size = max(1, int(abs(order.created.size)) + dice.choice((-9, -3, 2, 8)))
        given = dice.choice(({"price": price}, {"size": size}, {"price": price, "size": size}))
        self.diary.changes.append(self.broker.modify(order, **given))

    def notify_order(self, order: Any) -> None:
        done = order.executed
        self.diary.notices.append(Notice(order.ref, order.getstatusname(), done.size, done.price, done.comm))
        self.diary.tell()


def strategy(diary: Diary) -> type:
    """Return a class of strategy that writes into `diary`."""
    return type("Turns", (Turns,), {"diary": diary, "__module__": __name__})
