"""Coarser bars: whole sessions, nothing known early, nothing lost; pandas is the oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.resample import resample
from robo_trader.clock import iso
from robo_trader.errors import UsageError
from robo_trader.instruments import Instrument

Make = Callable[..., BarFrame]


def ends(frame: BarFrame) -> list[str]:
    return [iso(t) for t in frame.end.tolist()]


def test_hours_are_counted_from_the_open_and_end_with_the_session(minutes: Make) -> None:
    hours = resample(minutes(first="2024-01-02", last="2024-01-02"), "1h")
    assert len(hours) == 7
    assert iso(int(hours.start[0])) == "2024-01-02T14:30:00Z"
    assert ends(hours)[0] == "2024-01-02T15:30:00Z"
    assert ends(hours)[-1] == "2024-01-02T21:00:00Z"
    assert (hours.open[0], hours.high[0], hours.low[0], hours.close[0]) == (100, 161, 99, 160)
    assert hours.volume.tolist() == [600.0] * 6 + [300.0]


def test_a_half_day_ends_at_one(minutes: Make) -> None:
    hours = resample(minutes(first="2019-11-29", last="2019-11-29"), "1h")
    assert len(hours) == 4
    assert ends(hours)[-1] == "2019-11-29T18:00:00Z"


def test_days_end_at_their_close_and_hold_everything(minutes: Make) -> None:
    fine = minutes(first="2019-11-27", last="2019-12-02")
    day = resample(fine, "1d")
    assert day.timeframe == "1d"
    assert ends(day) == ["2019-11-27T21:00:00Z", "2019-11-29T18:00:00Z", "2019-12-02T21:00:00Z"]
    assert day.open.tolist() == [100.0, 490.0, 700.0]
    assert day.close.tolist() == [490.0, 700.0, 1090.0]
    assert day.volume.sum() == fine.volume.sum()


def test_weeks_and_months_are_whole_sessions(days: Make) -> None:
    fine = days(first="2024-01-02", last="2024-03-29")
    weeks, months = resample(fine, "1w"), resample(fine, "1mo")
    assert ends(weeks)[:2] == ["2024-01-05T21:00:00Z", "2024-01-12T21:00:00Z"]
    assert ends(weeks)[-1] == "2024-03-28T20:00:00Z"  # Good Friday is no session
    assert months.session.astype(str).tolist() == ["2024-01-31", "2024-02-29", "2024-03-28"]
    assert len(resample(fine, "3mo")) == len(resample(fine, "1y")) == len(resample(months, "1y")) == 1


def test_four_hours_never_reach_across_a_night(minutes: Make) -> None:
    four = resample(minutes(last="2024-01-03"), "4h")
    assert len(four) == 4
    assert ends(four)[1] == "2024-01-02T21:00:00Z"


def test_around_the_clock_buckets_start_at_midnight(minutes: Make) -> None:
    four = resample(minutes("BTCUSDT", first="2024-01-02", last="2024-01-03", step=30), "4h")
    assert len(four) == 12
    assert ends(four)[5] == "2024-01-03T00:00:00Z"


def test_the_same_time_frame_is_the_same_frame(days: Make) -> None:
    frame = days()
    assert resample(frame, "daily") is frame


@pytest.mark.parametrize("wanted", ["1m", "4h"])
def test_finer_bars_cannot_be_made(days: Make, wanted: str) -> None:
    with pytest.raises(UsageError, match=f"SPY: {wanted} bars cannot be made from 1d bars"):
        resample(days(), wanted)


def test_bars_that_do_not_divide_are_refused(minutes: Make, days: Make) -> None:
    with pytest.raises(UsageError, match="7m bars do not divide 15m"):
        resample(minutes(step=7), "15m")
    with pytest.raises(UsageError, match="weeks do not divide 1mo"):
        resample(resample(days(), "1w"), "1mo")


def test_bars_before_the_open_make_buckets_of_their_own(minutes: Make) -> None:
    frame = minutes(last="2024-01-02")
    early = BarFrame(
        **{
            **{n: getattr(frame, n) for n in BarFrame.__slots__},
            "start": frame.start - 45 * 60 * 10**9,
            "end": frame.end - 45 * 60 * 10**9,
        }
    )
    hours = resample(early, "1h")
    assert iso(int(hours.start[0])) == "2024-01-02T13:30:00Z"
    assert ends(hours)[0] == "2024-01-02T14:30:00Z"
    assert hours.volume[0] == 450.0


@given(
    keep=st.lists(st.booleans(), min_size=1170, max_size=1170),
    wanted=st.sampled_from(["5m", "15m", "1h", "1d"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_resampling_agrees_with_pandas(keep: list[bool], wanted: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    session = np.repeat(np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]"), 390)
    first = session.astype("datetime64[m]") + np.tile(np.arange(870, 1260), 3)  # 14:30 to 21:00 UTC
    start = first.astype("datetime64[ns]").astype(np.int64)
    body = np.exp(rng.normal(0, 0.01, (2, 1170)).cumsum(axis=1)) * 100
    high, low = body.max(axis=0) + 1, body.min(axis=0) - 1
    mask = np.array(keep)
    mask[0] = True
    volume = rng.integers(0, 99, 1170)
    columns = (start, start + 60 * 10**9, session, body[0], high, low, body[1], volume)
    frame = BarFrame("SPY", "1m", *columns, instrument=Instrument("SPY")).where(mask)
    made = resample(frame, wanted)
    by_start = pd.DataFrame(
        {n: getattr(frame, n) for n in ("open", "high", "low", "close", "volume")},
        index=pd.DatetimeIndex(frame.start.view("datetime64[ns]")),
    )
    rule = {"5m": "5min", "15m": "15min", "1h": "60min", "1d": "24h"}[wanted]
    expected = by_start.resample(rule, offset="14h30min").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    expected = expected[expected["open"].notna()]
    assert len(made) == len(expected)
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(made, name).tolist() == expected[name].tolist()
    assert (made.end[-1] >= frame.end[-1]) and (made.start[1:] >= made.end[:-1]).all()
    # Nothing is known before its last part could have been.
    at = np.searchsorted(made.end, frame.end)
    assert (made.start[at] <= frame.start).all()
