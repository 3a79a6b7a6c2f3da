"""Event templates: kinds of news whose meaning is known as soon as they are recognised.

Each has a pattern over the flattened text (`Text.flat`), a score for the company that it is about, a
weight, and how many days it should matter. `gate` holds words without one of which the pattern need
not be tried. Nothing here raises on any text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from robo_trader.intelligence.offline.lexicon import DATA
from robo_trader.intelligence.offline.tokens import Text

#: How the words of a template are introduced that is only possible.
PERHAPS = "perhaps"
_DOUBT = re.compile(
    r"\b(?:not|no|never|denie[sd]|deny|denying|no plans? to|rules? out|ruled out|may|might|could|would|"
    r"if|whether|considers?|considering|weighs|mulls|in talks|rumou?rs?|reportedly|unlikely|seeks?|hopes?|"
    r"expected to|expects? to|likely to|wants?|urges?|calls? for|asks?|again|poised to|\w+n't)\b[^.;,]{0,40}$"
)
#: What a gap may hold: any word or amount, but no end of a clause.
_WORD = r"[^\s.;:?!]+(?:\.\d[^\s.;:?!]*)?,?"
_DENIED = re.compile(r"\b(?:not|no|never|denie[sd]|deny|denying|rules? out|ruled out|unlikely|\w+n't)\b")


@dataclass(frozen=True, slots=True)
class Template:
    """A kind of event: its name, its pattern, what it means and for how many days."""

    name: str
    pattern: re.Pattern[str]
    score: float
    weight: float
    days: float
    gate: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Found:
    """A template that matched: its score and weight after doubt, the words that matched and
    where (tokens `first` to `last`)."""

    name: str
    score: float
    weight: float
    days: float
    words: str
    first: int
    last: int


_LIST = re.compile(r"<(\w+)>")
_GAP = re.compile(r"~(\d) ?")


@cache
def templates() -> tuple[Template, ...]:
    """Return every template of `data/templates.toml`, compiled."""
    table = tomllib.loads((DATA / "templates.toml").read_text(encoding="utf-8"))
    lists: dict[str, str] = table["words"]

    def compiled(pattern: str) -> str:
        listed = _LIST.sub(lambda m: f"(?:{lists[m[1]]})", pattern)
        return _GAP.sub(lambda m: f"(?:{_WORD} ){{0,{m[1]}}}?", listed)

    return tuple(
        Template(
            row["name"],
            re.compile(rf"\b(?:{'|'.join(map(compiled, row['patterns']))})(?!\w)"),
            row["score"],
            row["weight"],
            row["days"],
            frozenset(row["gate"].split()),
        )
        for row in table["template"]
    )


def find(text: Text) -> Iterator[Found]:
    """Yield the templates that `text` fits, the first match of each name."""
    words = frozenset(text.words)
    seen: set[str] = set()
    for template in templates():
        if template.name in seen or template.gate.isdisjoint(words):
            continue
        match = template.pattern.search(text.flat)
        if match is None:
            continue
        seen.add(template.name)
        score, weight, said = template.score, template.weight, match[0].strip()
        doubt = _DOUBT.search(text.flat, max(0, match.start() - 60), match.start())
        if doubt:
            if _DENIED.search(doubt[0]):
                score, weight, said = score * -0.3, weight * 0.5, f"not: {said}"
            else:
                weight, said = weight * 0.5, f"{PERHAPS}: {said}"
        first, last = text.count_before(match.start()), text.count_before(match.end()) - 1
        yield Found(template.name, score, weight, template.days, said, first, last)
