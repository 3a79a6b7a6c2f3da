"""Computes the indicators of a strategy as arrays, in Backtrader's order and with its results.

Known leaves go by whole columns (`kernels`), composites follow from their leaves, and whatever is
not known runs its own `once`. The state left behind is what `Strategy._once` leaves.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from backtrader.linebuffer import LineActions, LineBuffer
from backtrader.lineiterator import LineIterator
from backtrader.lineroot import LineRoot
from backtrader.lineseries import LineSeries

from robo_trader.engine.fast.kernels import KERNELS, STARTS

_IND, _OBS = LineIterator.IndType, LineIterator.ObsType
_DEFAULT_STARTS = (LineIterator.oncestart, LineRoot.oncestart)
_DEFAULT_PRE = (LineIterator.preonce, LineRoot.preonce)


def compute(strategy: Any) -> None:
    """Compute every indicator of `strategy`; the strategy itself is left as ``reset`` leaves it.

    Raises whatever an indicator raises.
    """
    cls = type(strategy)
    if cls._once is not LineIterator._once or cls.once is not LineIterator.once:
        strategy._once()
        strategy.reset()
        return
    size = strategy._clock.buflen()
    # Couplings of feeds (``data1.close()``) have the strategy as their clock, and measure it.
    _grow(strategy, strategy.lines.lines, size)
    with np.errstate(all="ignore"):
        for indicator in strategy._lineiterators[_IND]:
            _compute(indicator)
    for observer in strategy._lineiterators[_OBS]:
        observer.forward(size=size)
    for owner in (*strategy.datas, *strategy._lineiterators[_IND], *strategy._lineiterators[_OBS]):
        owner.home()
    strategy.reset()


def _compute(item: Any) -> None:
    own = type(item)._once
    if own is LineActions._once:
        _grow(item, [item], item._clock.buflen())
        item.home()
        _fill(item)
        item.oncebinding()
    elif own is LineIterator._once:
        _compute_indicator(item)
    else:
        item._once()


def _compute_indicator(indicator: Any) -> None:
    """What `LineIterator._once` does, with known leaves by columns."""
    children, observers = indicator._lineiterators[_IND], indicator._lineiterators[_OBS]
    _grow(indicator, indicator.lines.lines, indicator._clock.buflen())
    for child in children:
        _compute(child)
    for observer in observers:
        observer.forward(size=indicator.buflen())
    for owner in (*indicator.datas, *children, *observers, indicator):
        owner.home()
    _fill(indicator)
    for line in indicator.lines:
        line.oncebinding()


def _grow(owner: Any, lines: list[Any], size: int) -> None:
    """Make room for `size` values, all NaN at first."""
    stock = LineBuffer.forward if isinstance(owner, LineBuffer) else LineSeries.forward
    if type(owner).forward is not stock or any(
        type(line).forward is not LineBuffer.forward or line.mode != LineBuffer.UnBounded for line in lines
    ):
        owner.forward(size=size)
        return
    room = array("d", [np.nan]) * size
    for line in lines:
        line.array.extend(room)
        line._idx += size
        line.lencount += size


def _fill(item: Any) -> None:
    """Compute an item's values: by a kernel where its method is known, else by itself."""
    first, end = item._minperiod - 1, item.buflen()
    cls = type(item)
    kernel = KERNELS.get(cls.once)
    if kernel is not None and first < end and cls.preonce in _DEFAULT_PRE and "once" not in vars(item):
        if cls.oncestart in _DEFAULT_STARTS:
            if kernel(item, first, end):
                return
        elif cls.oncestart in STARTS:
            item.oncestart(first, first + 1)
            if first + 1 >= end or not kernel(item, first + 1, end):
                item.once(first + 1, end)
            return
    item.preonce(0, first)
    item.oncestart(first, first + 1)
    item.once(first + 1, end)
