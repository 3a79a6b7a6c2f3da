"""Changes of working orders at the guard: what always passes, what is judged, what a halt lets through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from accounts import Account, Working
from guards import make_guard

from robo_trader.live.journalled import reduces
from robo_trader.records import Intent
from robo_trader.risk.halt import HaltStore
from robo_trader.risk.modifying import eases
from robo_trader.state import open_state

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def changed(side: str, size: float, limit: float | None = None, stop: float | None = None) -> Intent:
    """A change of order 1 of the account."""
    return Intent(
        order_id=1, time=NOON, symbol="A", side=side, size=size,  # type: ignore[arg-type]
        type="Limit" if stop is None else "Stop", limit=limit, stop=stop, modifies=True,
    )  # fmt: skip


def account(held: float, side: str, size: float, limit: float | None, stop: float | None) -> Account:
    kind = "Limit" if stop is None else "Stop"
    made = Account({"A": 100.0}, positions={"A": held} if held else {})
    made.orders[1] = Working(1, "A", side, size, kind, limit, stop, None, None, size)
    return made


#: What is held, the order at work, the change, and whether it enlarges nothing.
CASES: list[tuple[float, tuple[Any, ...], tuple[Any, ...], bool]] = [
    (0, ("BUY", 10, 90.0, None), ("BUY", 10, 89.0, None), True),  # farther from the market
    (0, ("BUY", 10, 90.0, None), ("BUY", 5, 90.0, None), True),  # less
    (0, ("BUY", 10, 90.0, None), ("BUY", 10, 91.0, None), False),  # nearer to a fill
    (0, ("BUY", 10, 90.0, None), ("BUY", 11, 80.0, None), False),  # more
    (0, ("SELL", 10, 110.0, None), ("SELL", 10, 111.0, None), False),  # worth more
    (0, ("SELL", 10, None, 90.0), ("SELL", 10, None, 89.0), True),
    (10, ("SELL", 10, None, 90.0), ("SELL", 10, None, 99.0), True),  # an exit may follow the market
    (10, ("SELL", 10, 120.0, None), ("SELL", 10, 101.0, None), True),
    (10, ("SELL", 5, None, 90.0), ("SELL", 10, None, 90.0), False),  # a larger exit is judged as an order
    (10, ("SELL", 20, None, 90.0), ("SELL", 20, None, 99.0), False),  # it would open, too
    (-10, ("BUY", 10, None, 110.0), ("BUY", 10, None, 101.0), True),
]


@pytest.mark.parametrize(("held", "order", "change", "expected"), CASES)
def test_what_enlarges_nothing(
    held: float, order: tuple[Any, ...], change: tuple[Any, ...], expected: bool
) -> None:
    assert eases(changed(*change), account(held, *order)) is expected


def test_a_change_of_an_order_that_is_gone_is_an_order() -> None:
    assert not eases(changed("BUY", 1, 1.0), Account({"A": 100.0}))


@pytest.mark.parametrize("state", ["REDUCING", "HALTED"])
@pytest.mark.parametrize(("held", "order", "change", "passes"), CASES)
def test_a_halt_refuses_what_enlarges(
    tmp_path: Path, state: Any, held: float, order: tuple[Any, ...], change: tuple[Any, ...], passes: bool
) -> None:
    halts = HaltStore(open_state(None, folder=tmp_path), tmp_path / "HALT")
    halts.set(state, who="ann", why="look")
    guard = make_guard(halts=halts, position=0.5)
    (decision,) = guard.decide([changed(*change)], account(held, *order))
    if state == "HALTED":
        passes = False  # The strategy's own exits are kept back, too: what works stays as it is.
    elif change == ("SELL", 10, None, 90.0):
        passes = True  # A larger exit closes more.
    if change == ("SELL", 20, None, 99.0) and state == "REDUCING":
        assert decision.action == "veto" and decision.reasons[-1] == "the order stays as it is"
        return
    assert (decision.action == "allow") is passes
    if not passes:
        assert decision.action == "veto" and decision.reasons[0].startswith("halt: ")


def test_what_is_added_is_trimmed_and_what_works_is_not() -> None:
    """A tenth of 100,000 is 100 shares at 100; the order's own place is not counted twice."""
    guard = make_guard(position=0.1)
    book = account(0, "BUY", 80, 90.0, None)
    (more,) = guard.decide([changed("BUY", 150, 90.0)], book)
    assert (more.action, more.size) == ("resize", 100)
    book.prices["A"] = 200.0  # The market has run away: 80 would not pass any more.
    book.now += 1
    (nearer,) = guard.decide([changed("BUY", 80, 190.0)], book)
    assert nearer.action == "veto" and nearer.reasons[-1] == "the order stays as it is"
    (less,) = guard.decide([changed("BUY", 60, 90.0)], book)
    assert less.action == "allow"


def test_a_change_is_no_double_of_its_own_order() -> None:
    """There and back within a second; but what equals another order at work is one too many."""
    guard = make_guard(duplicate={"seconds": 1.0})
    book = account(0, "BUY", 10, 90.0, None)
    for limit in (91.0, 92.0, 91.0):
        assert guard.decide([changed("BUY", 10, limit)], book)[0].action == "allow"
    book.orders[2] = Working(2, "A", "BUY", 10, "Limit", 95.0, None, None, None, 10)
    book.now += 1
    (double,) = guard.decide([changed("BUY", 10, 95.0)], book)
    assert double.action == "veto" and "order 2 is the same" in double.reasons[0]


def test_a_larger_exit_of_a_bracket_is_judged_by_what_is_held() -> None:
    """New exits come with their entry; one that is changed alone may open a position."""
    asked = [replace(changed("SELL", size, None, 90.0), parent=7) for size in (10, 100)]
    book = account(10, "SELL", 10, None, 90.0)
    exits = [reduces([one], book, lambda symbol, held: held) for one in asked]
    assert exits == [True, False]
    assert reduces([asked[0]], book, lambda symbol, held: 4.0) is False
    assert reduces([replace(asked[1], modifies=False)], book, lambda symbol, held: held) is True
