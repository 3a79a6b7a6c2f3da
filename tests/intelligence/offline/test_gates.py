"""No template's gate may keep its own patterns from being tried."""

from __future__ import annotations

import itertools
import re
import re._constants as kinds  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

import pytest

from robo_trader.intelligence.offline.templates import Template, templates

#: Stands for whatever a gap may hold.
GAP = "\0"


def _examples(pattern: Any) -> list[str]:
    """Return the texts that a parsed pattern matches, with `GAP` for what is free."""
    found = [""]
    for kind, value in pattern:
        if kind is kinds.LITERAL:
            ways = [chr(value)]
        elif kind is kinds.BRANCH:
            ways = [text for branch in value[1] for text in _examples(branch)]
        elif kind is kinds.SUBPATTERN:
            ways = _examples(value[3])
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            least, most, inner = value
            ways = _examples(inner) if least else ["", *_examples(inner)] if most == 1 else [f" {GAP} "]
        elif kind is kinds.IN and all(part is kinds.LITERAL for part, _ in value):
            ways = [chr(char) for _, char in value]
        elif kind in (kinds.AT, kinds.ASSERT, kinds.ASSERT_NOT):
            ways = [""]
        else:
            ways = [GAP]
        found = [before + way for before, way in itertools.product(found, ways)]
    return found


@pytest.mark.parametrize("template", templates(), ids=lambda t: f"{t.name} {t.score:+}")
def test_gate_lets_every_example_pass(template: Template) -> None:
    examples = _examples(parser.parse(template.pattern.pattern))
    shut_out = [text for text in examples if template.gate.isdisjoint(re.split("[ ,]+", text))]
    assert not shut_out, f"add to its gate a word of each: {shut_out[:10]}"
