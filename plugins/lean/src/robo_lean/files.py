"""Where Lean's files are: its folder layout, and the same files lying loose in one folder.

    layout   <root>/equity/usa/daily/spy.zip, hour/spy.zip, minute/spy/20131007_trade.zip and
             factor_files/spy.csv; `root` may also name a folder further down, up to `usa`.
    loose    spy.csv, spy_hour.csv, spy_20131007_trade_1min.csv and spy_factors.csv

Map files (tickers that changed their owner) are not read. A folder or zip file that cannot be
read is a `DataError` with its path.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robo_trader import DataError

_MARKET = Path("equity", "usa")
_LOOSE_DAILY = re.compile(r"([a-z][a-z0-9.]*)\.csv")
_LOOSE_HOUR = re.compile(r"([a-z][a-z0-9.]*)_hour\.csv")
_LOOSE_MINUTE = re.compile(r"([a-z][a-z0-9.]*)_(\d{8})_trade_1min\.csv")
_ZIPPED_MINUTE = re.compile(r"(\d{8})_trade\.zip")


@dataclass(frozen=True, slots=True)
class LeanFile:
    """One file of bars or factors; `member` is its name inside of a zip file, or empty.

    `day` is the trading date (YYYYMMDD) of a minute file, else empty.
    """

    path: Path
    member: str = ""
    day: str = ""

    def read(self) -> bytes:
        """Return the file's bytes; of a zip file those of `member` or of the only one in it."""
        try:
            if self.path.suffix != ".zip":
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.member or self._only(archive))
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise DataError(f"cannot read {self.path}: {error}", hint="download the file again") from error

    def _only(self, archive: zipfile.ZipFile) -> str:
        members = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(members) != 1:
            raise DataError(f"{self.path} holds {len(members)} csv files, not one")
        return members[0]


class LeanFiles:
    """The files of one or several roots; where two have the same file, the first root wins."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        for root in self.roots:
            if not root.is_dir():
                raise DataError(
                    f"there is no folder {root}", hint="mend 'root' in the table [bars.lean] of robo.toml"
                )
        self._markets = [market for root in self.roots if (market := _market(root))]

    def daily(self, symbol: str) -> LeanFile | None:
        """Return the daily file of `symbol`."""
        return self._first(f"daily/{symbol.lower()}.zip", f"{symbol.lower()}.csv")

    def hour(self, symbol: str) -> LeanFile | None:
        """Return the hourly file of `symbol`."""
        return self._first(f"hour/{symbol.lower()}.zip", f"{symbol.lower()}_hour.csv")

    def minutes(self, symbol: str, first: str = "", last: str = "") -> list[LeanFile]:
        """Return the minute files of `symbol` in order of their days, from `first` to `last` (YYYYMMDD)."""
        found: dict[str, LeanFile] = {}
        for market in self._markets:
            for name, match in _matches(market / "minute" / symbol.lower(), _ZIPPED_MINUTE):
                found.setdefault(match[1], LeanFile(name, day=match[1]))
        for root in self.roots:
            for name, match in _matches(root, _LOOSE_MINUTE):
                if match[1] == symbol.lower():
                    found.setdefault(match[2], LeanFile(name, day=match[2]))
        return [
            found[day] for day in sorted(found) if (not first or day >= first) and (not last or day <= last)
        ]

    def factors(self, symbol: str) -> LeanFile | None:
        """Return the factor file of `symbol`; newer downloads keep them all in one zip file."""
        if plain := self._first(f"factor_files/{symbol.lower()}.csv", f"{symbol.lower()}_factors.csv"):
            return plain
        member = f"{symbol.lower()}.csv"
        for market in self._markets:
            for archive in sorted(market.glob("factor_files/factor_files_*.zip"), reverse=True):
                if member in _members(archive):
                    return LeanFile(archive, member=member)
        return None

    def symbols(self) -> list[str]:
        """Return every symbol with a file of bars, in capitals and in order."""
        names: set[str] = set()
        for market in self._markets:
            names.update(p.stem for folder in ("daily", "hour") for p in (market / folder).glob("*.zip"))
            names.update(p.name for p in (market / "minute").glob("*") if p.is_dir())
        for root in self.roots:
            for pattern in (_LOOSE_DAILY, _LOOSE_HOUR, _LOOSE_MINUTE):
                names.update(match[1] for _, match in _matches(root, pattern))
        return sorted(name.upper() for name in names)

    def _first(self, zipped: str, loose: str) -> LeanFile | None:
        places: Iterable[Path] = [m / zipped for m in self._markets] + [r / loose for r in self.roots]
        return next((LeanFile(place) for place in places if place.is_file()), None)


def _market(root: Path) -> Path | None:
    """Return the folder of US equities at or below `root`."""
    for place in (root / _MARKET, root / "usa", root):
        if any((place / name).is_dir() for name in ("daily", "hour", "minute", "factor_files")):
            return place
    return None


def _matches(folder: Path, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
    if not folder.is_dir():
        return []
    return [(p, match) for p in sorted(folder.iterdir()) if (match := pattern.fullmatch(p.name))]


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {archive}: {error}", hint="download the file again") from error
