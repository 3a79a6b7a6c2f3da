"""`audit_lookahead` catches what knows the future, in whatever way, and clears what does not."""

from __future__ import annotations

import itertools
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from robo_trader import Event, Strategy
from robo_trader.audit import audit_lookahead
from robo_trader.audit.futures import other_bars, other_events
from robo_trader.bars.frame import BarFrame
from robo_trader.errors import StrategyError, UsageError
from robo_trader.events.tape import EventTape


def daily(n: int = 260, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, 0.002, n))
    frame = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.004,
        "low": np.minimum(opened, close) * 0.996,
        "close": close,
        "volume": np.full(n, 1000.0),
    }
    return pd.DataFrame(frame, index=pd.bdate_range("2018-01-02", periods=n, name="date"))


class ReadsTomorrow(bt.Strategy):
    def next(self) -> None:
        if len(self) < self.data.buflen():
            self.buy() if self.data.close[1] > self.data.close[0] else self.sell()


class ReadsTheArray(bt.Strategy):
    def next(self) -> None:
        prices, i = self.data.close.array, len(self)
        if i < len(prices) and prices[i] > prices[i - 1] * 1.005:
            self.buy(exectype=bt.Order.Limit, price=self.data.close[0])


class ShiftedIndicator(bt.Strategy):
    def __init__(self) -> None:
        self.later = bt.indicators.SMA(self.data.close(3), period=5)

    def next(self) -> None:
        if not self.position and self.later[0] > self.data.close[0]:
            self.buy()
        elif self.position and self.later[0] < self.data.close[0]:
            self.close()


class WholeSample(bt.Strategy):
    """Ranks today's close among all closes of the sample, the future ones too."""

    def start(self) -> None:
        self.median = float(np.median(self.data.close.array))

    def next(self) -> None:
        if not self.position and self.data.close[0] < self.median:
            self.buy()
        elif self.position and self.data.close[0] > self.median:
            self.close()


class KnowsTheEnd(bt.Strategy):
    """Sells before the data end; nobody who trades knows which bar will be the last."""

    def next(self) -> None:
        if len(self) == 5:
            self.buy()
        elif self.position and len(self) == len(self.data.array) - 1:
            self.close()


class WrapsAround(bt.Strategy):
    """Reads [-1] on the first bar, which in Backtrader's arrays is the last bar of all."""

    def next(self) -> None:
        if len(self) == 1:
            self.buy(size=1 + int(self.data.close[-1] > self.data.close[0]))


class Crossover(bt.Strategy):
    def __init__(self) -> None:
        self.cross = bt.indicators.CrossOver(bt.indicators.SMA(period=5), bt.indicators.SMA(period=20))

    def next(self) -> None:
        if self.cross[0] > 0:
            self.order_target_percent(target=0.9)
        elif self.cross[0] < 0:
            self.close()


class ClosesInStop(Crossover):
    """An order made when everything is over says nothing about what was known before."""

    def stop(self) -> None:
        self.close()


class ReactsToEvents(Strategy):
    def notify_event(self, event: Event) -> None:
        self.order_target_percent(target=0.1 * event.data["score"], because=event.title)


_calls = itertools.count()


class Moody(bt.Strategy):
    def next(self) -> None:
        if next(_calls) % 7 == 0:
            self.buy()


def events(n: int = 20) -> list[Event]:
    days = pd.bdate_range("2018-01-10", periods=n, freq="9B", tz="UTC") + pd.Timedelta(hours=15)
    return [
        Event(kind="news", title=f"story {i}", published_at=day.to_pydatetime(), data={"score": (-1) ** i})
        for i, day in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [
        (ReadsTomorrow, "reads ahead"),
        (ReadsTheArray, "knows the future"),
        (ShiftedIndicator, "knows the future"),
        (WholeSample, "knows the future"),
        (WrapsAround, "knows the future"),
        (KnowsTheEnd, "knows the future"),
    ],
)
def test_each_way_of_peeking_is_caught(strategy: type, kind: str) -> None:
    report = audit_lookahead(strategy, bars={"X": daily()})
    assert not report.clean
    assert kind in {finding.kind for finding in report.findings}
    finding = next(f for f in report.findings if f.kind == kind)
    assert finding.time.endswith("Z")
    assert finding.detail


def test_reading_ahead_names_the_line() -> None:
    report = audit_lookahead(ReadsTomorrow, bars={"X": daily()})
    assert "test_lookahead.py" in report.findings[0].detail
    assert "close[1]" in report.findings[0].detail


@pytest.mark.parametrize(
    "strategy", [Crossover, ClosesInStop, ReactsToEvents, "buy_and_hold", "random_entry"]
)
def test_an_honest_strategy_is_cleared(strategy: Any) -> None:
    report = audit_lookahead(strategy, bars={"X": daily(), "Y": daily(seed=4)}, events=events())
    assert report.clean
    assert report.decisions > 0
    assert len(report.cuts) >= 20
    assert report.as_dict()["clean"] is True


def test_a_strategy_that_does_not_repeat_is_not_cleared() -> None:
    report = audit_lookahead(Moody, bars={"X": daily()})
    assert [finding.kind for finding in report.findings] == ["does not repeat"]


def test_too_few_cuts_are_refused() -> None:
    with pytest.raises(UsageError, match="--cuts 20"):
        audit_lookahead(Crossover, bars={"X": daily()}, cuts=5)


def test_a_strategy_that_does_not_run_is_an_error() -> None:
    class Broken(bt.Strategy):
        def next(self) -> None:
            raise ValueError("no")

    with pytest.raises(StrategyError, match="ValueError: no"):
        audit_lookahead(Broken, bars={"X": daily()})


def test_other_futures_keep_the_past_and_the_open_of_the_bar_in_progress() -> None:
    frame = BarFrame.from_pandas(daily(), symbol="X")
    cut = int(frame.start[100]) + 1
    changed = other_bars(frame, cut, "crash", np.random.default_rng(1))
    for name in ("open", "high", "low", "close", "volume"):
        assert (getattr(changed, name)[:100] == getattr(frame, name)[:100]).all()
    assert changed.open[100] == frame.open[100]
    assert changed.close[100] != frame.close[100]
    assert changed.close[-1] < frame.close[99] * 0.5
    assert (changed.end == frame.end).all()


def test_other_events_keep_their_times_and_say_nothing_any_more() -> None:
    tape = EventTape.of(events())
    cut = int(tape.known_ns[5])
    changed = other_events(tape, cut)
    assert changed.events[:6] == tape.events[:6]
    assert (changed.known_ns == tape.known_ns).all()
    assert {event.title for event in changed.events[6:]} == {"replaced"}
