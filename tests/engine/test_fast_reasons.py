"""The record says which way a run took, and why a part of it took the plain one; both give the same."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from worlds import daily, walk

from robo_trader.engine import EngineSettings, run


def frames() -> list[Any]:
    return [daily("A", walk(np.random.default_rng(3), 40, 0.02, None))]


class Turns(bt.Strategy):
    """Buys and sells in turns."""

    def next(self) -> None:
        if len(self) % 4 == 0:
            self.close() if self.position else self.buy(size=3)


class WithAnalyzer(Turns):
    def __init__(self) -> None:
        self._addanalyzer(bt.analyzers.DrawDown)


class WithObserver(Turns):
    def __init__(self) -> None:
        self._addobserver(False, bt.observers.Value)


class ToldTheAccount(Turns):
    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.last = cash, value


class WithTimer(Turns):
    def __init__(self) -> None:
        self.add_timer(when=dt.time(12))


class WithInterest(Turns):
    def __init__(self) -> None:
        self.broker.setcommission(commission=0.001, interest=0.1, interest_long=True)


class PerShare(bt.CommInfoBase):
    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED), ("commission", 0.01))


class OwnScheme(Turns):
    def __init__(self) -> None:
        self.broker.addcommissioninfo(PerShare())


class Forced(bt.Indicator):
    lines = ("value",)
    _nextforce = True

    def next(self) -> None:
        self.lines.value[0] = self.data.close[0]


class BarByBar(Turns):
    def __init__(self) -> None:
        self.forced = Forced(self.data)


class MovesItself(bt.Indicator):
    lines = ("value",)

    def once(self, start: int, end: int) -> None:
        for i in range(start, end):
            self.lines.value.array[i] = self.data.close.array[i]

    def next(self) -> None:
        self.lines.value[0] = self.data.close[0]

    def advance(self, size: int = 1) -> None:
        super().advance(size)


class OwnLines(Turns):
    def __init__(self) -> None:
        self.own = MovesItself(self.data)


class OwnSteps(Turns):
    def _notify(self, *args: Any, **kwargs: Any) -> None:
        super()._notify(*args, **kwargs)


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (WithAnalyzer, "WithAnalyzer is told the account on every bar: it has analyzers or observers"),
        (WithObserver, "WithObserver is told the account on every bar: it has analyzers or observers"),
        (WithTimer, "the account is valued session by session: timers or cheat-on-open"),
        (WithInterest, "the broker works on every bar: a commission scheme charges interest or settles"),
        (OwnScheme, "the account is valued session by session: a commission scheme is not ordinary"),
        (BarByBar, "BarByBar takes Backtrader's steps: an indicator goes bar by bar"),
        (OwnLines, "MovesItself moved bar by bar"),
        (OwnSteps, "OwnSteps takes Backtrader's steps: it overrides _notify"),
    ],
)
def test_only_the_part_that_has_to_takes_the_plain_way(cls: type, reason: str) -> None:
    fast = run(frames(), cls)
    plain = run(frames(), cls, settings=EngineSettings(engine="plain"))
    assert fast.state == "finished", fast.failure
    assert fast.path == "fast" and reason in fast.path_reasons
    assert list(map(repr, fast.fills)) == list(map(repr, plain.fills)) and len(fast.fills) > 5
    assert fast.sessions.value.tobytes() == plain.sessions.value.tobytes()


@pytest.mark.parametrize("cls", [Turns, ToldTheAccount])
def test_what_goes_the_fast_way_gives_no_reason(cls: type) -> None:
    record = run(frames(), cls)
    assert record.path == "fast" and record.path_reasons == ()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"engine": "plain"}, "the plain engine was asked for"),
        ({"audit": True}, "reads ahead are checked line by line"),
    ],
)
def test_a_whole_run_on_the_plain_way(settings: dict[str, Any], reason: str) -> None:
    record = run(frames(), Turns, settings=EngineSettings(**settings))
    assert record.path == "plain" and record.path_reasons == (reason,)


class MovesByHand(Turns):
    def next(self) -> None:
        self.data.close.advance()


def test_a_line_moved_by_hand_is_refused_with_the_way_out() -> None:
    record = run(frames(), MovesByHand)
    assert record.state == "failed" and "a line was moved by hand" in record.failure.message
