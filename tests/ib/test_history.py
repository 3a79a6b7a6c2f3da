"""History through the line: the same bars as the gateway's, paced, kept, and asked again after a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.bundled import bundled_bars
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.timeframes import parse
from robo_trader.errors import BrokerError, DataError, UsageError
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings, Limits
from robo_trader.ib.history import IBBars, native, periods
from robo_trader.ib.history_cache import HistoryCache, Piece
from robo_trader.ib.pacing import Pace, Pacer

START, END = date(2018, 11, 1), date(2020, 2, 10)
FAST = Pace(burst=10_000, repeat=0.001)


@pytest.fixture
def spy(gateway: Any) -> Callable[..., EmbeddedGateway]:
    """A gateway that replays SPY's daily bars and stands on 2020-03-02."""

    def start(**more: Any) -> EmbeddedGateway:
        def make(settings: GatewaySettings) -> Any:
            return replay_gateway(settings, bundled_bars(["SPY"]), start="2020-03-02")

        started: EmbeddedGateway = gateway(make, speed="lockstep", matching="bars", **more)
        return started

    return start


def bundled(start: date, end: date) -> BarFrame:
    (frame,) = bundled_bars(["SPY"])
    return frame.where((frame.session >= np.datetime64(start)) & (frame.session <= np.datetime64(end)))


def same(one: BarFrame, other: BarFrame) -> bool:
    names = ("start", "end", "session", "open", "high", "low", "close", "volume")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_daily_bars_are_those_of_the_gateway(spy: Any) -> None:
    frame = IBBars(port=spy().port, pace=FAST).load("SPY", START, END, "1d")
    assert same(frame, bundled(START, END))
    assert frame.adjusted and frame.origin.source == "Interactive Brokers, SPY-STK-SMART:ARCA-USD TRADES"
    assert (frame.symbol, frame.instrument.calendar, frame.instrument.tick) == ("SPY", "XNYS", 0.01)


def test_nothing_of_a_day_that_goes_on(spy: Any) -> None:
    simulated = spy()
    assert simulated.control("advance")["phase"] == "start"
    source = IBBars(port=simulated.port, pace=FAST)
    frame = source.load("SPY-STK-SMART-USD", date(2020, 2, 1), None, None)
    assert str(frame.session[-1]) == "2020-02-28"
    assert same(frame, bundled(date(2020, 2, 1), date(2020, 2, 28)))
    assert simulated.control("advance")["phase"] == "end"
    assert str(source.load("SPY", date(2020, 2, 1), None, None).session[-1]) == "2020-03-02"


def test_without_a_start_everything_comes(spy: Any) -> None:
    frame = IBBars(port=spy().port, pace=FAST).load("SPY", None, date(2012, 3, 1), "1d")
    assert same(frame, bundled(date(2000, 1, 1), date(2012, 3, 1)))


def test_minutes_of_the_demo_universe(gateway: Any) -> None:
    today = datetime.now(UTC).date()
    start, end = today - timedelta(9), today - timedelta(2)
    source = IBBars(port=gateway().port, regular=False, pace=FAST)
    hours = source.load("EUR.USD", start, end, "4h")
    assert hours.timeframe == "1h" and hours.instrument.calendar == "24/5"
    five = source.load("AAPL", start, end, "5m")
    assert (np.diff(five.start) >= 300 * 10**9).all() and not five.volume.min() < 0


def test_what_is_kept_is_not_asked_for_again(spy: Any, tmp_path: Path) -> None:
    simulated = spy()
    source = IBBars(port=simulated.port, cache=str(tmp_path), pace=FAST)
    first = source.load("SPY", START, date(2019, 12, 1), "1d")
    assert [p.name for p in tmp_path.iterdir()] == ["756733-trades-1d-regular"]
    simulated.control("set", hist_pacing=True)
    again = source.load("SPY", date(2018, 7, 2), date(2019, 12, 1), "1d")
    assert same(first, again.where(again.session >= np.datetime64(START)))
    with pytest.raises(BrokerError, match="pacing violation"):
        IBBars(port=simulated.port, cache=str(tmp_path), pace=replace(FAST, after_violation=0.001)).load(
            "SPY", date(2018, 1, 2), date(2018, 12, 1), "1d"
        )


def test_the_simulated_gateways_history_is_kept_only_where_asked(
    spy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    IBBars(port=spy().port, pace=FAST).load("SPY", START, END, "1d")
    assert not (tmp_path / "robo_trader" / "ib").exists()


def test_a_split_drops_what_was_kept(spy: Any, tmp_path: Path) -> None:
    simulated = spy()
    source = IBBars(port=simulated.port, cache=str(tmp_path), pace=FAST)
    good = source.load("SPY", START, date(2019, 12, 1), "1d")
    cache = HistoryCache(tmp_path / "756733-trades-1d-regular")
    for first in (date(2018, 7, 1), date(2019, 1, 1)):
        piece = cache.get(first)
        assert piece is not None
        cache.put(first, Piece(piece.at, piece.values * [2, 2, 2, 2, 1], piece.fetched - 3 * 86_400 * 10**9))
    assert same(source.load("SPY", START, date(2019, 12, 1), "1d"), good)
    simulated.control("set", hist_pacing=True)
    assert same(source.load("SPY", START, date(2019, 12, 1), "1d"), good)


def test_old_pieces_that_still_hold_are_used(spy: Any, tmp_path: Path) -> None:
    source = IBBars(port=spy().port, cache=str(tmp_path), pace=FAST)
    good = source.load("SPY", START, date(2019, 12, 1), "1d")
    cache = HistoryCache(tmp_path / "756733-trades-1d-regular")
    piece = cache.get(date(2018, 7, 1))
    assert piece is not None
    old = piece.fetched - 3 * 86_400 * 10**9
    cache.put(date(2018, 7, 1), Piece(piece.at, piece.values, old))
    assert same(source.load("SPY", START, date(2019, 12, 1), "1d"), good)
    kept = cache.get(date(2018, 7, 1))
    assert kept is not None and kept.fetched == old


def test_a_broken_file_counts_as_absent(tmp_path: Path) -> None:
    cache = HistoryCache(tmp_path / "x")
    assert cache.get(date(2020, 1, 1)) is None
    cache.put(date(2020, 1, 1), Piece(np.arange(3), np.ones((3, 5)), 7))
    kept = cache.get(date(2020, 1, 1))
    assert kept is not None and (len(kept), kept.fetched) == (3, 7)
    (tmp_path / "x" / "2020-01-01.npz").write_bytes(b"PK\3\4 torn")
    assert cache.get(date(2020, 1, 1)) is None
    cache.clear()
    assert list((tmp_path / "x").iterdir()) == []
    HistoryCache(None).put(date(2020, 1, 1), Piece(np.arange(3), np.ones((3, 5)), 7))


def test_the_limits_are_kept(spy: Any) -> None:
    limits = Limits(pace_history=True, history_burst=3, history_burst_window=0.15, history_repeat=0.1)
    port = spy(limits=limits).port
    frame = IBBars(port=port, pace=Pace(burst=3, burst_window=0.25)).load("SPY", START, END, "1d")
    assert same(frame, bundled(START, END))


def test_a_violation_is_waited_out(spy: Any) -> None:
    limits = Limits(pace_history=True, history_burst=3, history_burst_window=0.15, history_repeat=0.01)
    pace = Pace(burst=100, repeat=0.01, after_violation=0.2)
    frame = IBBars(port=spy(limits=limits).port, pace=pace).load("SPY", START, END, "1d")
    assert same(frame, bundled(START, END))


def test_what_cannot_be_had(spy: Any) -> None:
    source = IBBars(port=spy().port, pace=FAST)
    with pytest.raises(DataError, match="SPY: the broker has no bars of 1d for this period"):
        source.load("SPY", date(2001, 1, 1), date(2001, 5, 1), "1d")
    with pytest.raises(UsageError, match="SPY: bars of 1m need a first day"):
        source.load("SPY", None, None, "1m")
    with pytest.raises(UsageError, match="bars of 30s are not fetched"):
        source.load("SPY", START, END, "30s")
    with pytest.raises(BrokerError, match="knows no contract NOPE"):
        source.load("NOPE", START, END, "1d")
    with pytest.raises(UsageError, match="unknown kind of price 'TRADE'.*did you mean 'TRADES'"):
        IBBars(what="TRADE")


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [("1m", "1m"), ("45m", "15m"), ("25m", "5m"), ("2h", "1h"), ("1w", "1d"), ("1mo", "1d"), ("20m", "20m")],
)
def test_sizes_that_the_broker_has(wanted: str, asked: str) -> None:
    assert native(wanted).code == asked


@given(
    st.sampled_from(["1m", "5m", "1h", "1d"]),
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.integers(0, 900),
)
def test_periods_cover_all_days_once_and_do_not_depend_on_the_days(code: str, first: date, more: int) -> None:
    last = first + timedelta(more)
    found = list(periods(parse(code), first, last))
    assert found[0][0] <= first and found[-1][1] > last
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all((after - begin).days <= 184 for begin, after in found)
    assert set(periods(parse(code), last, last)) <= set(found)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.5, 3.0]),
            st.integers(0, 40),
            st.integers(0, 1),
            st.sampled_from([1, 2]),
        ),
        min_size=10,
        max_size=60,
    )
)
def test_a_paced_client_breaks_no_limit(requests: list[tuple[float, int, int, int]]) -> None:
    pace = Pace(requests=30, window=30.0, repeat=4.0, burst=4, burst_window=2.0)
    pacer, now = Pacer(pace), 100.0
    sent: list[tuple[float, int, int, int]] = []
    for gap, same_, contract, weight in requests:
        now += gap
        while (wait := pacer.wait(now, (same_, contract), contract, weight)) > 0:
            now += wait + 1e-9
        pacer.count(now, (same_, contract), contract, weight)
        sent.append((now, same_, contract, weight))
    for i, (at, same_, contract, weight) in enumerate(sent):
        before = sent[:i]
        assert weight + sum(w for t, _, _, w in before if at - t < pace.window) <= pace.requests
        assert not any((s, c) == (same_, contract) and at - t < pace.repeat for t, s, c, _ in before)
        assert sum(c == contract and at - t < pace.burst_window for t, _, c, _ in before) + 1 < pace.burst


def test_a_client_that_keeps_to_the_limits_is_not_held_back() -> None:
    pacer = Pacer()
    assert [pacer.wait(10.0, i, "x") for i in range(3)] == [0, 0, 0]
    pacer.count(10.0, "a", "x")
    assert pacer.wait(11.0, "b", "x") == 0
    assert pacer.wait(11.0, "a", "x") == 14


def test_bars_that_cannot_be_kept_are_told_and_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = HistoryCache(tmp_path / "file")
    with caplog.at_level("WARNING", logger="robo_trader.ib"):
        cache.put(date(2018, 7, 1), Piece(np.zeros(1, np.int64), np.ones((1, 5)), 0))
    assert "bars cannot be kept" in caplog.text and str(tmp_path) in caplog.text
    assert cache.get(date(2018, 7, 1)) is None
