"""Brackets and reversals as families, and exits that never outgrow their position."""

from __future__ import annotations

import random
from typing import Any

import pytest
from accounts import Account
from guards import make_guard

from robo_trader.records import Decision, Intent
from robo_trader.risk.exposure import exit_size
from robo_trader.risk.gate import DROPPED

PRICES = {"A": 100.0}


def bracket(
    account: Account, side: str = "BUY", size: float = 150, exits: tuple[float, ...] = ()
) -> list[Intent]:
    parent = account.intent("A", side, size)
    other = "SELL" if side == "BUY" else "BUY"
    sizes = exits or (size, size)
    return [
        parent,
        *(account.intent("A", other, s, "Stop", stop=90.0, parent=parent.order_id) for s in sizes),
    ]


def sizes(decisions: list[Decision]) -> list[float]:
    return [0.0 if d.action == "veto" else d.intent.size if d.size is None else d.size for d in decisions]


def test_children_are_scaled_with_their_parent() -> None:
    account = Account(dict(PRICES))
    assert sizes(make_guard(position=0.1).decide(bracket(account), account)) == [100, 100, 100]
    account = Account(dict(PRICES))
    assert sizes(make_guard(position=0.1).decide(bracket(account, exits=(75, 150)), account)) == [
        100,
        50,
        100,
    ]


def test_a_vetoed_parent_takes_its_children_along() -> None:
    account = Account(dict(PRICES))
    decisions = make_guard(deny={"symbols": ["A"]}).decide(bracket(account), account)
    assert sizes(decisions) == [0, 0, 0]
    assert [d.reasons for d in decisions[1:]] == [("its family was vetoed",)] * 2


def test_an_exit_larger_than_its_entry_is_cut() -> None:
    account = Account(dict(PRICES))
    assert sizes(make_guard().decide(bracket(account, size=50, exits=(80, 50)), account)) == [50, 50, 50]


def test_exits_of_a_reversal_protect_what_it_opens() -> None:
    account = Account(dict(PRICES), positions={"A": -60.0}, cash=106_000.0)
    assert sizes(make_guard(position=0.1).decide(bracket(account, size=200), account)) == [160, 100, 100]


def test_exits_of_a_parent_that_only_closes_are_left_out() -> None:
    account = Account(dict(PRICES), positions={"A": -60.0}, cash=106_000.0)
    decisions = make_guard(deny={"symbols": ["A"]}).decide(bracket(account, size=200), account)
    assert sizes(decisions) == [60, 0, 0]
    assert decisions[1].reasons == (DROPPED,)


def test_an_exit_that_comes_later_follows_the_parent_at_work() -> None:
    account = Account(dict(PRICES))
    guard = make_guard(position=0.1, deny={"symbols": []})
    parent = account.intent("A", "BUY", 80, "Limit", limit=95.0)
    account.accept(guard.decide([parent], account))
    late = account.intent("A", "SELL", 100, "Stop", stop=80.0, parent=parent.order_id)
    assert sizes(guard.decide([late], account)) == [80]


def test_a_bracket_s_exits_count_once_against_closing() -> None:
    account = Account(dict(PRICES), positions={"A": 100.0})
    guard = make_guard(deny={"symbols": ["A"]})
    for stop in (90.0, 110.0):
        exit_ = account.intent("A", "SELL", 60, "Stop", stop=stop, parent=77)
        account.accept(guard.decide([exit_], account))
    assert len(account.orders) == 2
    assert sizes(guard.decide([account.intent("A", "SELL", 100)], account)) == [40]


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_of_partial_fills_and_cancellations_leaves_an_exit_too_large(seed: int) -> None:
    """A broker that fills and cancels at random, and keeps exits to `exit_size` as ours does."""
    rng = random.Random(seed)
    for _ in range(60):
        account = Account(dict(PRICES))
        side = rng.choice(("BUY", "SELL"))
        family = bracket(account, side, rng.randint(1, 200), tuple(rng.randint(1, 300) for _ in range(2)))
        account.accept(make_guard(position=rng.choice((0.02, 0.1))).decide(family, account))
        if not account.orders:
            continue
        parent, children = family[0].order_id, [i.order_id for i in family[1:]]
        entered = exited = 0.0
        whole = account.orders[parent].size
        for _ in range(12):
            alive = list(account.orders)
            if not alive:
                break
            which = rng.choice([parent] if parent in account.orders else alive)
            if rng.random() < 0.2:
                account.cancel(rng.choice(alive))
            else:
                before = account.orders[which].size
                part = before * rng.choice((1.0, rng.uniform(0.05, 0.95)))
                account.fill(which, part)
                entered += part if which == parent else 0.0
                exited += part if which != parent else 0.0
            reached = entered if parent not in account.orders else whole
            for child in [c for c in children if c in account.orders]:
                o = account.orders[child]
                o.size = exit_size(reached, exited, o.size)
            check_exits(account, entered, exited, side)


def check_exits(account: Account, entered: float, exited: float, side: str) -> None:
    held = account.position("A") * (1 if side == "BUY" else -1)
    assert held == pytest.approx(entered - exited)
    assert held >= -1e-9, "the bracket turned into a position of its own"
    waiting = [o.size for o in account.orders.values() if o.parent is not None]
    parents = {o.parent for o in account.orders.values() if o.parent is not None}
    if waiting and not parents & account.orders.keys():
        assert max(waiting) <= held + 1e-9


def test_exit_size() -> None:
    assert exit_size(100, 0, 100) == 100
    assert exit_size(100, 60, 100) == 40
    assert exit_size(100, 120, 100) == 0


def test_what_is_counted_between_decisions_is_what_the_book_will_say() -> None:
    """The guard counts what it lets pass; when the book has caught up nothing is different."""
    account = Account({"A": 100.0, "B": 50.0}, counts=True)
    guard = make_guard(position=0.5)
    orders: list[dict[str, Any]] = [
        {"side": "BUY", "size": 10},
        {"side": "SELL", "size": 30},
        {"side": "BUY", "size": 20, "type": "Stop", "stop": 120.0},
        {"side": "SELL", "size": 15, "type": "Limit", "limit": 130.0},
    ]
    for order in orders:
        decisions = guard.decide([account.intent("A", **order)], account)
        counted = guard.view.exposure("A")
        account.accept(decisions)
        account.now += 1
        guard.view.look(account)
        assert guard.view.exposure("A") == pytest.approx(counted)
    family = bracket(account)
    decisions = guard.decide(family, account)
    counted = guard.view.exposure("A")
    account.accept(decisions)
    account.now += 1
    guard.view.look(account)
    assert guard.view.exposure("A") == pytest.approx(counted)
