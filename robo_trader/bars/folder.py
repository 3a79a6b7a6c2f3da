"""Reading bars from disk: one CSV file, or a folder of ``SYMBOL.csv``.

Failure contract: a missing folder or file, a symbol without a file, an empty file and bad cells
are `DataError`s naming path, row, column and value, with a "did you mean" where one is near.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from robo_trader.bars.build import build
from robo_trader.bars.csv_fast import read_fast
from robo_trader.bars.csv_layout import encoding_of, layout_of
from robo_trader.bars.csv_slow import read_slow
from robo_trader.bars.frame import BarFrame, Origin
from robo_trader.bars.raw import RawColumns
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import DataError, did_you_mean

#: Endings of files that hold bars, the preferred first.
ENDINGS = (".csv", ".csv.gz", ".txt")
_HEAD = 65_536
_LENGTH = re.compile(
    r"(.+?)[-_]\d*(s|sec|m|min|minute|h|hour|hourly|d|day|daily|w|week|weekly|mo|month|monthly)",
    re.IGNORECASE,
)


def read_csv(
    path: str | Path,
    *,
    symbol: str | None = None,
    settings: BarSettings | None = None,
    timeframe: str | None = None,
) -> BarFrame:
    """Return the bars of one CSV file.

    `symbol` defaults to the file's name without its ending; `timeframe` says what the bars are
    where the stamps do not. Raises `DataError` naming file, row, column and value.
    """
    return build(read_raw(Path(path), symbol), settings, timeframe=timeframe)


def read_raw(path: Path, symbol: str | None = None) -> RawColumns:
    """Return a file's columns before anybody decided what its stamps mean."""
    data = read_bytes(path)
    name = symbol or symbol_of(path)
    if not data.strip():
        raise DataError(f"{path.name} is empty", hint="remove the file or download it again")
    if b"\0" in data[:_HEAD] and encoding_of(data[:_HEAD]) != "utf-16":
        raise DataError(f"{path.name} is no text file", hint="bars are read from CSV text")
    layout = layout_of(path, data[:_HEAD])
    origin = Origin(path.as_posix(), hashlib.sha256(data).hexdigest())
    raw = read_fast(name, data, layout, origin) or read_slow(path, name, data, layout, origin)
    return replace(raw, origin=replace(origin, rows=len(raw)))


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, unzipped where its name ends in .gz."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError:
        raise DataError(f"no file {path}", hint="check the path") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error}", hint="check the file and its permissions"
        ) from None


def symbol_of(path: Path) -> str:
    """Return the symbol that a file's name gives: ``SPY.csv`` is SPY."""
    name = path.name
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def bar_files(folder: Path) -> dict[str, Path]:
    """Return symbol → file of a folder; ``.txt`` counts only where there is no CSV file."""
    if not folder.exists():
        raise DataError(f"no folder {folder}", hint="check --bars, or leave it out to use the bundled bars")
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", hint="name the folder that holds SYMBOL.csv files")
    try:
        files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}", hint="check its permissions") from None
    by_ending = {e: [p for p in files if p.name.lower().endswith(e)] for e in ENDINGS}
    found: dict[str, Path] = {}
    for ending in ENDINGS:
        if ending == ".txt" and found:
            break
        for path in by_ending[ending]:
            found.setdefault(symbol_of(path), path)
    if not found:
        raise DataError(f"{folder} holds no SYMBOL.csv file", hint="put one CSV file per symbol into it")
    return found


def pick_files(folder: Path, symbols: Sequence[str] | None) -> dict[str, Path]:
    """Return symbol → file for the symbols asked for (all of the folder's where None)."""
    files = bar_files(folder)
    if symbols is None:
        return files
    by_name = {name.upper(): path for name, path in files.items()}
    spelt = {name.upper(): name for name in files}
    picked: dict[str, Path] = {}
    for symbol in dict.fromkeys(symbols):
        path = by_name.get(symbol.upper()) or _with_length(symbol, by_name)
        if path is None:
            near = did_you_mean(symbol.upper(), by_name)
            raise DataError(
                f"no file for symbol {symbol} in {folder}",
                hint=near or f"it holds {', '.join(sorted(files)[:8])}{', …' if len(files) > 8 else ''}",
            )
        picked[spelt.get(symbol.upper(), symbol)] = path
    return picked


def _with_length(symbol: str, by_name: dict[str, Path]) -> Path | None:
    """Return the one file named after `symbol` and a bar length (``SPY_60m.csv``)."""
    found = [(_LENGTH.fullmatch(name), path) for name, path in by_name.items()]
    near = [path for match, path in found if match and match[1].upper() == symbol.upper()]
    return near[0] if len(near) == 1 else None


def load_folder(
    path: str | Path, symbols: Sequence[str] | None = None, settings: BarSettings | None = None
) -> list[BarFrame]:
    """Return one frame per symbol, in the order asked for (by name where `symbols` is None)."""
    return [read_csv(p, symbol=s, settings=settings) for s, p in pick_files(Path(path), symbols).items()]
