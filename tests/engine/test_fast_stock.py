"""The gate of the fast engine: under the stock rules it is plain Backtrader, to the last bit.

Random strategies with every kind of order and setting, on random bars, in plain Backtrader and here.
``HYPOTHESIS_PROFILE=thorough`` makes the long run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import backtrader as bt
from hypothesis import given, note, reject
from hypothesis import strategies as st
from plainbt import PlainFeed
from watching import Accounting, Analysed, Outcome, Setup, Silent, Watching, Woken, full_plans, setups
from worlds import World, worlds

from robo_trader.engine import EngineSettings, run
from robo_trader.instruments import Instrument

CASH = st.sampled_from([300.0, 2_000.0, 100_000.0, 1e7])
COMMISSION = st.sampled_from([0.0, 0.001])
CLASSES = st.sampled_from([Watching, Watching, Silent, Accounting, Analysed, Woken])
_FRAMES = {"1d": (bt.TimeFrame.Days, 1), "1h": (bt.TimeFrame.Minutes, 60), "8h": (bt.TimeFrame.Minutes, 480),
           "30m": (bt.TimeFrame.Minutes, 30)}  # fmt: skip


def plainly(world: World) -> list[Any]:
    """The world's frames as instruments that Backtrader's own arithmetic knows (multiplier 1)."""
    return [replace(frame, instrument=Instrument(frame.symbol)) for frame in world.frames]


def in_backtrader(
    frames: Any, strategies: list[tuple[type, dict[str, Any]]], cash: float, commission: float, setup: Setup
) -> None:
    """Run strategies in plain Backtrader; what they write down is the result."""
    cerebro = bt.Cerebro(stdstats=False, cheat_on_open=setup.cheat_on_open)
    for frame in frames:
        timeframe, compression = _FRAMES[frame.timeframe]
        cerebro.adddata(
            PlainFeed(dataname=frame, timeframe=timeframe, compression=compression), name=frame.symbol
        )
    cerebro.broker.setcash(cash)
    cerebro.broker.setcommission(commission=commission)
    for strategy, params in strategies:
        cerebro.addstrategy(strategy, **params)
    cerebro.run()


def compare(
    world: World, plans: list[Any], classes: list[type], cash: float, commission: float, setup: Setup
) -> Any:
    """Run the plans on both sides; every row of the logs is equal."""
    frames = plainly(world)

    def params(out: Outcome) -> list[dict[str, Any]]:
        return [
            {
                "plan": plan,
                "tick": world.tick,
                "out": out,
                "setup": setup if k == 0 else Setup(),
                "label": str(k),
            }
            for k, plan in enumerate(plans)
        ]

    ours, theirs = Outcome(), Outcome()
    try:
        in_backtrader(frames, list(zip(classes, params(theirs), strict=True)), cash, commission, setup)
    except (ZeroDivisionError, IndexError):
        reject()  # a fund value of nothing; fewer bars than an indicator needs
    settings = EngineSettings(
        cash=cash, commission=commission, fill_rules="stock", cheat_on_open=setup.cheat_on_open, engine="fast"
    )
    record = run(frames, classes, params(ours), settings=settings)
    assert record.state == "finished", record.failure and record.failure.traceback
    note(f"{record.path}: {record.path_reasons}")
    for mine, plain in zip(ours.log, theirs.log, strict=False):
        assert mine == plain
    assert len(ours.log) == len(theirs.log)
    return record


@given(
    world=worlds(events=False),
    plan=full_plans(),
    cls=CLASSES,
    cash=CASH,
    commission=COMMISSION,
    setup=setups(),
)
def test_one_strategy(
    world: World, plan: Any, cls: type, cash: float, commission: float, setup: Setup
) -> None:
    compare(world, [plan], [cls], cash, commission, setup)


@given(
    world=worlds(events=False), plan=full_plans(), cash=CASH, commission=COMMISSION, slip=st.integers(0, 6)
)
def test_the_leanest_way(world: World, plan: Any, cash: float, commission: float, slip: int) -> None:
    """Nothing that could send a part of the run the plain way."""
    from watching import SLIPS

    compare(world, [plan], [Watching], cash, commission, Setup(slip=SLIPS[slip]))


@given(
    world=worlds(events=False),
    plans=st.tuples(full_plans(), full_plans()),
    classes=st.tuples(CLASSES, CLASSES),
    cash=CASH,
    setup=setups(),
)
def test_two_strategies_share_an_account(
    world: World, plans: Any, classes: Any, cash: float, setup: Setup
) -> None:
    compare(world, list(plans), list(classes), cash, 0.001, setup)
