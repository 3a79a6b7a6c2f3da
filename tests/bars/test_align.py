"""Daily bars of one date come together where their closes lie within an hour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.align import WITHIN, align
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.resample import resample
from robo_trader.clock import iso
from robo_trader.instruments import Instrument

Make = Callable[..., BarFrame]
MINUTE = 60 * 10**9


def test_spy_waits_a_quarter_of_an_hour_for_vix(days: Make) -> None:
    spy, vix = align([days("SPY"), days("VIX")])
    assert iso(int(spy.end[0])) == "2024-01-02T21:15:00Z"
    assert (spy.end == vix.end).all()
    assert iso(int(spy.start[0])) == "2024-01-02T14:30:00Z"


def test_a_moved_end_keeps_when_the_last_price_was_printed(days: Make) -> None:
    spy, vix = align([days("SPY"), days("VIX")])
    assert spy.closed is not None and iso(int(spy.closed[0])) == "2024-01-02T21:00:00Z"
    assert vix.closed is None
    again, _ = align([spy, vix])
    assert again.closed is spy.closed
    assert spy.where(slice(1, 2)).closed == spy.closed[1]
    weekly = resample(spy, "1w")
    assert weekly.closed is not None and weekly.closed[-1] == spy.closed[-1]


def test_half_days_are_aligned_at_their_own_close(days: Make) -> None:
    spy, _ = align([days("SPY", "2019-11-29", "2019-11-29"), days("VIX", "2019-11-29", "2019-11-29")])
    assert iso(int(spy.end[0])) == "2019-11-29T18:15:00Z"


def test_dates_that_the_other_lacks_keep_their_close(days: Make) -> None:
    spy, vix = align([days("SPY"), days("VIX", "2024-01-03", "2024-01-03")])
    assert iso(int(spy.end[0])) == "2024-01-02T21:00:00Z"
    assert spy.end[1] == vix.end[0]


def test_closes_further_apart_are_left(days: Make) -> None:
    frames = [days("SPY"), days("BTCUSDT")]
    assert align(frames) == frames


def test_an_hour_is_still_together_and_a_minute_more_is_not() -> None:
    at_four, at_five, later = align([closing(0), closing(60), closing(121)])
    assert at_four.end[0] == at_five.end[0] == closing(60).end[0]
    assert later.end[0] == closing(121).end[0]


def closing(minutes: int) -> BarFrame:
    session = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    opens = session.astype("datetime64[ns]").astype(np.int64)
    end = opens + (20 * 60 + minutes) * MINUTE
    one = np.ones(2)
    name = f"S{minutes}"
    return BarFrame(name, "1d", opens, end, session, one, one, one, one, one, Instrument(name))


def test_one_frame_and_intraday_frames_are_left(days: Make, minutes: Make) -> None:
    frames = [days("SPY"), minutes("VIX"), minutes("SPY")]
    assert align(frames) == frames
    assert align([]) == []


def test_days_and_weeks_of_one_date_come_together(days: Make) -> None:
    spy, weekly = align([days("SPY"), resample(days("VIX"), "1w")])
    friday = spy.session == np.datetime64("2024-01-05")
    assert spy.end[friday] == weekly.end[:1]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_no_bar_is_delivered_early_nor_an_hour_late(offsets: list[int]) -> None:
    frames = [closing(minutes) for minutes in offsets]
    aligned = align(frames)
    for before, after in zip(frames, aligned, strict=True):
        assert ((after.end - before.end >= 0) & (after.end - before.end <= WITHIN)).all()
    ends = {int(f.end[0]) for f in aligned}
    assert ends <= {int(f.end[0]) for f in frames}
    # Bars within an hour of the earliest all come with it.
    first = min(int(f.end[0]) for f in frames)
    together = {int(a.end[0]) for f, a in zip(frames, aligned, strict=True) if f.end[0] - first <= WITHIN}
    assert len(together) == 1
