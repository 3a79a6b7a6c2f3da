"""backtesting.py on workload (a)."""

from __future__ import annotations

from typing import Any

from _measure import Job

job = Job()

import backtesting  # noqa: E402
import pandas as pd  # noqa: E402
import workloads as w  # noqa: E402

(bars,) = w.load(job.workload, job.size)
table = pd.DataFrame(
    {name: getattr(bars, name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")},
    index=pd.DatetimeIndex(bars.end.view("datetime64[ns]")),
)


class SmaCross(backtesting.Strategy):
    """All in when the fast average crosses above the slow one, out when below."""

    def init(self) -> None:
        self.cross = self.I(lambda: w.cross_of(bars))

    def next(self) -> None:
        if not self.position:
            if self.cross[-1] > 0:
                self.buy(size=int(self._broker._cash * w.SHARE / self.data.Close[-1]))
        elif self.cross[-1] < 0:
            self.position.close()


def run() -> Any:
    """Run the workload; the library works its statistics out in the same call."""
    return backtesting.Backtest(
        table, SmaCross, cash=w.CASH, commission=w.COMMISSION, finalize_trades=False
    ).run()


result = job.time(run)
trades = result["_trades"]
rows = []
for trade in trades.itertuples():
    size = trade.Size
    rows.append((trade.EntryBar, 0, size, trade.EntryPrice, abs(size) * trade.EntryPrice * w.COMMISSION))
    rows.append((trade.ExitBar, 0, -size, trade.ExitPrice, abs(size) * trade.ExitPrice * w.COMMISSION))
job.tell(sorted(rows), value=float(result["Equity Final [$]"]), version=backtesting.__version__)
