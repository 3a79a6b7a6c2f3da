"""What the package ships is what its sources give: sentences, weights, lexicon and templates."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from robo_trader.intelligence.offline import training
from robo_trader.intelligence.offline.classifier import LABELS, odds
from robo_trader.intelligence.offline.corpus import sentences
from robo_trader.intelligence.offline.lexicon import DATA, lexicon
from robo_trader.intelligence.offline.sentence import weigh
from robo_trader.intelligence.offline.templates import templates
from robo_trader.intelligence.offline.tokens import Text, bag

MADE = sentences()
PARTS = bag("quantity price move shift act stop tone negator denial hedge except none")


def _shipped(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def test_the_sentences_are_those_of_the_phrasings() -> None:
    again = "run: python -m robo_trader.intelligence.offline.training"
    assert _shipped("sentences.csv") == training.as_csv(MADE), again


def test_the_sentences_are_many_and_varied() -> None:
    assert len(MADE) >= 1_500
    assert len({item.text for item in MADE}) == len(MADE)
    assert len({item.phrasing for item in MADE}) >= 350
    by_label = Counter(item.label for item in MADE)
    assert set(by_label) == set(LABELS) and min(by_label.values()) >= 300
    assert len({(item.label, item.register) for item in MADE}) == 15
    # As in real company news, about three fifths say nothing new.
    assert 0.55 <= by_label["neutral"] / len(MADE) <= 0.65
    assert not [item.text for item in MADE if "{" in item.text]


def test_the_weights_are_those_of_a_new_training() -> None:
    shipped, again = json.loads(_shipped("weights.json")), training.train(MADE)
    assert again["bias"] == pytest.approx(shipped["bias"], abs=2e-3)
    for feature in shipped["weights"] | again["weights"]:
        # The solver's last digit may differ between machines, and so whether a weight rounds to none.
        rows = [table["weights"].get(feature, [0.0, 0.0, 0.0]) for table in (shipped, again)]
        assert rows[0] == pytest.approx(rows[1], abs=2e-3), feature


def test_no_company_or_place_has_a_weight() -> None:
    weights = json.loads(_shipped("weights.json"))["weights"]
    words = {word for name in weights for word in name.split()}
    assert not {"alderholm", "oslo", "poland", "dunmore"} & words


def test_probabilities_add_up() -> None:
    for raw in ("Acme beats estimates", "Acme is based in Ohio", "", "…"):
        text = Text(raw)
        chance = odds(text, weigh(text))
        assert chance.negative + chance.neutral + chance.positive == pytest.approx(1.0)


def test_the_lexicon_is_large_and_says_nothing_twice() -> None:
    forms: list[str] = []
    parts = set()
    with_form = _shipped("lexicon.csv").splitlines()
    for row in csv.DictReader(with_form):
        forms += row["forms"].split("|")
        parts.add(row["part"])
        assert int(row["polarity"]) in (-1, 0, 1) and 0 < float(row["strength"]) <= 2
    assert len(with_form) > 500
    assert [form for form, times in Counter(forms).items() if times > 1] == []
    assert parts == PARTS
    assert sum(map(len, lexicon().values())) == len(forms)


def test_every_form_can_occur_in_a_text() -> None:
    """A form with a hyphen or a possessive would never match what `Text` makes of it."""
    for first, entries in lexicon().items():
        for words in entries:
            assert tuple(Text(" ".join(words)).words) == words, first


def test_every_template_has_a_gate_that_its_matches_pass() -> None:
    assert len({template.name for template in templates()}) >= 30
    for template in templates():
        assert template.gate and -1 <= template.score <= 1 and template.weight > 0 and template.days > 0
        assert not [word for word in template.gate if not re.fullmatch(r"[a-z&']+", word)]


def test_the_data_files_are_small() -> None:
    assert sum(path.stat().st_size for path in Path(str(DATA)).iterdir()) < 400_000
