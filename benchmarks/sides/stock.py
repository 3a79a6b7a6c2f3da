"""Plain Backtrader. ``setup=default``: PandasData, observers on; ``setup=best``: PandasDirectData without."""

from __future__ import annotations

from typing import Any

from _measure import Job

job = Job()

import backtrader as bt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import workloads as w  # noqa: E402

import strategies  # noqa: E402

STRATEGY = {"a": strategies.SmaCross, "b": strategies.TopMomentum, "apart": strategies.OneAtATime}


def frames(bars: list[w.Bars]) -> list[pd.DataFrame]:
    """Return the bars as DataFrames, stamped with their ends."""
    names = ("open", "high", "low", "close", "volume")
    return [
        pd.DataFrame({n: getattr(b, n) for n in names}, index=pd.DatetimeIndex(b.end.view("datetime64[ns]")))
        for b in bars
    ]


def run(bars: list[w.Bars], tables: list[pd.DataFrame]) -> Any:
    """Run the workload and return its Cerebro."""
    best = job.options.get("setup") == "best"
    frame = bt.TimeFrame.Minutes if job.workload == "a" else bt.TimeFrame.Days
    cerebro = bt.Cerebro(stdstats=not best)
    cerebro.broker.setcash(w.CASH)
    cerebro.broker.setcommission(commission=w.COMMISSION)
    feed = bt.feeds.PandasDirectData if best else bt.feeds.PandasData
    more = {"openinterest": -1} if best else {}
    for b, table in zip(bars, tables, strict=True):
        cerebro.adddata(feed(dataname=table, timeframe=frame, **more), name=b.symbol)
    cerebro.addstrategy(STRATEGY[job.workload])
    cerebro.run()
    return cerebro


bars = w.load(job.workload, job.size)
tables = frames(bars)
cerebro = job.time(lambda: run(bars, tables))
number = {b.symbol: i for i, b in enumerate(bars)}
stamps = {b.symbol: np.array([bt.date2num(x) for x in t.index]) for b, t in zip(bars, tables, strict=True)}
done = [o for o in cerebro.broker.orders if o.status == o.Completed]
rows = []
for order in sorted(done, key=lambda o: (o.executed.dt, o.ref)):
    symbol, bits = order.data._name, order.executed.exbits
    bar = int(np.searchsorted(stamps[symbol], order.executed.dt - 1e-9))
    # The price of the execution: the order's own is size times price by size, a rounding away.
    rows.extend((bar, number[symbol], bit.size, bit.price, bit.closedcomm + bit.openedcomm) for bit in bits)
job.tell(rows, value=cerebro.broker.getvalue())
