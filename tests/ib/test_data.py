"""The feed that grows: what is asked for each bar needs no join, and says what the joined frame says."""

from __future__ import annotations

import backtrader as bt
import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.ib.data import IBFeed
from robo_trader.instruments import Instrument

HOUR = 3_600_000_000_000
FIRST = 1_581_345_000_000_000_000  # 2020-02-10 14:30 UTC


def frame(first: int, count: int) -> BarFrame:
    start = FIRST + HOUR * np.arange(first, first + count, dtype=np.int64)
    price = 100.0 + np.arange(first, first + count)
    return BarFrame(
        symbol="SPY", timeframe="1h", start=start, end=start + HOUR,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"),
        open=price, high=price, low=price, close=price, volume=np.ones(count),
        instrument=Instrument("SPY", calendar="24/7"),
    )  # fmt: skip


def test_session_dates_of_history_and_of_what_grew() -> None:
    whole = frame(0, 30)
    feed = IBFeed(dataname=frame(0, 8))
    bt.Cerebro(stdstats=False).adddata(feed)
    feed.frame = frame(0, 8)
    for i in range(8, 20):
        feed.append(frame(i, 1))
    feed.append(frame(20, 4))
    assert [feed.session_at(i) for i in range(24)] == list(whole.session[:24])
    assert len(feed.frame) == 24, "joined now"
    feed.append(frame(24, 6))
    assert [feed.session_at(i) for i in range(30)] == list(whole.session) == list(feed.frame.session)
