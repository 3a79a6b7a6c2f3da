"""Wake gating: the bars on which a strategy says that it can act.

A strategy that defines ``wake()`` promises that its `next` (and `prenext`) does nothing on bars where
the answer is False. Then only the others are visited, and those on which the broker has work; orders
and trades are told as ever. `nextstart` is always called. Without an answer nothing is skipped, nor where
the strategy takes Backtrader's own steps; the run's record says so then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.engine.fast.schedule import Schedule
from robo_trader.engine.fast.walker import Walker
from robo_trader.errors import StrategyError

_HINT = "return a numpy array of bools, one for each bar: np.array(self.cross.array) != 0"


def wake_of(walker: Walker, schedule: Schedule, feeds: Sequence[Any]) -> NDArray[np.bool_] | None:
    """Return at which bar steps the walker's strategy wants to be called, or None where it does not say.

    On one clock ``wake()`` returns an array as long as the bars, on several a mapping of feeds to such
    arrays. Raises `StrategyError` naming the class and what it returned.
    """
    method = getattr(walker.strategy, "wake", None)
    if not callable(method):
        return None
    name = type(walker.strategy).__name__
    if not walker.lean:
        walker.why.append(f"{name}.wake() is not asked: it takes Backtrader's steps")
        return None
    answer = method()
    if answer is None:
        return None
    if len(schedule.clocks) == 1 and not isinstance(answer, Mapping):
        return _checked(answer, len(schedule), f"{name}.wake()", feeds[0]._name)
    if not isinstance(answer, Mapping):
        raise StrategyError(
            f"{name}.wake() returned {_said(answer)} for bars on {len(schedule.clocks)} clocks",
            hint="return a mapping of feeds to arrays: {d: np.array(self.cross[d].array) != 0 for …}",
        )
    clock_of = {i: at for clock, at in zip(schedule.clocks, schedule.at, strict=True) for i in clock.members}
    steps = np.zeros(len(schedule), dtype=np.bool_)
    numbers = {id(feed): i for i, feed in enumerate(feeds)}
    for feed, part in answer.items():
        number = numbers.get(id(feed))
        if number is None:
            raise StrategyError(
                f"{name}.wake() names {feed!r}, which is no feed of the run",
                hint="the keys are feeds: {d: … for d in self.datas}",
            )
        at = clock_of[number]
        wanted = _checked(part, len(at), f"{name}.wake()", feed._name)
        steps[at[wanted]] = True
    return steps


def _checked(answer: Any, length: int, what: str, feed: str) -> NDArray[np.bool_]:
    if isinstance(answer, list | tuple) and all(isinstance(x, bool) for x in answer):
        answer = np.array(answer, dtype=np.bool_)
    if not isinstance(answer, np.ndarray) or answer.dtype != np.bool_ or answer.ndim != 1:
        raise StrategyError(f"{what} returned {_said(answer)} for {feed}", hint=_HINT)
    if len(answer) != length:
        raise StrategyError(
            f"{what} returned {len(answer)} values for {feed}, which has {length} bars", hint=_HINT
        )
    return answer


def _said(answer: Any) -> str:
    if isinstance(answer, np.ndarray):
        return f"an array of {answer.dtype} with shape {answer.shape}"
    return f"a {type(answer).__name__}"
