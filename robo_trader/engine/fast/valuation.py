"""The account at the end of each session, worked out after the run from what changed it.

Between two changes cash and positions stand still and only prices move, so the values of all
sessions in between are worked out at once. Every sum is taken in Backtrader's order of operations,
position by position, so that the last bit agrees with what its broker would have said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


#: A position: symbol, signed size, average price, and its scheme's multiplier and leverage; the last
#: says whether the scheme multiplies values, and not only profits. Plain tuples, because a run makes
#: many and Python's garbage collector does not look at those again.
Holding = tuple[str, float, float, float, float, bool]
#: From which bar step on: (step, cash, fund shares, positions that changed).
State = tuple[int, float, float, tuple[Holding, ...]]


def account(
    history: Sequence[State],
    noted: dict[int, tuple[float, float, float]],
    marks: NDArray[np.int64],
    closes: Callable[[str, slice], Column],
    rank: Mapping[str, int],
) -> tuple[Column, Column, Column]:
    """Return (value, cash, fund value) at each of `marks`, bar steps in ascending order.

    `history` is in order of time, `noted` holds what was written down for single bar steps instead,
    ``closes(symbol, span)`` are a symbol's last known closes at the marks of `span`, and `rank` is the
    broker's order of positions.
    """
    n = len(marks)
    value, cash, fund = np.empty(n), np.empty(n), np.empty(n)
    bounds = [*np.searchsorted(marks, [state[0] for state in history]).tolist(), n]
    held: dict[str, Holding] = {}
    for (_, money, shares, changes), (a, b) in zip(history, pairwise(bounds), strict=True):
        for holding in changes:
            if holding[1]:
                held[holding[0]] = holding
            else:
                held.pop(holding[0], None)
        if a < b:
            span = slice(a, b)
            holdings = sorted(held.values(), key=lambda holding: rank[holding[0]])
            cash[span] = money
            value[span] = money + _unlevered(holdings, span, closes)
            fund[span] = value[span] / shares
    if noted:
        steps = np.fromiter(noted, dtype=np.int64)
        at = np.searchsorted(marks, steps)
        for step, k in zip(steps.tolist(), at.tolist(), strict=True):
            if k < n and marks[k] == step:
                value[k], cash[k], fund[k] = noted[step]
    return value, cash, fund


def _unlevered(
    holdings: Sequence[Holding], span: slice, closes: Callable[[str, slice], Column]
) -> Column | float:
    """Return the positions' value with borrowed money taken off, summed position by position."""
    if not holdings:
        return 0.0
    symbols, *columns, scaled = zip(*holdings, strict=True)
    prices = np.array([closes(symbol, span) for symbol in symbols])
    size, paid, multiplier, leverage = (np.array(column, dtype=float)[:, None] for column in columns)
    scale = np.where(np.array(scaled)[:, None], multiplier, 1.0)
    worth = size * prices * scale
    gain = size * (prices - paid) * multiplier
    owned = worth > 0
    # For what is owned Backtrader adds twice: the levered rest, then the gain.
    terms = np.empty((2 * len(holdings), prices.shape[1]))
    terms[0::2] = np.where(owned, (worth - gain) / leverage, worth)
    terms[1::2] = np.where(owned, gain, 0.0)
    total: Column = np.zeros(prices.shape[1])
    for row in terms:
        total = total + row
    return total
