"""`BarsFeed`: exact times, whole columns at once, and no reading before the first bar or ahead."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import to_ns
from robo_trader.errors import DataError
from robo_trader.feeds.bars import BarsFeed, LookAheadError, backtrader_timeframe, to_backtrader_days
from robo_trader.instruments import Instrument

HOUR = 3_600_000_000_000


def bars(n: int = 5, timeframe: str = "1d") -> BarFrame:
    """Return `n` bars whose prices tell them apart."""
    start = 1_704_724_200_000_000_000 + 24 * HOUR * np.arange(n)
    close = 100.0 + np.arange(n)
    return BarFrame(
        symbol="A", timeframe=timeframe, start=start, end=start + 6 * HOUR,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"), open=close - 0.5, high=close + 1,
        low=close - 1, close=close, volume=1000 + close, instrument=Instrument("A"),
    )  # fmt: skip


def started(frame: BarFrame, **params: Any) -> BarsFeed:
    feed = BarsFeed(dataname=frame, **params)
    bt.Cerebro().adddata(feed)
    feed._start()
    return feed


def loaded(frame: BarFrame, **params: Any) -> BarsFeed:
    feed = started(frame, **params)
    feed.preload()
    return feed


class TestTimes:
    @given(
        moments=st.lists(
            st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2261, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
            min_size=1, max_size=20,
        )
    )  # fmt: skip
    def test_days_are_backtraders_to_the_last_bit(self, moments: list[dt.datetime]) -> None:
        ns = np.array([to_ns(moment) for moment in moments])
        expected = [bt.date2num(moment.replace(tzinfo=None)) for moment in moments]
        assert to_backtrader_days(ns).tolist() == expected

    def test_midnights_alone(self) -> None:
        assert to_backtrader_days(np.array([0, 24 * HOUR])).tolist() == [719163.0, 719164.0]
        assert to_backtrader_days(np.array([], dtype=np.int64)).tolist() == []

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("1m", (bt.TimeFrame.Minutes, 1)),
            ("5m", (bt.TimeFrame.Minutes, 5)),
            ("4h", (bt.TimeFrame.Minutes, 240)),
            ("1d", (bt.TimeFrame.Days, 1)),
            ("2w", (bt.TimeFrame.Weeks, 2)),
            ("3mo", (bt.TimeFrame.Months, 3)),
            ("30s", (bt.TimeFrame.Seconds, 30)),
        ],
    )
    def test_time_frames(self, code: str, expected: tuple[int, int]) -> None:
        assert backtrader_timeframe(code) == expected
        feed = BarsFeed(dataname=bars(timeframe=code))
        assert (feed._timeframe, feed._compression) == expected
        assert feed.dated is (expected[0] >= bt.TimeFrame.Days)

    @pytest.mark.parametrize("code", ["1", "d", "1y", "-1d", "1.5h", ""])
    def test_unknown_time_frames(self, code: str) -> None:
        with pytest.raises(DataError, match="unknown time frame"):
            backtrader_timeframe(code)

    def test_dates_and_times_as_floats(self) -> None:
        feed = loaded(bars())
        noon = dt.datetime(2024, 1, 9, 12)  # noqa: DTZ001
        assert feed.date2num(noon) == bt.date2num(noon)
        assert feed.date2num(dt.date(2024, 1, 9)) == bt.date2num(dt.datetime(2024, 1, 9))  # noqa: DTZ001
        aware = noon.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
        assert feed.date2num(aware) == bt.date2num(noon - dt.timedelta(hours=2))

    def test_an_aware_time_needs_no_zone_of_the_feed(self) -> None:
        feed = loaded(bars(), tz="America/New_York")
        noon = dt.datetime(2024, 1, 9, 12, tzinfo=dt.UTC)
        assert feed.date2num(noon) == bt.date2num(noon.replace(tzinfo=None))
        assert feed.date2num(noon.replace(tzinfo=None)) == bt.date2num(noon.replace(hour=17, tzinfo=None))


class TestLoading:
    def test_columns_come_whole_and_datetime_is_the_end(self) -> None:
        frame = bars()
        feed = loaded(frame)
        assert feed.lines.close.array.tolist() == frame.close.tolist()
        assert feed.lines.volume.array.tolist() == frame.volume.tolist()
        assert feed.lines.openinterest.array.tolist() == [0.0] * 5
        assert feed.lines.datetime.array.tolist() == to_backtrader_days(frame.end).tolist()
        assert len(feed) == 0
        assert feed.buflen() == 5

    def test_bar_by_bar_gives_the_same(self) -> None:
        """The way that Backtrader's filters take."""
        whole, single = loaded(bars()), started(bars())
        for i in range(5):
            assert single.next()
            for alias in single.getlinealiases():
                assert getattr(single.lines, alias)[0] == getattr(whole.lines, alias).array[i]
        assert not single.next()

    def test_something_else_than_bars(self) -> None:
        with pytest.raises(DataError, match="needs a BarFrame as dataname, not list"):
            BarsFeed(dataname=[1, 2, 3])

    def test_a_frame_serves_several_feeds(self) -> None:
        frame = bars()
        first, second = loaded(frame), loaded(frame)
        first.lines.close.array[0] = -1.0
        assert second.lines.close.array[0] == frame.close[0] == 100.0


READS = {
    "item": lambda line, ago: line[ago],
    "slice": lambda line, ago: line.get(ago=ago, size=2),
    "date": lambda line, ago: line.date(ago),
    "time": lambda line, ago: line.time(ago),
    "datetime": lambda line, ago: line.datetime(ago),
}


class TestReading:
    @pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
    @pytest.mark.parametrize("ago", [-1, 0, 1])
    def test_nothing_before_the_first_bar(self, read: Any, ago: int) -> None:
        feed = loaded(bars())
        with pytest.raises(IndexError, match="no bar yet"):
            read(feed.lines.datetime, ago)

    def test_without_the_guard_it_is_backtraders(self) -> None:
        assert loaded(bars(), guard=False).close[0] == 104.0

    @pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
    def test_audit_mode_shows_no_future(self, read: Any) -> None:
        feed = loaded(bars(), audit=True)
        feed.open_lines()
        feed.advance()
        feed.advance()
        read(feed.lines.datetime, 0)
        read(feed.lines.datetime, -1)
        with pytest.raises(LookAheadError, match=r"read \[1\]"):
            read(feed.lines.datetime, 1)

    def test_without_audit_the_future_reads_as_in_backtrader(self) -> None:
        feed = loaded(bars())
        feed.open_lines()
        feed.advance()
        assert [feed.close[k] for k in range(5)] == [100.0, 101.0, 102.0, 103.0, 104.0]

    def test_a_look_at_the_bar_in_progress_is_undone(self) -> None:
        feed = loaded(bars())
        feed.peek()
        assert (len(feed), feed.close[0]) == (1, 100.0)
        feed.unpeek()
        assert len(feed) == 0
        with pytest.raises(IndexError):
            feed.close[0]
        feed.open_lines()
        feed.advance()
        feed.peek()
        assert (len(feed), feed.close[0]) == (2, 101.0)
        feed.unpeek()
        assert (len(feed), feed.close[0]) == (1, 100.0)
