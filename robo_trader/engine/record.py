"""What happened in a run: plain data, without metrics and without a word of report.

Times are int64 nanoseconds since 1970-01-01 UTC. Order ids count from 1 in each run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import from_ns
from robo_trader.records import Decision, Event, Fill, Intent, Signal, View


@dataclass(slots=True)
class OrderRecord:
    """One order as it stood at the end of the run; a row of `orders.csv`.

    `type` and `status` are in Backtrader's spelling; `size` is positive; `limit` and `stop` are
    prices or None; `parent` and `oco` are order ids or None; `filled` is the size executed.
    `time` is the submission.
    """

    order_id: int
    time: int
    symbol: str
    side: Literal["BUY", "SELL"]
    type: str
    size: float
    limit: float | None
    stop: float | None
    parent: int | None
    oco: int | None
    status: str
    filled: float
    reason: str
    because: str


class AllowedOrders(Sequence[Decision]):
    """The decisions of a gate that let every order pass, made when they are looked at.

    `order_ids` and `times` (ns UTC) say which order was allowed when.
    """

    def __init__(self, order_ids: list[int], times: list[int], orders: Sequence[OrderRecord]) -> None:
        self.order_ids = order_ids
        self.times = times
        self._orders = orders

    def __len__(self) -> int:
        return len(self.order_ids)

    @overload
    def __getitem__(self, index: int) -> Decision: ...
    @overload
    def __getitem__(self, index: slice) -> list[Decision]: ...
    def __getitem__(self, index: int | slice) -> Decision | list[Decision]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        order_id = self.order_ids[index]
        row = self._orders[order_id - 1]
        intent = Intent(
            order_id=order_id, time=from_ns(self.times[index]), symbol=row.symbol, side=row.side,
            size=row.size, type=row.type, limit=row.limit, stop=row.stop, parent=row.parent, oco=row.oco,
            because=row.because,
        )  # fmt: skip
        return Decision(intent=intent)


@dataclass(slots=True)
class Sessions:
    """The account at the end of each session (each UTC day where markets never close).

    `date` is datetime64[D]; `time` the moment of the mark (ns UTC); `value`, `cash` and
    `fund` (value per fund share: free of deposits) in account currency, all of length n.
    `sizes[symbol]` and `prices[symbol]` are float arrays of length n: the signed position and
    the last known close (NaN before the first bar). `multipliers[symbol]` turns size times
    price into money.
    """

    date: NDArray[np.datetime64]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    cash: NDArray[np.float64]
    fund: NDArray[np.float64]
    sizes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    prices: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Failure:
    """Why a run ended early: the error in one line and where it happened."""

    message: str
    where: str = ""
    bar_time: int | None = None
    traceback: str = ""


@dataclass(slots=True)
class RunRecord:
    """Everything that one run of the engine leaves behind.

    `state` is ``finished``, ``interrupted`` (Ctrl-C) or ``failed``. `notify` says when fills at
    the open reach the strategy: ``at_open`` or ``with_bar``. `path` names the engine's way and
    `path_reasons` why a part took the plain one. `wake` are the times (ns UTC) of the bars on which
    the strategy said that it can act, where it said so and was taken at its word. `views` are those
    that the run's signals were made of.
    """

    starting_cash: float
    sessions: Sessions
    orders: list[OrderRecord]
    fills: list[Fill]
    decisions: Sequence[Decision]
    signals: list[Signal]
    events_delivered: list[Event]
    bars_processed: int
    state: Literal["finished", "interrupted", "failed"] = "finished"
    failure: Failure | None = None
    fill_rules: Literal["honest", "stock"] = "honest"
    notify: Literal["at_open", "with_bar"] = "with_bar"
    path: str = "plain"
    path_reasons: tuple[str, ...] = ()
    wake: NDArray[np.int64] | None = None
    cheats: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    views: list[View] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
