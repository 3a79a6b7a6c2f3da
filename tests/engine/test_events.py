"""Events at their place in time: when they are delivered, what a handler sees, when its orders fill."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pytest
from test_honest_rules import Script, fills, flat, once, play
from worlds import daily, intraday, ns, tape

from robo_trader.engine import EngineSettings, run
from robo_trader.strategy import Strategy

RISING = [[100 + i, 101 + i, 99 + i, 100.5 + i] for i in range(6)]


class Listener(bt.Strategy):
    """A plain Backtrader strategy that writes down what it knows when it hears of something."""

    params = (("heard", None),)

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        self.p.heard.append(("next", len(self), self.data.close[0]))

    def notify_event(self, event: Any) -> None:
        self.p.heard.append((event.title, len(self), self.data.close[0], self.data.datetime.date(0).day))


def listen(frames: Any, events: list[int]) -> tuple[list[Any], Any]:
    heard: list[Any] = []
    record = run(frames, Listener, {"heard": heard}, events=tape(events))
    assert record.state == "finished", record.failure
    return heard, record


def test_an_event_during_the_day_does_not_see_the_days_close() -> None:
    """Tuesday at 14:00 New York: the last known close is Monday's."""
    heard, record = listen([daily("D", RISING)], [ns("2024-01-09T19:00")])
    assert heard[1] == ("event 0", 1, 100.5, 8)
    assert [event.title for event in record.events_delivered] == ["event 0"]


def test_at_equal_times_bar_ends_come_first_then_next_then_events() -> None:
    heard, _ = listen([daily("D", RISING)], [ns("2024-01-09T21:00")])
    assert heard[1:3] == [("next", 2, 101.5), ("event 0", 2, 101.5, 9)]


def test_events_of_one_moment_come_in_the_order_of_their_ids() -> None:
    times = [ns("2024-01-09T15:00")] * 5 + [ns("2024-01-08T23:00")]
    heard, record = listen([daily("D", RISING)], times)
    ids = [event.id for event in record.events_delivered]
    assert [row[0] for row in heard[1:7]] == [event.title for event in record.events_delivered]
    assert heard[1][0] == "event 5"
    assert ids[1:] == sorted(ids[1:])


def test_an_order_from_an_event_at_two_fills_at_the_next_sessions_open_and_is_known_there() -> None:
    told = []

    def do(s: Any, name: str, argument: Any) -> None:
        if name == "event":
            s.buy(size=1)
        elif name == "order" and argument.status == argument.Completed:
            told.append((len(s), s.data.close[0], s.position.size, s.cerebro.robo.now))

    record = play([daily("D", RISING)], do, events=[ns("2024-01-09T19:00")])
    assert record.notify == "at_open"
    assert fills(record) == [("D", 102.0, "Wed 14:30")]
    assert told == [(2, 101.5, 1, ns("2024-01-10T14:30"))]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-01-09T14:29:59.999999", "Tue 14:30"),
        ("2024-01-09T14:30", "Tue 14:30"),
        ("2024-01-09T14:30:00.000001", "Wed 14:30"),
        ("2024-01-09T21:00", "Wed 14:30"),
    ],
)
def test_an_order_made_exactly_when_a_bar_starts_or_ends(moment: str, expected: str) -> None:
    """At the start it may have the open, a microsecond later it may not."""
    record = play([daily("D", RISING)], once("event", lambda s: s.buy(size=1)), events=[ns(moment)])
    assert [row[2] for row in fills(record)] == [expected]


def test_an_event_between_hourly_bars_that_meet() -> None:
    """The end of one bar is the start of the next: the event sees the first and trades at the second."""
    seen = []

    def act(s: Any) -> None:
        seen.append((len(s), s.data.close[0]))
        s.buy(size=1)

    record = play([intraday("H", RISING)], once("event", act), events=[ns("2024-01-08T16:30")])
    assert seen == [(2, 101.5)]
    assert fills(record) == [("H", 102.0, "Mon 16:30")]


def test_events_before_the_first_bar_are_not_delivered_and_that_is_said() -> None:
    early = [ns("2024-01-05T15:00"), ns("2024-01-08T20:59")]
    heard, record = listen([daily("D", RISING)], [*early, ns("2024-01-08T21:00")])
    assert [row[0] for row in heard if row[0] != "next"] == ["event 2"]
    assert (
        "2 events were known before the first bar that may be traded and were not delivered"
        in record.warnings
    )


def test_events_after_the_last_bar_are_delivered() -> None:
    heard, record = listen([daily("D", RISING)], [ns("2024-02-01T15:00")])
    assert heard[-1][0] == "event 0"
    assert not [warning for warning in record.warnings if "event" in warning]


class Deaf(Strategy):
    """Has no handler of its own."""


class Hearing(Strategy):
    def notify_event(self, event: Any) -> None:
        pass


class Inheriting(Hearing):
    """Has its parent's handler."""


@pytest.mark.parametrize(
    ("strategy", "events", "expected"),
    [
        (Deaf, 1, "with_bar"),
        (Hearing, 1, "at_open"),
        (Inheriting, 1, "at_open"),
        (Hearing, 0, "with_bar"),
        (Listener, 1, "at_open"),
    ],
)
def test_when_fills_at_the_open_are_told(strategy: type, events: int, expected: str) -> None:
    """At the open only where somebody could act on it before the bar ends; it is fixed per run."""
    params = {"heard": []} if strategy is Listener else {}
    record = run([daily("D", RISING)], strategy, params, events=tape([ns("2024-01-09T15:00")] * events))
    assert record.notify == expected


def test_several_clocks_tell_at_the_open_and_stock_rules_never_do() -> None:
    frames = [daily("A", RISING), intraday("B", RISING)]
    assert run(frames, Deaf).notify == "at_open"
    assert run([daily("A", RISING), daily("B", RISING)], Deaf).notify == "with_bar"
    stock = run(
        frames, Hearing, settings=EngineSettings(fill_rules="stock"), events=tape([ns("2024-01-09T15:00")])
    )
    assert stock.notify == "with_bar"


def test_a_gap_in_the_fills_news_is_closed() -> None:
    """A handler that asks for the position after the open finds it, and does not buy again."""

    def do(s: Any, name: str, _: Any) -> None:
        if name == "event" and not s.position.size:
            s.buy(size=1)

    events = [ns("2024-01-08T22:00"), ns("2024-01-09T16:00"), ns("2024-01-09T18:00")]
    assert len(play([daily("D", flat(4))], do, events=events).fills) == 1


def test_a_strategy_without_a_handler_passes_events_by() -> None:
    record = run([daily("D", RISING)], Deaf, events=tape([ns("2024-01-09T15:00")]))
    assert len(record.events_delivered) == 1
    assert record.state == "finished"
    assert run([daily("D", RISING)], Script, {"do": lambda *a: None}).events_delivered == []
