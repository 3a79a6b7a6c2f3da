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
_CONTRASTS = bag("but however yet")
_SHORT = bag("less fewer below short slower lower")
_ASIDE = ("excluding", "exclusive of", "adjusted for", "except for")
_CLOSES = bag(", ) ; but")
_ABBREVIATIONS = bag("inc corp co ltd no nr tel approx st mr mrs ms dr vs jr plc etc eg ie ca cf")


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of tokens, both ends included, with the hits in it that count."""

    first: int
    last: int
    hits: tuple[Hit, ...]


def clauses(words: list[str], hits: list[Hit]) -> Iterator[Clause]:
    """Yield the clauses of a text with their hits."""
    start = 0
    rest = iter(hits)
    hit = next(rest, None)
    for i in range(len(words) + 1):
        at_end = i == len(words)
        word = "" if at_end else words[i]
        stops = word in _STOPS and not (word == "." and i and words[i - 1] in _ABBREVIATIONS)
        turns = word in _TURNS and words[i + 1 : i + 2] != ["to"]  # "has yet to"
        if not (at_end or stops or turns):
            continue
        inside: list[Hit] = []
        while hit is not None and hit.first < i:
            inside.append(hit)
            hit = next(rest, None)
        if inside:
            yield Clause(start, i - 1, tuple(_counted(words, inside, i)))
        start = i + 1


def turn(words: list[str]) -> int:
    """Return where a "but" turns a sentence round, or -1."""
    return next(
        (
            i
            for i, word in enumerate(words)
            if word in _CONTRASTS and 0 < i < len(words) - 1 and words[i + 1] != "to"
        ),
        -1,
    )


def silent(words: list[str], hits: list[Hit]) -> frozenset[int]:
    """Return the tokens behind a "despite" up to the comma or stop that closes it."""
    tokens: set[int] = set()
    for hit in hits:
        if hit.entry.part == "except" and not _qualifies(words, hit):
            tokens.update(range(hit.first, _closing(words, hit.last + 1, len(words))))
    return frozenset(tokens)


def _qualifies(words: list[str], hit: Hit) -> bool:
    """Tell whether a "though" takes back what stands before it: "though less than hoped"."""
    return hit.entry.form.endswith("though") and not _SHORT.isdisjoint(words[hit.last + 1 : hit.last + 4])


def _closing(words: list[str], first: int, end: int) -> int:
    return next((i for i in range(first, end) if words[i] in _CLOSES), end)


def _counted(words: list[str], hits: list[Hit], end: int) -> Iterator[Hit]:
    """Yield the hits that do not stand behind a "despite" and before the comma that closes it."""
    silent_until = -1
    for hit in hits:
        if hit.entry.part == "except":
            silent_until = _closing(words, hit.last + 1, end)
            if hit.entry.form in _ASIDE:
                # "costs excluding fuel fell": the aside ends where something moves.
                silent_until = next(
                    (
                        h.first - 1
                        for h in hits
                        if hit.last < h.first < silent_until and h.entry.part == "move"
                    ),
                    silent_until,
                )
        elif hit.first > silent_until:
            yield hit
