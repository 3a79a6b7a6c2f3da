"""A strategy file: hold each symbol while its fast average is above its slow one.

Run it with ``robo backtest examples/moving_average.py --symbols SPY,QQQ --param fast=20``.
"""

import backtrader as bt

from robo_trader import Strategy


class MovingAverage(Strategy):
    """Hold each symbol while its fast average is above its slow one."""

    params = dict(fast=50, slow=200, weight=0.45)

    def __init__(self):
        self.gap = {
            bar: bt.ind.SMA(bar.close, period=self.p.fast) - bt.ind.SMA(bar.close, period=self.p.slow)
            for bar in self.bars
        }

    def next(self):
        for bar, gap in self.gap.items():
            held = self.getposition(bar).size
            if not held and gap[0] > 0:
                self.order_target_percent(bar, self.p.weight, because="fast average above slow")
            elif held and gap[0] < 0:
                self.close(bar, because="fast average below slow")
