"""`BarFrame`: bars of one instrument as numpy columns, each bar with its start, end and session.

A bar is known at its `end`. `start` and `end` are int64 nanoseconds since 1970-01-01 UTC,
`session` is the exchange's trading date (datetime64[D]). The arrays are read-only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import iso
from robo_trader.errors import DataError
from robo_trader.instruments import Instrument

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bars came from: a path or a source's name, the file's hash, its rows and how its
    stamps were read (``start``, ``end`` or ``date``; ``tz`` is an IANA name)."""

    source: str
    sha256: str = ""
    rows: int = 0
    stamps: str = ""
    tz: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class BarFrame:
    """Validated bars of one instrument at one time frame, in time order.

    `timeframe` is ``1m``, ``5m``, ``1h``, ``1d``, ``1w`` …. `adjusted` is True where prices
    know later splits or dividends (ratios are safe, levels are not). `notes` are sentences for
    the reader of a report: what was guessed, repaired or looked odd while loading. `closed` is when
    each bar's last price was printed (ns UTC), where bars are delivered later than that.
    """

    symbol: str
    timeframe: str
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    session: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    instrument: Instrument
    adjusted: bool = False
    origin: Origin = field(default_factory=lambda: Origin("memory"))
    notes: tuple[str, ...] = ()
    closed: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.end)
        for name, dtype in (("start", np.int64), ("end", np.int64), ("session", "datetime64[D]")):
            self._freeze(name, np.asarray(getattr(self, name), dtype=dtype), n)
        for name in COLUMNS:
            self._freeze(name, np.asarray(getattr(self, name), dtype=np.float64), n)
        if self.closed is not None:
            self._freeze("closed", np.asarray(self.closed, dtype=np.int64), n)
        self._check()

    def _freeze(self, name: str, column: NDArray[Any], n: int) -> None:
        if column.shape != (n,):
            raise DataError(f"{self.symbol}: column {name} has shape {column.shape}, not ({n},)")
        column = np.ascontiguousarray(column)
        if column.flags.writeable:
            column = column.copy() if column is getattr(self, name) else column
            column.flags.writeable = False
        object.__setattr__(self, name, column)

    def _check(self) -> None:
        """Refuse what no backtest can use; the first bad bar is named by its end."""
        if not len(self.end):
            raise DataError(f"{self.symbol}: no bars", hint="check the file and the period asked for")
        self._refuse(np.diff(self.end, prepend=self.end[0] - 1) <= 0, "is not after the bar before it")
        overlap = np.concatenate(([False], self.start[1:] < self.end[:-1]))
        self._refuse(overlap, "starts before the bar before it ends")
        self._refuse(self.start > self.end, "ends before it starts")
        self._refuse(self.start == self.end, "ends when it starts")
        for name in PRICES:
            column = getattr(self, name)
            self._refuse(~np.isfinite(column), f"has no usable {name}", name)
            self._refuse(column <= 0, f"has a {name} that is not above 0", name)
        self._refuse(self.high < self.low, "has high < low", "high")
        top, bottom = np.maximum(self.open, self.close), np.minimum(self.open, self.close)
        self._refuse(self.high < top, "has a high below its open or close", "high")
        self._refuse(self.low > bottom, "has a low above its open or close", "low")
        self._refuse(~(self.volume >= 0), "has a volume that is not a number of 0 or more", "volume")

    def _refuse(self, bad: NDArray[np.bool_], what: str, column: str | None = None) -> None:
        if not bad.any():
            return
        i = int(np.argmax(bad))
        seen = f" ({column} = {getattr(self, column)[i]})" if column else ""
        raise DataError(
            f"{self.symbol}: the bar ending {iso(int(self.end[i]))} {what}{seen}",
            hint="see every problem with 'robo data check DIR'",
        )

    @classmethod
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        *,
        symbol: str = "",
        stamps: Literal["start", "end", "date"] | None = None,
        tz: str | None = None,
        timeframe: str | None = None,
        instrument: Instrument | None = None,
        session: Literal["regular", "all"] = "regular",
    ) -> BarFrame:
        """Return the bars that a DataFrame holds.

        Columns open, high, low, close (and volume, zeros where absent) in any case and order;
        stamps in a DatetimeIndex or in a column named like one. `stamps` says what they mark:
        dates alone are recognised, intraday stamps must be said or prove it. `tz` is the IANA
        zone of naive stamps (default: the calendar's). `instrument` brings the calendar; without
        it the symbol does. `session` keeps the regular session or ``all``. Raises `DataError`.
        """
        from robo_trader.bars.build import build
        from robo_trader.bars.dataframe import raw_from_pandas
        from robo_trader.bars.settings import BarSettings

        name = symbol or (instrument.symbol if instrument else str(frame.attrs.get("symbol", "")))
        settings = BarSettings(stamps=stamps, tz=tz, session=session)
        return build(raw_from_pandas(frame, name), settings, instrument=instrument, timeframe=timeframe)

    def __len__(self) -> int:
        return len(self.end)

    def __repr__(self) -> str:
        return (
            f"BarFrame({self.symbol} {self.timeframe}, {len(self)} bars, "
            f"{iso(int(self.start[0]))} to {iso(int(self.end[-1]))})"
        )

    def where(self, keep: NDArray[Any] | slice) -> BarFrame:
        """Return the bars that a boolean mask, an index array or a slice selects."""
        columns = {n: getattr(self, n)[keep] for n in ("start", "end", "session", *COLUMNS)}
        return replace(self, **columns, closed=None if self.closed is None else self.closed[keep])

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame indexed by `end` (UTC) with start, session and the OHLCV columns."""
        import pandas as pd

        index = pd.DatetimeIndex(self.end.view("datetime64[ns]"), tz="UTC", name="end")
        data: dict[str, Any] = {n: getattr(self, n) for n in COLUMNS}
        data["session"] = self.session.astype("datetime64[s]")
        data["start"] = pd.DatetimeIndex(self.start.view("datetime64[ns]"), tz="UTC")
        return pd.DataFrame(data, index=index)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a BarFrame is not iterable; use its columns or to_pandas()")
