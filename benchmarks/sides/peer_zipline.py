"""zipline-reloaded on workload (b); orders fill at the next open."""

from __future__ import annotations

import os
import tempfile
import warnings
from typing import Any

from _measure import Job

job = Job()
home = tempfile.TemporaryDirectory()
os.environ["ZIPLINE_ROOT"] = home.name
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import workloads as w  # noqa: E402
import zipline  # noqa: E402
from zipline import run_algorithm  # noqa: E402
from zipline.api import order_target_percent, set_commission, set_slippage, symbols  # noqa: E402
from zipline.data import bundles  # noqa: E402
from zipline.finance.commission import PerDollar  # noqa: E402
from zipline.finance.slippage import SlippageModel  # noqa: E402
from zipline.utils.calendar_utils import get_calendar  # noqa: E402

bars = w.load(job.workload, job.size)
days = pd.DatetimeIndex(bars[0].day.astype("datetime64[ns]"))
#: zipline wants a day more than the window of a history.
more_days = days.insert(0, days[0] - pd.offsets.BDay())
names = ("open", "high", "low", "close", "volume")


def ingest(environ: Any, assets: Any, minutes: Any, daily: Any, adjustments: Any, *rest: Any) -> None:
    """Write the bars into zipline's own format; not timed."""
    table = pd.DataFrame({
        "symbol": [b.symbol for b in bars], "start_date": more_days[0], "end_date": days[-1],
        "auto_close_date": days[-1] + pd.Timedelta(days=30), "exchange": "BENCH",
    })  # fmt: skip
    assets.write(equities=table, exchanges=pd.DataFrame([{"exchange": "BENCH", "country_code": "US"}]))

    def column(b: w.Bars, name: str) -> np.ndarray:
        return np.insert(getattr(b, name), 0, 1e3 if name == "volume" else b.open[0])

    daily.write(
        (i, pd.DataFrame({name: column(b, name) for name in names}, index=more_days))
        for i, b in enumerate(bars)
    )
    adjustments.write()


class AtTheOpen(SlippageModel):
    """Fills whole orders at the open."""

    def process_order(self, data: Any, order: Any) -> tuple[float, float]:
        return data.current(order.asset, "open"), order.amount


def initialize(context: Any) -> None:
    """Set costs; remember the assets and the days on which the portfolio changes."""
    set_commission(PerDollar(w.COMMISSION))
    set_slippage(AtTheOpen())
    context.assets = symbols(*(b.symbol for b in bars))
    context.changes = {days[bar] for bar in w.rebalances(bars[0].day)}


def handle_data(context: Any, data: Any) -> None:
    """Once a month, equal parts of the fifty strongest."""
    if data.current_session not in context.changes:
        return
    history = data.history(context.assets, "close", w.MOMENTUM + 1, "1d")
    rose = history.iloc[-1] / history.iloc[0] - 1
    best = list(rose.sort_values(ascending=False, kind="stable").index[: w.TOP])
    for asset in [a for a in context.portfolio.positions if a not in best]:
        order_target_percent(asset, 0.0)
    for asset in best:
        order_target_percent(asset, w.SHARE / w.TOP)


def go() -> Any:
    """Run the workload."""
    return run_algorithm(
        start=days[0], end=days[-1], initialize=initialize, handle_data=handle_data, capital_base=w.CASH,
        data_frequency="daily", bundle="bench", trading_calendar=get_calendar("24/5"),
        benchmark_returns=pd.Series(0.0, index=days),
    )  # fmt: skip


bundles.register("bench", ingest, calendar_name="24/5", start_session=more_days[0], end_session=days[-1])
bundles.ingest("bench", show_progress=False)
result = job.time(go)
number = {b.symbol: i for i, b in enumerate(bars)}
rows = []
for bar, transactions in enumerate(result["transactions"]):
    for t in transactions:
        cost = abs(t["amount"]) * t["price"] * w.COMMISSION
        rows.append((bar, number[t["sid"].symbol], t["amount"], t["price"], cost))
job.tell(sorted(rows), value=float(result["portfolio_value"].iloc[-1]), version=zipline.__version__)
