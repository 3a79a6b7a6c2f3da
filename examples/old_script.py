"""A Backtrader script as people have written them for ten years; it knows nothing of robo_trader.

``python examples/old_script.py`` runs it alone, on made-up prices;
``robo backtest examples/old_script.py --symbols SPY`` runs the same strategy on real bars, with a report.
"""

import backtrader as bt
import numpy as np
import pandas as pd


class HoldFiveBars(bt.Strategy):
    params = (("exitbars", 5),)

    def log(self, txt):
        print(f"{self.datas[0].datetime.date(0)}, {txt}")

    def __init__(self):
        self.dataclose = self.datas[0].close
        self.order = None

    def notify_order(self, order):
        if order.status in [order.Submitted, order.Accepted]:
            return
        if order.status == order.Completed:
            side = "BUY" if order.isbuy() else "SELL"
            self.log(f"{side} EXECUTED, {order.executed.price:.2f}")
            self.bar_executed = len(self)
        self.order = None

    def next(self):
        if self.order:
            return
        if not self.position:
            if self.dataclose[0] < self.dataclose[-1] < self.dataclose[-2]:
                self.order = self.buy()
        elif len(self) >= self.bar_executed + self.p.exitbars:
            self.order = self.sell()


rng = np.random.default_rng(7)
close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 250)))
prices = pd.DataFrame(
    {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1000.0},
    index=pd.bdate_range("2020-01-01", periods=250),
)

cerebro = bt.Cerebro()
cerebro.addstrategy(HoldFiveBars)
cerebro.adddata(bt.feeds.PandasData(dataname=prices))
cerebro.addsizer(bt.sizers.FixedSize, stake=10)
cerebro.run()
print(f"Final Portfolio Value: {cerebro.broker.getvalue():.2f}")
