"""The common part of the analyzers: the fund's value at the last bar of each day.

A day is a date of the feeds' own stamps. An intraday bar stamped at midnight ended the day before;
a daily bar stamped at midnight bears its own date.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.analytics import daily_returns
from robo_trader.analytics.returns import Dates, Floats

_EPOCH = date(1970, 1, 1).toordinal()
# 86 µs in days: more than the step of a double near today's dates (10 µs), less than any bar.
_TINY = 1e-9


class DailyFund(bt.Analyzer):
    """Keeps one value per day; subclasses turn `dates` and `returns` into an analysis."""

    def start(self) -> None:
        """Begin with the fund's value before the first bar."""
        self._start_value = float(self.strategy.broker.fundvalue)
        intraday = all(data._timeframe < bt.TimeFrame.Days for data in self.datas)
        self._shift = _TINY if intraday else 0.0
        self._days: list[int] = []
        self._values: list[float] = []

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        """Note the value at this bar; the day's last one stays."""
        stamp = self.strategy.lines.datetime[0]
        day = math.floor(stamp - self._shift)
        if self._days and self._days[-1] == day:
            self._values[-1] = fundvalue
        else:
            self._days.append(day)
            self._values.append(fundvalue)

    @property
    def dates(self) -> Dates:
        """The days that had a bar."""
        return (np.array(self._days, dtype=np.int64) - _EPOCH).astype("datetime64[D]")

    @property
    def returns(self) -> Floats:
        """The day's return of the fund, the first against its value before the first bar."""
        return daily_returns(np.array(self._values, dtype=np.float64), self._start_value)

    def get_analysis(self) -> dict[str, Any]:
        """Return the analysis as a plain dict."""
        raise NotImplementedError
