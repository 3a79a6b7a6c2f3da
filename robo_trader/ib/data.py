"""`IBFeed`: the broker's bars as a Backtrader feed: history moved in at once, live bars appended.

It is the backtest's own feed, so that indicators and strategies cannot tell where its bars come from. Only
Cerebro's thread touches it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robo_trader.bars.frame import COLUMNS, BarFrame
from robo_trader.feeds.bars import BarsFeed, to_backtrader_days

_TIMES = ("start", "end", "session")


class IBFeed(BarsFeed):
    """A feed over a `BarFrame` that grows; ``frame`` is all of it that is known.

    Bars that are appended are delivered when the loop advances the feed, one by one.
    """

    _whole: BarFrame

    def __init__(self) -> None:
        self._grown: list[BarFrame] = []
        self._dates: list[np.datetime64] = []
        super().__init__()

    @property
    def frame(self) -> BarFrame:
        """All bars that are known, delivered or about to be."""
        if self._grown:
            self._whole = join([self._whole, *self._grown])
            self._grown.clear()
            self._dates.clear()
        return self._whole

    @frame.setter
    def frame(self, whole: BarFrame) -> None:
        self._whole = whole

    def session_at(self, i: int) -> np.datetime64:
        """Return the session date of bar `i`; it joins nothing, so that it may be asked for each bar."""
        known = len(self._whole)
        found: np.datetime64 = self._whole.session[i] if i < known else self._dates[i - known]
        return found

    def append(self, more: BarFrame) -> None:
        """Add bars after the last one; they must begin where it ended, or later."""
        self._grown.append(more)
        self._dates += list(more.session)
        columns: dict[str, Any] = {name: getattr(more, name) for name in COLUMNS}
        columns["datetime"] = to_backtrader_days(more.end)
        columns["openinterest"] = np.zeros(len(more))
        for name, column in columns.items():
            getattr(self, name).array.extend(column.tolist())
        self._position += len(more)


def join(pieces: list[BarFrame]) -> BarFrame:
    """Return the bars of `pieces`, which follow each other, as one frame."""
    first = pieces[0]
    names = (*_TIMES, *COLUMNS)
    columns: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in pieces]) for n in names}
    if any(p.closed is not None for p in pieces):
        columns["closed"] = np.concatenate([p.end if p.closed is None else p.closed for p in pieces])
    return replace(first, **columns)
