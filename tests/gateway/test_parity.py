"""Random orders on random bars: the gateway in lockstep fills them as the backtest does."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import backtrader as bt
import pytest
from gwbars import daily, minutely
from gwclient import SPY

from robo_trader import backtest
from robo_trader.bars.frame import BarFrame
from robo_trader.gateway.settings import Limits

_WIRE = {
    "Market": "MKT",
    "Limit": "LMT",
    "Stop": "STP",
    "StopLimit": "STP LMT",
    "Close": "MOC",
    "StopTrail": "TRAIL",
}


class Planned(bt.Strategy):
    """Sends the orders of a plan: {bars seen: [(type, side, price, limit, trail)]}; good until cancelled."""

    params = dict(plan={})

    def next(self) -> None:
        for kind, side, price, limit, trail in self.p.plan.get(len(self), ()):
            send = self.buy if side == "BUY" else self.sell
            send(size=10, exectype=getattr(bt.Order, kind), price=price, plimit=limit, trailamount=trail)


def _closes(rng: random.Random, n: int) -> list[float]:
    price, closes = 100.0, []
    for _ in range(n):
        price = round(max(20.0, price + rng.choice([-2, -1, -0.5, 0, 0.5, 1, 2]) * rng.random()), 2)
        closes.append(price)
    return closes


def _plan(rng: random.Random, closes: list[float]) -> dict[int, list[Any]]:
    plan: dict[int, list[Any]] = {}
    for seen in range(1, len(closes) - 2):
        for _ in range(rng.choice([0, 0, 1, 2])):
            kind, side = rng.choice(list(_WIRE)), rng.choice(["BUY", "SELL"])
            price = round(closes[seen - 1] + rng.uniform(-2, 2), 2)
            limit = round(price + rng.uniform(-1, 1), 2)
            trail = None
            if kind == "StopTrail":
                # The first stop is the last close and a distance, in both worlds.
                price, trail = closes[seen - 1], round(rng.uniform(0.2, 2), 2)
            plan.setdefault(seen, []).append(
                (kind, side, None if kind in ("Market", "Close") else price, limit, trail)
            )
    return plan


def _expected(frame: BarFrame, plan: dict[int, list[Any]]) -> list[tuple[str, str, float, float]]:
    result = backtest(
        Planned, bars=frame, params={"plan": plan}, risk="off", save=False, commission=0.001, cash=1e7
    )
    return sorted((f.time.isoformat(), f.side, f.size, round(f.price, 6)) for f in result.fills)


@pytest.mark.parametrize("seed", range(6))
def test_fills_are_the_backtests(replay: Any, connect: Any, commands: Any, seed: int) -> None:
    rng = random.Random(seed)
    closes = _closes(rng, 40)
    plan = _plan(rng, closes)
    frame = (daily if seed % 2 else minutely)("SPY", closes)
    gateway = replay([frame], commission=0.001, cash=1e7, limits=Limits(message_rate=1e9))
    client, control = connect(gateway), commands(gateway)
    for seen in range(1, len(closes) + 1):
        while control("advance")["phase"] != "end":
            pass
        for kind, side, price, limit, trail in plan.get(seen, ()):
            fields = {
                "Limit": {"lmtPrice": price},
                "Stop": {"auxPrice": price},
                "StopLimit": {"auxPrice": price, "lmtPrice": limit},
                "StopTrail": {"auxPrice": trail},
            }.get(kind, {})
            client.order(SPY, action=side, totalQuantity=10, orderType=_WIRE[kind], tif="GTC", **fields)
        client.sync()
    fills = sorted(
        (
            datetime.fromtimestamp(e.time / 1e9, UTC).isoformat(),
            "BUY" if e.side == "BOT" else "SELL",
            e.shares,
            round(e.price, 6),
        )
        for e in gateway.server.books.executions.values()
    )
    expected = _expected(frame, plan)
    assert len(expected) >= 10
    assert fills == expected
