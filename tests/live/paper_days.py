"""Days of paper trading, written into a journal as sessions write them: one heartbeat a minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from robo_trader import clock
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.records import Decision, Fill, Intent

#: A Monday; the sessions open at 14:30 UTC.
FIRST = date(2026, 9, 7)
CODE, RISK = "c0de" * 16, "1155" * 16
PAPER, REAL = "DU1234567", "U7654321"


def weekdays(count: int, first: date = FIRST) -> list[date]:
    """The first `count` dates from `first` on that are no weekend."""
    found: list[date] = []
    day = first
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def opening(day: date) -> datetime:
    """When the session of a date begins."""
    return datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)


class Diary:
    """A run whose sessions are written at times of the test's choosing.

    Each session is a process of its own: the run is resumed for it, as it would be.
    """

    def __init__(self, journal: Journal, run_id: str = "20260907T143000Z-drift-abcdef", **about: Any) -> None:
        self.journal, self.id = journal, run_id
        given = {"mode": "paper", "strategy": "drift", "account": PAPER, "params": {"fast": 5}, **about}
        with clock.fixed(given.pop("started", opening(FIRST) - timedelta(minutes=1))):
            journal.begin(run_id, **given).finish("interrupted")

    def day(self, start: datetime, minutes: float = 35, every: float = 1, **facts: Any) -> int:
        """Write a session of so many minutes from `start`; return its number."""
        run = self.resume()
        given = {
            "account": PAPER, "place": "127.0.0.1:4002", "code_hash": CODE, "risk_hash": RISK, "send": True,
            **facts,
        }  # fmt: skip
        line = given.pop("line", True)
        with clock.fixed(start):
            number = run.session(**given)
        at = start
        while (at := at + timedelta(minutes=every)) <= start + timedelta(minutes=minutes):
            with clock.fixed(at):
                run.beat(number, None, line)
        with clock.fixed(start + timedelta(minutes=minutes)):
            assert run.finish("interrupted")
        return number

    def days(self, dates: list[date], **facts: Any) -> None:
        """Write a session for each date."""
        for day in dates:
            self.day(opening(day), **facts)

    def trade(self, at: datetime, order_id: int = 1) -> None:
        """Write an order and its fill."""
        run = self.resume()
        intent = Intent(order_id=order_id, time=at, symbol="SPY", side="BUY", size=1, type="Market")
        with clock.fixed(at):
            assert run.decide([Decision(intent=intent)])
            fill = Fill(
                time=at, symbol="SPY", side="BUY", size=1, price=100.0, commission=0, order_id=order_id
            )
            assert run.fill(fill, f"e{order_id}") and run.finish("interrupted")

    def resume(self) -> RunJournal:
        """The run, gone on with."""
        return self.journal.resume(self.id)
