"""What a run cannot use is refused in words, alike on both ways; and runs leave nothing behind."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from worlds import CLOSES, MINUTE, daily, tape, walk

from robo_trader.bars.frame import BarFrame
from robo_trader.engine import EngineSettings, run
from robo_trader.errors import DataError

WAYS = pytest.mark.parametrize("engine", ["fast", "plain"])


def bars(n: int = 10, symbol: str = "A", **more: Any) -> Any:
    return daily(symbol, walk(np.random.default_rng(n), n, 0.02, None), **more)


def failure(cls: type, engine: str, frames: Any = None) -> Any:
    record = run(frames or [bars()], cls, settings=EngineSettings(engine=engine))
    assert record.state == "failed"
    return record.failure


class Average(bt.Strategy):
    def __init__(self) -> None:
        self.average = [bt.ind.SMA(d, period=5) for d in self.datas]
        self.seen: list[Any] = []

    def next(self) -> None:
        self.seen.append([average[0] for average in self.average])
        self.buy(size=1)


class InOnce(bt.Indicator):
    lines = ("value",)

    def next(self) -> None:
        raise AssertionError("never")

    def once(self, start: int, end: int) -> None:
        raise ValueError("no such thing")


class InNext(bt.Indicator):
    lines = ("value",)

    def next(self) -> None:
        self.lines.value[0] = 1 / (self.data.close[0] - self.data.close[0])


def using(indicator: Any, **params: Any) -> type:
    class Uses(bt.Strategy):
        def __init__(self) -> None:
            self.one = indicator(self.data, **params)

        def next(self) -> None:
            raise AssertionError("never")

    return Uses


@WAYS
@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (using(InOnce), "the indicator InOnce raised ValueError: no such thing before its first bar"),
        (using(InNext), "the indicator InNext raised ZeroDivisionError: float division by zero"),
        (using(bt.ind.SMA, period=50), "the indicator SMA needs 50 bars, and A has 10"),
        (using(bt.ind.EMA, period=30), "the indicator EMA needs 30 bars, and A has 10"),
    ],
)
def test_an_indicator_that_cannot_be_computed_is_named(cls: type, words: str, engine: str) -> None:
    found = failure(cls, engine)
    assert words in found.message and found.bar_time is None


@WAYS
def test_a_division_inside_an_indicator_names_the_one_that_was_asked_for(engine: str) -> None:
    flat = daily("A", np.full((10, 4), 100.0))
    assert (
        "the indicator RSI raised ZeroDivisionError"
        in failure(using(bt.ind.RSI, period=3), engine, [flat]).message
    )


@WAYS
def test_an_indicator_with_next_alone_goes_through_the_feed(engine: str) -> None:
    class Middle(bt.Indicator):
        lines = ("value",)

        def next(self) -> None:
            self.lines.value[0] = (self.data.high[0] + self.data.low[0]) / 2

    seen: list[float] = []

    class Reads(bt.Strategy):
        def __init__(self) -> None:
            self.middle = Middle(self.data)

        def next(self) -> None:
            seen.append(self.middle[0])

    frame = bars()
    assert run([frame], Reads, settings=EngineSettings(engine=engine)).state == "finished"
    assert seen == ((frame.high + frame.low) / 2).tolist()


@WAYS
def test_feeds_of_different_length_run_to_the_end_of_the_longest(engine: str) -> None:
    frames = [bars(20), bars(7, "B", close=CLOSES + 15 * MINUTE), bars(12, "C")]
    record = run(frames, Average, settings=EngineSettings(engine=engine))
    assert record.state == "finished" and record.bars_processed == 39
    assert len(record.sessions.date) == 20 and record.sessions.prices["B"][-1] == frames[1].close[-1]


def test_a_feed_that_goes_backwards_or_has_no_bars_is_named() -> None:
    frame = bars()
    with pytest.raises(DataError, match=r"A: .* is not after the bar before it"):
        replace(frame, end=frame.end[::-1].copy(), start=frame.start[::-1].copy())
    with pytest.raises(DataError, match="A: no bars"):
        frame.where(slice(0, 0))
    columns = {name: getattr(frame, name) for name in ("open", "high", "low", "close", "volume")}
    index = pd.DatetimeIndex(frame.end.view("datetime64[ns]"), tz="UTC")
    with pytest.raises(DataError, match="A"):
        BarFrame.from_pandas(
            pd.DataFrame(columns, index=index.where(np.arange(10) != 4)), symbol="A", stamps="end"
        )


def test_no_bars_at_all() -> None:
    with pytest.raises(DataError, match="there are no bars to run on"):
        run([], Average)


def test_what_one_run_leaves_is_gone_after_it() -> None:
    """A hundred runs: the number of objects of each kind, Backtrader's and ours, stays what it was."""
    frames = [bars(40), bars(30, "B", close=CLOSES + 15 * MINUTE)]
    events = tape([int(frames[0].start[k]) for k in (3, 9)])

    def kinds() -> Counter[str]:
        gc.collect()
        return Counter(
            f"{type(x).__module__}.{type(x).__qualname__}"
            for x in gc.get_objects()
            if str(type(x).__module__).startswith(("backtrader", "robo_trader", "test_fast", "numpy"))
        )

    def play(engine: str) -> None:
        record = run(frames, Average, settings=EngineSettings(engine=engine), events=events)
        assert record.state == "finished" and record.orders

    for engine in ("fast", "plain", "fast"):
        play(engine)
    before, objects = kinds(), len(gc.get_objects())
    for number in range(100):
        play("plain" if number % 10 == 0 else "fast")
    assert kinds() - before == Counter()
    assert len(gc.get_objects()) - objects < 500
