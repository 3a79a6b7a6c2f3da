"""The building blocks of a report, as plain data: tables, images and what was left out.

Everything here is text; templates escape it. Nothing is HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DASH = "–"
MINUS = "−"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text; `tone` is ``good``, ``bad`` or empty, `title` shows on hover."""

    text: str
    tone: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table: the first column names the row, the rest are figures unless `words` lists them.

    A `tall` one scrolls within its frame, a `wide` one takes the whole width of the page.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    words: frozenset[int] = frozenset({0})
    tall: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class ImageView:
    """A picture as a data URL, with its size in pixels and the text for those who cannot see it."""

    title: str
    caption: str
    alt: str
    source: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part that does not apply, and why."""

    title: str
    reason: str


@dataclass(slots=True)
class Group:
    """A group of the tear sheet."""

    name: str
    tables: list[TableView] = field(default_factory=list)
    images: list[ImageView] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure with thousands separators and a true minus sign, a dash for none."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:,.{digits}f}"
    # -0.00 is 0.00 to a reader.
    return f"{0:.{digits}f}" if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction as percent: 0.123 is ``12.30 %``."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(value * 100, digits)} %"


def size(value: float | None) -> str:
    """Return a size or price with up to 8 digits that matter and no trailing zeros."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.8g}".replace("-", MINUS) if abs(value) < 1e8 else number(value, 0)


def price(value: float | None) -> str:
    """Return a price: two decimals, four below 10."""
    if value is None:
        return DASH
    return number(value, 4 if abs(value) < 10 else 2)


def moment(value: datetime | None) -> str:
    """Return a UTC time to the minute, seconds only where there are any."""
    if value is None:
        return DASH
    return f"{value:%Y-%m-%d %H:%M}" + (f"{value:%S}".join((":", "")) if value.second else "")


def toned(text: str, value: float | None) -> Cell:
    """Return a cell that is good above 0 and bad below."""
    if value is None or not math.isfinite(value) or value == 0:
        return Cell(text)
    return Cell(text, "good" if value > 0 else "bad")


def row(*texts: str) -> list[Cell]:
    """Return a row of plain cells."""
    return [Cell(text) for text in texts]


def words(values: Mapping[str, Any]) -> str:
    """Return ``key value`` pairs in one line, figures shortened; nested values are left out."""
    out = []
    for key, value in values.items():
        if value is None or isinstance(value, bool | str):
            out.append(f"{key.replace('_', ' ')} {DASH if value is None else value}")
        elif isinstance(value, int | float):
            short = f"{value:.6g}" if float(value).is_integer() else f"{value:.4g}"
            out.append(f"{key.replace('_', ' ')} {size(float(short))}")
    return ", ".join(out)


def shorten(text: str, limit: int) -> str:
    """Return `text` on one line and no longer than `limit` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def gathered(texts: Iterable[str]) -> list[str]:
    """Return sentences once each; those that differ only in the symbol before a colon become one."""
    by: dict[str, list[str]] = {}
    for text in texts:
        name, colon, rest = text.partition(": ")
        if not colon or " " in name:
            name, rest = "", text
        names = by.setdefault(rest, [])
        if name not in names:
            names.append(name)
    return [(f"{listed(filter(None, names))}: " if any(names) else "") + rest for rest, names in by.items()]


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Return names joined by commas, the rest counted."""
    names = list(names)
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
