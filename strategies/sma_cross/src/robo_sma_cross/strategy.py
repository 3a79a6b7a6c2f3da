"""`SmaCross`: long while the fast average of closes is above the slow one, flat otherwise.

It acts on the averages' order and not on the bar at which they cross, so that a run which starts
or restarts in the middle of a trend ends in the right position. Parameters that contradict each other
are a `UsageError` before the first bar.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt

from robo_trader import Strategy, UsageError


class SmaCross(Strategy):
    """Hold each symbol while its `fast` average is above its `slow` one.

    `fast` and `slow` count bars. `weight` is the part of the account that is invested when every symbol is
    held, in (0, 1]; each symbol gets an equal share of it. The default keeps a tenth in
    cash, because an order for the whole account fails when the next bar opens higher.
    """

    params = {"fast": 20, "slow": 50, "weight": 0.9}

    def __init__(self) -> None:
        fast, slow, weight = self.p.fast, self.p.slow, self.p.weight
        if not 1 <= fast < slow:
            raise UsageError(
                f"sma_cross: fast={fast} and slow={slow} do not make a crossover",
                hint="fast must be 1 or more and below slow, for example fast=20 slow=50",
            )
        if not 0 < weight <= 1:
            raise UsageError(f"sma_cross: weight={weight} must be above 0 and at most 1")
        self.share = weight / len(self.bars)
        self.averages = {
            data: (bt.indicators.SMA(data, period=fast), bt.indicators.SMA(data, period=slow))
            for data in self.bars
        }
        self.working: dict[Any, Any] = {}

    def notify_order(self, order: Any) -> None:
        """Forget an order that is done, so that its symbol can be traded again."""
        if not order.alive():
            self.working.pop(order.data, None)

    def next(self) -> None:
        """Buy where the fast average rose above the slow one, close where it fell below."""
        for data, (fast, slow) in self.averages.items():
            if data in self.working:  # on several clocks this symbol may not have had its next bar yet
                continue
            held = self.getposition(data).size
            order = None
            if fast[0] > slow[0] and not held:
                because = f"SMA({self.p.fast}) {fast[0]:.2f} above SMA({self.p.slow}) {slow[0]:.2f}"
                order = self.order_target_percent(data, self.share, because=because)
            elif fast[0] < slow[0] and held:
                because = f"SMA({self.p.fast}) {fast[0]:.2f} below SMA({self.p.slow}) {slow[0]:.2f}"
                order = self.close(data, because=because)
            if order is not None and order.alive():
                self.working[data] = order
