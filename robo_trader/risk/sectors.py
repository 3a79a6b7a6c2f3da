"""Which sector a symbol belongs to: the map that comes with the project, and files beside it.

A sector file is CSV with the columns symbol and sector. A symbol that stands there twice, an empty
cell or an unreadable file is a `ConfigError` with file and row. A file of one's own may move a
symbol to another sector; sectors are free names. ``Broad index`` marks broad index funds, whose
limits differ. What ``[bars.symbols.X] sector`` says wins over every file.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from robo_trader.errors import ConfigError

#: The sector whose members are broad index funds.
BROAD_INDEX = "Broad index"
_OWN = Path(__file__).with_name("sectors.csv")
_COLUMNS = ["symbol", "sector"]


class SectorMap:
    """Symbols and their sectors; `SectorMap.load` reads the files."""

    def __init__(self, sectors: Mapping[str, str]) -> None:
        self._sectors = dict(sectors)

    @classmethod
    def load(cls, file: str | Path | None = None) -> SectorMap:
        """Return the project's map, with the rows of `file` over it."""
        rows = read_sectors(_OWN)
        return cls({**rows, **(read_sectors(Path(file)) if file is not None else {})})

    def sector(self, symbol: str) -> str | None:
        """Return the sector of `symbol`, or None."""
        return self._sectors.get(symbol)

    def names(self) -> list[str]:
        """Return every sector, sorted."""
        return sorted(set(self._sectors.values()))

    def __len__(self) -> int:
        return len(self._sectors)


def read_sectors(path: Path) -> dict[str, str]:
    """Return {symbol: sector} of one file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"there is no sector file {path}", hint="check [risk] sectors") from None
    except OSError as error:
        raise ConfigError(f"the sector file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"the sector file {path} is not UTF-8 text (byte {error.start})") from None
    rows = csv.reader(text.splitlines())
    if [cell.strip().lower() for cell in next(rows, [])] != _COLUMNS:
        raise ConfigError(f"{path}: the first row must be symbol,sector", hint="then one symbol a row")
    sectors: dict[str, str] = {}
    lines: dict[str, int] = {}
    for cells in rows:
        row = rows.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            raise ConfigError(f"{path}, row {row}: {','.join(cells)!r} is no symbol and sector")
        symbol, sector = (cell.strip() for cell in cells)
        if symbol in sectors:
            raise ConfigError(
                f"{path}, row {row}: {symbol} is given twice ({sectors[symbol]!r} in row {lines[symbol]}, "
                f"now {sector!r})",
                hint="keep one of the rows",
            )
        sectors[symbol], lines[symbol] = sector, row
    return sectors
