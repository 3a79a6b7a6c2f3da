"""A small linear model over words, word pairs and what the rules found, trained on sentences of our own.

The weights are numbers in `data/weights.json`, written by `training.py`; scoring them takes neither numpy
nor scikit-learn, so that `robo ask` answers at once. Nothing here raises on any text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from robo_trader.intelligence.offline.lexicon import DATA
from robo_trader.intelligence.offline.sentence import Weighed
from robo_trader.intelligence.offline.tokens import Text

#: The order of the classes in every row of weights.
LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Odds:
    """How probable each class is to the linear model; the three add up to 1."""

    negative: float
    neutral: float
    positive: float


def features(text: Text, weighed: Weighed) -> Iterator[str]:
    """Yield the features of a sentence: words, pairs of neighbours, and signs of the evidence.

    Amounts become their unit, because the numbers themselves say nothing.
    """
    words: list[str] = []
    amounts = {figure.first: figure for figure in text.figures}
    skip_to = 0
    for i, word in enumerate(text.words):
        if i < skip_to:
            continue
        figure = amounts.get(i)
        if figure is not None:
            words.append(f"<{figure.unit or 'number'}>")
            skip_to = figure.last + 1
        elif word[0].isdigit():
            words.append("<year>")
        elif word not in ".,()":
            words.append(word)
    yield from set(words)
    yield from {f"{a} {b}" for a, b in pairwise(words)}
    yield from {f"={item.kind}{'+' if item.value > 0 else '-'}" for item in weighed.found if item.value}
    size = min(3, round(abs(weighed.balance) * 2))
    yield f"=balance{'+' if weighed.balance > 0 else '-'}{size}" if size else "=balance0"


def odds(text: Text, weighed: Weighed) -> Odds:
    """Return the probabilities of the classes by multinomial logistic regression."""
    bias, weights = _weights()
    low, mid, high = bias
    for feature in features(text, weighed):
        row = weights.get(feature)
        if row is not None:
            low += row[0]
            mid += row[1]
            high += row[2]
    top = max(low, mid, high)
    parts = [math.exp(value - top) for value in (low, mid, high)]
    total = sum(parts)
    return Odds(*(part / total for part in parts))


@cache
def _weights() -> tuple[tuple[float, float, float], dict[str, tuple[float, float, float]]]:
    table = json.loads((DATA / "weights.json").read_text(encoding="utf-8"))
    return tuple(table["bias"]), {name: tuple(row) for name, row in table["weights"].items()}
