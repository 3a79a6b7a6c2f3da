"""Plain Backtrader as the reference: its own Cerebro and broker over a minimal feed of the same arrays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import backtrader as bt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_TIMEFRAMES = {
    "1d": (bt.TimeFrame.Days, 1),
    "1h": (bt.TimeFrame.Minutes, 60),
    "8h": (bt.TimeFrame.Minutes, 480),
    "30m": (bt.TimeFrame.Minutes, 30),
}


class PlainFeed(bt.feed.DataBase):
    """Bars one by one, stamped with their ends or, as many files are, with midnight of the session."""

    params = (("stamps", "end"),)

    def start(self) -> None:
        super().start()
        self.at = 0

    def _load(self) -> bool:
        frame, i = self.p.dataname, self.at
        if i >= len(frame):
            return False
        self.at += 1
        if self.p.stamps == "end":
            moment = _EPOCH + timedelta(microseconds=int(frame.end[i]) // 1000)
        else:
            moment = datetime.combine(frame.session[i].astype(object), datetime.min.time())
        self.lines.datetime[0] = bt.date2num(moment)
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = float(getattr(frame, name)[i])
        self.lines.openinterest[0] = 0.0
        return True


def run_plain(
    frames: Any,
    strategy: type,
    params: dict[str, Any],
    *,
    cash: float = 100_000.0,
    commission: float = 0.0,
    slippage: float = 0.0,
    stamps: str = "end",
    prepare: Callable[[Any], None] | None = None,
    **cerebro_params: Any,
) -> Any:
    """Run `strategy` in plain Backtrader and return its instance."""
    cerebro = bt.Cerebro(stdstats=False, **cerebro_params)
    for frame in frames:
        timeframe, compression = _TIMEFRAMES[frame.timeframe]
        feed = PlainFeed(dataname=frame, stamps=stamps, timeframe=timeframe, compression=compression)
        cerebro.adddata(feed, name=frame.symbol)
    cerebro.broker.setcash(cash)
    cerebro.broker.setcommission(commission=commission)
    if slippage:
        cerebro.broker.set_slippage_perc(slippage)
    if prepare is not None:
        prepare(cerebro.broker)
    cerebro.addstrategy(strategy, **params)
    return cerebro.run()[0]
