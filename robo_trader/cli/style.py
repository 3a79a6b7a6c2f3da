"""Whether a stream wants colours, and how wide it is. Nothing heavy is imported here."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

#: Lines longer than this are hard to read, however wide the window is.
WIDEST = 120


def coloured(stream: TextIO) -> bool:
    """Tell whether `stream` is a terminal and neither NO_COLOR nor TERM=dumb forbids colours."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Tell whether `stream` is connected to a terminal; a closed stream is not."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def is_drawn_on(stream: TextIO) -> bool:
    """Tell whether a page can be drawn on `stream`, over and over: a terminal that moves its cursor."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def width(stream: TextIO) -> int | None:
    """Return the columns to fill on a terminal (40 to `WIDEST`), or None where nobody looks."""
    if not is_terminal(stream):
        return None
    return max(40, min(shutil.get_terminal_size().columns, WIDEST))
