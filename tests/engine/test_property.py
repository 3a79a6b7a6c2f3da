"""Random strategies on random bars: whatever they do, the oracle finds nothing dishonest.

The number of examples follows the hypothesis profile (``HYPOTHESIS_PROFILE=thorough`` for a long run).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from oracle import judge
from planned import Outcome, Planned, plans
from worlds import ONE_CLOCK, SEVERAL_CLOCKS, World, worlds

from robo_trader.engine import EngineSettings, run

COSTS = st.sampled_from([(0.0, 0.0), (0.001, 0.0), (0.0, 0.002), (0.001, 0.03)])
CASH = st.sampled_from([1_000.0, 20_000.0, 10_000_000.0])


class Deaf(Planned):
    """The same without a handler for events, so that fills are told together with the bars."""

    notify_event = None  # type: ignore[assignment]


def check(world: World, plan: Any, costs: tuple[float, float], cash: float, strategy: Any = Planned) -> Any:
    """Run a plan in a world under the honest rules and hand it to the oracle.

    Both ways through a run are taken in turn; which of them hangs on the plan alone.
    """
    commission, slippage = costs
    out = Outcome()
    engine: Any = "fast" if len(plan) % 2 else "plain"
    record = run(
        world.frames,
        strategy,
        {"plan": plan, "out": out, "tick": world.tick},
        settings=EngineSettings(cash=cash, commission=commission, slippage=slippage, engine=engine),
        events=world.tape,
    )
    for fill in record.fills:
        note(str(fill))
    assert record.state == "finished", record.failure
    complaints = judge(list(world.frames), record, commission=commission, slippage=slippage, diary=out.diary)
    assert not complaints, "\n".join(complaints)
    return record


@given(world=worlds(kinds=ONE_CLOCK, events=False), plan=plans(), costs=COSTS, cash=CASH)
def test_one_clock(world: World, plan: Any, costs: Any, cash: float) -> None:
    record = check(world, plan, costs, cash)
    assert record.notify == "with_bar"


@given(world=worlds(kinds=SEVERAL_CLOCKS, events=False), plan=plans(), costs=COSTS, cash=CASH)
def test_several_clocks(world: World, plan: Any, costs: Any, cash: float) -> None:
    record = check(world, plan, costs, cash)
    assert record.notify == "at_open"


@given(world=worlds(), plan=plans(), costs=COSTS, cash=CASH)
def test_with_events(world: World, plan: Any, costs: Any, cash: float) -> None:
    check(world, plan, costs, cash)


@given(world=worlds(), plan=plans(), costs=COSTS, cash=CASH)
def test_events_that_nobody_hears(world: World, plan: Any, costs: Any, cash: float) -> None:
    record = check(world, plan, costs, cash, Deaf)
    assert record.notify == ("with_bar" if world.kind in ONE_CLOCK else "at_open")


@pytest.mark.parametrize("kind", ["round the clock", "hourly", "unaligned daily"])
@given(data=st.data())
def test_plain_orders_alone_never_lack_cash(kind: str, data: Any) -> None:
    """With money enough nothing is refused: every market order is filled at its next open."""
    world = data.draw(worlds(kinds=(kind,)))
    plan = data.draw(plans(what=("market",), oco=False, valid=False))
    record = check(world, plan, (0.0, 0.0), 10_000_000.0)
    assert {order.status for order in record.orders} <= {"Completed", "Accepted", "Submitted", "Created"}
