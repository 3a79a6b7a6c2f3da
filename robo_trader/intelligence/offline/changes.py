"""Changes of changes: "the decline in sales slowed", "a smaller dividend cut", "fell at the slowest rate".

A noun or verb of change is paired with what it changes, and turned round when it is said to slow. What is
found here outweighs what the same words seem to say one by one. Nothing here raises on any text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robo_trader.intelligence.offline.lexicon import Hit
from robo_trader.intelligence.offline.rules import Evidence
from robo_trader.intelligence.offline.tokens import Text, bag

_FALLS = bag("decline drop fall cut slide contraction decrease reduction slump downturn dip")
_RISES = bag("growth rise increase improvement gain recovery")
_SLOWER = bag(
    "slow slows slowed slowing slower narrow narrows narrowed ease eases eased easing moderate moderates"
    " moderated smaller softened softens milder shallower loses lost"
)
_FASTER = bag(
    "accelerate accelerates accelerated accelerating deepen deepens deepened widened widens worsened worsens"
    " steepened quickened quickens larger bigger faster steeper gathers gathered"
)
#: What may stand between a change and how it changes.
_BETWEEN = bag("in of the is was has have been will its rate pace to further again")
_RATE = bag("slowest slower fastest faster quickest")
_REACH, _WEIGHT = 5, 2.2
#: The figures that may follow belong to the change, not to what changes.
_FIGURES = 8


def changes(text: Text, hits: Sequence[Hit]) -> Iterator[Evidence]:
    """Yield evidence for each change that is said to slow down or to speed up."""
    words = text.words
    quantities = [hit for hit in hits if hit.entry.part == "quantity" and hit.entry.polarity]
    for i, word in enumerate(words):
        change = -1 if word in _FALLS else 1 if word in _RISES else 0
        if change:
            yield from _noun(words, quantities, i, change)
    for hit in hits:
        if hit.entry.part == "move":
            yield from _verb(words, quantities, hit)


def _noun(words: Sequence[str], quantities: Sequence[Hit], at: int, change: int) -> Iterator[Evidence]:
    before = [q for q in quantities if at - 1 <= q.last <= at and q.first < at]
    behind = [q for q in quantities if q.first > at and words[at + 1] in ("in", "of") and q.first - at <= 4]
    if not (before or behind):
        return
    quantity = (before or behind)[0]
    start = max(at, quantity.last) + 1
    for i in range(start, min(start + _REACH, len(words))):
        pace = -1 if words[i] in _SLOWER else 1 if words[i] in _FASTER else 0
        if pace and "than" not in words[i + 1 : i + 4]:  # what was expected decides
            first = min(quantity.first, at)
            yield _evidence(words, change * pace * quantity.entry.polarity, first, i)
            return
        if words[i] not in _BETWEEN:
            return


def _verb(words: Sequence[str], quantities: Sequence[Hit], move: Hit) -> Iterator[Evidence]:
    after = words[move.last + 1 : move.last + 4]
    if len(after) < 3 or after[0] != "at" or after[2] not in _RATE:
        return
    before = [q for q in quantities if 0 < move.first - q.last <= _REACH]
    if before:
        pace = -1 if after[2].startswith("slow") else 1
        effect = pace * move.entry.polarity * before[-1].entry.polarity
        yield _evidence(words, effect, before[-1].first, move.last + 3)


def _evidence(words: Sequence[str], effect: int, first: int, last: int) -> Evidence:
    said = " ".join(words[first : last + 1])
    return Evidence(0.6 * effect, _WEIGHT, said, first, "change", last + _FIGURES)
