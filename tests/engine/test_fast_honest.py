"""The fast way under the honest rules: everything that the straightforward way gives, to the last bit.

Both run the same random strategies on the same random bars and events; logs and records are compared
whole, and the oracle judges what both agree on. ``HYPOTHESIS_PROFILE=thorough`` makes the long run.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import backtrader as bt
import numpy as np
from hypothesis import assume, event, given, note
from hypothesis import strategies as st
from oracle import judge
from scripted import flat, play
from watching import Accounting, Analysed, Outcome, Setup, Silent, Watching, Woken, full_plans, setups
from worlds import World, daily, worlds

from robo_trader.engine import EngineSettings, run

CASH = st.sampled_from([300.0, 2_000.0, 100_000.0, 1e7])
COSTS = st.sampled_from([(0.0, 0.0), (0.001, 0.0), (0.0, 0.002), (0.001, 0.03)])
#: Fewer bars than an indicator needs; what a plan asks of a feed that has no bar yet.
UNAVOIDABLE = (" bars, and ",)
HOOKS = ("next", "order", "event", "timer", "trade")


class Deaf(Watching):
    """The same without a handler for events."""

    notify_event = None  # type: ignore[assignment]


class DeafWoken(Woken):
    notify_event = None  # type: ignore[assignment]


CLASSES = st.sampled_from([Watching, Deaf, Silent, Accounting, Analysed, Woken])


def both(
    world: World, plans: list[Any], classes: list[type], settings: dict[str, Any], setup: Setup
) -> tuple[Any, Outcome]:
    """Run the plans both ways, compare everything, and return the record and the log."""
    records, outs = [], []
    for engine in ("plain", "fast"):
        out = Outcome()
        params = [
            {
                "plan": plan,
                "tick": world.tick,
                "out": out,
                "setup": setup if k == 0 else Setup(),
                "label": str(k),
            }
            for k, plan in enumerate(plans)
        ]
        records.append(
            run(
                world.frames,
                classes,
                params,
                settings=EngineSettings(engine=engine, **settings),
                events=world.tape,
            )
        )
        outs.append(out)
    plain, fast = records
    note(f"{fast.notify} {fast.path}: {fast.path_reasons}")
    if fast.failure and not plain.failure:
        note(fast.failure.traceback)
    for mine, theirs in zip(outs[1].log, outs[0].log, strict=False):
        assert mine == theirs
    # A fund that was emptied has no value per share. Both ways fail then; the plain one when it
    # values the account on every bar, the fast one when somebody asks.
    assume(plain.failure is None or "ZeroDivisionError" not in plain.failure.message)
    assert len(outs[1].log) == len(outs[0].log)
    same(fast, plain)
    if fast.failure is not None:
        # A run that fails compares little: only what cannot be helped may do so.
        event(fast.failure.message.split(" at the bar")[0])
        assert any(words in fast.failure.message for words in UNAVOIDABLE), fast.failure
    assert fast.path == "fast"
    return fast, outs[1]


def same(fast: Any, plain: Any) -> None:
    """Two records are equal, but for how they were made."""
    assert fast.failure == plain.failure or fast.failure.message == plain.failure.message
    for name in ("state", "notify", "fill_rules", "cheats", "warnings", "bars_processed", "starting_cash"):
        assert getattr(fast, name) == getattr(plain, name), name
    assert list(map(repr, fast.orders)) == list(map(repr, plain.orders))
    assert list(map(repr, fast.fills)) == list(map(repr, plain.fills))
    assert list(fast.decisions) == list(plain.decisions)
    assert fast.events_delivered == plain.events_delivered
    mine, theirs = asdict(fast.sessions), asdict(plain.sessions)
    assert mine.keys() == theirs.keys()
    for name, column in theirs.items():
        if isinstance(column, dict):
            assert column.keys() == mine[name].keys()
            for symbol in column:
                assert_same_bits(mine[name][symbol], column[symbol], f"{name} of {symbol}")
        else:
            assert_same_bits(mine[name], column, name)


def assert_same_bits(mine: Any, theirs: Any, name: str) -> None:
    """Two columns are equal; NaN equals NaN and 0.0 is not -0.0."""
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    assert mine.dtype == theirs.dtype, name
    assert mine.tobytes() == theirs.tobytes(), f"{name}: {mine} is not {theirs}"


@given(world=worlds(), plan=full_plans(HOOKS), cls=CLASSES, cash=CASH, costs=COSTS, setup=setups(stock=False))
def test_one_strategy(
    world: World, plan: Any, cls: type, cash: float, costs: tuple[float, float], setup: Setup
) -> None:
    both(world, [plan], [cls], {"cash": cash, "commission": costs[0], "slippage": costs[1]}, setup)


@given(world=worlds(), plan=full_plans(HOOKS[:3]), cash=CASH, costs=COSTS, deaf=st.booleans())
def test_the_leanest_way_and_the_oracle(
    world: World, plan: Any, cash: float, costs: tuple[float, float], deaf: bool
) -> None:
    """Nothing that could send a part of the run the plain way; the oracle agrees with what came of it."""
    settings = {"cash": cash, "commission": costs[0], "slippage": costs[1]}
    record, out = both(world, [plan], [Deaf if deaf else Watching], settings, Setup())
    assert record.path_reasons == ()
    assert record.state == "finished", record.failure
    by_hand = [a for a in plan if a.what == "manual bracket"]
    if not by_hand:
        complaints = judge(
            list(world.frames), record, commission=costs[0], slippage=costs[1], diary=out.diary
        )
        assert not complaints, "\n".join(complaints)


@given(
    world=worlds(),
    plan=full_plans(HOOKS),
    cash=CASH,
    costs=COSTS,
    deaf=st.booleans(),
    setup=setups(stock=False),
)
def test_wake_gating(
    world: World, plan: Any, cash: float, costs: tuple[float, float], deaf: bool, setup: Setup
) -> None:
    """The fast way skips what `wake()` does not name; the plain one knows nothing of it."""
    settings = {"cash": cash, "commission": costs[0], "slippage": costs[1]}
    record, _ = both(world, [plan], [DeafWoken if deaf else Woken], settings, setup)
    steps = {end for frame in world.frames for end in frame.end.tolist()}
    assert record.wake is not None or record.failure or any("bar by bar" in x for x in record.path_reasons)
    assert record.wake is None or steps.issuperset(record.wake.tolist())


@given(
    world=worlds(),
    plans=st.tuples(full_plans(HOOKS), full_plans(HOOKS)),
    classes=st.tuples(CLASSES, CLASSES),
    cash=CASH,
    setup=setups(stock=False),
)
def test_two_strategies_share_an_account(
    world: World, plans: Any, classes: Any, cash: float, setup: Setup
) -> None:
    both(world, list(plans), list(classes), {"cash": cash, "commission": 0.001}, setup)


@given(world=worlds(), plan=full_plans(HOOKS), days=st.integers(0, 6), setup=setups(stock=False))
def test_a_run_that_warms_up(world: World, plan: Any, days: int, setup: Setup) -> None:
    first = world.frames[0]
    at = int(first.end[min(days, len(first) - 1)])
    both(world, [plan], [Watching], {"trading_from": at}, setup)


def test_an_exit_that_cannot_pay_for_the_other_side_leaves_its_sibling_as_it_was() -> None:
    """Its closing part is filled, its opening part is not: it ends as Margin, and no exit is scaled."""
    rows = flat(6, bar3=[100.0, 101.0, 94.0, 95.0])

    def rests(engine: str) -> list[Any]:
        seen: list[Any] = []

        def do(s: Any, hook: str, order: Any) -> None:
            if hook == "order":
                seen.append((order.getordername(), order.getstatusname(), order.executed.remsize))
            elif len(s) == 1:
                s.broker.set_checksubmit(False)
                s.sell_bracket(size=7, exectype=bt.Order.Market, limitprice=95.0, stopprice=150.0)
                s.buy(size=6)

        play([daily("A", rows)], do, engine=engine, cash=300.0)
        return seen

    seen = rests("fast")
    assert ("Limit", "Margin", 6) in seen and ("Stop", "Canceled", 7) in seen, seen
    assert seen == rests("plain")
