"""What commands print with: tables and JSON to stdout, notes and hints to stderr.

On a terminal a table folds long cells to fit; elsewhere every cell is written out in full on one
line, so that nothing a script reads is cut off. rich is imported when a table is drawn.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TextIO

from robo_trader.cli.style import coloured, width

_STYLES = {
    "ok": "green",
    "fail": "red",
    "quarantined": "red",
    "warn": "yellow",
    "disabled": "yellow",
    "met": "green",
    "missed": "red",
}


#: What would act on a terminal, or turn the direction of writing, instead of being read.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, whether it is a number, whether it may fold to fit, and the most
    characters that it takes on a terminal."""

    title: str
    right: bool = False
    fold: bool = False
    style: str = ""
    most: int | None = None


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, gap: int = 2) -> None:
    """Draw `rows` under `columns` on stdout, `gap` spaces between them; what would act is made harmless."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
        padding=(0, gap - 1, 0, 0),
        collapse_padding=False,
    )
    for column in columns:
        drawn.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
            style=column.style,
            max_width=column.most if width(sys.stdout) else None,
        )
    for row in rows:
        drawn.add_row(*(Text(harmless(cell), style=_STYLES.get(cell, "")) for cell in row))
    console = _console(sys.stdout)
    with console.capture() as capture:
        console.print(drawn)
    text = capture.get()
    # The padding of the last column is of no use to a program that reads this.
    plainly = "\n".join(line.rstrip() for line in text.splitlines())
    write(text.rstrip("\n") if coloured(sys.stdout) else plainly)


def _console(stream: TextIO) -> Any:
    """Return a console on `stream`: coloured and as wide as the terminal, or plain and endless."""
    from rich.console import Console

    return Console(
        file=stream,
        width=width(stream) or 10_000,
        force_terminal=coloured(stream),
        no_color=not coloured(stream),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def lines(text: str = "") -> None:
    """Write `text` to stdout, folded at spaces to fit a terminal; indentation is kept."""
    write(_folded(text, width(sys.stdout)))


def _folded(text: str, columns: int | None, hang: str = "") -> str:
    """Return `text` folded at spaces to `columns`; `hang` indents what was folded."""
    import textwrap

    if columns is None:
        return text
    done = []
    for line in text.splitlines():
        words = line.lstrip()
        indent = line[: len(line) - len(words)]
        done += textwrap.wrap(
            words,
            columns,
            initial_indent=indent,
            subsequent_indent=indent + hang,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(done)


def write(text: str) -> None:
    """Write `text` and a line end to stdout, as it is."""
    sys.stdout.write(text + "\n")


def note(text: str, *, label: str = "") -> None:
    """Write a line of prose to stderr, `label` in front and in yellow when it is a warning."""
    paint = {"warning": "33", "note": "2"}.get(label, "")
    if label:
        text = _folded(f"{label}: {text}", width(sys.stderr), "  ")
        if paint and coloured(sys.stderr):
            text = text.replace(f"{label}:", f"\033[{paint}m{label}:\033[0m", 1)
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def steps(*rows: tuple[str, str]) -> None:
    """Write what to do next to stderr: each a command and what it is good for."""
    longest = max(len(command) for command, _ in rows)
    said = [f"  {command:<{longest}}   {why}" for command, why in rows]
    columns = width(sys.stderr)
    if columns and max(map(len, said)) > columns:
        said = [f"  {command}\n      {why}" for command, why in rows]
    note("\nnext\n" + "\n".join(said))


def harmless(text: str) -> str:
    """Return a stranger's words without what would act on a terminal: each such character is a �."""
    return _ACTS.sub("\N{REPLACEMENT CHARACTER}", text)


def strong(text: str) -> str:
    """Return `text` in bold for stdout when it is a terminal that wants colours."""
    return f"\033[1m{text}\033[0m" if coloured(sys.stdout) else text


def faint(text: str) -> str:
    """Return `text` dimmed for stdout when it is a terminal that wants colours."""
    return f"\033[2m{text}\033[0m" if coloured(sys.stdout) else text


def print_json(value: Any) -> None:
    """Write `value` as JSON: two spaces of indent, keys in their order, NaN as null."""
    write(json.dumps(plain(value), indent=2, ensure_ascii=not _speaks_unicode(sys.stdout)))


def plain(value: Any) -> Any:
    """Return `value` in the types that JSON knows; times as ISO-8601, not-a-number as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if hasattr(value, "as_dict"):
        return plain(value.as_dict())
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def _speaks_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"
