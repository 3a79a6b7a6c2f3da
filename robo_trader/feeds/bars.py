"""`BarsFeed`: a whole `BarFrame` moved into Backtrader's line arrays at once.

`data.datetime` holds each bar's *end* in UTC, as Backtrader's float days; the exact nanoseconds
stay in ``data.frame``. Reading a feed before its first bar raises `IndexError` instead of
Python's ``array[-1]``, which would be the last bar of all. With ``audit=True`` reading ahead
(``data.close[1]``) raises `LookAheadError` too.
"""

from __future__ import annotations

import array
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.linebuffer import LineBuffer
from numpy.typing import NDArray

from robo_trader.bars.frame import COLUMNS, BarFrame
from robo_trader.errors import DataError, StrategyError

_UNITS = {
    "m": (bt.TimeFrame.Minutes, 1),
    "h": (bt.TimeFrame.Minutes, 60),
    "d": (bt.TimeFrame.Days, 1),
    "w": (bt.TimeFrame.Weeks, 1),
    "mo": (bt.TimeFrame.Months, 1),
    "s": (bt.TimeFrame.Seconds, 1),
}
_NO_PARAMS = LineBuffer.params()
_US_PER_DAY = 86_400_000_000
_UNIX_ORDINAL = date(1970, 1, 1).toordinal()


class LookAheadError(StrategyError):
    """A strategy read a bar that was not yet known; raised in audit mode."""


class _GuardedLine(LineBuffer):
    """A line that looks at every way of reading it; `_check` raises where a read is not allowed."""

    def __getitem__(self, ago: int) -> float:
        self._check(ago)
        return float(self.array[self.idx + ago])

    def get(self, ago: int = 0, size: int = 1) -> Any:
        self._check(ago)
        return super().get(ago, size)

    def datetime(self, ago: int = 0, tz: Any = None, naive: bool = True) -> Any:
        self._check(ago)
        return super().datetime(ago, tz, naive)

    def date(self, ago: int = 0, tz: Any = None, naive: bool = True) -> Any:
        self._check(ago)
        return super().date(ago, tz, naive)

    def time(self, ago: int = 0, tz: Any = None, naive: bool = True) -> Any:
        self._check(ago)
        return super().time(ago, tz, naive)

    def _check(self, ago: int) -> None:
        """Allow everything."""


class _UnstartedLine(_GuardedLine):
    """A line before its first bar: the past is empty and the future is not ours."""

    def _check(self, ago: int) -> None:
        raise IndexError("this data feed has no bar yet")


class _AuditedLine(_GuardedLine):
    """A line that refuses to show what lies ahead of the current bar."""

    def _check(self, ago: int) -> None:
        if ago > 0:
            raise LookAheadError(
                f"the strategy read [{ago}], a bar that is not known yet",
                hint="use 0 for the current bar and negative numbers for the past",
            )


def to_backtrader_days(ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Convert nanoseconds since the epoch (UTC) to Backtrader's float days, as `bt.date2num` does.

    Equal to it to the last bit: between 1436 and 2871 all ordinals share one float grid, so the
    time of day is rounded independently of the day and each distinct time is summed only once.
    """
    day, tod = np.divmod(ns // 1000, _US_PER_DAY)
    base = (day + _UNIX_ORDINAL).astype(np.float64)
    if len(base) and not (base.min() >= 524_288 and base.max() < 1_048_576):
        raise DataError("bars before the year 1436 or after 2871 are not supported")
    if not tod.any():
        return base
    seconds, rest_of_second = np.divmod(tod, 1_000_000)
    if len(tod) < 100 or rest_of_second.any():
        distinct, which = np.unique(tod, return_inverse=True)
    else:
        # Whole seconds are counted instead of sorted: a tenth of the time.
        present = np.flatnonzero(np.bincount(seconds))
        places = np.zeros(present[-1] + 1, dtype=np.intp)
        places[present] = np.arange(len(present))
        distinct, which = present * 1_000_000, places[seconds]
    first = float(base[0])
    rest = np.empty(len(distinct))
    for i, us in enumerate(distinct.tolist()):
        whole, micro = divmod(us, 1_000_000)
        minutes, second = divmod(whole, 60)
        hour, minute = divmod(minutes, 60)
        parts = (first, hour / 24.0, minute / 1440.0, second / 86400.0, micro / (86400.0 * 1e6))
        rest[i] = math.fsum(parts) - first
    days: NDArray[np.float64] = base + rest[which]
    return days


def backtrader_timeframe(code: str) -> tuple[int, int]:
    """Return Backtrader's (timeframe, compression) for ``5m``, ``1h``, ``1d``, ``1w`` or ``1mo``."""
    match = re.fullmatch(r"(\d+)(s|mo|m|h|d|w)", code)
    if match is None:
        raise DataError(f"unknown time frame {code!r}", hint="use a form like 1m, 5m, 1h, 1d or 1w")
    unit, factor = _UNITS[match[2]]
    return unit, int(match[1]) * factor


def _line_array(column: NDArray[np.float64]) -> array.array[float]:
    values = array.array("d")
    values.frombytes(column.data.cast("B"))
    return values


def _make_lines(self: Any, initlines: Any = None) -> None:
    """Make a feed's lines, without Backtrader's search for an owner, which the feed itself sets."""
    self.lines = []
    for _ in self._getlines():
        line = object.__new__(LineBuffer)
        line.params = line.p = _NO_PARAMS
        line.__init__()
        self.lines.append(line)


class BarsFeed(bt.feed.DataBase):
    """A Backtrader feed over a `BarFrame` (``BarsFeed(dataname=frame)``).

    ``guard=False`` leaves out the check for reads before the first bar, as in plain Backtrader.
    """

    params = (("audit", False), ("guard", True))

    def __init__(self) -> None:
        super().__init__()
        frame = self.p.dataname
        if not isinstance(frame, BarFrame):
            raise DataError(f"BarsFeed needs a BarFrame as dataname, not {type(frame).__name__}")
        self.frame: BarFrame = frame
        self.p.timeframe, self.p.compression = backtrader_timeframe(frame.timeframe)
        self._timeframe, self._compression = self.p.timeframe, self.p.compression
        self._position = 0
        self._shared: tuple[array.array[float], array.array[float]] | None = None
        self._dated = frame.timeframe.endswith(("d", "w", "mo"))

        for line in self.lines:
            line._owner = self
        # Found at once; Backtrader looks a line up through three objects each time.
        for alias in self.getlinealiases():
            setattr(self, alias, getattr(self.lines, alias))

    #: Prices of a bar in the making, which Backtrader's replay sets; these bars are complete.
    tick_open = tick_high = tick_low = tick_close = tick_volume = tick_openinterest = tick_last = None

    def start(self) -> None:
        super().start()
        self._position = 0

    def share_times(self, other: BarsFeed) -> None:
        """Use the times of `other`, a feed whose bars end when this one's do, instead of own ones."""
        self._shared = other.times()

    def times(self) -> tuple[array.array[float], array.array[float]]:
        """Return the arrays of the lines that hang on the bars' ends alone: datetime, openinterest."""
        if self._shared is None:
            days = to_backtrader_days(self.frame.end)
            self._shared = _line_array(days), _line_array(np.zeros(len(days)))
        return self._shared

    def _columns(self) -> dict[str, NDArray[np.float64]]:
        columns = {name: getattr(self.frame, name) for name in COLUMNS}
        columns["datetime"] = to_backtrader_days(self.frame.end)
        columns["openinterest"] = np.zeros(len(self.frame))
        return columns

    def preload(self) -> None:
        """Fill every line at once; filters need bars one by one and take the ordinary way."""
        if self._filters or self._ffilters:
            super().preload()
            return
        kind = _UnstartedLine if self.p.guard else _AuditedLine if self.p.audit else LineBuffer
        self.datetime.array, self.openinterest.array = self.times()
        for name in COLUMNS:
            getattr(self, name).array = _line_array(getattr(self.frame, name))
        for line in self.lines:
            line.__class__ = kind
        self._position = len(self.frame)
        self.home()

    def _load(self) -> bool:
        i = self._position
        if i >= len(self.frame):
            return False
        if i == 0:
            self._loading = self._columns()
        for alias in self.getlinealiases():
            getattr(self.lines, alias)[0] = float(self._loading[alias][i])
        self._position = i + 1
        return True

    def is_guarded(self) -> bool:
        """Return True where the feed has no bar yet and may not be read."""
        return type(self.lines[0]) is _UnstartedLine

    def open_lines(self) -> None:
        """Let the lines be read: called once, when the first bar is delivered."""
        kind = _AuditedLine if self.p.audit else LineBuffer
        for line in self.lines:
            if type(line) is _UnstartedLine:
                line.__class__ = kind

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let the lines be read while indicators are computed, which move through them from the beginning."""
        guarded = self.is_guarded()
        self.open_lines()
        try:
            yield
        finally:
            if guarded:
                for line in self.lines:
                    line.__class__ = _UnstartedLine

    def peek(self) -> None:
        """Move the lines onto the bar in progress, for the broker alone; undo with `unpeek`."""
        self.open_lines()
        for line in self.lines:
            line.advance()

    def unpeek(self) -> None:
        """Move the lines back to the last bar that the strategy may know."""
        for line in self.lines:
            line.rewind()
        if not len(self):
            for line in self.lines:
                line.__class__ = _UnstartedLine if self.p.guard else LineBuffer

    def date2num(self, dt: date | datetime) -> float:
        """Convert a date or time in the feed's zone to float days; an aware time keeps its own zone."""
        if isinstance(dt, datetime) and dt.tzinfo is not None:
            return float(bt.date2num(dt))
        if not isinstance(dt, datetime):
            dt = datetime.combine(dt, time())
        return float(super().date2num(dt))

    @property
    def dated(self) -> bool:
        """True for daily bars and longer ones, which count in dates rather than hours."""
        return self._dated


BarsFeed.lines = type(BarsFeed.lines.__name__, (BarsFeed.lines,), {"__init__": _make_lines})
