"""The strategies of the workloads, plain Backtrader: both engines run these very classes."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

FAST, SLOW, SHARE, MOMENTUM, TOP = 20, 50, 0.98, 126, 50


class SmaCross(bt.Strategy):
    """Workload (a): all in when the fast average crosses above the slow one, out when below."""

    def __init__(self) -> None:
        fast, slow = (bt.indicators.SMA(period=n) for n in (FAST, SLOW))
        self.cross = bt.indicators.CrossOver(fast, slow)

    def next(self) -> None:
        if not self.position:
            if self.cross > 0:
                self.buy(size=int(self.broker.getcash() * SHARE / self.data.close[0]))
        elif self.cross < 0:
            self.close()


class WokenSmaCross(SmaCross):
    """The same, and it says on which bars it can act."""

    def wake(self) -> Any:
        return np.array(self.cross.array) != 0


class TopMomentum(bt.Strategy):
    """Workload (b): each month equal parts of the fifty stocks that rose most in half a year."""

    def __init__(self) -> None:
        self.momentum = {d: bt.indicators.ROC(d.close, period=MOMENTUM) for d in self.datas}
        self.month = None

    def next(self) -> None:
        month = self.data.datetime.date(0).month
        if month == self.month:
            return
        self.month = month
        best = sorted(self.datas, key=lambda d: self.momentum[d][0], reverse=True)[:TOP]
        kept = {id(d) for d in best}
        for d in self.datas:
            if id(d) not in kept and self.getposition(d).size:
                self.close(d)
        for d in best:
            self.order_target_percent(d, target=SHARE / TOP)


class OneAtATime(bt.Strategy):
    """Crosses of averages on feeds that take turns; each `next` looks at the feed whose bar it is."""

    def __init__(self) -> None:
        ind = bt.indicators
        self.cross = [ind.CrossOver(ind.SMA(d, period=FAST), ind.SMA(d, period=SLOW)) for d in self.datas]

    def next(self) -> None:
        turn = (len(self) - 1) % len(self.datas)
        d, cross = self.datas[turn], self.cross[turn]
        if not self.getposition(d):
            if cross > 0:
                self.buy(d, size=10)
        elif cross < 0:
            self.close(d)


class Idle(bt.Strategy):
    """Does nothing, on however many feeds."""

    def next(self) -> None:
        pass
