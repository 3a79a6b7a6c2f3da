"""Built-in strategies: two baselines to measure others against, and a small demonstration."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt

from robo_trader.records import Event, Signal
from robo_trader.strategy import Strategy


class BuyAndHold(Strategy):
    """Buys every symbol in equal parts at the first open and holds to the end.

    `weight` is the part of the account to invest, over all symbols. When an open gaps up so far
    that the cash does not reach, the order is repeated a little smaller.
    """

    params = (("weight", 1.0),)

    def __init__(self) -> None:
        self.share = {d: self.p.weight / len(self.datas) for d in self.datas}
        self.wanted = set(self.datas)

    def prenext(self) -> None:
        if not self.warming_up:
            self.next()

    def next(self) -> None:
        for d in [d for d in self.datas if d in self.wanted and len(d)]:
            self.wanted.discard(d)
            self.order_target_percent(d, self.share[d], because="buy and hold")

    def notify_order(self, order: Any) -> None:
        if order.status == order.Margin:
            self.share[order.data] *= 0.98
            self.wanted.add(order.data)


class RandomEntry(Strategy):
    """Enters at random and leaves after a fixed number of bars: luck, with the same costs.

    `chance` is the probability of an entry per symbol and bar, `hold` the bars held, `weight` the
    part of the account per position. The run's seed decides everything.
    """

    params = (("chance", 0.05), ("hold", 5), ("weight", 0.10))

    def __init__(self) -> None:
        self.entered: dict[Any, int] = {}

    def next(self) -> None:
        for d in self.datas:
            roll = self.rng.random()
            if self.getposition(d).size:
                if len(d) - self.entered[d] >= self.p.hold:
                    self.close(d, because=f"held {self.p.hold} bars")
            elif roll < self.p.chance:
                self.entered[d] = len(d)
                self.order_target_percent(d, self.p.weight, because="drawn by lot")


class FomcDrift(Strategy):
    """Follows the Federal Reserve: buys what is read as good news, sells short what is read as bad.

    Acts on the signal that analysts make of an event of kind "fomc", where its value is `entry` or
    more. It counts only in the direction of the trend: good news is bought where the last known close
    stands above its `trend`-bar average, bad news sold where it stands below. `hold` is in bars,
    `weight` the part of the account per symbol. A symbol in `leave_out` is watched but not traded.
    """

    params = (("trend", 20), ("hold", 10), ("weight", 0.15), ("entry", 0.05), ("leave_out", "VIX"))

    def __init__(self) -> None:
        left_out = {name.strip() for name in self.p.leave_out.split(",")}
        self.traded = {d._name: d for d in self.datas if d._name not in left_out}
        self.average = {d: bt.indicators.SMA(d, period=self.p.trend) for d in self.traded.values()}
        self.decisions: dict[str | None, Event] = {}
        self.until: dict[Any, int] = {}

    def notify_event(self, event: Event) -> None:
        if event.kind == "fomc":
            self.decisions[event.id] = event

    def notify_signal(self, signal: Signal) -> None:
        d = self.traded.get(signal.symbol)
        event = self.decisions.get(signal.evidence[-1]) if signal.evidence else None
        if d is None or event is None or abs(signal.value) < self.p.entry:
            return
        average = self.average[d][0] if len(d) else math.nan
        if math.isnan(average) or self.getposition(d).size or (d.close[0] > average) == (signal.value < 0):
            return
        self.until[d] = len(d) + self.p.hold
        stands = f"{d.close[0]:.2f} {'above' if d.close[0] > average else 'below'}"
        why = f"{event.title}; {d._name} at {stands} its {self.p.trend}-bar average {average:.2f}"
        self.order_target_percent(d, math.copysign(self.p.weight, signal.value), because=(signal, why))

    def next(self) -> None:
        for d, last in list(self.until.items()):
            if len(d) >= last and self.getposition(d).size:
                del self.until[d]
                self.close(d, because=f"held {self.p.hold} bars")
