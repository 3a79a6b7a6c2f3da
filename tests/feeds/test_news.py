"""News as a Backtrader feed, in a Cerebro of one's own: nothing is seen before it was known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import backtrader as bt
import pytest

from robo_trader.clock import from_ns
from robo_trader.errors import StrategyError
from robo_trader.feeds import NewsData
from robo_trader.records import Event, Signal
from robo_trader.signals import RoleSignals, SignalTape
from robo_trader.signals.scoring import trial_bars

BARS = trial_bars("ABC", n=6)


def event(bar: int, minutes: float, **more: Any) -> Event:
    """Return an event known `minutes` after the end of a bar."""
    known = from_ns(int(BARS.end[bar])) + timedelta(minutes=minutes)
    given: dict[str, Any] = {"kind": "news", "symbols": ("ABC",), **more}
    return Event(title=f"{bar} {minutes}", published_at=known, known_at=known, **given)


class Notes(bt.Strategy):
    def __init__(self) -> None:
        self.rows: list[Any] = []

    def next(self) -> None:
        d = self.data
        self.rows.append(
            (bt.num2date(d.datetime[0]), d.news[0], d.total[0], round(d.score[0], 3), d.volume[0])
        )


def play(**params: Any) -> list[Any]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(NewsData(bars=BARS, **params))
    cerebro.addstrategy(Notes)
    (strategy,) = cerebro.run()
    return strategy.rows  # type: ignore[no-any-return]


EVENTS = [
    event(0, -1), event(1, 0), event(1, 0.001), event(3, 5, symbols=()), event(3, 6, symbols=("XYZ",)),
    event(4, -1, kind="fomc"), event(5, 1),
]  # fmt: skip


def test_an_event_counts_from_the_first_bar_that_ends_after_it_was_known() -> None:
    rows = play(events=EVENTS)
    assert [row[1] for row in rows] == [1, 0, 2, 0, 2, 0]
    assert [row[2] for row in rows] == [1, 1, 3, 3, 5, 5]
    assert [row[4] for row in rows] == [row[1] for row in rows]
    assert [row[0].replace(microsecond=0) for row in rows] == [
        from_ns(int(end)).replace(tzinfo=None) for end in BARS.end
    ]


def test_kinds_and_symbols_choose() -> None:
    assert [row[1] for row in play(events=EVENTS, kinds=("fomc",))] == [0, 0, 0, 0, 1, 0]
    assert sum(row[1] for row in play(events=EVENTS, symbol="XYZ")) == 2
    assert all(row[1] == 0 for row in play())


def test_it_reads_a_signal_as_of_each_bars_end() -> None:
    at = from_ns(int(BARS.end[2])) - timedelta(microseconds=1)
    said = (Signal(at=at, symbol="ABC", name="news", value=0.4, expires_at=at + timedelta(days=4)),)
    tape = SignalTape(roles={"news": lambda: RoleSignals(said, fading=True)})
    scores = [row[3] for row in play(signals=tape)]
    assert str(scores[:2]) == "[nan, nan]" and scores[2:4] == [0.4, 0.1]


def test_it_needs_bars() -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(NewsData(bars=None))
    cerebro.addstrategy(Notes)
    with pytest.raises(StrategyError, match="needs the bars on whose ends it speaks, not NoneType"):
        cerebro.run()
