"""The finance lexicon: words and phrases, what part they play, and which way they point.

`data/lexicon.csv` has one row for each entry: its forms (``rise|rises|rose``), its part, its polarity
and its strength. The parts:

    quantity   something measured; +1 if its rise is good news for the holder, -1 if bad, 0 if neither
    price      a quoted price; as a quantity, but what moved and not why
    move       goes up (+1) or down (-1)
    shift      the same, and may stand before what moves: higher sales
    act        makes its object go up or down: raise, cut
    stop       ends its object: cancel, suspend
    tone       good (+1) or bad (-1) by itself
    negator    turns what follows round
    denial     takes back what is near
    hedge      says that it is not certain
    none       a phrase that means nothing here: record date, home improvement
    except     opens a clause that does not count: despite, excluding

The file belongs to the package: a missing or broken one is a defect and raises what Python raises.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

DATA = files("robo_trader.intelligence.offline") / "data"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the lexicon says of one form."""

    form: str
    part: str
    polarity: int
    strength: float


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found in a text at the tokens `first` to `last`, both included."""

    entry: Entry
    first: int
    last: int


@cache
def lexicon() -> dict[str, dict[tuple[str, ...], Entry]]:
    """Return the entries by their first word, then by all their words, longest first."""
    found: dict[str, dict[tuple[str, ...], Entry]] = {}
    lines = (DATA / "lexicon.csv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(lines):
        for form in row["forms"].split("|"):
            words = tuple(form.split())
            entry = Entry(form, row["part"], int(row["polarity"]), float(row["strength"]))
            found.setdefault(words[0], {})[words] = entry
    return {
        first: dict(sorted(entries.items(), key=lambda item: -len(item[0])))
        for first, entries in found.items()
    }


def hits(words: list[str], names: Collection[int] = ()) -> list[Hit]:
    """Return the entries of `words` from left to right; the longest form wins, none overlap.

    Words at the positions `names` are parts of names and mean nothing by themselves.
    """
    entries = lexicon()
    found: list[Hit] = []
    i, end = 0, len(words)
    while i < end:
        word = words[i]
        step = 1
        for form, entry in entries.get(word, {}).items():
            n = len(form)
            if n == 1 or tuple(words[i : i + n]) == form:
                if i not in names:
                    found.append(Hit(entry, i, i + n - 1))
                step = n
                break
        else:
            if word.endswith("n't"):
                found.append(Hit(_NOT, i, i))
        i += step
    return found


_NOT = Entry("n't", "negator", -1, 1.0)
