"""`LeanBars`: Lean's daily, hourly and minute trade bars as a bar source, adjusted or as traded.

A daily bar ends with its session; hourly and minute stamps mark the start in New York, and the
hour stamped 09:00 begins with the session at 09:30. Settings that make no sense are a `ConfigError`, files
that are missing or broken a `DataError`; a symbol never arrives unadjusted where adjusted
prices were asked for.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np

from robo_lean.factors import ADJUSTMENTS, Adjust, Factors, parse_factors
from robo_lean.files import LeanFile, LeanFiles
from robo_lean.parse import Rows, joined, parse_dated, parse_minutes
from robo_lean.quirks import quirks
from robo_trader import BarFrame, BarSource, ConfigError, DataError, UsageError

Session = Literal["regular", "all"]

NEW_YORK: Final = "America/New_York"
_TIMEFRAME: Final = re.compile(r"(\d+)(m|h|d|w|mo|y)")
#: Which of Lean's resolutions a request can be made from, the coarsest first.
_MADE_FROM: Final = {"m": ("1m",), "h": ("1h", "1m")}
_ALL: Final = ("1d", "1h", "1m")


@dataclass(frozen=True, slots=True)
class _Read:
    """Bars of one resolution as read, with what is needed to name and repeat the reading."""

    timeframe: str
    rows: Rows
    source: str
    sha256: str


class LeanBars(BarSource):
    """Reads US equities from Lean's data folder.

    `root` is Lean's ``Data`` folder, a folder with loose files, or a list of either. `adjust` is
    ``splits`` (prices and volumes in today's shares), ``total`` (dividends reinvested as well) or ``none``
    (as traded). `session` is ``regular``, or ``all`` for the bars from 04:00 to 20:00 too.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        adjust: Adjust = "splits",
        session: Session = "regular",
    ) -> None:
        if not root:
            raise ConfigError(
                "the bar source 'lean' does not know where the files are",
                hint='write root = "path/to/Lean/Data" under [bars.lean] in robo.toml',
            )
        if adjust not in ADJUSTMENTS:
            raise ConfigError(f"[bars.lean] adjust must be none, splits or total, not {adjust!r}")
        if session not in ("regular", "all"):
            raise ConfigError(f"[bars.lean] session must be regular or all, not {session!r}")
        roots = [root] if isinstance(root, str | os.PathLike) else list(root)
        self.adjust: Adjust = adjust
        self.session: Session = session
        self.files = LeanFiles([Path(r).expanduser() for r in roots])

    def symbols(self) -> list[str]:
        """Return the symbols that have bars, in order."""
        return self.files.symbols()

    def load(self, symbol: str, start: Any = None, end: Any = None, timeframe: str | None = None) -> BarFrame:
        """Return bars of `symbol` for the session dates from `start` to `end`, both included.

        The frame is of Lean's own resolution (``1d``, ``1h``, ``1m``): the coarsest from which
        `timeframe` can be made, or the coarsest there is where it is None. The host resamples.
        """
        first, last = _day(start), _day(end)
        read = self._read(symbol, first, last, timeframe)
        rows = _cut(read, symbol, first, last)
        frame = _frame(symbol, replace(read, rows=rows), self.session)
        factors, used = self._factors(symbol)
        notes = (*frame.notes, *quirks(frame, factors))
        sha256 = read.sha256 if used is None else _digest(read.sha256.encode("ascii"), used)
        origin = replace(frame.origin, source=read.source, sha256=sha256, rows=len(rows))
        return _adjusted(replace(frame, notes=notes, origin=origin), factors, self.adjust)

    def _factors(self, symbol: str) -> tuple[Factors | None, bytes | None]:
        """Return the factors of `symbol` and, where they change prices, the bytes they were read from."""
        file = self.files.factors(symbol)
        if file is None and self.adjust != "none":
            raise DataError(
                f"lean: {symbol} has no factor file, so nobody knows its splits",
                hint='add it, or set adjust = "none" under [bars.lean] to take prices as traded',
            )
        if file is None:
            return None, None
        raw = file.read()
        return parse_factors(raw, str(file.path)), None if self.adjust == "none" else raw

    def _read(self, symbol: str, first: str, last: str, timeframe: str | None) -> _Read:
        wanted = _resolutions(timeframe)
        for resolution in wanted:
            if resolution == "1m":
                if files := self.files.minutes(symbol, first, last):
                    return _minutes(files)
            elif file := (self.files.daily if resolution == "1d" else self.files.hour)(symbol):
                raw = file.read()
                return _Read(resolution, parse_dated(raw, str(file.path)), str(file.path), _digest(raw))
        if "1m" in wanted and (days := self.files.minutes(symbol)):
            have = f"there are {len(days)} days from {days[0].day} to {days[-1].day}"
            raise DataError(
                f"lean: no minute bars of {symbol} from {first or '…'} to {last or '…'}", hint=have
            )
        raise self._nothing(symbol, wanted)

    def _nothing(self, symbol: str, wanted: tuple[str, ...]) -> DataError:
        known = self.symbols()
        where = ", ".join(str(root) for root in self.files.roots)
        if symbol.upper() in known:
            return DataError(
                f"lean: {symbol} has no bars from which {wanted[0]} could be made in {where}",
                hint="ask for a coarser --timeframe",
            )
        near = difflib.get_close_matches(symbol.upper(), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:12]) or 'none at all'}"
        return DataError(f"lean: there are no bars of {symbol} in {where}", hint=hint)


def _resolutions(timeframe: str | None) -> tuple[str, ...]:
    """Return Lean's resolutions that can serve a time frame, the best first."""
    if timeframe is None:
        return _ALL
    match = _TIMEFRAME.fullmatch(timeframe)
    if match is None:
        raise UsageError(f"lean: no such timeframe {timeframe!r}", hint="for example 1m, 1h or 1d")
    return _MADE_FROM.get(match[2], _ALL)


def _minutes(files: list[LeanFile]) -> _Read:
    """Return the rows of several days' minute files."""
    raws = [file.read() for file in files]
    parts = [parse_minutes(raw, file.day, str(file.path)) for raw, file in zip(raws, files, strict=True)]
    source = str(files[0].path) + (f" and {len(files) - 1} more days" if len(files) > 1 else "")
    return _Read("1m", joined(parts), source, _digest(*raws))


def _digest(*raws: bytes) -> str:
    """Return the SHA-256 of one file, or of several one after the other."""
    digest = hashlib.sha256()
    for raw in raws:
        digest.update(raw)
    return digest.hexdigest()


def _cut(read: _Read, symbol: str, first: str, last: str) -> Rows:
    """Return the rows of the dates from `first` to `last` (YYYYMMDD, empty for no bound)."""
    dates = read.rows.dates
    keep = np.ones(len(dates), dtype=np.bool_)
    if first:
        keep &= dates >= _date(first)
    if last:
        keep &= dates <= _date(last)
    if not keep.any():
        raise DataError(
            f"lean: no {read.timeframe} bars of {symbol} from {first or '…'} to {last or '…'}",
            hint=f"the file reaches from {dates[0]} to {dates[-1]}",
        )
    return read.rows.where(keep)


def _frame(symbol: str, read: _Read, session: Session) -> BarFrame:
    """Return the validated bars as traded."""
    import pandas as pd

    columns: dict[str, Any] = {
        n: read.rows.prices[:, i] for i, n in enumerate(("open", "high", "low", "close"))
    }
    table = pd.DataFrame(columns | {"volume": read.rows.volume}, index=pd.DatetimeIndex(read.rows.local))
    stamps: Literal["date", "start"] = "date" if read.timeframe == "1d" else "start"
    try:
        return BarFrame.from_pandas(
            table, symbol=symbol, stamps=stamps, tz=NEW_YORK, timeframe=read.timeframe, session=session
        )
    except DataError as error:
        raise DataError(f"{read.source}: {error.message}", hint=error.hint) from error


def _adjusted(frame: BarFrame, factors: Factors | None, adjust: Adjust) -> BarFrame:
    """Return `frame` in today's shares; it counts as adjusted where any factor differs from 1."""
    if factors is None or adjust == "none":
        return frame
    scale, split = factors.of(frame.session, adjust), factors.splits(frame.session)
    if (scale == 1.0).all() and (split == 1.0).all():
        return frame
    return replace(
        frame,
        open=frame.open * scale,
        high=frame.high * scale,
        low=frame.low * scale,
        close=frame.close * scale,
        volume=frame.volume / split,
        adjusted=True,
    )


def _day(moment: Any) -> str:
    """Return a date, a time (aware ones in New York), ISO text or None as YYYYMMDD or an empty text."""
    if moment is None:
        return ""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment = moment.astimezone(ZoneInfo(NEW_YORK))
    try:
        return date.fromisoformat(str(moment)[:10]).strftime("%Y%m%d")
    except ValueError:
        raise UsageError(f"lean: {moment!r} is no date", hint="write it as 2013-10-07") from None


def _date(day: str) -> np.datetime64:
    return np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "D")
