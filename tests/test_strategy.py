"""The base class of strategies: bars, time, randomness, signals, reasons."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import backtrader as bt
import numpy as np
import pytest

from robo_trader.bars.frame import BarFrame
from robo_trader.engine import EngineSettings, run
from robo_trader.errors import StrategyError
from robo_trader.events.tape import EventTape
from robo_trader.instruments import Instrument
from robo_trader.records import Event, Signal
from robo_trader.signals import SignalTape
from robo_trader.strategy import Strategy, handles_events, handles_signals

MONDAY = datetime(2024, 1, 8, 14, 30, tzinfo=UTC)
DAY = 86_400_000_000_000


def bars(symbol: str = "A", n: int = 6) -> BarFrame:
    """Return `n` daily bars from a Monday on, 14:30 to 21:00 UTC."""
    start = int(MONDAY.timestamp()) * 10**9 + DAY * np.arange(n)
    close = 100.0 + np.arange(n)
    return BarFrame(
        symbol=symbol, timeframe="1d", start=start, end=start + 23_400 * 10**9,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"), open=close, high=close + 1,
        low=close - 1, close=close, volume=np.ones(n), instrument=Instrument(symbol),
    )  # fmt: skip


def play(strategy: type, *, frames: Any = None, **more: Any) -> Any:
    record = run(frames or [bars()], strategy, **more)
    assert record.state == "finished", record.failure
    return record


def test_bars_are_the_feeds_in_order() -> None:
    seen: list[str] = []

    class Names(Strategy):
        def __init__(self) -> None:
            seen.extend(d._name for d in self.bars)

    play(Names, frames=[bars("B"), bars("A")])
    assert seen == ["B", "A"]


def test_now_is_the_bars_end_the_events_time_and_the_bars_start() -> None:
    seen: list[tuple[str, datetime]] = []

    class Clock(Strategy):
        def next(self) -> None:
            seen.append(("next", self.now))

        def notify_event(self, event: Event) -> None:
            seen.append(("event", self.now))
            self.buy(size=1)

        def notify_order(self, order: Any) -> None:
            if order.status == order.Completed:
                seen.append(("fill", self.now))

    event = Event(kind="news", title="x", published_at=MONDAY, known_at=MONDAY + timedelta(hours=8))
    play(Clock, frames=[bars(n=2)], events=EventTape.of([event]))
    assert seen == [
        ("next", MONDAY + timedelta(hours=6.5)),
        ("event", MONDAY + timedelta(hours=8)),
        ("fill", MONDAY + timedelta(days=1)),
        ("next", MONDAY + timedelta(days=1, hours=6.5)),
    ]


def test_the_strategys_own_dice_start_from_the_seed() -> None:
    rolls: list[float] = []

    class Dice(Strategy):
        def next(self) -> None:
            rolls.append(self.rng.random())

    for seed in (1, 1, 2):
        play(Dice, frames=[bars(n=3)], settings=EngineSettings(seed=seed))
    assert rolls[:3] == rolls[3:6] != rolls[6:]


class Hearing(Strategy):
    def notify_event(self, event: Event) -> None:
        pass


class Signalled(Strategy):
    def notify_signal(self, signal: Signal) -> None:
        pass


class Plain(bt.Strategy):
    def notify_event(self, event: Event) -> None:
        pass


def test_who_handles_what() -> None:
    classes = (Strategy, bt.Strategy, Hearing, Signalled, Plain)
    assert [handles_events(cls) for cls in classes] == [False, False, True, False, True]
    assert [handles_signals(cls) for cls in classes] == [False, False, False, True, False]


def test_outside_of_the_engine_it_says_what_to_do() -> None:
    class Lost(Strategy):
        def next(self) -> None:
            self.rng.random()

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars().to_pandas().tz_localize(None)))
    cerebro.addstrategy(Lost)
    with pytest.raises(StrategyError, match=r"Lost needs the robo_trader engine.*robo backtest"):
        cerebro.run()


class TestSignals:
    def signals(self) -> SignalTape:
        noon = MONDAY + timedelta(days=1)
        return SignalTape([
            Signal(at=noon, symbol="A", name="news", value=0.4, confidence=0.8,
                   expires_at=noon + timedelta(days=2)),
            Signal(at=noon + timedelta(days=1), symbol="A", name="news", value=-0.2, confidence=0.5,
                   expires_at=noon + timedelta(days=2)),
            Signal(at=noon, symbol="B", name="news", value=1.0),
        ])  # fmt: skip

    def read(self, tape: SignalTape | None, role: str = "news") -> list[Any]:
        rows: list[Any] = []

        class Reader(Strategy):
            def __init__(self) -> None:
                self.news = {d: self.signal(role, d) for d in self.bars}

            def next(self) -> None:
                news = self.news[self.data]
                rows.append((news.value[0], news.confidence[0], news.age[0], news.known[0]))

        play(Reader, frames=[bars(n=5)], signals=tape)
        return rows

    def test_silence_is_nan_until_analysts_come(self) -> None:
        for row in self.read(None):
            assert all(math.isnan(x) for x in row[:3])
            assert row[3] == 0

    def test_what_was_known_at_each_bars_end(self) -> None:
        rows = self.read(self.signals())
        assert [math.isnan(row[0]) for row in rows] == [True, False, False, True, True]
        assert rows[1] == (0.4, 0.8, 6.5 * 3600, 1)
        assert rows[2] == (-0.2, 0.5, 6.5 * 3600, 2)

    def test_a_role_that_nobody_plays_is_silent(self) -> None:
        assert all(math.isnan(row[0]) for row in self.read(self.signals(), role="mood"))

    def test_only_a_bar_feed_has_signals(self) -> None:
        class Wrong(Strategy):
            def __init__(self) -> None:
                self.news = self.signal("news", bt.indicators.SMA(self.data, period=2))

        failure = run([bars()], Wrong).failure
        assert failure is not None
        assert "'news' was asked for something that is not a bar feed" in failure.message

    def test_a_signal_speaks_for_itself_as_a_reason(self) -> None:
        class Follows(Strategy):
            def __init__(self) -> None:
                self.news = self.signal("news", self.data)

            def next(self) -> None:
                if self.news.value[0] > 0:
                    self.buy(size=1, because=self.news)

        record = play(Follows, signals=self.signals())
        assert [f.because for f in record.fills] == ["news +0.40 (confidence 0.80)"]
        assert [s.symbol for s in record.signals] == ["A", "B", "A"]


class TestReasons:
    @pytest.mark.parametrize("base", [Strategy, bt.Strategy])
    def test_every_order_method_takes_a_reason(self, base: type) -> None:
        class Talks(base):  # type: ignore[misc,valid-type]
            def next(self) -> None:
                n = len(self)
                if n == 1:
                    self.buy(size=4, because="b")
                    self.buy_bracket(price=50.0, stopprice=40.0, limitprice=200.0, because="family")
                elif n == 2:
                    self.sell(size=1, because=None)
                    self.order_target_size(target=2, because=2)
                elif n == 3:
                    self.order_target_percent(target=0.01, because="percent")
                elif n == 4:
                    self.close(because="out")

        record = play(Talks, frames=[bars(n=7)])
        reasons = [order.because for order in record.orders]
        assert reasons == ["b", "family", "family", "family", "", "2", "percent", "out"]
        assert [fill.because for fill in record.fills] == ["b", "", "2", "percent", "out"]

    def test_the_reason_stays_in_the_orders_own_info(self) -> None:
        infos: list[Any] = []

        class Keeps(bt.Strategy):
            def next(self) -> None:
                if len(self) == 1:
                    self.buy(size=1, because="a", note="mine")

            def notify_order(self, order: Any) -> None:
                infos.append((order.info["because"], order.info["note"]))

        play(Keeps)
        assert set(infos) == {("a", "mine")}
