"""Text to words and figures: the only reading of characters that the offline analyst does.

News writes one amount in many ways: ``EUR 4.7 mn``, ``EUR4 .7 m``, ``$4.7 million``, ``4,7 %`` is rare
and not read. A year (1900 to 2099, without unit) is no figure. Nothing here raises on any text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property


def bag(text: str) -> frozenset[str]:
    """Return the words of `text` as a set: how the tables of this analyst are written."""
    return frozenset(text.split())


#: What is written for a power of ten.
_SCALES = {
    form: scale
    for scale, forms in (
        (1e3, "thousand k"),
        (1e6, "m mn mln mio million millions"),
        (1e9, "b bn bln billion billions"),
        (1e12, "trillion tn"),
    )
    for form in forms.split()
}
#: What is written for a currency, and its short name.
_CURRENCIES = {
    form: forms.split()[0]
    for forms in (
        "eur euro euros €", "usd us$ $ dollar dollars", "gbp £ pound pounds pence", "sek krona kronor",
        "nok", "dkk", "chf", "jpy ¥ yen", "rub", "rmb cny yuan", "inr rs rupees", "cad", "aud", "lvl lats",
        "ltl litas", "eek", "pln zloty", "brl", "crowns", "cent cents c p",
    )
    for form in forms.split()
}  # fmt: skip
#: The word behind a company's own name.
_FIRMS = bag(
    "holdings holding inc corp corporation ltd plc llc group communications technologies pharma"
    " pharmaceuticals therapeutics bancorp industries entertainment brands partners solutions"
    " laboratories networks biosciences semiconductor robotics"
)
_PERCENT = bag("% pct percent percentage pc")
_BASIS = bag("bp bps basis")

_SPACED_POINT = re.compile(r"(?<=\d) ?([.,]) ?(?=\d)")
_INITIALS = re.compile(r"\b(?:[A-Z] ?\. ?){2,}")
_TOKEN = re.compile(
    r"[Uu][Ss]\$|[A-Za-z]+(?:'[A-Za-z]+)?(?:&[A-Za-z]+)?"
    r"|(?<![\w.])[-−–]?\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?"
    r"|[$€£¥%]|[.,;:?!()]"
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-–](?=[^\W\d_])")
_POSSESSIVE = re.compile(r" ?'s\b")
_QUOTES = re.compile(r"''|[\"\u201c\u201d\u00ab\u00bb]")
_QUARTER = re.compile(r"\b([QHqh])([1-4])\b")
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u2011": "-", "`": "'", "\u00a0": " "})


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the text: its value with scale and sign, its unit, and the tokens it covers.

    `unit` is ``money``, ``%``, ``bp`` or empty, `currency` a short name or empty; a percentage's `value` is
    in percent. `scale` is what the number was multiplied with; `first` and `last` are token positions.
    """

    value: float
    unit: str
    currency: str
    scale: float
    first: int
    last: int


class Text:
    """A text as lower-case tokens and the figures among them."""

    def __init__(self, raw: str) -> None:
        text = _INITIALS.sub(lambda m: m[0].replace(".", "").replace(" ", "") + " ", raw.translate(_STRAIGHT))
        text = _SPACED_POINT.sub(r"\1", text).replace("per cent", "percent")
        text = _HYPHEN.sub(" ", _POSSESSIVE.sub("", text)).replace("n 't", "n't")
        text = _QUARTER.sub(r"\1 \2", _QUOTES.sub("", text))
        cased = " ".join(text.split())
        #: Lower case, without possessives and hyphens, initials and decimals joined; patterns match this.
        self.flat = cased.lower()
        self._cased: list[str] = _TOKEN.findall(cased)
        self.words = [token.lower() for token in self._cased]

    @cached_property
    def names(self) -> frozenset[int]:
        """Where words stand that are part of a name: capitals beside capitals, within a sentence.

        In a headline that capitalises every word that cannot be told. What stands before the kind of a
        company ("Beat Holdings") is a name in any case, and so are three capitals that begin a sentence.
        """
        capital = [token[0].isupper() and token[1:].islower() for token in self._cased]
        long = [i for i, token in enumerate(self._cased) if len(token) > 3 and token[0].isalpha()]
        firm = frozenset(
            i
            for i, word in enumerate(self.words[:-1])
            if capital[i] and self.words[i + 1] in _FIRMS and capital[i + 1]
        )
        if sum(capital[i] for i in long) > 0.6 * len(long):
            return firm
        last = len(capital) - 1
        if capital[:3] == [True, True, True] and len(capital) > 4:
            firm |= {0}
        return firm | frozenset(
            i
            for i, is_capital in enumerate(capital)
            if is_capital and ((i > 1 and capital[i - 1]) or (0 < i < last and capital[i + 1]))
        )

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
            if figure is None or (found and _is_conversion(words, found[-1], figure)):
                continue
            found.append(figure)
        return found


def _is_conversion(words: list[str], before: Figure, figure: Figure) -> bool:
    """Tell whether a figure repeats the one before in another currency: "EUR 10 mn ($ 12 mn)"."""
    return (
        words[before.last + 1 : figure.first] == ["("]
        and bool(before.currency and figure.currency)
        and before.currency != figure.currency
    )


def _figure(words: list[str], i: int) -> Figure | None:
    try:
        value = float(words[i].replace(",", "").replace("−", "-").replace("–", "-"))
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    first = last = i
    unit = currency = ""
    scale = 1.0
    before = words[i - 1] if i else ""
    if before in _CURRENCIES and before not in ("p", "c", "cent", "cents"):
        unit, first, currency = "money", i - 1, _CURRENCIES[before]
        before = words[i - 2] if i > 1 else ""
    if before in ("minus", "negative"):
        value, first = -abs(value), first - 1
    after = words[i + 1] if i + 1 < len(words) else ""
    if after in _SCALES:
        scale = _SCALES[after]
        value *= scale
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
            unit, last, currency = "money", last + 1, _CURRENCIES[after]
    if unit == "count":
        # "4.2 mn" without a currency is money in most releases.
        unit = "money"
    if not unit and last == i and words[i].isdigit() and 1900 <= value <= 2099:
        return None
    return Figure(value, unit, currency, scale, first, last)
