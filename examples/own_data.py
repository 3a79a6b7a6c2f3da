"""A DataFrame in, a `Result` out, the way one works in a notebook; the cells are marked with ``# %%``.

Run it with ``python examples/own_data.py``.
"""

# %% Prices of your own: any DataFrame with open, high, low, close and perhaps volume.
import numpy as np
import pandas as pd

import robo_trader

rng = np.random.default_rng(11)
days = pd.bdate_range("2018-01-01", "2021-12-31")
close = 50 * np.exp(np.cumsum(rng.normal(0.0004, 0.012, len(days))))
opened = close * np.exp(rng.normal(0, 0.003, len(days)))
frame = pd.DataFrame(
    {
        "Open": opened,
        "High": np.maximum(opened, close) * 1.004,
        "Low": np.minimum(opened, close) * 0.996,
        "Close": close,
        "Volume": rng.integers(100_000, 900_000, len(days)),
    },
    index=days,
)


# %% A strategy: a class in the notebook is as good as one in a file.
class BuyDips(robo_trader.Strategy):
    """Buy after three falling closes in a row, sell on the first rising one."""

    params = dict(falls=3, weight=0.9)

    def next(self):
        close = self.bars[0].close
        if len(self) <= self.p.falls:
            return
        falling = all(close[-i] < close[-i - 1] for i in range(self.p.falls))
        if not self.position and falling:
            self.order_target_percent(target=self.p.weight, because=f"{self.p.falls} falling closes")
        elif self.position and close[0] > close[-1]:
            self.close(because="a rising close")


# %% Run it. Costs are fractions of an order's value.
result = robo_trader.backtest(BuyDips, bars={"MADE_UP": frame}, commission=0.0005, slippage=0.0002)
result  # a notebook shows its table here

# %% What came out: numbers with their method, and frames to go on with.
sharpe = result.metric("sharpe")
print(f"Sharpe {sharpe.value} ({sharpe.method}, {sharpe.sampling}, n = {sharpe.n})")
print(f"total return {result.metrics['total_return']:.1%}")
print(result.equity.tail(3))
print(result.trades.to_pandas().head(3))

# %% The whole report, as one file that opens offline.
print(result.report("own_data.html"))
