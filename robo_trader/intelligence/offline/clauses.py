"""Where one statement of a text ends and the next begins, and which parts do not count.

"Profit rose despite higher costs" says one thing; what follows "despite", "although" or "excluding"
is left out up to the next comma. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from robo_trader.intelligence.offline.lexicon import Hit
from robo_trader.intelligence.offline.tokens import bag

_STOPS = frozenset(".;?!")
_TURNS = bag("but while whereas however yet")
_ABBREVIATIONS = bag("inc corp co ltd no nr tel approx st mr mrs ms dr vs jr plc etc eg ie ca cf")


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of tokens, both ends included, with the hits in it that count.

    `turned` tells that it follows a "but", and so weighs more than what stood before.
    """

    first: int
    last: int
    hits: tuple[Hit, ...]
    turned: bool = False


def clauses(words: list[str], hits: list[Hit]) -> Iterator[Clause]:
    """Yield the clauses of a text with their hits."""
    start, turned = 0, False
    rest = iter(hits)
    hit = next(rest, None)
    for i in range(len(words) + 1):
        at_end = i == len(words)
        word = "" if at_end else words[i]
        stops = word in _STOPS and not (word == "." and i and words[i - 1] in _ABBREVIATIONS)
        turns = word in _TURNS
        if not (at_end or stops or turns):
            continue
        inside: list[Hit] = []
        while hit is not None and hit.first < i:
            inside.append(hit)
            hit = next(rest, None)
        if inside:
            yield Clause(start, i - 1, tuple(_counted(words, inside, i)), turned)
        start, turned = i + 1, turns and word != "while"


def _counted(words: list[str], hits: list[Hit], end: int) -> Iterator[Hit]:
    """Yield the hits that do not stand behind a "despite" and before the comma that closes it."""
    silent_until = -1
    for hit in hits:
        if hit.entry.part == "except":
            silent_until = next((i for i in range(hit.last + 1, end) if words[i] in (",", ")")), end)
        elif hit.first > silent_until:
            yield hit
