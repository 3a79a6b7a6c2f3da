"""`NewsData`: news beside bars as a Backtrader data feed, for scripts with a Cerebro of their own.

One row for each bar end: how many events became known since the bar before, and what a signal said
then. An event counts from its `known_at` on and never before, one that becomes known at the very end of a bar
in the next row, since it is told after that bar; a row's time is the bar's end, in UTC.
Wrong parameters are a `StrategyError` when Cerebro starts the feed. Runs of robo_trader need no such
feed: there events come by `notify_event` and signals by `LLMSignal`, which cost less.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.errors import StrategyError
from robo_trader.events.tape import EventTape
from robo_trader.feeds.bars import to_backtrader_days
from robo_trader.signals import SignalTape


class NewsData(bt.feed.DataBase):
    """News of one symbol on the ends of its bars.

    `bars` is the `BarFrame` whose ends are the rows' times, `events` an `EventTape` or an iterable of
    events. `symbol` keeps the events that name it or nobody (default: the bars' own), `kinds` those
    of some kinds. `signals` is a `SignalTape` and `role` whose signal of it is read.

    Lines: `news`, the number of events since the bar before; `total`, of all so far; `score` and
    `confidence`, the signal's, NaN where it is silent. `close` is `score` too, `volume` is `news`.
    """

    lines: Any = ("news", "total", "score", "confidence")
    params: Any = (
        ("bars", None), ("events", ()), ("symbol", ""), ("kinds", None), ("signals", None), ("role", "news"),
        ("timeframe", bt.TimeFrame.Minutes),
    )  # fmt: skip

    def start(self) -> None:
        super().start()
        bars = self.p.bars
        if not isinstance(bars, BarFrame):
            raise StrategyError(
                f"NewsData needs the bars on whose ends it speaks, not {type(bars).__name__}",
                hint="pass bars=BarFrame.from_pandas(frame)",
            )
        ends = bars.end
        known = self._known(self.p.symbol or bars.instrument.symbol)
        total = np.searchsorted(known, ends, side="left")
        tape = SignalTape() if self.p.signals is None else self.p.signals
        said = tape.columns(self.p.role, bars.symbol, ends, self.p.symbol or bars.instrument.symbol)
        self._rows = zip(
            to_backtrader_days(ends).tolist(), np.diff(total, prepend=0).tolist(), total.tolist(),
            said.value.tolist(), said.confidence.tolist(), strict=True,
        )  # fmt: skip

    def _known(self, symbol: str) -> Any:
        """Return when each event that counts became known (ns UTC), in order."""
        given = self.p.events
        tape = given if isinstance(given, EventTape) else EventTape.of(given)
        counts = [
            (not event.symbols or symbol in event.symbols)
            and (self.p.kinds is None or event.kind in self.p.kinds)
            for event in tape
        ]
        return tape.known_ns[np.array(counts, dtype=bool)] if counts else tape.known_ns

    def _load(self) -> bool:
        row = next(self._rows, None)
        if row is None:
            return False
        lines = self.lines
        lines.datetime[0], lines.news[0], lines.total[0], lines.score[0], lines.confidence[0] = row
        lines.open[0] = lines.high[0] = lines.low[0] = lines.close[0] = row[3]
        lines.volume[0], lines.openinterest[0] = row[1], 0.0
        return True
