"""`bt` on workloads (a) and (b). It trades at the close of the bar that decides; rows name the next bar."""

from __future__ import annotations

from typing import Any

from _measure import Job

job = Job()

import bt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import workloads as w  # noqa: E402

bars = w.load(job.workload, job.size)
index = pd.DatetimeIndex(bars[0].end.view("datetime64[ns]"))
close = pd.DataFrame({b.symbol: b.close for b in bars}, index=index)


def targets() -> pd.DataFrame:
    """Return the weights wanted, on the bars that decide."""
    if job.workload == "a":
        signal = w.cross_of(bars[0])
        held, wanted = False, {}
        for bar in np.flatnonzero(signal):
            if (signal[bar] > 0) != held:
                held = not held
                wanted[index[bar]] = {bars[0].symbol: w.SHARE if held else 0.0}
        return pd.DataFrame.from_dict(wanted, orient="index")
    values = close.to_numpy()
    rose = (values[w.MOMENTUM :] - values[: -w.MOMENTUM]) / values[: -w.MOMENTUM]
    rows = w.rebalances(bars[0].day)
    table = np.zeros((len(rows), len(bars)))
    for i, bar in enumerate(rows):
        table[i, np.argsort(-rose[bar - w.MOMENTUM], kind="stable")[: w.TOP]] = w.SHARE / w.TOP
    return pd.DataFrame(table, index=index[rows], columns=close.columns)


def go() -> Any:
    """Run the workload."""
    weights = targets()
    algos = [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]
    strategy = bt.Strategy("bench", algos)
    backtest = bt.Backtest(
        strategy, close, initial_capital=w.CASH, integer_positions=True, progress_bar=False,
        commissions=lambda quantity, price: abs(quantity) * price * w.COMMISSION,
    )  # fmt: skip
    return bt.run(backtest)


result = job.time(go)
trades = result.get_transactions().reset_index()
number = {b.symbol: i for i, b in enumerate(bars)}
at = {stamp: i for i, stamp in enumerate(index)}
rows = [
    (at[t.Date] + 1, number[t.Security], t.quantity, t.price, abs(t.quantity) * t.price * w.COMMISSION)
    for t in trades.itertuples()
]
job.tell(
    sorted(rows), value=float(result.backtests["bench"].strategy.values.iloc[-1]), version=bt.__version__
)
