"""Daily bars of one session date are delivered together where their closes lie within an hour.

SPY closes at 16:00 and VIX at 16:15; delivered apart, a strategy's `next()` runs twice a day and
"exit after five bars" fires on the third. The later close becomes the end of all; `closed` keeps
each one's own, after which no order may have its closing price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.timeframes import parse
from robo_trader.clock import NS_PER_SECOND

WITHIN = 60 * 60 * NS_PER_SECOND


def align(frames: Sequence[BarFrame]) -> list[BarFrame]:
    """Return `frames` with the ends of daily (and longer) bars of one session date moved to the
    latest within an hour of the group's first; others come back as they are, in the same order."""
    members = [i for i, frame in enumerate(frames) if parse(frame.timeframe).is_daily_or_longer]
    out = list(frames)
    if len(members) > 1:
        _align_group(out, members)
    return out


def _align_group(frames: list[BarFrame], members: list[int]) -> None:
    session = np.concatenate([frames[i].session.astype(np.int64) for i in members])
    end = np.concatenate([frames[i].end for i in members])
    order = np.lexsort((end, session))
    s, e = session[order], end[order]
    if not len(s) or (e[1:] == e[:-1])[s[1:] == s[:-1]].all():
        return  # every date has one end already
    moved = e.copy()
    edges = [0, *(np.flatnonzero(np.diff(s)) + 1).tolist(), len(s)]
    for a, b in pairwise(edges):
        if e[a] == e[b - 1]:
            continue
        first = a
        for k in range(a, b + 1):
            if k == b or e[k] - e[first] > WITHIN:
                moved[first:k] = e[k - 1]
                first = k
    back = np.empty_like(moved)
    back[order] = moved
    at = 0
    for i in members:
        n = len(frames[i])
        if not np.array_equal(back[at : at + n], frames[i].end):
            frame = frames[i]
            closed = frame.end if frame.closed is None else frame.closed
            frames[i] = replace(frame, end=back[at : at + n].copy(), closed=closed)
        at += n
