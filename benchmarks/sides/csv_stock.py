"""What a Backtrader user writes for bars in CSV files: ``python csv_stock.py STRATEGY DIR OUT``.

Reads with pandas.read_csv, runs with PandasData, TimeReturn, DrawDown and TradeAnalyzer, and writes what
`robo backtest` writes too: equity, fills, trades and a summary.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import backtrader as bt
import pandas as pd
from workloads import CASH, COMMISSION

import strategies


class Log(bt.Analyzer):
    """Keeps fills and closed trades."""

    def start(self) -> None:
        self.fills: list[Any] = []
        self.trades: list[Any] = []

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            moment, e = bt.num2date(order.executed.dt), order.executed
            # The price of the execution: the order's own is size times price by size, a rounding away.
            self.fills.append((moment.isoformat(), order.data._name, e.size, e.exbits[-1].price, e.comm))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            moments = bt.num2date(trade.dtopen).isoformat(), bt.num2date(trade.dtclose).isoformat()
            self.trades.append((trade.data._name, *moments, trade.pnl, trade.pnlcomm))


name, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
cerebro = bt.Cerebro(stdstats=False)
cerebro.broker.setcash(CASH)
cerebro.broker.setcommission(commission=COMMISSION)
for path in sorted(folder.glob("*.csv")):
    table = pd.read_csv(path, index_col=0, parse_dates=True)
    minutes = len(table) > 1 and table.index[1] - table.index[0] < pd.Timedelta(hours=1)
    frame = bt.TimeFrame.Minutes if minutes else bt.TimeFrame.Days
    cerebro.adddata(bt.feeds.PandasData(dataname=table, timeframe=frame), name=path.stem)
cerebro.addstrategy(getattr(strategies, name))
cerebro.addanalyzer(bt.analyzers.TimeReturn, timeframe=bt.TimeFrame.Days, _name="returns")
cerebro.addanalyzer(bt.analyzers.DrawDown, _name="drawdown")
cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
cerebro.addanalyzer(Log, _name="log")
run = cerebro.run()[0]
out.mkdir(parents=True, exist_ok=True)
returns = pd.Series(run.analyzers.returns.get_analysis())
pd.DataFrame({"return": returns, "value": CASH * (1 + returns).cumprod()}).to_csv(out / "equity.csv")
for what in ("fills", "trades"):
    with (out / f"{what}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(getattr(run.analyzers.log, what))
trades, drawdown = run.analyzers.trades.get_analysis(), run.analyzers.drawdown.get_analysis()
summary = {
    "value": cerebro.broker.getvalue(),
    "drawdown": drawdown.max.drawdown,
    "sharpe": returns.mean() / returns.std() * 252**0.5,
    "trades": trades.total.get("closed", 0) if "total" in trades else 0,
}
(out / "summary.json").write_text(json.dumps(summary))
print(summary)
