"""vectorbt on workloads (a) and (b); the second run counts, when its code has been compiled."""

from __future__ import annotations

from typing import Any

from _measure import Job

job = Job()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import vectorbt as vbt  # noqa: E402
import workloads as w  # noqa: E402

bars = w.load(job.workload, job.size)
index = pd.DatetimeIndex(bars[0].end.view("datetime64[ns]"))
names = [b.symbol for b in bars]
opened = pd.DataFrame({b.symbol: b.open for b in bars}, index=index)
close = pd.DataFrame({b.symbol: b.close for b in bars}, index=index)


def cross() -> Any:
    """All in at the open after the fast average crosses above the slow one, out after it crosses below."""
    signal = w.cross_of(bars[0])
    entries, exits = np.zeros(len(signal), bool), np.zeros(len(signal), bool)
    entries[1:], exits[1:] = signal[:-1] > 0, signal[:-1] < 0
    return vbt.Portfolio.from_signals(
        close[names[0]], entries, exits, price=opened[names[0]], size=w.SHARE, size_type="percent",
        size_granularity=1, fees=w.COMMISSION, init_cash=w.CASH, freq="1min",
    )  # fmt: skip


def momentum() -> Any:
    """Monthly equal parts of the fifty strongest, ordered at the next open by target percent."""
    rose = close.to_numpy()
    rose = (rose[w.MOMENTUM :] - rose[: -w.MOMENTUM]) / rose[: -w.MOMENTUM]
    target = np.full(close.shape, np.nan)
    for bar in w.rebalances(bars[0].day):
        if bar + 1 < len(close):
            best = np.argsort(-rose[bar - w.MOMENTUM], kind="stable")[: w.TOP]
            target[bar + 1] = 0.0
            target[bar + 1, best] = w.SHARE / w.TOP
    return vbt.Portfolio.from_orders(
        close, target, size_type="targetpercent", price=opened, fees=w.COMMISSION, init_cash=w.CASH,
        size_granularity=1, cash_sharing=True, group_by=True, call_seq="auto", freq="1D",
    )  # fmt: skip


def go() -> Any:
    """Run the workload and work its final value out."""
    portfolio = cross() if job.workload == "a" else momentum()
    return portfolio, float(np.asarray(portfolio.final_value()).ravel()[0])


go()
portfolio, value = job.time(go)
records = portfolio.orders.values
sign = np.where(records["side"] == 0, 1, -1)
order = np.lexsort((records["col"], records["idx"]))
rows = np.column_stack(
    [records["idx"], records["col"], sign * records["size"], records["price"], records["fees"]]
)[order]
job.tell(rows, value=value, version=vbt.__version__)
