"""Refusals that repeat themselves are one entry with a count."""

from __future__ import annotations

from datetime import timedelta

from accounts import START, Account

from robo_trader.clock import from_ns
from robo_trader.records import Decision
from robo_trader.risk.repeats import collapse


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
