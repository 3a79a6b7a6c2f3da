"""A schedule: a session, one or more faults at moments that a seed says, and the judgement at the end."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fault_bench import Simulated, Trader, judge, settle, trading
from fault_list import EXCLUSIVE, FAULTS, LIFT

MINUTE = 60 * 10**9


def play(names: Sequence[str], seed: int, *, brisk: bool = False) -> dict[str, int]:
    """Let the faults `names` happen in a session; raise `AssertionError` where books disagree.

    A `brisk` schedule takes about a second.
    """
    dice = random.Random(f"{seed} {' '.join(names)}")
    with tempfile.TemporaryDirectory() as folder, trading(Path(folder), seed) as (simulated, trader):
        begun = simulated.now()
        steps = []
        for name in names:
            first = dice.uniform(2, 4 if brisk else 9)
            steps.append((first, name, True))
            steps.append((first + dice.uniform(2, 4 if brisk else 8), name, False))
        for at, name, begins in sorted(steps):
            _reach(simulated, trader, begun + int(at * MINUTE))
            fault = FAULTS[name]
            (fault.begin if begins else fault.end)(simulated, dice)
        for step in LIFT:
            simulated.control(**step)
        if not simulated.inside(lambda server: server.gateway.desk.connected):
            simulated.control("restored", maintained=True)
        _reach(simulated, trader, simulated.now() + (1 if brisk else 3) * MINUTE)
        # A busy machine's session may be behind the market's time, and have hardly begun.
        assert trader.diary.until(lambda: _traded(simulated), 120), f"hardly a trade: {trader.error!r}"
        settle(simulated, trader)
        return judge(simulated, trader, loose_bars=any(FAULTS[name].loose for name in names))


def pair(dice: random.Random) -> tuple[str, str]:
    """Return two faults that can happen at once."""
    while True:
        first, second = dice.sample(sorted(FAULTS), 2)
        if {first, second} not in EXCLUSIVE:
            return first, second


def _traded(simulated: Simulated) -> bool:
    """Tell whether enough has happened for a judgement to mean something."""
    books = simulated.books()
    return len(books.fills) >= 3 and len(books.orders) >= 5


def _reach(simulated: Simulated, trader: Trader, moment: int) -> None:
    """Wait for a moment of the market's; a session that ended meanwhile is told."""
    assert trader.diary.until(lambda: simulated.now() >= moment, 120), f"time stands: {trader.error!r}"
    assert not trader.diary.ended, f"the session ended by itself: {trader.error!r}"
