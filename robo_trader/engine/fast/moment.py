"""The time of a run, read from where the run stands instead of being set on every bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robo_trader.engine.fast.cursor import Cursor
from robo_trader.strategy import StrategyContext


class FastContext(StrategyContext):
    """`StrategyContext` whose `now` is the bar step's time, or `beat` between bars (ns UTC)."""

    __slots__ = ("_stand", "_times", "beat")

    def __init__(self, **kwargs: Any) -> None:
        self.beat: int | None = 0
        self._times: Sequence[int] = ()
        self._stand = Cursor()
        super().__init__(**kwargs)

    def follow(self, times: Sequence[int], stand: Cursor) -> None:
        """Read the time from `times` at `stand` from now on."""
        self._times, self._stand, self.beat = times, stand, None

    @property
    def now(self) -> int:
        """The time of the run (ns UTC)."""
        return self._times[self._stand.i] if self.beat is None else self.beat

    @now.setter
    def now(self, time: int) -> None:
        self.beat = time
