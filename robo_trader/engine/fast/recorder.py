"""`FastRecorder`: the account's history comes after the run, from the broker's notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.engine.fast.schedule import Schedule
from robo_trader.engine.fast.valuation import State, account
from robo_trader.engine.recorder import Moments, Recorder, order_prices

Column = NDArray[np.float64]


class FastRecorder(Recorder):
    """A recorder to which `finish` gives the sessions when the run is over.

    `place` counts bar steps here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._steps = np.array([], dtype=np.int64)
        self._moments = Moments(self._steps, self._steps.astype("datetime64[D]"))
        self._history: Sequence[State] = ()
        self._noted: dict[int, tuple[float, float, float]] = {}
        self._rank: Mapping[str, int] = {}

    def finish(
        self,
        schedule: Schedule,
        done: int,
        trading_from: int,
        history: Sequence[State],
        noted: dict[int, tuple[float, float, float]],
        rank: Mapping[str, int],
    ) -> None:
        """Take over what the broker noted in a run that finished `done` bar steps.

        `rank` is the broker's order of positions, by symbol.
        """
        times = schedule.ends[schedule.marks]
        keep = (schedule.marks < done) & (times >= trading_from)
        self._steps = schedule.marks[keep]
        self._moments = Moments(times[keep], schedule.mark_sessions[keep])
        self._history, self._noted, self._rank = history, noted, rank

    def moments(self) -> Moments:
        return self._moments

    def account(self, prices: Mapping[str, Column]) -> tuple[Column, Column, Column]:
        if not self._history:
            return super().account(prices)
        return account(
            self._history, self._noted, self._steps, lambda name, span: prices[name][span], self._rank
        )

    def places(self, places: list[int]) -> NDArray[np.int64]:
        return np.searchsorted(self._steps, places, side="left")

    def order(self, order: Any, time: int, oco: int | None) -> None:
        ids = self._ids
        ids[order.ref] = len(ids) + 1
        limit, stop = order_prices(order) if order.exectype else (None, None)
        self._orders.extend((order, time, oco, order.created.size, limit, stop, self.because(order)))

    def because(self, order: Any) -> str:
        info = order._info
        return (info.get("because", "") or "") if info else ""
