"""On one clock, for orders made at bar ends without brackets, groups or a want of cash, the honest
rules and plain Backtrader agree: same notifications, same fills, same account.

One clock means that every feed has a bar at every step. Where one lacks a bar, Backtrader matches
its orders against the bar before once more, at prices older than the order.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plainbt import run_plain
from planned import HANDLING, Outcome, Planned, plans
from test_stock import SLIPPAGES, plainly, slipping
from worlds import World, worlds

from robo_trader.engine import EngineSettings, run

HOOKS = ("next", "order")
DAILY = ("daily", "two daily", "round the clock")
STOPS = ("market", "stop", "trail", "trail percent")


def both(world: World, plan: Any, *, commission: float, slip: Any = None, stamps: str = "end") -> Any:
    """Run a plan under the honest rules and in plain Backtrader; return both logs."""
    frames, ours, theirs = plainly(world), Outcome(), Outcome()
    params = {"plan": plan, "tick": world.tick, "prepare": slipping(slip)}
    settings = EngineSettings(cash=1e8, commission=commission)
    record = run(frames, Planned, {**params, "out": ours}, settings=settings)
    assert record.state == "finished", record.failure
    assert record.notify == "with_bar"
    run_plain(frames, Planned, {**params, "out": theirs}, cash=1e8, commission=commission, stamps=stamps)
    return ours.log, theirs.log


def by_bar(log: list[Any]) -> list[tuple[list[Any], Any]]:
    """Return, bar by bar, what was told before `next` and what `next` saw."""
    told: list[Any] = []
    bars = []
    for row in log:
        if row[0] == "next":
            bars.append((told, row))
            told = []
        else:
            told.append(row)
    return bars


def agree(ours: list[Any], theirs: list[Any], *, times: bool = True) -> None:
    """Bar by bar the same; where several orders were filled in one bar, in whichever order.

    The honest rules fill what the open decides before the rest of the bar, Backtrader goes by the
    order of submission; from then on average prices and the last bits of sums may differ.
    """
    exact = times
    assert len(by_bar(ours)) == len(by_bar(theirs))
    for (mine, saw), (plain, seen) in zip(by_bar(ours), by_bar(theirs), strict=True):
        exact = exact and sum(row[2] in ("Completed", "Expired") for row in mine) <= 1
        if exact:
            assert mine == plain
            assert saw == seen
        assert facts(mine) == facts(plain)
        assert saw[:3] == seen[:3]
        assert saw[3:] == pytest.approx(seen[3:], rel=1e-12)


def facts(rows: list[Any]) -> list[Any]:
    """What notifications say that does not hang on the order of fills within a bar."""
    return sorted((*row[1:6], f"{row[9]} {row[10]}", row[-1]) for row in rows if row[0] == "order")


@given(
    world=worlds(kinds=DAILY, events=False),
    plan=plans(
        hooks=HOOKS, what=(*STOPS, "limit", "stoplimit", "trail limit", "at close", *HANDLING),
        oco=False, valid=("hours", "moment"), fractions=False,
    ),
    commission=st.sampled_from([0.0, 0.001]),
)  # fmt: skip
def test_every_type_without_slippage(world: World, plan: Any, commission: float) -> None:
    agree(*both(world, plan, commission=commission))


@given(
    world=worlds(kinds=("hourly",), events=False),
    plan=plans(
        hooks=HOOKS, what=(*STOPS, "limit", "stoplimit", "trail limit", *HANDLING),
        oco=False, valid=("hours", "moment", "days", "today"), fractions=False,
    ),
)  # fmt: skip
def test_intraday(world: World, plan: Any) -> None:
    agree(*both(world, plan, commission=0.0))


@given(
    world=worlds(kinds=DAILY[:2], events=False),
    plan=plans(
        hooks=HOOKS, what=(*STOPS, "limit", *HANDLING), oco=False, valid=("date", "days", "today"),
        fractions=False,
    ),
)  # fmt: skip
def test_dates_mean_what_they_mean_with_midnight_stamps(world: World, plan: Any) -> None:
    """Files with midnight stamps are what Backtrader's users know; our bars end at the close."""
    ours, theirs = both(world, plan, commission=0.0, stamps="midnight")
    agree(ours, theirs, times=False)


@given(
    world=worlds(kinds=(*DAILY, "hourly"), events=False),
    plan=plans(hooks=HOOKS, what=(*STOPS, *HANDLING), oco=False, valid=False, fractions=False),
    slip=SLIPPAGES,
)
def test_slippage(world: World, plan: Any, slip: Any) -> None:
    agree(*both(world, plan, commission=0.001, slip=slip))


@given(
    world=worlds(kinds=(*DAILY, "hourly"), events=False),
    plan=plans(hooks=HOOKS, what=("limit", "market", *HANDLING), oco=False, valid=False, fractions=False),
    slip=SLIPPAGES.filter(lambda slip: slip is None or "slip_out" not in slip[2]),
)
def test_slippage_of_limits(world: World, plan: Any, slip: Any) -> None:
    agree(*both(world, plan, commission=0.0, slip=slip))


def test_the_comparison_is_not_empty() -> None:
    """A log has notifications, and a bar with one fill is compared to the last bit."""
    rows = [("order", "a", "Completed", "Market", 1, 2.0), ("next", 1, [1], 3.0, 4.0)]
    assert [len(list(told)) for told, _ in by_bar(rows)] == [1]
    other = [("order", "a", "Completed", "Market", 1, 2.1), ("next", 1, [1], 3.0, 4.0)]
    with pytest.raises(AssertionError):
        agree(rows, other)
