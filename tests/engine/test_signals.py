"""Signals at their place in time: when a strategy is told, what it sees, and both ways alike."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_fast_honest import same
from worlds import World, daily, ns, pick_times, tape, worlds

from robo_trader.clock import from_ns
from robo_trader.engine import EngineSettings, run
from robo_trader.indicators import LLMSignal
from robo_trader.records import Signal
from robo_trader.signals import RoleSignals, SignalTape

RISING = [[100 + i, 101 + i, 99 + i, 100.5 + i] for i in range(6)]


def said(times: list[int], symbols: tuple[str, ...] = ("D",), role: str = "news") -> tuple[Signal, ...]:
    return tuple(
        Signal(
            at=from_ns(t), symbol=symbol, name=role, value=0.3 if k % 2 == 0 else -0.3, confidence=0.5,
            expires_at=from_ns(t + 2 * 86_400 * 10**9), evidence=(f"e{k}",),
        )
        for k, t in enumerate(sorted(times))
        for symbol in symbols
    )  # fmt: skip


def news(signals: tuple[Signal, ...]) -> SignalTape:
    return SignalTape(roles={"news": lambda: RoleSignals(signals, fading=True)}, spoken="news")


def test_what_is_said_at_a_bars_end_is_told_after_it_and_read_a_bar_later() -> None:
    frame = daily("D", RISING)
    ends = frame.end.tolist()
    for untold in (False, True):  # the role as the consensus of analysts, and as signals given to the run
        heard: list[Any] = []
        signals = said([ends[2], ends[3] - 1])
        run(
            [frame], Follower, {"heard": heard, "trade": False}, settings=EngineSettings(),
            signals=SignalTape(signals) if untold else news(signals),
        )  # fmt: skip
        order = [row[:1] + row[2:3] for row in heard if row[0] != "order"]
        values = {row[2]: row[3] for row in heard if row[0] == "next"}
        assert order[2:5] == [("next", 3), ("signal", 0.3), ("signal", -0.3)]
        assert values[3] == "nan" and float(values[4]) < 0, "the first was never read, the second was"


class Follower(bt.Strategy):
    """A plain Backtrader strategy that trades on what it is told and on what it reads at bars' ends."""

    params = (("heard", None), ("trade", True))

    def __init__(self) -> None:
        self.news = {data: LLMSignal(data, role="news") for data in self.datas}

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for data, lines in self.news.items():
            if len(data):
                value = lines.value[0]
                self.p.heard.append(("next", data._name, len(data), repr(value), lines.known[0]))
                if self.p.trade and value < -0.2 and self.getposition(data).size:
                    self.close(data, because=lines)

    def notify_event(self, event: Any) -> None:
        self.p.heard.append(("event", event.title, self.cerebro.robo.now))

    def notify_signal(self, signal: Any) -> None:
        now = self.cerebro.robo.now
        self.p.heard.append(("signal", signal.symbol, signal.value, now, len(self.data)))
        data = self.getdatabyname(signal.symbol)
        if self.p.trade and len(data) and signal.value > 0:
            self.buy(data, size=1, because=signal)

    def notify_order(self, order: Any) -> None:
        self.p.heard.append(("order", order.getstatusname(), order.executed.price, self.cerebro.robo.now))


def listen(signals: tuple[Signal, ...], events: list[int] = [], **more: Any) -> tuple[list[Any], Any]:  # noqa: B006
    heard: list[Any] = []
    record = run(
        [daily("D", RISING)], Follower, {"heard": heard, "trade": False}, events=tape(events),
        signals=news(signals), settings=EngineSettings(**more),
    )  # fmt: skip
    assert record.state == "finished", record.failure
    return heard, record


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_a_signal_is_told_between_the_bars_after_the_events_of_its_moment(engine: str) -> None:
    at = ns("2024-01-09T19:00")
    heard, record = listen(said([at]), [at, at + 1000], engine=engine)
    assert [row[0] for row in heard[:6]] == ["next", "event", "signal", "event", "next", "next"]
    assert heard[2] == ("signal", "D", 0.3, at, 1)
    assert record.notify == "at_open" and [s.symbol for s in record.signals] == ["D"]


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_at_equal_times_it_comes_after_the_bars_end_and_before_the_next_ones_start(engine: str) -> None:
    end = ns("2024-01-09T21:00")
    heard, _ = listen(said([end]), engine=engine)
    assert [row[:3] for row in heard[1:3]] == [("next", "D", 2), ("signal", "D", 0.3)]
    start = ns("2024-01-10T14:30")
    record = run([daily("D", RISING)], Follower, {"heard": []}, signals=news(said([start])),
                 settings=EngineSettings(engine=engine))  # fmt: skip
    (fill,) = record.fills
    assert (fill.time, fill.because) == (from_ns(start), "news +0.30 (confidence 0.50)")


def test_the_lines_read_what_was_known_at_the_bars_end() -> None:
    heard, _ = listen(said([ns("2024-01-09T19:00")]))
    values = [float(row[3]) for row in heard if row[0] == "next"]
    assert values[1] == pytest.approx(0.3 * (1 - 2 / 48))
    assert values[2] == pytest.approx(0.3 * (1 - 26 / 48))
    assert str(values[3]) == "nan"


def test_nothing_is_told_before_the_first_bar_or_before_trading_begins() -> None:
    times = [ns("2024-01-08T12:00"), ns("2024-01-09T19:00"), ns("2024-01-10T19:00")]
    heard, _ = listen(said(times))
    assert [row[3] for row in heard if row[0] == "signal"] == times[1:]
    heard, _ = listen(said(times), trading_from=ns("2024-01-10T00:00"))
    assert [row[3] for row in heard if row[0] == "signal"] == times[2:]


def test_a_strategy_that_does_not_listen_makes_no_signal() -> None:
    def refuse() -> RoleSignals:
        raise AssertionError("nobody asked")

    silent = SignalTape(roles={"news": refuse}, spoken="news")
    record = run([daily("D", RISING)], bt.Strategy, signals=silent)
    assert record.signals == [] and record.state == "finished" and record.notify == "with_bar"


def test_a_failure_names_the_signal() -> None:
    class Fails(bt.Strategy):
        def notify_signal(self, signal: Any) -> None:
            raise ValueError("no")

    record = run([daily("D", RISING)], Fails, signals=news(said([ns("2024-01-09T19:00")])))
    assert record.failure is not None
    assert "at the signal of 2024-01-09T19:00:00Z" in record.failure.message


@given(
    world=worlds(),
    times=st.lists(st.integers(0, 10_000), max_size=6),
    rules=st.sampled_from(["honest", "stock"]),
)
def test_both_ways_tell_the_same(world: World, times: list[int], rules: Any) -> None:
    names = tuple(frame.symbol for frame in world.frames)
    signals = said(sorted(set(pick_times(list(world.frames), times))), names)
    records, logs = [], []
    for engine in ("plain", "fast"):
        heard: list[Any] = []
        records.append(
            run(
                world.frames, Follower, {"heard": heard}, events=world.tape, signals=news(signals),
                settings=EngineSettings(engine=engine, fill_rules=rules),  # type: ignore[arg-type]
            )
        )  # fmt: skip
        logs.append(heard)
    assert logs[1] == logs[0]
    same(records[1], records[0])
