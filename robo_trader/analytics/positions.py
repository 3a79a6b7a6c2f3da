"""Exposure and turnover from the account's state at each session's close.

Exposure is the value of the positions as a fraction of the account's value at the close: gross adds
long and short, net subtracts them; what opens and closes within a session leaves no trace in it.
Turnover is the value of all fills of a session (bought and sold both count, so that selling
everything and buying it back is 2.0) divided by the account's value at that session's close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robo_trader.analytics.returns import Floats
from robo_trader.analytics.trades import times_ns
from robo_trader.records import Fill


def position_values(
    sizes: Mapping[str, Floats], prices: Mapping[str, Floats], multipliers: Mapping[str, float]
) -> dict[str, Floats]:
    """Return the signed money value of each symbol's position at each session's close.

    A symbol without a price yet (NaN) and without a position is worth 0.
    """
    out: dict[str, Floats] = {}
    for symbol, size in sizes.items():
        held = np.asarray(size, dtype=np.float64)
        price = np.asarray(prices[symbol], dtype=np.float64)
        out[symbol] = np.where(held == 0.0, 0.0, held * price * multipliers.get(symbol, 1.0))
    return out


def exposure(values: Mapping[str, Floats], account: Floats) -> tuple[Floats, Floats]:
    """Return gross and net exposure per session, as fractions of `account`; NaN where it is not above 0."""
    account = np.asarray(account, dtype=np.float64)
    gross, net = np.zeros(len(account)), np.zeros(len(account))
    for value in values.values():
        gross += np.abs(value)
        net += value
    usable = np.where(account > 0, account, np.nan)
    return gross / usable, net / usable


def sessions_of(
    fills: Sequence[Fill], session_ends: NDArray[np.int64], sizes: Mapping[str, Floats] | None = None
) -> NDArray[np.int64]:
    """Return, for each fill, the index of the session it belongs to.

    A fill at the very moment of a session's end was made by that session's last bar or, where markets
    never close, by the next session's open; the positions in `sizes` at that end tell which.
    """
    if not fills:
        return np.zeros(0, dtype=np.int64)
    ends = np.asarray(session_ends, dtype=np.int64)
    times = times_ns(fill.time for fill in fills)
    index = np.searchsorted(ends, times, side="left")
    index = np.minimum(index, len(ends) - 1)
    ties = np.nonzero(ends[index] == times)[0]
    if len(ties) and sizes is not None:
        _settle_ties(fills, index, set(ties.tolist()), sizes)
    return np.minimum(index, len(ends) - 1)


def _settle_ties(
    fills: Sequence[Fill], index: NDArray[np.int64], ties: set[int], sizes: Mapping[str, Floats]
) -> None:
    """Move tied fills that the positions at the session's end do not contain to the next session."""
    position: dict[str, float] = {}
    groups: dict[tuple[str, int], list[tuple[int, float]]] = {}
    before: dict[tuple[str, int], float] = {}
    for i, fill in enumerate(fills):
        held = position.get(fill.symbol, 0.0)
        after = held + (fill.size if fill.side == "BUY" else -fill.size)
        position[fill.symbol] = after
        if i in ties:
            key = (fill.symbol, int(index[i]))
            before.setdefault(key, held)
            groups.setdefault(key, []).append((i, after))
    for (symbol, session), members in groups.items():
        if symbol not in sizes:
            continue
        target = float(sizes[symbol][session])
        reached = [before[symbol, session], *(after for _, after in members)]
        near = [abs(held - target) <= 1e-9 * max(1.0, abs(target)) for held in reached]
        # No match at all: the fills stay where their time puts them.
        inside = near.index(True) if any(near) else len(members)
        for i, _ in members[inside:]:
            index[i] = session + 1


def turnover(
    fills: Sequence[Fill],
    session_ends: NDArray[np.int64],
    account: Floats,
    multipliers: Mapping[str, float],
    sizes: Mapping[str, Floats] | None = None,
) -> Floats:
    """Return the value of each session's fills divided by the account's value at its close."""
    account = np.asarray(account, dtype=np.float64)
    traded = np.zeros(len(account))
    if len(account) and fills:
        value = np.array([f.size * f.price * multipliers.get(f.symbol, 1.0) for f in fills])
        np.add.at(traded, sessions_of(fills, session_ends, sizes), np.abs(value))
    return np.asarray(traded / np.where(account > 0, account, np.nan))
