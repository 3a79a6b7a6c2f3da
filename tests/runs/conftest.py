"""A small run made by hand: two symbols, three sessions, a round trip, an open trade, a signal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from robo_trader.clock import to_ns
from robo_trader.engine.record import OrderRecord, RunRecord, Sessions
from robo_trader.records import Fill, Signal
from robo_trader.runs import Result, RunInfo

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
CLOSE = datetime(2024, 1, 2, 21, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POOR = "not enough cash"


def fill(
    at: datetime, symbol: str, side: Any, size: float, price: float, fee: float, of: int, why: str = ""
) -> Fill:
    return Fill(
        time=at, symbol=symbol, side=side, size=size, price=price, commission=fee, order_id=of, because=why
    )


def order(number: int, side: Any, size: float, at: datetime, **more: Any) -> OrderRecord:
    fields: dict[str, Any] = dict(
        order_id=number,
        time=to_ns(at),
        symbol="AAA",
        side=side,
        type="Market",
        size=size,
        limit=None,
        stop=None,
        parent=None,
        oco=None,
        status="Completed",
        filled=size,
        reason="",
        because="",
    )
    return OrderRecord(**{**fields, **more})


def make_record(**change: Any) -> RunRecord:
    n = 3
    sessions = Sessions(
        date=np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]"),
        time=np.array([to_ns(CLOSE + i * DAY) for i in range(n)]),
        value=np.array([100000.0, 100490.5, 100600.0]),
        cash=np.array([90000.0, 100490.5, 95000.25]),
        fund=np.array([100.0, 100.4905, 100.6]),
        sizes={"AAA": np.array([100.0, 0.0, 0.0]), "BBB": np.array([0.0, 0.0, 0.5])},
        prices={"AAA": np.array([100.0, 104.0, 103.0]), "BBB": np.array([np.nan, 11.0, 11.5])},
        multipliers={"AAA": 1.0, "BBB": 1.0},
    )
    fields: dict[str, Any] = dict(
        starting_cash=100000.0,
        sessions=sessions,
        orders=[
            order(1, "BUY", 100.0, OPEN, because="cross, up"),
            order(2, "SELL", 100.0, OPEN + DAY, type="Limit", limit=105.5, oco=1),
            order(3, "BUY", 0.5, OPEN + 2 * DAY, symbol="BBB", status="Margin", filled=0.0, reason=POOR),
        ],
        fills=[
            fill(OPEN, "AAA", "BUY", 100.0, 100.1, 1.0, 1, "cross, up"),
            fill(CLOSE + DAY, "AAA", "SELL", 100.0, 105.5, 1.5, 2),
            fill(OPEN + 2 * DAY, "BBB", "BUY", 0.5, 11.0, 0.0, 3),
        ],
        decisions=[],
        signals=[
            Signal(
                at=OPEN, symbol="AAA", name="news", value=0.25, confidence=0.5,
                expires_at=OPEN + DAY, evidence=("e1", "e2"),
            ),
            Signal(at=OPEN + timedelta(microseconds=1500), symbol="*", name="fed", value=-1.0),
        ],
        events_delivered=[],
        bars_processed=6,
        warnings=("costs are 0",),
        timings={"run": 0.5},
    )  # fmt: skip
    return RunRecord(**{**fields, **change})


def make_info(**change: Any) -> RunInfo:
    fields: dict[str, Any] = dict(
        strategy="sma_cross",
        command="robo backtest sma_cross",
        config={"run": {"cash": 100000.0}},
        params={"fast": 10, "slow": 30},
        versions={"python": "3.11.7"},
        data=[{"source": "AAA.csv", "sha256": "ab", "rows": 3}],
        warnings=["costs are 0", "bars were guessed"],
        started=datetime(2026, 11, 20, 8, 0, tzinfo=UTC),
    )
    return RunInfo(**{**fields, **change})


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Build a result; keywords change fields of the record or, by their names, of the info."""

    def build(**change: Any) -> Result:
        in_info = {k: v for k, v in change.items() if k in RunInfo.__dataclass_fields__ and k != "warnings"}
        rest = {k: v for k, v in change.items() if k not in in_info}
        return Result(make_record(**rest), make_info(**in_info))

    return build
