"""Words to fill a journal with, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from robo_trader import clock
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.journal.standing import heard, latest_run, standing
from robo_trader.live.notes import Notes
from robo_trader.records import Decision, Event, Fill, Intent, Signal

NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
RUN = "20240918T170000Z-drift-abcdef"


def intent(order_id: int = 1, size: float = 10.0, side: Any = "BUY", **more: Any) -> Intent:
    """What a strategy wants."""
    return Intent(
        order_id=order_id, time=NOON, symbol=more.pop("symbol", "SPY"), side=side, size=size,
        type=more.pop("type", "Market"), because="news +0.4", **more,
    )  # fmt: skip


def fill(order_id: int = 1, size: float = 10.0, side: Any = "BUY", symbol: str = "SPY") -> Fill:
    """An execution; its commission is not known yet."""
    return Fill(
        time=NOON, symbol=symbol, side=side, size=size, price=100.1, commission=0.0, order_id=order_id
    )


def live(run: RunJournal, start: datetime, minutes: int, *, end: str = "", **facts: Any) -> int:
    """Live a session of so many minutes from `start`, a heartbeat each."""
    with clock.fixed(start):
        number = run.session(**facts)
    for minute in range(1, minutes + 1):
        with clock.fixed(start + timedelta(minutes=minute)):
            run.beat(number, NOON, True)
    if end:
        with clock.fixed(start + timedelta(minutes=minutes)):
            run.end_session(number, end)
    return number


def write_a_standing(journal: Journal) -> RunJournal:
    """Write a run with a shrunk, a vetoed, a working and a corrected order, an hour before noon."""
    with clock.fixed(NOON - timedelta(hours=1)):
        return _write_a_standing(journal)


def _write_a_standing(journal: Journal) -> RunJournal:
    run = journal.begin(RUN, mode="paper", strategy="drift", starting_cash=10000.0, account="DU1")
    shrunk = Decision(intent=intent(1), action="resize", size=6.0, reasons=("position 10 %",))
    run.decide([shrunk])
    run.decide([Decision(intent=intent(2), action="veto", reasons=("halted",))])
    exits = [
        intent(3, 6.0, "SELL", type="Stop", stop=95.5, parent=1),
        intent(4, 6.0, "SELL", type="Limit", limit=110.25, parent=1, oco=3),
    ]
    run.decide([Decision(intent=one) for one in exits])
    run.order_state(1, "Submitted")
    run.order_state(1, "Accepted")
    run.fill(fill(1, 4.0), "e1.01")
    run.fill(fill(1, 2.0), "e2.01")
    run.commission("e1.01", 0.35, "USD")
    run.order_state(1, "Completed", filled=6.0)
    run.fill(fill(1, 3.0), "e1.02", corrects="e1.01")
    run.fill(fill(3, 1.0, "SELL"), "e3.01")
    run.commission("e3.01", 1.0, "USD")
    run.commission("e3.01", 0.75, "USD")
    assert run.flush()
    return run


def check_a_standing(journal: Journal) -> None:
    """What `write_a_standing` leaves behind, in whichever database."""
    found = standing(journal, RUN)
    assert (found.run_id, found.starting_cash) == (RUN, 10000)
    orders = {order.number: order for order in found.orders}
    assert [(n, o.ref, o.size, o.filled, o.status) for n, o in orders.items()] == [
        (1, "abcdef-1", 6, 5, "Completed"),
        (2, "abcdef-2", 0, 0, "Rejected"),
        (3, "abcdef-3", 6, 1, "Created"),
        (4, "abcdef-4", 6, 0, "Created"),
    ]
    assert (orders[3].stop, orders[3].limit, orders[3].parent) == (95.5, None, 1)
    assert (orders[4].stop, orders[4].limit, orders[4].oco) == (None, 110.25, 3)
    assert (orders[1].side, orders[1].type, orders[1].because, orders[1].at) == (
        "BUY", "Market", "news +0.4", NOON,
    )  # fmt: skip
    assert [(f.ref, f.execution, f.size, str(f.commission)) for f in found.fills] == [
        ("abcdef-1", "e2.01", 2, "0.0"),
        ("abcdef-1", "e1.02", 3, "0.35"),
        ("abcdef-3", "e3.01", 1, "0.75"),
    ]
    assert found.positions == {"SPY": 4}
    assert latest_run(journal, mode="paper", strategy="drift", account="DU1") == RUN


def check_what_was_heard(journal: Journal) -> None:
    """A session that goes on with a run writes nothing again and knows what the one before it missed."""

    def event(name: str, minute: int) -> Event:
        at = NOON + timedelta(minutes=minute)
        return Event(id=name, kind="news", title=f"title of {name}", published_at=at, known_at=at)

    def signal(minute: int, *evidence: str, symbol: str = "SPY") -> Signal:
        at = NOON + timedelta(minutes=minute)
        return Signal(at=at, symbol=symbol, name="news", value=0.3, confidence=0.5, evidence=evidence)

    with clock.fixed(NOON):
        run = journal.begin("20240918T170000Z-hears-abcdef", mode="paper", strategy="hears")
    first = Notes(run, lambda text: None)
    assert not first.missed(event("e2", 2)), "a new run has no predecessor"
    assert (first.event(event("e1", 1)), first.signal(signal(1, "e1"))) == (1, 1)
    assert run.flush()
    again = journal.resume(run.id)
    second = Notes(again, lambda text: None, heard(journal, run.id))
    assert [second.missed(event(f"e{i}", i)) for i in (-1, 1, 2)] == [False, False, True]
    assert [second.missed(signal(i)) for i in (-1, 1, 2)] == [False, False, True]
    assert second.missed(signal(1, symbol="QQQ"))
    assert second.link(replace(intent(), because="news +0.30 (confidence 0.50)")) == (1, None)
    assert second.link(replace(intent(), because="title of e1")) == (None, 1)
    assert (second.event(event("e1", 1)), second.signal(signal(2, "e1"))) == (1, 2)
    assert again.finish(), "a row that is there was written again"
