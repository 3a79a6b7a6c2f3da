"""History and live bars are one series: through breaks, doubles and a gateway that loses subscriptions."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.bars.bundled import bundled_bars
from robo_trader.bars.timeframes import parse
from robo_trader.errors import BrokerError
from robo_trader.gateway.build import replay_gateway
from robo_trader.ib.connection import LineDownError
from robo_trader.ib.contracts import ContractName, qualify
from robo_trader.ib.history import Series
from robo_trader.ib.messages import Bars, Lost, Opened, PriceBar, Problem
from robo_trader.ib.stream import BarJoin, BarStream, ends_subscriptions


def bar(at: int, close: float) -> PriceBar:
    return PriceBar(at, 1.0, 9.0, 0.5, close, 10.0)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Bars], int]:
    """What a broker tells of bars 0, 1, 2, … that each grow twice, with breaks; and how many began."""
    told: list[Bars] = []
    online = False
    steps = draw(st.integers(2, 40))
    for step in range(steps):
        now, grown = divmod(step, 2)
        done = [bar(at, at + 0.5) for at in range(now)]
        growing = [*done, bar(now, now + (0.25 if not grown else 0.5))]
        what = draw(st.sampled_from(["update", "update", "update", "break", "double"]))
        if not online or step == steps - 1:
            # The first one and every one after a break reach back to the beginning or some way.
            back = draw(st.integers(0, now)) if not told else 0
            told.append(Bars("k", tuple(growing[back:]), True))
            online = True
        elif what == "break":
            online = False
        else:
            update = Bars("k", tuple(growing[-2:]), False)
            told += [update] * (2 if what == "double" else 1)
    return told, divmod(steps - 1, 2)[0]


@given(tellings())
def test_each_bar_comes_once_whole_and_in_order(case: tuple[list[Bars], int]) -> None:
    told, last = case
    join = BarJoin()
    first = told[0].bars[0].at
    bars = [one for message in told for one in join.take(message)]
    assert [one.at for one in bars] == list(range(first, last))
    assert all(one.close == one.at + 0.5 for one in bars)
    assert join.holes == []


def test_a_snapshot_that_does_not_reach_back_leaves_a_hole() -> None:
    join = BarJoin(last=5)
    assert join.take(Bars("k", (bar(8, 1), bar(9, 1)), True)) == (bar(8, 1),)
    assert join.holes == [(5, 8)]
    assert join.take(Bars("k", (bar(5, 1), bar(8, 1), bar(9, 2)), True)) == ()
    assert join.finish(10) == (bar(9, 2),)
    assert join.finish(10) == ()
    assert (join.last, len(join.holes)) == (9, 1)


def test_only_a_line_that_lost_its_data_ends_subscriptions() -> None:
    assert ends_subscriptions(Problem(id=-1, code=1101, text=""))
    assert not ends_subscriptions(Problem(id=-1, code=1102, text=""))


@pytest.mark.parametrize(
    ("fault", "name", "says", "hint"),
    [
        ({"nosub": True}, "AAPL", "No market data permissions", "share them with the paper account"),
        ({"hist_pacing": True}, "AAPL", "pacing violation", "wait"),
        ({}, "EUR.USD", "No historical market data", "[live] prices"),
    ],
)
def test_bars_that_the_broker_does_not_give_are_named(
    gateway: Any, heard: Any, fault: dict[str, Any], name: str, says: str, hint: str
) -> None:
    simulated = gateway()
    simulated.control("set", **fault)
    one = heard(simulated.port)
    one.open()
    series = Series(qualify(one.line, ContractName.parse(name)), parse("1m"), "TRADES", True)
    with pytest.raises(BrokerError) as caught:
        BarStream(one.line, series, one.inbox.put).subscribe()
    told = f"{name}: the broker gives no TRADES bars of 1m: error 162, "
    assert caught.value.message.startswith(told) and says in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("seed", range(4))
def test_bars_through_breaks_are_those_of_the_replay(gateway: Any, heard: Any, seed: int) -> None:
    chance = random.Random(seed)
    (frame,) = bundled_bars(["SPY"])
    simulated = gateway(
        lambda settings: replay_gateway(settings, [frame], start="2020-03-02"),
        speed="lockstep",
        matching="bars",
    )
    one = heard(simulated.port)
    one.open()
    series = Series(qualify(one.line, ContractName.parse("SPY")), parse("1d"), "TRADES", True)
    stream, join, got = BarStream(one.line, series, one.inbox.put), BarJoin(), []

    def follow(until: Any) -> None:
        """Take messages until one is what is waited for."""
        while True:
            message = one.inbox.get(timeout=60)
            if isinstance(message, Bars):
                got.extend(join.take(message))
            if isinstance(message, Opened) or (isinstance(message, Problem) and ends_subscriptions(message)):
                with suppress(LineDownError):  # Another Opened will come.
                    stream.subscribe(join.last)
            if until(message):
                return

    follow(lambda message: isinstance(message, Bars))
    for _ in range(12):
        simulated.control("advance", steps=chance.randint(1, 6))
        fault = chance.choice(["none", "drop", "lost"])
        if fault == "drop":
            simulated.control("drop")
            follow(lambda message: isinstance(message, Lost))
            simulated.control("advance", steps=chance.randint(1, 4))
            follow(lambda message: isinstance(message, Opened))
        elif fault == "lost":
            simulated.control("lost")
            simulated.control("advance", steps=2)
            simulated.control("restored", maintained=False)
    while (answer := simulated.control("advance"))["phase"] != "end":
        assert not answer["over"]
    simulated.control("advance")  # the next bar's start finishes the one before
    day = int(np.datetime64(answer["time"][:10], "D").astype(int))
    if got and join.last != day:
        follow(lambda message: join.last == day)
    stream.cancel()
    first = int(np.searchsorted(frame.session.astype(int), got[0].at))
    rows = slice(first, first + len(got))
    assert [b.at for b in got] == frame.session[rows].astype(int).tolist() and got[-1].at == day
    for name in ("open", "high", "low", "close", "volume"):
        assert [getattr(b, name) for b in got] == getattr(frame, name)[rows].tolist()
    assert join.holes == []
