"""Refusals that repeat themselves are one entry with a count."""

from __future__ import annotations

from datetime import timedelta

from accounts import START, Account

from robo_trader.clock import from_ns
from robo_trader.records import Decision
from robo_trader.risk.repeats import Repeats, collapse


def test_identical_vetoes_are_joined_and_nothing_else() -> None:
    account = Account({"A": 1.0, "B": 1.0})
    decisions = []
    for n, (symbol, size, action, reasons) in enumerate(
        [
            ("A", 5, "veto", ("position: 11 %",)),
            ("B", 5, "veto", ("position: 11 %",)),
            ("A", 5, "veto", ("position: 12 %",)),
            ("A", 5, "veto", ("position: 13 %", "deny: A")),
            ("A", 5, "allow", ()),
            ("A", 5, "allow", ()),
            ("A", 5, "veto", ("position: 11 %",)),
            ("A", 6, "veto", ("position: 11 %",)),
        ]
    ):
        intent = account.intent(symbol, "BUY", size)
        object.__setattr__(intent, "time", from_ns(START) + timedelta(days=n))
        decisions.append(Decision(intent=intent, action=action, reasons=reasons))  # type: ignore[arg-type]
    entries = collapse(decisions)
    assert [(e.decision.intent.order_id, e.count) for e in entries] == [
        (1, 2), (2, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1),
    ]  # fmt: skip
    assert entries[0].last == from_ns(START) + timedelta(days=2)


def test_a_session_writes_the_first_of_a_series_at_once_and_the_rest_as_one() -> None:
    account = Account({"A": 1.0, "B": 1.0})
    repeats = Repeats()

    def told(symbol: str, action: str, reason: str = "") -> list[tuple[int, int]]:
        reasons = (reason,) if reason else ()
        intent = account.intent(symbol, "BUY", 5)
        decision = Decision(intent=intent, action=action, reasons=reasons)  # type: ignore[arg-type]
        return [(entry.decision.intent.order_id, entry.count) for entry in repeats.told(decision)]

    assert told("A", "veto", "position: 11 %") == [(1, 1)]
    assert told("A", "veto", "position: 12 %") == []
    assert told("B", "veto", "position: 12 %") == [(3, 1)]
    assert told("A", "veto", "position: 13 %") == []
    assert told("A", "veto", "deny: A") == [(2, 2), (5, 1)]
    assert told("A", "allow") == [(6, 1)] and told("A", "allow") == [(7, 1)]
    assert told("B", "veto", "position: 9 %") == []
    assert [(entry.decision.intent.order_id, entry.count) for entry in repeats.rest()] == [(8, 1)]
    assert repeats.rest() == []
