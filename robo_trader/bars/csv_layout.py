"""How a CSV file is laid out: encoding, separator, header rows and which column is which.

Failure contract: an empty file, a file without a header, without a time column or without one of
the four prices, and a file of several symbols are `DataError`s that name the file and what was seen.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path

from robo_trader.bars.frame import COLUMNS, PRICES
from robo_trader.bars.settings import Stamps
from robo_trader.bars.stamptext import looks_like_stamp
from robo_trader.errors import DataError

ALIASES = {
    "open": ("open", "o", "opening", "openprice", "open price", "first"),
    "high": ("high", "h", "hi", "max", "highprice", "high price"),
    "low": ("low", "l", "lo", "min", "lowprice", "low price"),
    "close": ("close", "c", "closing", "closeprice", "close price", "close/last", "last", "price"),
    "volume": ("volume", "v", "vol", "vol.", "tickvol", "quantity", "qty"),
    "adj_close": ("adj close", "adjclose", "adjusted close", "adj. close", "close adj"),
}
#: Names of time columns, the likeliest first; the value is what the name says that stamps mark.
TIMES: dict[str, Stamps | None] = {
    "datetime": None, "timestamp": None, "date time": None, "open time": "start", "opentime": "start",
    "start": "start", "start time": "start", "bar start": "start", "window start": "start",
    "ts event": "start", "begin": "start", "end": "end", "close time": "end", "closetime": "end",
    "end time": "end", "bar end": "end", "epoch": None, "unix": None, "unix time": None,
    "unixtime": None, "unix timestamp": None, "date": None, "time": None, "ts": None, "t": None,
    "day": None, "index": None, "dt": None, "date utc": None, "datetime utc": None, "timestamp utc": None,
}  # fmt: skip
SYMBOLS = ("symbol", "ticker", "instrument", "sid")
_ABOVE = ("#", "sep=", "http")  # lines that stand above a header
_SEPARATORS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand. `columns` maps our names (and ``stamp``, ``time``, ``symbol``) to positions;
    `skip` counts the lines above the first row of data."""

    separator: str
    encoding: str
    skip: int
    width: int
    columns: dict[str, int]
    stated: Stamps | None
    utc: bool = False


def encoding_of(head: bytes) -> str:
    """Return the encoding that a file's first bytes show: a mark, UTF-8, else Latin-1."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def layout_of(path: Path, head: bytes) -> Layout:
    """Return the layout that the first bytes of a file (some 64 kB) show."""
    encoding = encoding_of(head)
    text = head.decode(encoding, errors="ignore")
    lines = text.splitlines()
    skip = 0
    while skip < len(lines) and (not lines[skip].strip() or lines[skip].lower().startswith(_ABOVE)):
        skip += 1
    if skip >= len(lines):
        raise DataError(f"{path.name} is empty", hint="remove the file or download it again")
    separator = max(_SEPARATORS, key=lambda s: (lines[skip].count(s), -_SEPARATORS.index(s)))
    rows = list(csv.reader(lines[skip : skip + 6], delimiter=separator))
    names, count = _header(path, rows)
    columns, stated, utc = _assign(path, names)
    return Layout(separator, encoding, skip + count, len(names), columns, stated, utc)


def plain(name: str) -> str:
    """Return a column's name as the tables above spell it: lower case, single spaces, no brackets."""
    return re.sub(r"[\s_\-]+", " ", name.strip().strip("<>\"'").strip()).lower()


def _header(path: Path, rows: list[list[str]]) -> tuple[list[str], int]:
    """Return the columns' names and how many lines they take (yfinance writes two or three)."""
    first = [plain(c) for c in rows[0]]
    if sum(_is_number(c) for c in rows[0]) >= 3 or (rows[0] and looks_like_stamp(rows[0][0])):
        raise DataError(
            f"{path.name} has no header: its first line is {','.join(rows[0])[:60]!r}",
            hint="add a first line such as date,open,high,low,close,volume",
        )
    block = [first]
    for row in rows[1:4]:
        lead = plain(row[0]) if row else ""
        if lead not in ("ticker", "price", "date", "datetime", "") or any(_is_number(c) for c in row):
            break
        if not any(c.strip() for c in row) or (lead == "" and looks_like_stamp("".join(row[:1]))):
            break
        block.append([plain(c) for c in row])
    names = max(block, key=lambda row: sum(_ours(c) is not None for c in row[1:]))
    if len(block) == 1:
        return first, 1
    tickers = {c for row in block if row is not names for c in row[1:] if c}
    if len(tickers) > 1:
        raise DataError(
            f"{path.name} holds several symbols ({', '.join(sorted(t.upper() for t in tickers)[:4])})",
            hint="write one file per symbol",
        )
    lead = next((row[0] for row in block if row[0] in TIMES), "date")
    return [lead, *names[1:]], len(block)


def _ours(name: str) -> str | None:
    for column, words in ALIASES.items():
        if name in words:
            return column
    return None


def _assign(path: Path, names: list[str]) -> tuple[dict[str, int], Stamps | None, bool]:
    """Return our columns' positions, what the time column's name states, and whether it says UTC."""
    columns: dict[str, int] = {}
    for column, words in ALIASES.items():
        for word in words:  # the likeliest word wins where two columns would do
            if word in names and names.index(word) not in columns.values():
                columns[column] = names.index(word)
                break
    amounts = [n for n in names if n.startswith("volume ")]
    if "volume" not in columns and amounts:  # "Volume BTC", "Volume USD": the first counts units
        columns["volume"] = names.index(amounts[0])
    stated: Stamps | None = None
    times = [t for t in TIMES if t in names and names.index(t) not in columns.values()]
    utc = False
    if times:
        pick = times[0]
        if pick == "date" and "time" in names:
            columns["time"] = names.index("time")
        columns["stamp"] = names.index(pick)
        stated, utc = TIMES[pick], pick.endswith(" utc")
    elif "" in names or names[0].startswith("unnamed"):
        columns["stamp"] = names.index("") if "" in names else 0
    for word in SYMBOLS:
        if word in names:
            columns["symbol"] = names.index(word)
            break
    missing = [c for c in PRICES if c not in columns]
    if "stamp" not in columns:
        missing.insert(0, "date")
    if missing:
        shown = ", ".join(n for n in names if n)[:80]
        raise DataError(
            f"{path.name}: no column {' or '.join(missing)} among: {shown}",
            hint=f"the header must name date, {', '.join(COLUMNS[:4])} (volume may be absent)",
        )
    return columns, stated, utc


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().lstrip("$").replace(",", "."))
    except ValueError:
        return False
    return True
