"""Regular expressions that stand in text files of this room, one a line under a ``[section]``.

Lines that begin with ``#`` are remarks. The files are part of the package: a broken one is a bug, and raises
`re.error` at import.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path


class AnyOf:
    """Several patterns of which one has to fit; tried one by one, which is faster than one joined pattern."""

    def __init__(self, patterns: list[str]) -> None:
        self._patterns = tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in patterns)

    def search(self, text: str) -> bool:
        """Tell whether any of the patterns fits anywhere in `text`."""
        return any(pattern.search(text) for pattern in self._patterns)


def sections(name: str) -> dict[str, AnyOf]:
    """Return the patterns of the file `name`, by section."""
    lines: dict[str, list[str]] = {}
    title = ""
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if re.fullmatch(r"\[[\w ]+\]", line):
            title = line[1:-1]
        else:
            # As cleaned text is: Thai spells a vowel otherwise there.
            lines.setdefault(title, []).append(unicodedata.normalize("NFKC", line))
    return {title: AnyOf(found) for title, found in lines.items()}
