"""How good answers are on labelled sentences, and what was measured of this analyst.

Abstentions and scores of 0 count as neutral. `data/score.toml` is written by
`benchmarks/offline_analyst.py` on sentences that are not part of the project; reports print it beside
the analyst's name. `measured()` is None where the file is missing.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from robo_trader.intelligence.offline.classifier import LABELS
from robo_trader.intelligence.offline.lexicon import DATA
from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of labelled sentences: all are shares from 0 to 1 but `n`.

    `opposite` is the share of all sentences that were called positive and are negative, or the reverse.
    """

    n: int
    accuracy: float
    macro_f1: float
    recall_positive: float
    recall_negative: float
    recall_neutral: float
    opposite: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: the figures, on which data, and on which day."""

    date: str
    data: str
    scores: Scores

    def __str__(self) -> str:
        return f"macro-F1 {self.scores.macro_f1:.2f} on {self.scores.n} sentences, {self.date}"


def label_of(answer: Verdict | Abstain) -> str:
    """Return the label that an answer amounts to."""
    if isinstance(answer, Abstain) or not answer.score:
        return "neutral"
    return "positive" if answer.score > 0 else "negative"


def scores(pairs: Iterable[tuple[str, str]]) -> Scores:
    """Return the figures of (true label, given label) pairs.

    Macro-F1 is the plain mean of the three classes' F1; a class that never occurs has F1 and recall 0.
    """
    counts = Counter(pairs)
    n = sum(counts.values())
    f1, recall = [], {}
    for label in LABELS:
        hit = counts[label, label]
        true = sum(counts[label, given] for given in LABELS)
        called = sum(counts[actual, label] for actual in LABELS)
        recall[label] = hit / true if true else 0.0
        f1.append(2 * hit / (true + called) if true + called else 0.0)
    opposite = counts["positive", "negative"] + counts["negative", "positive"]
    return Scores(
        n=n,
        accuracy=sum(counts[label, label] for label in LABELS) / n if n else 0.0,
        macro_f1=sum(f1) / len(f1),
        recall_positive=recall["positive"],
        recall_negative=recall["negative"],
        recall_neutral=recall["neutral"],
        opposite=opposite / n if n else 0.0,
    )


@cache
def measured() -> Measured | None:
    """Return the shipped figures of the offline analyst."""
    try:
        table = tomllib.loads((DATA / "score.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Measured(table["date"], table["data"], Scores(**table["scores"]))
