"""A strategy that does what a test tells it, and short names for what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np
from worlds import tape

from robo_trader.engine import EngineSettings, run

FLAT = [100.0, 101.0, 99.0, 100.0]


def flat(n: int, **changed: list[float]) -> np.ndarray:
    """Return `n` quiet bars; ``bar3=[…]`` replaces the fourth."""
    rows = [list(FLAT) for _ in range(n)]
    for name, row in changed.items():
        rows[int(name.removeprefix("bar"))] = row
    return np.array(rows)


class Script(bt.Strategy):
    """Does what it is told: ``do`` gets the strategy, the name of the callback and its argument."""

    params = (("do", None),)

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        self.p.do(self, "next", None)

    def notify_order(self, order: Any) -> None:
        self.p.do(self, "order", order)

    def notify_event(self, event: Any) -> None:
        self.p.do(self, "event", event)


def play(frames: Any, do: Callable[..., None], *, events: list[int] | None = None, **settings: Any) -> Any:
    """Run a script; fail where it failed."""
    record = run(frames, Script, {"do": do}, settings=EngineSettings(**settings), events=tape(events or []))
    assert record.state == "finished", record.failure
    return record


def once(hook: str, act: Callable[[Any], Any], when: Callable[[Any], bool] = lambda s: True) -> Any:
    """Return a script that acts at the first `hook` where `when` holds."""

    def do(s: Any, name: str, _: Any) -> None:
        if name == hook and not getattr(s, "done", False) and when(s):
            s.done = True
            act(s)

    return do


def fills(record: Any) -> list[tuple[str, float, str]]:
    """Return symbol, price and time of each fill."""
    return [(f.symbol, f.price, f.time.strftime("%a %H:%M")) for f in record.fills]


def statuses(record: Any) -> list[str]:
    return [order.status for order in record.orders]
