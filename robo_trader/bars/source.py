"""The base class of bar sources: what a plugin author subclasses to bring bars from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from robo_trader.bars.frame import BarFrame


class BarSource:
    """A source of bars. An author writes `load`, and `symbols` where the source can list them.

    The host makes it with the table ``[bars.NAME]`` of robo.toml as keyword arguments, checks
    what it returns (a `BarFrame` is validated when made), cuts, resamples and aligns it.
    """

    def load(self, symbol: str, start: date | None, end: date | None, timeframe: str | None) -> BarFrame:
        """Return the bars of `symbol` from session date `start` to `end`, both included.

        None means without limit; `timeframe` is the one wanted (``1d``), a finer one will do.
        `BarFrame.from_pandas(frame, stamps=…, tz=…)` makes the answer. Raise `DataError` for an
        unknown symbol.
        """
        raise NotImplementedError(f"{type(self).__name__} has no load(symbol, start, end, timeframe)")

    def symbols(self) -> Sequence[str]:
        """Return the symbols on offer; empty where the source cannot list them."""
        return ()
