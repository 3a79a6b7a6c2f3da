"""The built-in strategies: two baselines and the demonstration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import to_ns
from robo_trader.engine import EngineSettings, run
from robo_trader.events.tape import EventTape
from robo_trader.instruments import Instrument
from robo_trader.records import Decision, Event, Signal
from robo_trader.signals import RoleSignals, SignalTape
from robo_trader.strategies import BuyAndHold, FomcDrift, RandomEntry

FIRST = datetime(2024, 1, 1, 14, 30, tzinfo=UTC)
DAY = 86_400_000_000_000


def bars(symbol: str, close: Any, *, gaps: Any = 0.0, late: int = 0, **instrument: Any) -> BarFrame:
    """Return daily bars that open `gaps` (a fraction) away from the close before; `late` days later."""
    close = np.asarray(close, dtype=np.float64)
    n = len(close)
    before = np.concatenate(([close[0]], close[:-1]))
    opens = before * (1 + np.broadcast_to(gaps, n))
    start = to_ns(FIRST) + DAY * (np.arange(n) + late)
    return BarFrame(
        symbol=symbol, timeframe="1d", start=start, end=start + 23_400 * 10**9,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"), open=opens,
        high=np.maximum(opens, close) * 1.001, low=np.minimum(opens, close) * 0.999, close=close,
        volume=np.ones(n), instrument=Instrument(symbol, **instrument),
    )  # fmt: skip


def walk(seed: int, n: int = 60) -> np.ndarray:
    return np.asarray(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, n))))


def play(strategy: type, frames: list[BarFrame], params: Any = None, *, events: Any = (), gate: Any = None,
         **settings: Any) -> Any:  # fmt: skip
    record = run(
        frames, strategy, params, settings=EngineSettings(**settings), events=EventTape.of(events), gate=gate
    )
    assert record.state == "finished", record.failure
    return record


class TestBuyAndHold:
    @given(seed=st.integers(0, 10_000), gap=st.sampled_from([-0.05, 0.0, 0.003, 0.05]))
    def test_the_position_returns_last_over_fill(self, seed: int, gap: float) -> None:
        """Fractional, without costs; whatever the first opens do."""
        frame = bars("A", walk(seed), gaps=gap)
        record = play(BuyAndHold, [frame], fractional=True)
        (fill,) = record.fills
        invested = fill.size * fill.price
        final = record.sessions.value[-1] - (record.starting_cash - invested)
        assert final / invested - 1 == pytest.approx(frame.close[-1] / fill.price - 1, abs=1e-9)
        assert record.sessions.sizes["A"][-1] == fill.size

    def test_it_buys_at_the_second_bars_open(self) -> None:
        record = play(BuyAndHold, [bars("A", [100, 110, 120])], fractional=True)
        assert [(f.price, f.size, f.because) for f in record.fills] == [(100.0, 1000.0, "buy and hold")]
        assert record.sessions.value[-1] == pytest.approx(120_000.0)

    def test_a_gap_up_does_not_leave_it_out(self) -> None:
        """All the cash at yesterday's close is too much at today's open; it tries again, smaller."""
        record = play(BuyAndHold, [bars("A", [100] * 9, gaps=0.05)], fractional=True)
        assert [o.status for o in record.orders] == ["Margin", "Margin", "Margin", "Completed"]
        assert record.sessions.sizes["A"][-1] == pytest.approx(1000 * 0.98**3)

    def test_equal_parts_whole_lots_and_late_starters(self) -> None:
        frames = [bars("A", [100] * 9), bars("B", [7] * 5, late=4, lot=100.0), bars("C", [300] * 9)]
        record = play(BuyAndHold, frames)
        sizes = {name: column[-1] for name, column in record.sessions.sizes.items()}
        assert sizes == {"A": 333.0, "B": 4700.0, "C": 111.0}
        assert len(record.fills) == 3

    def test_part_of_the_account(self) -> None:
        record = play(BuyAndHold, [bars("A", [100] * 4)], {"weight": 0.25}, fractional=True)
        assert record.fills[0].size == pytest.approx(250.0)


class TestRandomEntry:
    PARAMS = {"chance": 0.3, "hold": 3, "weight": 0.2}

    def run(self, seed: int, **settings: Any) -> list[tuple[str, str, str]]:
        frames = [bars("A", walk(1)), bars("B", walk(2))]
        record = play(RandomEntry, frames, self.PARAMS, seed=seed, **settings)
        return [(f.symbol, f.side, f.time.isoformat()) for f in record.fills]

    def test_the_seed_decides_everything(self) -> None:
        assert self.run(5) == self.run(5)
        assert self.run(5) != self.run(6)
        assert len(self.run(5)) > 20

    def test_costs_do_not_change_its_luck(self) -> None:
        assert self.run(5, commission=0.002, slippage=0.001) == self.run(5)

    def test_it_leaves_after_its_bars(self) -> None:
        frame = bars("A", walk(3, 200))
        record = play(RandomEntry, [frame], self.PARAMS, seed=9)
        entered = [int(np.searchsorted(frame.start, to_ns(f.time))) for f in record.fills if f.side == "BUY"]
        left = [int(np.searchsorted(frame.start, to_ns(f.time))) for f in record.fills if f.side == "SELL"]
        held = [b - a for a, b in zip(entered, left, strict=False)]
        assert set(held) == {3}


def decision(days: float, change: float, kind: str = "fomc") -> Event:
    """Return a decision known `days` after the first bar's start."""
    moment = FIRST + timedelta(days=days)
    return Event(
        kind=kind, title=f"The Fed moves by {change:+} bp", published_at=moment, known_at=moment,
        data={"change_bp": change},
    )  # fmt: skip


def follow(frames: list[BarFrame], params: Any, *, events: list[Event], gate: Any = None) -> Any:
    """Run the demonstration on what an analyst might say: a cut is good news, a rise is bad."""
    tape = EventTape.of(events)
    signals = tuple(
        Signal(
            at=event.known_at or FIRST, symbol=frame.symbol, name="news", evidence=(event.id or "",),
            value=max(-0.3, min(0.3, -event.data["change_bp"] / 250)), confidence=0.5,
            expires_at=(event.known_at or FIRST) + timedelta(days=1),
        )
        for event in tape
        for frame in frames
    )  # fmt: skip
    news = SignalTape(roles={"news": lambda: RoleSignals(signals, fading=True)}, spoken="news")
    record = run(frames, FomcDrift, params, settings=EngineSettings(), events=tape, signals=news, gate=gate)
    assert record.state == "finished", record.failure
    return record


class TestFomcDrift:
    PARAMS = {"trend": 5, "hold": 4, "weight": 0.15}
    RISING = np.arange(100.0, 130.0)

    def test_a_cut_in_a_rising_market_is_bought_for_a_few_sessions(self) -> None:
        """Known in the night after day 10: bought at the open of day 11, sold at the open of day 15."""
        record = follow([bars("A", self.RISING)], self.PARAMS, events=[decision(10.4, -50)])
        fills = [(f.side, (f.time - FIRST).days, f.price) for f in record.fills]
        assert fills == [("BUY", 11, 110.0), ("SELL", 15, 114.0)]
        assert record.fills[0].size == 15_000 // 110
        assert record.fills[0].because == (
            "news +0.20 (confidence 0.50); "
            "The Fed moves by -50 bp; A at 110.00 above its 5-bar average 108.00"
        )
        assert record.notify == "at_open"

    def test_a_rise_in_a_falling_market_is_sold_short(self) -> None:
        record = follow([bars("A", self.RISING[::-1])], self.PARAMS, events=[decision(10.15, 25)])
        assert [f.side for f in record.fills] == ["SELL", "BUY"]

    @pytest.mark.parametrize(
        ("event", "prices"),
        [
            (decision(10.15, -50), RISING[::-1]),
            (decision(10.15, 25), RISING),
            (decision(10.15, 0), RISING),
            (decision(10.15, -10), RISING),
            (decision(10.15, -50, kind="news"), RISING),
            (decision(2.15, -50), RISING),
        ],
        ids=[
            "against the trend",
            "rise against the trend",
            "no change",
            "too little",
            "another kind",
            "no average yet",
        ],
    )
    def test_when_it_stays_out(self, event: Event, prices: Any) -> None:
        assert not follow([bars("A", prices)], self.PARAMS, events=[event]).orders

    def test_what_it_only_watches(self) -> None:
        frames = [bars("A", self.RISING), bars("VIX", self.RISING), bars("QQQ", self.RISING)]
        events = [decision(10.15, -50)]
        record = follow(frames, self.PARAMS, events=events)
        assert {f.symbol for f in record.fills} == {"A", "QQQ"}
        record = follow(frames, {**self.PARAMS, "leave_out": "A, QQQ"}, events=events)
        assert {f.symbol for f in record.fills} == {"VIX"}

    def test_a_refused_entry_does_not_close_a_later_position_early(self) -> None:
        class Once:
            def __init__(self) -> None:
                self.seen = 0

            def decide(self, family: Any, book: Any) -> list[Decision]:
                self.seen += 1
                action = "veto" if self.seen == 1 else "allow"
                return [Decision(intent=i, action=action) for i in family]  # type: ignore[arg-type]

        events = [decision(10.4, -50), decision(12.4, -25)]
        record = follow([bars("A", self.RISING)], self.PARAMS, events=events, gate=Once())
        assert [(f.side, (f.time - FIRST).days) for f in record.fills] == [("BUY", 13), ("SELL", 17)]
