"""Train the classifier on the sentences of `corpus.py` and write what the package ships.

    python -m robo_trader.intelligence.offline.training

writes `data/sentences.csv` and `data/weights.json`; the same sources give the same files, which a test
checks. Only this module needs scikit-learn, and nothing that runs imports it.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from robo_trader.intelligence.offline.classifier import LABELS, features
from robo_trader.intelligence.offline.corpus import NAMES, Sentence, sentences, slots
from robo_trader.intelligence.offline.sentence import weigh
from robo_trader.intelligence.offline.tokens import Text

_FOLDER = Path(__file__).parent / "data"
#: Inverse strength of the penalty, and in how many phrasings a feature must occur.
C = 0.3
LEAST_PHRASINGS = 2
_DIGITS = 3


def train(made: list[Sentence]) -> dict[str, Any]:
    """Return bias and weights of a multinomial logistic regression, rounded to three digits."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    names = {word for slot in NAMES for filler in slots()[slot] for word in Text(filler).words}
    rows = []
    for item in made:
        text = Text(item.text)
        rows.append({f for f in features(text, weigh(text)) if names.isdisjoint(f.split())})
    phrasings: dict[str, set[int]] = {}
    for item, row in zip(made, rows, strict=True):
        for feature in row:
            phrasings.setdefault(feature, set()).add(item.phrasing)
    vocabulary = sorted(f for f, seen in phrasings.items() if len(seen) >= LEAST_PHRASINGS)
    column = {feature: i for i, feature in enumerate(vocabulary)}
    matrix = np.zeros((len(rows), len(vocabulary)))
    for i, row in enumerate(rows):
        matrix[i, [column[f] for f in row if f in column]] = 1.0
    model = LogisticRegression(C=C, tol=1e-8, max_iter=5_000)
    model.fit(matrix, [LABELS.index(item.label) for item in made])
    weights = np.round(model.coef_.T, _DIGITS) + 0.0
    kept = {feature: row.tolist() for feature, row in zip(vocabulary, weights, strict=True) if row.any()}
    return {"bias": np.round(model.intercept_, _DIGITS).tolist(), "weights": kept}


def as_csv(made: list[Sentence]) -> str:
    """Return the sentences as the text of `sentences.csv`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "label", "register", "phrasing"])
    writer.writerows([item.text, item.label, item.register, item.phrasing] for item in made)
    return out.getvalue()


def as_json(weights: dict[str, Any]) -> str:
    """Return the weights as the text of `weights.json`: one feature a line."""
    rows = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in weights["weights"].items()]
    return f'{{"bias": {json.dumps(weights["bias"])}, "weights": {{\n' + ",\n".join(rows) + "\n}}\n"


def main() -> None:
    """Write both files."""
    made = sentences()
    (_FOLDER / "sentences.csv").write_text(as_csv(made), encoding="utf-8")
    (_FOLDER / "weights.json").write_text(as_json(train(made)), encoding="utf-8")


if __name__ == "__main__":
    main()
