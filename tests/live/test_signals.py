"""A session's signals: the numbers of a backtest, on feeds and a tape that grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import backtrader as bt
import numpy as np
import pytest

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns, to_ns
from robo_trader.engine import EngineSettings, run
from robo_trader.errors import DataError, PluginError, UsageError
from robo_trader.feeds.bars import BarsFeed
from robo_trader.indicators import LLMSignal
from robo_trader.live.news.signals import KEPT, LiveTape
from robo_trader.records import Alert, Signal
from robo_trader.signals import RoleSignals, SignalTape
from robo_trader.signals.scoring import role_of, trial_bars
from robo_trader.strategy import StrategyContext

HISTORY = 40


class Momentum:
    """The last move, squeezed; nothing on the first bar, and silent where little moved."""

    def score(self, bars: BarFrame) -> Any:
        moved = np.concatenate(([np.nan], np.diff(np.log(bars.close)))) * 40.0
        return np.where(np.abs(moved) < 0.1, np.nan, np.tanh(moved))


class Trend:
    """Above or below a mean; changes seldom."""

    def score(self, bars: BarFrame) -> Any:
        mean = np.array([bars.close[max(0, i - 19) : i + 1].mean() for i in range(len(bars))])
        return np.sign(bars.close - mean)


class Fear:
    """Speaks of another instrument's last close."""

    also = ("VIX",)

    def score(self, bars: BarFrame, VIX: Any) -> Any:
        return np.tanh((100.0 - VIX) / bars.close)


class Growing(BarsFeed):
    """A feed that shows its first bars at once and one more each time; never one that is not known yet."""

    params = (("history", HISTORY),)

    def __init__(self) -> None:
        super().__init__()
        self.whole: BarFrame = self.frame
        self.frame = self.whole.where(slice(0, self.p.history))

    def _load(self) -> bool:
        if self._position >= len(self.whole):
            return False
        known = max(self.p.history, self._position + 1)
        if known > len(self.frame):
            self.frame = self.whole.where(slice(0, known))
        self._loading = self._columns()
        return bool(super()._load())


class Reads(bt.Strategy):
    """Notes every line of one role on every bar of each feed."""

    params = (("role", "news"), ("seen", None))

    def __init__(self) -> None:
        self.lines_of = {data: LLMSignal(data, role=self.p.role) for data in self.datas}

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for data, lines in self.lines_of.items():
            if len(data):
                row = tuple(line[0] for line in (lines.value, lines.confidence, lines.age, lines.known))
                # A bar of another feed at the same moment may come first: the last word counts.
                self.p.seen[data._name, len(data)] = row


def live(
    frames: Sequence[BarFrame],
    role: str,
    make: Callable[[Callable[[], list[BarFrame]]], LiveTape],
    at_bar: Callable[[LiveTape, int], None] = lambda tape, end: None,
) -> tuple[dict[Any, Any], LiveTape]:
    """Run `Reads` over feeds that grow; `at_bar` is called before the bar that ends at a time is seen."""
    cerebro = bt.Cerebro(runonce=False, preload=False, stdstats=False)
    feeds = [Growing(dataname=frame, guard=False) for frame in frames]  # type: ignore[call-arg]
    for feed in feeds:
        cerebro.adddata(feed, name=feed.whole.symbol)
    tape = make(lambda: [feed.frame for feed in feeds])
    cerebro.robo = StrategyContext(tape=tape)

    class Session(Reads):
        def next(self) -> None:
            at_bar(tape, max(int(d.frame.end[len(d) - 1]) for d in self.datas if len(d)))
            super().next()

    seen: dict[Any, Any] = {}
    cerebro.addstrategy(Session, role=role, seen=seen)
    cerebro.run()
    return seen, tape


def backtest(frames: Sequence[BarFrame], role: str, tape: SignalTape, engine: str) -> dict[Any, Any]:
    seen: dict[Any, Any] = {}
    record = run(
        list(frames),
        Reads,
        {"role": role, "seen": seen},
        signals=tape,
        settings=EngineSettings(engine=engine),
    )
    assert record.state == "finished", record.failure
    return seen


def bits(seen: dict[Any, Any]) -> dict[Any, bytes]:
    return {key: np.array(row).tobytes() for key, row in seen.items()}


def bars(symbol: str = "AAPL", n: int = 120, seed: int = 0) -> BarFrame:
    return trial_bars(symbol, n, seed)


@pytest.mark.parametrize("pack", [Momentum, Trend, Fear])
@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_a_pack_says_bar_by_bar_what_it_says_in_a_backtest(pack: type, engine: str) -> None:
    frames = [bars(), bars("VIX", seed=1)]
    role = partial_role("pack", pack, frames)
    expected = backtest(frames, "pack", SignalTape(roles={"pack": role}), engine)
    seen, _ = live(frames, "pack", lambda now: LiveTape(frames=now, packs={"pack": pack}))
    assert bits(seen) == bits(expected) and len(seen) == 240
    assert sum(not np.isnan(row[0]) for row in seen.values()) > 200


def partial_role(name: str, pack: type, frames: Sequence[BarFrame]) -> Callable[[], RoleSignals]:
    def refuse(symbol: str) -> BarFrame:
        raise AssertionError(symbol)

    return lambda: role_of(name, pack, frames, refuse)


def test_bars_that_no_feed_has_are_loaded_anew_when_the_feed_has_grown() -> None:
    frame, other = bars(), bars("VIX", seed=1)
    asked: list[int] = []
    known = [HISTORY]

    def load(symbol: str) -> BarFrame:
        asked.append(known[0])
        return other.where(slice(0, known[0]))

    tape = LiveTape(frames=lambda: [frame.where(slice(0, known[0]))], packs={"fear": Fear}, load=load)
    expected = role_of("fear", Fear, [frame], lambda symbol: other).bars["AAPL"][1]
    tape.ask("fear")
    for i in range(HISTORY, len(frame)):
        known[0] = i + 1
        assert tape.at("fear", "AAPL", int(frame.end[i])).value[0] == expected[i]
        tape.at("fear", "AAPL", int(frame.end[i]))
    assert asked == list(range(HISTORY, len(frame) + 1)), "once for each bar"


def test_what_a_pack_says_anew_is_told_as_in_a_backtest() -> None:
    frames = [bars(), bars("MSFT", seed=1)]
    told: list[Signal] = []
    expected = [
        replace(signal, expires_at=None)
        for signal in role_of("trend", Trend, frames, bars).signals
        if to_ns(signal.at) > int(frames[0].end[HISTORY - 1])
    ]

    def listen(tape: LiveTape, end: int) -> None:
        told.extend(tape.changes())

    _, tape = live(frames, "trend", lambda now: LiveTape(frames=now, packs={"trend": Trend}), listen)
    assert told == expected and len(told) > 10
    assert tape.signals == tuple(told)


def test_a_pack_that_looks_ahead_is_refused_and_one_that_fails_later_is_silent() -> None:
    class Ahead:
        def score(self, bars: BarFrame) -> Any:
            return np.tanh(np.append(np.diff(bars.close), 0.0))

    class Fails:
        def score(self, bars: BarFrame) -> Any:
            if len(bars) == HISTORY + 2:
                raise OSError("the disk is gone")
            return np.full(len(bars), 0.5)

    frame = bars()
    with pytest.raises(PluginError, match="depends on later bars"):
        LiveTape(frames=lambda: [frame], packs={"ahead": Ahead}).ask("ahead")
    alerts: list[Alert] = []
    seen, _ = live(
        [frame], "fails", lambda now: LiveTape(frames=now, packs={"fails": Fails}, report=alerts.append)
    )
    silent = [bar for (_, bar), row in seen.items() if np.isnan(row[0])]
    assert silent == [HISTORY + 2] and len(seen) == len(frame)
    (alert,) = alerts
    assert alert.title == "signal fails is silent on AAPL" and "the disk is gone" in alert.text


def test_a_pack_that_joins_bars_that_nobody_has_is_an_error_that_names_them() -> None:
    tape = LiveTape(frames=lambda: [bars()], packs={"fear": Fear})
    with pytest.raises(DataError, match="no feed has the bars of VIX"):
        tape.ask("fear")


# -- analysts ----------------------------------------------------------------------------------------


def said(frame: BarFrame) -> list[Signal]:
    """Return signals before, at and after bar ends; some run out, one replaces another, one says nothing."""
    ends = frame.end.tolist()
    hour = 3_600_000_000_000
    rows = [(5, -hour, 1.5), (6, 0, 30.0), (50, 1000, 60.0), (52, hour, None), (60, 0, 5.0), (60, 0, 70.0)]
    return [
        Signal(
            at=from_ns(ends[i] + shift), symbol=symbol, name="news", value=0.3 if k % 2 else -0.2,
            confidence=0.4 + k / 20, evidence=tuple("abc"[: k % 4]),
            expires_at=None if hours is None else from_ns(ends[i] + shift) + timedelta(hours=hours),
        )
        for symbol in ("AAPL", "MSFT")
        for k, (i, shift, hours) in enumerate(rows)
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_an_analysts_role_reads_as_in_a_backtest(engine: str) -> None:
    """`MSFT@1d` is a second feed of an instrument that analysts call MSFT."""
    second = trial_bars("MSFT", 120, seed=2)
    frames = [bars(), replace(second, symbol="MSFT@1d")]
    signals = sorted(said(frames[0]), key=lambda s: s.at)
    role = RoleSignals(tuple(signals), fading=True)
    expected = backtest(frames, "news", SignalTape(roles={"news": lambda: role}, spoken="news"), engine)
    coming = list(signals)

    def hear(tape: LiveTape, end: int) -> None:
        while coming and to_ns(coming[0].at) <= end:
            tape.add(coming.pop(0))

    def make(now: Any) -> LiveTape:
        tape = LiveTape(frames=now)
        for _ in range(4):  # what was said before the session is there from the start
            tape.add(coming.pop(0))
        return tape

    seen, tape = live_before(frames, make, hear)
    assert bits(seen) == bits(expected)
    assert sum(not np.isnan(row[0]) for row in seen.values()) > 25
    assert tape.readers == ("news",) and len(tape) == len(signals)


@pytest.mark.parametrize("fading", [True, False])
def test_a_tape_that_is_complete_reads_alike_on_feeds_that_grow(fading: bool) -> None:
    """A rehearsal knows its signals beforehand; only the bars come one by one."""
    frames = [bars(), bars("MSFT", seed=2)]
    role = RoleSignals(tuple(said(frames[0])), fading=fading)

    def tape(_: Any = None) -> SignalTape:
        return SignalTape(roles={"news": lambda: role})

    seen, _ = live(frames, "news", tape)  # type: ignore[arg-type]
    assert bits(seen) == bits(backtest(frames, "news", tape(), "fast")) and len(seen) == 240


def live_before(frames: Sequence[BarFrame], make: Any, hear: Any) -> tuple[dict[Any, Any], LiveTape]:
    """As `live`, but what is said up to a bar's end is put in before indicators see that bar."""

    class Tape(LiveTape):
        def at(self, role: str, symbol: str, end: int, instrument: str | None = None) -> Any:
            hear(self, end)
            return super().at(role, symbol, end, instrument)

    def made(now: Any) -> LiveTape:
        tape = make(now)
        tape.__class__ = Tape
        return tape

    return live(frames, "news", made)


def test_signals_that_come_out_of_order_are_read_by_their_times() -> None:
    frame = bars()
    tape = LiveTape(frames=lambda: [frame])
    first, second = said(frame)[2:4]
    tape.add(second)
    tape.add(first)
    assert tape.at("news", "AAPL", int(frame.end[51])).value[0] < 0
    assert tape.at("news", "AAPL", int(frame.end[55])).value[0] == 0.3
    assert tape.signals == (first, second)


def test_unknown_roles_are_refused_as_in_a_backtest() -> None:
    tape = LiveTape(frames=lambda: [bars()], analysts=["offline"], packs={"trend": Trend})
    there = SignalTape(roles={"news": RoleSignals, "offline": RoleSignals, "trend": RoleSignals})
    for role in ("trand", "nobody"):
        with pytest.raises(UsageError) as mine:
            tape.at(role, "AAPL", 0)
        with pytest.raises(UsageError) as theirs:
            there.columns(role, "AAPL", np.array([0]))
        assert (mine.value.message, mine.value.hint) == (theirs.value.message, theirs.value.hint)


def test_only_what_was_asked_for_has_to_be_made() -> None:
    tape = LiveTape(frames=lambda: [bars()], analysts=["llm", "offline"], packs={"trend": Trend})
    assert tape.readers == () and not tape.asked and tape.may_speak
    tape.ask("trend")
    tape.ask("offline")
    assert tape.readers == ("offline",) and tape.asked
    tape.speak()
    assert tape.readers == ("news", "offline")
    assert not LiveTape(frames=list, spoken=False).may_speak


def test_a_long_session_keeps_the_last_signals_only() -> None:
    frame = bars()
    tape = LiveTape(frames=lambda: [frame])
    start = from_ns(int(frame.end[0]))
    for k in range(KEPT + 1):
        tape.add(Signal(at=start + timedelta(seconds=k), symbol="AAPL", name="news", value=0.1))
    assert KEPT // 2 <= len(tape) <= KEPT
    assert (
        tape.at("news", "AAPL", int(frame.end[-1])).age[0]
        == (int(frame.end[-1]) - int(frame.end[0])) / 1e9 - KEPT
    )
