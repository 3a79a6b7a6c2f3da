"""The guard against a slow straightforward oracle: random books, prices, orders and families.

Tens of thousands of orders: after every accepted one no limit is exceeded by what the guard knew,
no reducing order is ever blocked, and what passes is the most that the limits leave room for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from accounts import Account, reducing, totals, worst
from guards import make_guard

from robo_trader.records import Decision, Intent
from robo_trader.risk.guard import Guard
from robo_trader.risk.sectors import SectorMap

SYMBOLS = ("A", "B", "C", "D", "E", "F")
SECTORS = {"A": "one", "B": "one", "C": "two", "D": "two"}
LIMITS = {"position": 0.10, "sector": 0.25, "gross": 0.8, "net": 0.35, "leverage": 0.45}
TOLERANCE = 1e-6


def an_account(rng: random.Random, *, counts: bool) -> Account:
    account = Account(
        prices={s: round(math.exp(rng.uniform(1.0, 6.0)), 2) for s in SYMBOLS},
        sectors=dict(SECTORS),
        multipliers={"E": 10.0},
        counts=counts,
    )
    for s in SYMBOLS:
        if rng.random() < 0.5:
            unit = account.prices[s] * account.multipliers.get(s, 1.0)
            account.positions[s] = float(round(rng.uniform(-0.12, 0.12) * 100_000 / unit))
            account.cash -= account.positions[s] * unit
    return account


def a_family(account: Account, rng: random.Random) -> list[Intent]:
    """Return an order, a member of an OCO group, or a bracket."""
    symbol = rng.choice(SYMBOLS)
    price = account.prices[symbol]
    unit = price * account.multipliers.get(symbol, 1.0)
    side = rng.choice(("BUY", "SELL"))
    size = max(1.0, float(round(math.exp(rng.uniform(-4.0, 0.2)) * 25_000 / unit)))
    if rng.random() < 0.3 and account.position(symbol):
        side = "SELL" if account.position(symbol) > 0 else "BUY"
        size = max(1.0, float(round(abs(account.position(symbol)) * rng.choice((0.5, 1.0, 1.0, 2.5)))))
    intent = account.intent(symbol, side, size, **a_type(price, side, rng))
    kind = rng.random()
    if kind < 0.25:
        other = "SELL" if side == "BUY" else "BUY"
        more = (
            [1.0, 1.0] if rng.random() < 0.6 else [rng.choice((0.4, 1.0, 1.7)), rng.choice((0.5, 1.0, 2.0))]
        )
        types = [("Stop", {"stop": price * 0.9}), ("Limit", {"limit": price * 1.1})]
        return [
            intent,
            *(
                account.intent(symbol, other, max(1.0, round(size * m)), t, parent=intent.order_id, **named)
                for m, (t, named) in zip(more, types, strict=True)
            ),
        ]
    leaders = [
        o for o in account.orders.values() if o.symbol == symbol and o.parent is None and o.type != "Market"
    ]
    if kind < 0.45 and leaders and intent.type != "Market":
        leader = rng.choice(leaders)
        same = account.intent(symbol, side, size, **a_type(price, side, rng), oco=leader.oco or leader.id)
        return [same]
    return [intent]


def a_type(price: float, side: str, rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("Market", "Market", "Limit", "Stop", "StopLimit"))
    near = price * rng.uniform(0.85, 1.15)
    if kind == "Limit":
        return {"type": kind, "limit": near}
    if kind == "Stop":
        return {"type": kind, "stop": near}
    if kind == "StopLimit":
        return {"type": kind, "stop": near, "limit": near * rng.uniform(0.98, 1.02)}
    return {"type": kind}


def something_happens(account: Account, rng: random.Random) -> None:
    """Fill, fill in part or cancel an order, or move prices."""
    kind = rng.random()
    alive = [o for o in account.orders.values() if o.parent not in account.orders]
    if kind < 0.45 and alive:
        account.fill(rng.choice(alive).id)
    elif kind < 0.55 and alive:
        o = rng.choice([o for o in alive if o.parent is None] or alive)
        if o.parent is None:
            account.fill(o.id, max(1.0, o.size // 2))
    elif kind < 0.75 and account.orders:
        account.cancel(rng.choice(list(account.orders)))
    else:
        account.now += 60_000_000_000
        for s in SYMBOLS:
            account.prices[s] *= math.exp(rng.gauss(0.0, 0.02))


def exceeded(account: Account, guard: Guard) -> dict[tuple[str, str], float]:
    """Return by how much money each limit is exceeded."""
    found, value = totals(account, guard.view.sectors), account.value
    over = {("position", s): gross - LIMITS["position"] * value for s, gross in found["symbols"].items()}
    over |= {("sector", s): gross - max(LIMITS["sector"], 0) * value for s, gross in found["sectors"].items()}
    for rule, key in (("gross", "gross"), ("net", "net"), ("leverage", "longs")):
        over[rule, ""] = found[key] - LIMITS[rule] * value
    return over


def check_family(
    account: Account, guard: Guard, family: Sequence[Intent], decisions: Sequence[Decision]
) -> None:
    head, first = family[0], decisions[0]
    passes = 0.0 if first.action == "veto" else first.intent.size if first.size is None else first.size
    free = reducing(account, head)
    assert passes >= free - TOLERANCE, (head, first, "a reducing order was blocked")
    assert passes <= head.size
    assert first.action == ("veto" if passes == 0 else "allow" if passes == head.size else "resize")
    assert bool(first.reasons) == (passes < head.size)
    opens = passes - free
    for child, decision in zip(family[1:], decisions[1:], strict=True):
        if passes == 0:
            assert decision.action == "veto"
            continue
        size = 0.0 if decision.action == "veto" else decision.size or child.size
        assert size <= max(opens, 0.0) + TOLERANCE, "an exit larger than its entry"
        assert size <= child.size
    before = exceeded(account, guard)
    if free:
        # What reduces a position passes even where that unbalances the portfolio.
        account.accept([Decision(intent=head, action="resize", size=free)])
        before = {k: max(over, before.get(k, over)) for k, over in exceeded(account, guard).items()}
        del account.orders[head.order_id]
    account.accept(decisions)
    for key, over in exceeded(account, guard).items():
        was = before.get(key, -math.inf)
        assert over <= max(TOLERANCE * account.value, was + TOLERANCE * account.value), (key, head, first)


@pytest.mark.parametrize("counts", [False, True], ids=["the book says nothing", "the book counts"])
@pytest.mark.parametrize("seed", range(10))
def test_no_limit_is_exceeded_and_no_exit_is_blocked(seed: int, counts: bool) -> None:
    rng = random.Random(seed)
    account = an_account(rng, counts=counts)
    guard = make_guard({}, **LIMITS)
    for _ in range(1_000):
        while len(account.orders) > 10 or rng.random() < 0.5:
            something_happens(account, rng)
        if account.value < 20_000:
            account.cash += 100_000.0
            account.now += 1
        family = a_family(account, rng)
        check_family(account, guard, family, guard.decide(family, account))
    counted = guard.tally
    assert min(counted.allowed, counted.shrunk, counted.vetoed) > 50, "the account was never at its limits"


def most(account: Account, intent: Intent, sectors: SectorMap) -> float:
    """Return the largest whole size of `intent` that the limits leave room for, by trying."""
    free = reducing(account, intent)
    low, high = int(free), int(intent.size)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(account, intent, float(middle), sectors):
            low = middle
        else:
            high = middle - 1
    return float(low)


def fits(account: Account, intent: Intent, size: float, sectors: SectorMap) -> bool:
    """Tell whether `intent` fits in `size`: on its own side, which is all that it can make worse."""
    account.accept([Decision(intent=intent, action="resize", size=size)])
    found, value = totals(account, sectors), account.value * (1 + 1e-9)
    low, high = worst(account, intent.symbol)
    lows = sum(worst(account, s)[0] for s in account.at_risk())
    highs = sum(worst(account, s)[1] for s in account.at_risk())
    del account.orders[intent.order_id]
    buying = intent.side == "BUY"
    own = high if buying else -low
    here = max(high, -low, 0.0)
    sector = account.sectors.get(intent.symbol, intent.symbol)
    return (
        own <= LIMITS["position"] * value
        and (own <= 0 or found["sectors"][sector] - here + own <= LIMITS["sector"] * value)
        and (own <= 0 or found["gross"] - here + own <= LIMITS["gross"] * value)
        and (highs if buying else -lows) <= LIMITS["net"] * value
        and (not buying or own <= 0 or found["longs"] <= LIMITS["leverage"] * value)
    )


@pytest.mark.parametrize("seed", range(4))
def test_what_passes_is_the_most_that_fits(seed: int) -> None:
    rng = random.Random(1_000 + seed)
    account = an_account(rng, counts=False)
    guard = make_guard({}, **LIMITS)
    compared = 0
    for _ in range(400):
        while len(account.orders) > 6 or rng.random() < 0.5:
            something_happens(account, rng)
        if account.value < 20_000:
            account.cash += 100_000.0
        family = a_family(account, rng)
        intent = family[0]
        expected = None
        if intent.oco is None and float(account.position(intent.symbol)).is_integer():
            expected = most(account, intent, guard.view.sectors)
        decisions = guard.decide(family, account)
        if expected is not None:
            first = decisions[0]
            passes = 0.0 if first.action == "veto" else first.size or intent.size
            assert passes == expected, (intent, first)
            compared += 1
        account.accept(decisions)
    assert compared > 200


def test_the_book_s_count_of_changes_changes_no_decision() -> None:
    """What is kept up to date from changes equals what is worked out anew each time."""
    rng_1, rng_2 = random.Random(7), random.Random(7)
    one, two = an_account(rng_1, counts=False), an_account(rng_2, counts=True)
    guards = make_guard({}, **LIMITS), make_guard({}, **LIMITS)
    for _ in range(600):
        for account, rng, guard in ((one, rng_1, guards[0]), (two, rng_2, guards[1])):
            while len(account.orders) > 10 or rng.random() < 0.4:
                something_happens(account, rng)
            account.accept(guard.decide(a_family(account, rng), account))
        assert one.orders == two.orders
    assert guards[0].tally.as_dict() == guards[1].tally.as_dict()
    assert guards[1].view.gross == pytest.approx(totals(two, guards[1].view.sectors)["gross"], rel=0.5)
