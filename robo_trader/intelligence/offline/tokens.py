"""Text to words and figures: the only reading of characters that the offline analyst does.

News writes one amount in many ways: ``EUR 4.7 mn``, ``EUR4 .7 m``, ``$4.7 million``, ``4,7 %`` is rare
and not read. A year (1900 to 2099, without unit) is no figure. Nothing here raises on any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


def bag(text: str) -> frozenset[str]:
    """Return the words of `text` as a set: how the tables of this analyst are written."""
    return frozenset(text.split())


_SCALES = {
    "thousand": 1e3, "k": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "mio": 1e6, "million": 1e6, "millions": 1e6,
    "b": 1e9, "bn": 1e9, "bln": 1e9, "billion": 1e9, "billions": 1e9, "trillion": 1e12, "tn": 1e12,
}  # fmt: skip
_CURRENCIES = bag(
    "eur euro euros usd us$ $ € £ ¥ gbp sek nok dkk chf jpy yen rub rmb cny inr rs cad aud dollar dollars"
    " pound pounds pence p cents cent c lats litas eek ltl lvl pln zloty brl krona kronor crowns"
)
_PERCENT = bag("% pct percent percentage pc")
_BASIS = bag("bp bps basis")

_SPACED_POINT = re.compile(r"(?<=\d) ?([.,]) ?(?=\d)")
_INITIALS = re.compile(r"\b(?:[A-Z] ?\. ?){2,}")
_TOKEN = re.compile(
    r"us\$|[a-z]+(?:'[a-z]+)?(?:&[a-z]+)?|(?<![\w.])[-−–]?\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?|[$€£¥%]|[.,;:?!()]"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-–](?=[^\W\d_])")
_POSSESSIVE = re.compile(r" ?'s\b")
_QUARTER = re.compile(r"\b([qh])([1-4])\b")
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u2011": "-", "`": "'", "\u00a0": " "})


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the text: its value with scale and sign, its unit, and the tokens it covers.

    `unit` is ``money``, ``%``, ``bp`` or empty; `value` of a percentage is in percent. `first` and
    `last` are token positions, both included.
    """

    value: float
    unit: str
    first: int
    last: int


class Text:
    """A text as lower-case tokens and the figures among them."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        text = _INITIALS.sub(lambda m: m[0].replace(".", "").replace(" ", "") + " ", raw.translate(_STRAIGHT))
        text = _SPACED_POINT.sub(r"\1", text).lower().replace("per cent", "percent")
        text = _HYPHEN.sub(" ", _POSSESSIVE.sub("", text)).replace("n 't", "n't")
        text = _QUARTER.sub(r"\1 \2", text)
        #: Lower case, without possessives and hyphens, initials and decimals joined; patterns match this.
        self.flat = " ".join(text.split())
        self.words: list[str] = _TOKEN.findall(self.flat)

    def count_before(self, position: int) -> int:
        """Return how many tokens end before the character `position` of `flat`."""
        return len(_TOKEN.findall(self.flat, 0, position))

    @cached_property
    def figures(self) -> list[Figure]:
        """Every number that is an amount, in order."""
        found: list[Figure] = []
        words = self.words
        for i, word in enumerate(words):
            if not (word[0].isdigit() or (len(word) > 1 and word[1].isdigit())):
                continue
            figure = _figure(words, i)
            if figure is not None:
                found.append(figure)
        return found


def _figure(words: list[str], i: int) -> Figure | None:
    try:
        value = float(words[i].replace(",", "").replace("−", "-").replace("–", "-"))
    except ValueError:
        return None
    first = last = i
    unit = ""
    before = words[i - 1] if i else ""
    if before in _CURRENCIES and before not in ("p", "c", "cent", "cents"):
        unit, first = "money", i - 1
        before = words[i - 2] if i > 1 else ""
    if before in ("minus", "negative"):
        value, first = -abs(value), first - 1
    after = words[i + 1] if i + 1 < len(words) else ""
    if after in _SCALES:
        value *= _SCALES[after]
        last = i + 1
        unit = unit or "count"
        after = words[last + 1] if last + 1 < len(words) else ""
    if not unit or unit == "count":
        if after in _PERCENT:
            unit, last = "%", last + 1
            if after == "percentage" and words[last + 1 : last + 2] in (["point"], ["points"]):
                last += 1
        elif after in _BASIS:
            unit, last = "bp", last + 1
        elif after in _CURRENCIES:
            unit, last = "money", last + 1
    if unit == "count":
        # "4.2 mn" without a currency is money in most releases.
        unit = "money"
    if not unit and last == i and words[i].isdigit() and 1900 <= value <= 2099:
        return None
    return Figure(value, unit, first, last)
