"""What a folder of bars holds, one row per file: what ``robo data list`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from robo_trader.bars.check import check_file
from robo_trader.bars.folder import bar_files, symbol_of
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.raw import Problem
from robo_trader.bars.settings import BarSettings


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One file or frame. `first` and `last` are session dates (ISO), `bars` their number; `stamps`
    (start, end, date) and `tz` say how stamps were read. Where `problems` is above 0 nothing
    else but `symbol` and `trouble`, the first problem in words, is known."""

    symbol: str
    timeframe: str = ""
    first: str = ""
    last: str = ""
    bars: int = 0
    stamps: str = ""
    tz: str = ""
    calendar: str = ""
    problems: int = 0
    trouble: str = ""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return row | {"notes": list(self.notes)}


def list_folder(path: str | Path, settings: BarSettings | None = None) -> list[CatalogRow]:
    """Return one row per file of a folder (or for one file), by symbol."""
    where = Path(path)
    files = {symbol_of(where): where} if where.is_file() else bar_files(where)
    rows = []
    for symbol, file in files.items():
        problems, frame = check_file(file, settings)
        rows.append(_good(frame) if frame is not None else _bad(symbol, problems))
    return rows


def list_frames(frames: Iterable[BarFrame]) -> list[CatalogRow]:
    """Return one row per frame, for sources that are no folder."""
    return [_good(frame) for frame in frames]


def _good(frame: BarFrame) -> CatalogRow:
    return CatalogRow(
        symbol=frame.symbol,
        timeframe=frame.timeframe,
        first=str(frame.session[0]),
        last=str(frame.session[-1]),
        bars=len(frame),
        stamps=frame.origin.stamps,
        tz=frame.origin.tz,
        calendar=frame.instrument.calendar,
        notes=frame.notes,
    )


def _bad(symbol: str, problems: list[Problem]) -> CatalogRow:
    return CatalogRow(symbol, problems=len(problems), trouble=str(problems[0]) if problems else "")
