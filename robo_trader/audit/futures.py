"""Other futures: the same bars and events up to a moment, and something else after it.

Nothing that was printed at or before the moment changes: finished bars stay, and so does the open
of a bar in progress. Time stamps stay too, so that the schedule of a run is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.events.tape import EventTape

Mood = Literal["boom", "crash"]
_DRIFT = {"boom": 0.02, "crash": -0.02}
_NOISE = 0.01
_RANGE = 0.005


def other_bars(frame: BarFrame, cut: int, mood: Mood, rng: np.random.Generator) -> BarFrame:
    """Return `frame` with everything printed after `cut` (ns UTC) replaced by a `boom` or a `crash`.

    Prices go on from the last known one, by two percent a bar with noise, and never leave
    [1e-4, 1e4] times it, so that the longest future stays finite.
    """
    known = int(np.searchsorted(frame.end, cut, side="right"))
    n = len(frame) - known
    if not n:
        return frame
    last = frame.close[known - 1] if known else frame.open[0]
    steps = rng.normal(_DRIFT[mood], _NOISE, n)
    close = last * np.exp(np.clip(np.cumsum(steps), -9.2, 9.2))
    opened = np.concatenate(([last], close[:-1])) * np.exp(rng.normal(0, _RANGE, n))
    if frame.start[known] <= cut:
        opened[0] = frame.open[known]
    spread = np.exp(np.abs(rng.normal(0, _RANGE, n)))
    new: dict[str, Any] = {
        "open": opened,
        "high": np.maximum(opened, close) * spread,
        "low": np.minimum(opened, close) / spread,
        "close": close,
        "volume": frame.volume[known:][rng.permutation(n)] * rng.uniform(0.2, 5.0, n),
    }
    columns: dict[str, Any] = {
        name: np.concatenate((getattr(frame, name)[:known], column)) for name, column in new.items()
    }
    return replace(frame, **columns)


def ended(frame: BarFrame, cut: int) -> BarFrame:
    """Return `frame` with data that stop soon: with the first bar that ends after `cut` (ns UTC)."""
    return frame.where(slice(0, int(np.searchsorted(frame.end, cut, side="right")) + 1))


#: The title of an event that came after the cut.
REPLACED = "replaced"


def other_events(tape: EventTape, cut: int) -> EventTape:
    """Return `tape` with what became known after `cut` (ns UTC) made unrecognisable, times kept.

    Titles, bodies and kinds say nothing any more and numbers in `data` change their sign.
    """
    events = list(tape.events)
    for i in range(int(np.searchsorted(tape.known_ns, cut, side="right")), len(events)):
        event = events[i]
        data = {k: -v if isinstance(v, int | float) else None for k, v in event.data.items()}
        events[i] = replace(event, title=REPLACED, body="", symbols=(), data=data)
    return replace(tape, events=tuple(events))


def cut_times(
    frames: Sequence[BarFrame], decided: Sequence[int], count: int, rng: np.random.Generator
) -> list[int]:
    """Return the moments to cut at (ns UTC): `count` random bar ends, and half as many decisions.

    A peek one bar ahead shows only where a decision was made, which random times seldom hit.
    """
    ends = np.unique(np.concatenate([frame.end for frame in frames]))[:-1]
    if not len(ends):
        return []
    chosen = set(rng.choice(ends, size=min(count, len(ends)), replace=False).tolist())
    times = np.unique(np.asarray(decided, dtype=np.int64))
    if len(times):
        chosen |= set(rng.choice(times, size=min(max(count // 2, 1), len(times)), replace=False).tolist())
    return sorted(int(time) for time in chosen)
