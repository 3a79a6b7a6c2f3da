"""`LLMSignal`: what analysts or signal packs said, as a Backtrader indicator on a bar feed."""

from __future__ import annotations

import array
import math
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.errors import StrategyError
from robo_trader.signals import SignalColumns, SignalTape


class LLMSignal(bt.Indicator):
    """The signal of a role for one feed, as of each bar's end.

    Lines: `value` in [-1, 1], NaN where nothing is known or all has expired; `confidence` in
    [0, 1]; `age` in seconds since the newest signal; `known`, how many events or signals stand
    behind it. ``because=`` takes the indicator itself and records what it said at that moment.

    In a plain Backtrader strategy write ``LLMSignal(data, role="news")``: it finds the run's signals
    by itself. A role that the run does not know is a `UsageError`.
    """

    lines: Any = ("value", "confidence", "age", "known")
    params = (("role", "news"), ("tape", None))
    plotinfo = {"subplot": True}

    def __init__(self, *_data: Any, **_params: Any) -> None:
        # Backtrader's metaclass takes feed and parameters before this is called.
        super().__init__()
        frame = getattr(self.data, "frame", None)
        if frame is None:
            raise StrategyError(
                f"signal {self.p.role!r} was asked for something that is not a bar feed",
                hint="pass one of self.bars",
            )
        self._tape = self._found_tape()
        self._place = (frame.symbol, frame.instrument.symbol)
        #: What is known before the first bar; in a live session neither bars nor signals are all there yet.
        self._columns: SignalColumns = self._tape.columns(
            self.p.role, frame.symbol, frame.end, frame.instrument.symbol
        )

    def _found_tape(self) -> SignalTape:
        """Return the tape that was given, else the run's, else an empty one."""
        if self.p.tape is not None:
            return self.p.tape  # type: ignore[no-any-return]
        owner = self._owner
        while owner is not None and not hasattr(owner, "cerebro"):
            owner = getattr(owner, "_owner", None)
        tape = getattr(getattr(getattr(owner, "cerebro", None), "robo", None), "tape", None)
        return tape if isinstance(tape, SignalTape) else SignalTape()

    def next(self) -> None:
        i = len(self.data) - 1
        said = self._columns
        if self._tape.growing or i >= len(said.value):
            symbol, instrument = self._place
            said, i = self._tape.at(self.p.role, symbol, int(self.data.frame.end[i]), instrument), 0
        for alias in self.getlinealiases():
            getattr(self.lines, alias)[0] = float(getattr(said, alias)[i])

    def once(self, start: int, end: int) -> None:
        for alias in self.getlinealiases():
            column = np.ascontiguousarray(getattr(self._columns, alias), dtype=np.float64)
            getattr(self.lines, alias).array = array.array("d", column.tobytes())

    def because_text(self) -> str:
        """Return what the signal says now, for the record of an order."""
        value: Any = self.lines.value[0]
        if math.isnan(value):
            return f"{self.p.role} is silent: nothing known, or all of it expired"
        return f"{self.p.role} {value:+.2f} (confidence {self.lines.confidence[0]:.2f})"
