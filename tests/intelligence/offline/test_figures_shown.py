"""The figures that the documentation shows: measured again on what the project does not hold."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.intelligence.offline.scoring import Scores, label_of, measured, scores

ANALYST = OfflineAnalyst()
HEADLINES = Path(__file__).parent / "headlines.csv"
#: Written when the rules stood, and judged once before anything was learnt from them: 0.904.
LATE = Path(__file__).parent / "headlines_late.csv"


#: Three rounds of headlines in many registers, each labelled first, then judged once (macro-F1 0.76, 0.78,
#: 0.78), and only then learnt from: the figures below tell no more than that nothing is lost again.
REGISTERS = Path(__file__).parent / "registers.csv"


def _measure(path: Path, column: str) -> Scores:
    with path.open(encoding="utf-8", newline="") as file:
        return scores((row["label"], label_of(ANALYST.judge(row[column]))) for row in csv.DictReader(file))


def test_labelled_sentences(data_dir: Path) -> None:
    found = _measure(data_dir / "restricted" / "sentiment" / "phrasebank_allagree_dev.csv", "sentence")
    assert found.macro_f1 >= 0.90
    assert found.recall_positive >= 0.85 and found.recall_negative >= 0.80
    assert found.opposite <= 0.01
    shipped = measured()
    assert shipped is not None and shipped.scores.n == found.n
    # Figures that reports print must be those of this code.
    assert shipped.scores.macro_f1 == pytest.approx(found.macro_f1, abs=5e-5)


def test_headlines_questions_jokes_and_other_languages() -> None:
    found = _measure(HEADLINES, "text")
    assert found.n >= 150
    assert found.macro_f1 >= 0.95 and found.recall_neutral >= 0.95
    assert found.opposite == 0


def test_headlines_written_afterwards() -> None:
    found = _measure(LATE, "text")
    assert found.n == 62
    assert found.macro_f1 >= 0.90 and found.opposite == 0


def test_headlines_of_many_registers() -> None:
    found = _measure(REGISTERS, "text")
    assert found.n >= 600
    assert found.macro_f1 >= 0.90 and found.opposite <= 0.02


def test_scores_by_hand() -> None:
    pairs = [
        ("positive", "positive"),
        ("positive", "neutral"),
        ("negative", "positive"),
        ("neutral", "neutral"),
        ("neutral", "neutral"),
    ]
    found = scores(pairs)
    assert (found.n, found.accuracy, found.opposite) == (5, 0.6, 0.2)
    assert (found.recall_positive, found.recall_negative, found.recall_neutral) == (0.5, 0.0, 1.0)
    assert found.macro_f1 == pytest.approx((0.5 + 0.0 + 0.8) / 3)
    assert scores([]).macro_f1 == 0.0


def test_reports_are_told_the_measured_score() -> None:
    said = ANALYST.describe()
    assert str(said["measured"]).startswith("macro-F1 0.9")
    assert "PhraseBank" in str(said["data"])
