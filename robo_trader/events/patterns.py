"""Regular expressions that stand in text files of this room, one a line under a ``[section]``.

Lines that begin with ``#`` are remarks. The files are part of the package: a broken one is a bug, and raises
`re.error` at import.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path


class AnyOf:
    """Several patterns of which one has to fit; tried one by one, which is faster than one joined pattern.

    Those that hold other letters than ASCII are tried on text that does, too. `flags` are `re`'s.
    """

    def __init__(self, patterns: list[str], flags: int = re.IGNORECASE) -> None:
        made = [re.compile(pattern, flags | re.DOTALL) for pattern in patterns]
        self._patterns = tuple(made)
        self._ascii = tuple(pattern for pattern in made if pattern.pattern.isascii())

    def search(self, text: str) -> bool:
        """Tell whether any of the patterns fits anywhere in `text`."""
        return any(pattern.search(text) for pattern in (self._ascii if text.isascii() else self._patterns))


def sections(name: str, *, folded: bool = False) -> dict[str, AnyOf]:
    """Return the patterns of the file `name`, by section; `folded` ones are for lower-case text alone."""
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
    # Ignoring case takes twice the time.
    return {title: AnyOf(found, 0 if folded else re.IGNORECASE) for title, found in lines.items()}
