"""The order of a run: ends, events, starts; sessions marked when they are complete; one clock or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from test_honest_rules import flat
from worlds import CLOSES, HOUR, MINUTE, ONE_CLOCK, World, always_open, daily, frame, intraday, ns, worlds

from robo_trader.engine.timeline import Phase, Timeline, one_clock
from robo_trader.errors import DataError


def steps(frames: list[Any], events: list[int], *, starts: bool = True) -> list[Any]:
    return list(Timeline(frames, np.array(sorted(events), dtype=np.int64), starts=starts))


def test_the_phases_of_equal_times() -> None:
    meeting = intraday("H", flat(3))
    at = int(meeting.end[0])
    assert at == meeting.start[1]
    now = [step for step in steps([meeting], [at, at]) if step.time == at]
    assert [(step.phase, step.members) for step in now] == [
        (Phase.END, [0]),
        (Phase.EVENT, [0, 1]),
        (Phase.START, [0]),
    ]


def test_bars_that_end_together_are_one_step() -> None:
    both = steps([daily("A", flat(2)), daily("B", flat(2))], [])
    assert [step.members for step in both] == [[0, 1]] * 4
    assert len(steps([daily("A", flat(2)), daily("B", flat(2))], [], starts=False)) == 2


@given(world=worlds())
def test_every_bar_and_event_comes_once_and_in_order(world: World) -> None:
    played = steps(list(world.frames), world.tape.known_ns.tolist())
    keys = [(step.time, step.phase) for step in played]
    assert keys == sorted(set(keys))
    for k, bars in enumerate(world.frames):
        for phase, column in ((Phase.END, bars.end), (Phase.START, bars.start)):
            times = [step.time for step in played if step.phase == phase and k in step.members]
            assert times == column.tolist()
    told = [i for step in played if step.phase == Phase.EVENT for i in step.members]
    assert told == list(range(len(world.tape)))


@given(world=worlds())
def test_each_session_is_marked_once_after_its_last_bar(world: World) -> None:
    marks = [step for step in steps(list(world.frames), []) if step.session is not None]
    dates = [step.session for step in marks]
    assert dates == sorted({date for frame in world.frames for date in frame.session})
    for step in marks:
        assert step.phase == Phase.END
        for bars in world.frames:
            mine = bars.end[bars.session == step.session]
            assert not len(mine) or mine[-1] <= step.time
    last = [max(f.end[f.session == d][-1] for f in world.frames if (f.session == d).any()) for d in dates]
    assert [step.time for step in marks] == last


@given(world=worlds())
def test_one_clock_is_what_it_is_called(world: World) -> None:
    """No bar starts before an earlier bar's end."""
    bars = [(s, e) for f in world.frames for s, e in zip(f.start.tolist(), f.end.tolist(), strict=True)]
    overlapping = any(s < e2 < e for s, e in bars for _, e2 in bars)
    assert one_clock(list(world.frames)) is not overlapping
    assert one_clock(list(world.frames)) == (world.kind in ONE_CLOCK)


def test_clocks() -> None:
    assert one_clock([daily("A", flat(3)), daily("B", flat(3))])
    assert not one_clock([daily("A", flat(3)), daily("B", flat(3), close=CLOSES + 15 * MINUTE)])
    assert not one_clock([daily("A", flat(3)), intraday("B", flat(3))])
    assert not one_clock([daily("A", flat(3)), always_open("B", flat(3))])
    tokyo = daily("T", flat(3))
    early = tokyo.where(slice(None))
    object.__setattr__(early, "start", tokyo.start - 14 * 60 * MINUTE)
    object.__setattr__(early, "end", tokyo.end - 14 * 60 * MINUTE)
    assert one_clock([early, daily("N", flat(3))])


def test_a_session_without_its_own_last_bar_is_still_marked() -> None:
    gap = intraday("H", flat(14)).where(np.arange(14) != 6)
    marks = [step for step in steps([gap], []) if step.session is not None]
    assert [step.time for step in marks] == [ns("2024-01-08T20:30"), ns("2024-01-09T21:00")]


@pytest.mark.parametrize(
    ("second", "words"),
    [((17, 21), "starts before the bar before it ends"), ((19, 19), "ends when it starts")],
)
def test_bars_that_overlap_or_last_no_time_have_no_place_in_it(second: tuple[int, int], words: str) -> None:
    """Between the start and the end of a bar lie no other bars of its instrument."""
    day, (start, end) = ns("2024-01-08"), second
    with pytest.raises(DataError, match=words):
        frame("A", "1d", [day + 14 * HOUR, day + start * HOUR], [day + 18 * HOUR, day + end * HOUR],
              ["2024-01-08"] * 2, flat(2))  # fmt: skip
