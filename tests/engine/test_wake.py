"""Wake gating: what `wake()` may return, what is skipped, and what is never skipped."""

from __future__ import annotations

import re
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from worlds import CLOSES, MINUTE, always_open, daily, walk

from robo_trader.engine import EngineSettings, run


def prices(n: int = 40) -> Any:
    return walk(np.random.default_rng(5), n, 0.02, None)


def one_clock(n: int = 40) -> list[Any]:
    return [always_open("A", prices(n))]


def two_clocks() -> list[Any]:
    return [daily("A", prices(20)), daily("B", prices(20), close=CLOSES + 15 * MINUTE)]


class Told(bt.Strategy):
    """Calls `answer` for its `wake()` and notes on which bars it is called."""

    params = (("answer", None), ("called", None), ("buys", False))

    def wake(self) -> Any:
        return self.p.answer(self)

    def nextstart(self) -> None:
        self.p.called.append(("nextstart", len(self)))

    def next(self) -> None:
        self.p.called.append(("next", len(self)))
        if self.p.buys:
            self.buy(exectype=bt.Order.Limit, price=self.data.close[0] * 0.99)

    def notify_order(self, order: Any) -> None:
        self.p.called.append((order.getstatusname(), len(self)))


def play(frames: Any, answer: Any, cls: type = Told, *, buys: bool = False, **settings: Any) -> Any:
    called: list[Any] = []
    params = {"answer": answer, "called": called, "buys": buys}
    return run(frames, cls, params, settings=EngineSettings(**settings)), called


def only(*bars: int) -> Any:
    return lambda s: np.isin(np.arange(s.data.buflen()), bars)


def test_only_the_named_bars_are_visited() -> None:
    record, called = play(one_clock(), only(3, 7, 39))
    assert called == [("nextstart", 1), ("next", 4), ("next", 8), ("next", 40)]
    assert record.wake.tolist() == one_clock()[0].end[[3, 7, 39]].tolist()
    assert record.state == "finished" and record.path == "fast" and record.path_reasons == ()


def test_orders_are_told_on_bars_that_nobody_named() -> None:
    frames = one_clock()
    record, called = play(frames, only(3), buys=True)
    ungated = run(frames, Told, {"answer": only(3), "called": [], "buys": False}).orders
    assert not ungated and len(record.orders) == 1
    told = [name for name, _ in called]
    assert told[:4] == ["nextstart", "next", "Submitted", "Accepted"] and told[4:] in ([], ["Completed"])


def test_a_list_of_bools_will_do_and_none_skips_nothing() -> None:
    _, called = play(one_clock(5), lambda s: [False, False, True, False, False])
    assert called == [("nextstart", 1), ("next", 3)]
    record, called = play(one_clock(5), lambda s: None)
    assert len(called) == 5 and record.wake is None


def test_without_gating_and_the_plain_way_nothing_is_skipped() -> None:
    for settings in ({"wake": False}, {"engine": "plain"}):
        record, called = play(one_clock(5), only(3), **settings)
        assert len(called) == 5 and record.wake is None


def test_on_several_clocks_a_mapping_says_it_feed_by_feed() -> None:
    frames = two_clocks()

    def answer(s: Any) -> Any:
        return {s.datas[0]: np.arange(20) == 4, s.datas[1]: np.arange(20) == 6}

    record, called = play(frames, answer)
    assert record.wake.tolist() == [frames[0].end[4], frames[1].end[6]]
    # Two ends of bars a day: the fifth of A is the ninth, the seventh of B the fourteenth. Backtrader
    # calls `nextstart` as long as a feed stands at its first bar.
    assert called == [("nextstart", 2), ("nextstart", 3), ("next", 9), ("next", 14)]


def test_a_mapping_serves_one_clock_too_and_a_feed_may_be_left_out() -> None:
    frames = [daily("A", prices(8)), daily("B", prices(8))]
    _, called = play(frames, lambda s: {s.datas[1]: np.arange(8) == 5})
    assert called == [("nextstart", 1), ("next", 6)]


def test_each_of_several_strategies_has_its_own_bars() -> None:
    seen: list[list[Any]] = [[], []]
    params = [{"answer": only(2 + k), "called": seen[k]} for k in (0, 1)]
    record = run(one_clock(6), [Told, Told], params)
    assert [calls[1:] for calls in seen] == [[("next", 3)], [("next", 4)]]
    assert record.wake.tolist() == one_clock(6)[0].end[[2, 3]].tolist()


class TakesSteps(Told):
    def _notify(self, *args: Any, **kwargs: Any) -> None:
        super()._notify(*args, **kwargs)


def test_a_strategy_that_takes_backtraders_steps_is_not_asked() -> None:
    record, called = play(one_clock(5), only(3), TakesSteps)
    assert len(called) == 5 and record.wake is None
    assert "TakesSteps.wake() is not asked: it takes Backtrader's steps" in record.path_reasons


class Counts(bt.Analyzer):
    def start(self) -> None:
        self.bars = 0

    def next(self) -> None:
        self.bars += 1

    def prenext(self) -> None:
        self.bars += 1


class Analysed(Told):
    def __init__(self) -> None:
        self._addanalyzer(Counts)

    def stop(self) -> None:
        self.p.called.append(("analysed", self.analyzers[0].bars))


def test_an_analyzer_sees_every_bar_all_the_same() -> None:
    _, called = play(one_clock(6), only(3), Analysed)
    assert called == [("nextstart", 1), ("next", 4), ("analysed", 6)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s: np.zeros(39, bool), "returned 39 values for A, which has 40 bars"),
        (lambda s: [True] * 41, "returned 41 values for A, which has 40 bars"),
        (lambda s: np.zeros(40), r"returned an array of float64 with shape \(40,\) for A"),
        (lambda s: np.zeros((40, 1), bool), r"returned an array of bool with shape \(40, 1\) for A"),
        (lambda s: [0, 1], "returned a list for A"),
        (lambda s: True, "returned a bool for A"),
        (lambda s: s.data.close, "for A"),
        (lambda s: {"A": np.zeros(40, bool)}, "names 'A', which is no feed of the run"),
        (lambda s: {s.data: np.zeros(3, bool)}, "returned 3 values for A, which has 40 bars"),
        (lambda s: 1 / 0, "the strategy raised ZeroDivisionError: division by zero before its first bar"),
    ],
)
def test_what_wake_may_not_return(answer: Any, words: str) -> None:
    record, called = play(one_clock(), answer)
    assert record.state == "failed" and called == []
    assert record.failure.bar_time is None
    assert re.search(words, record.failure.message), record.failure.message
    if "strategy raised" not in words:
        assert record.failure.message.startswith("Told.wake() ")


def test_an_array_says_too_little_on_several_clocks() -> None:
    record, _ = play(two_clocks(), lambda s: np.zeros(40, bool))
    assert (
        "Told.wake() returned an array of bool with shape (40,) for bars on 2 clocks"
        in record.failure.message
    )
