"""What was expected against what came: "below analysts' estimates", "a smaller than feared loss".

The comparison's direction is multiplied with the quantity it is about, so that costs above
expectations are bad. "In line with expectations" is evidence of nothing new. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from robo_trader.intelligence.offline.lexicon import Hit
from robo_trader.intelligence.offline.rules import Evidence
from robo_trader.intelligence.offline.tokens import Text, bag

_WHOSE = (
    r"(?:(?:the|its|their|his|our|all|average|mean|median|market|street|wall street|analysts?'?|consensus|of|"
    r"profit|sales|revenue|earnings|q [1-4]|quarterly|first|second|third|fourth|quarter|full year|annual|eps|"
    r"city|lseg|factset|refinitiv|bloomberg|reuters|investors?'?|economists?'?|previous|own|top line|poll|"
    r"bottom line) ?)*"
)
_WHAT = (
    r"(?:expectations?|estimates?|consensus|forecasts?|projections?|guidance|targets?|views?|predictions?)\b"
)
_EXPECTED = (
    r"(?:expected|forecasted|forecast|anticipated|estimated|predicted|projected|hoped|expectations|estimates|"
    r"forecasts|planned|thought|the consensus|consensus)\b"
)
_BEFORE_EXPECTED = (
    r"(?:(?:had|has|have|was|were|been|the|market|analysts?'?|economists|investors|previously|originally|"
    r"initially|earlier|widely|what|its) )*"
)
_MORE = r"better|higher|stronger|larger|bigger|greater|faster|more|hotter|wider"
_FEWER = r"worse|lower|weaker|smaller|slower|softer|less|fewer|cooler|poorer|narrower"
_THAN = re.compile(
    rf"\b(?P<how>{_MORE}|{_FEWER}) (?:[a-z]+ )?than {_BEFORE_EXPECTED}(?P<what>{_EXPECTED}|feared\b)"
)
_OVER = (
    r"above|over|ahead of|beat|beats|beating|tops?|topped|topping|exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?|"
    r"crush(?:es|ed)?|smash(?:es|ed)?|outpace[sd]?|trounce[sd]?"
)
_UNDER = (
    r"below|under|short of|miss(?:es|ed|ing)?|trail(?:s|ed|ing)?|lag(?:s|ged|ging)?|undershoots?|undershot|"
    r"disappoint(?:s|ed)"
)
_LEVEL = re.compile(rf"\b(?P<how>{_OVER}|{_UNDER}) {_WHOSE}{_WHAT}")
#: "above the $ 4.4 billion that analysts had expected".
_AMOUNT = re.compile(
    rf"\b(?P<how>{_OVER}|{_UNDER}|more than|less than) (?:the |a )?[$€£]? ?[\d.,]+ ?(?:[a-z%]+ ){{0,4}}?"
    r"(?:analysts?|economists|wall street|the street|forecast|expected|estimated?|consensus)\b"
)
#: "remains below the previous year's level".
_YEAR = re.compile(
    rf"\b(?P<how>{_OVER}|{_UNDER}|(?:higher|better|lower|weaker|smaller|larger|stronger) than) "
    r"(?:(?:the|that of|those of|its|in|for|level|levels|of|a|clearly|year) )*"
    r"(?:previous|last|prior|preceding|corresponding|year ago)(?: (?:year|quarter|period|level))?\b"
)
_IN_LINE = re.compile(
    rf"\b(?:in line with|met|meets|matched|matches|matching|as) (?:(?:was|were|had been|widely) )*"
    rf"(?:{_WHOSE}{_WHAT}|{_EXPECTED})"
)
_SAID = re.compile(
    r"\b(?:earnings|profit|revenue|sales|eps|results|quarter|top and bottom lines?) "
    r"(?P<how>beats?|miss(?:es)?)\b"
)
_LESS = bag("worse lower weaker smaller slower softer less fewer cooler poorer narrower below under") | {
    "short of",
    "undershoot",
    "undershoots",
    "undershot",
}
_JUDGED = {"better": 1, "stronger": 1, "worse": -1, "weaker": -1, "poorer": -1}
_GATE = bag(
    "than expected feared expectations expectation estimates estimate consensus forecast forecasts"
    " projections guidance view street hopes analysts economists"
    " previous last prior preceding corresponding ago target targets views beat beats miss misses predictions"
)


def expectations(text: Text, hits: Sequence[Hit]) -> Iterator[Evidence]:
    """Yield evidence for each comparison with what had been expected."""
    if _GATE.isdisjoint(text.words):
        return
    for match in _THAN.finditer(text.flat):
        how, feared = match["how"], match["what"] == "feared"
        sign = _JUDGED.get(how)
        if sign is None and feared:
            sign = 1 if how in _LESS else -1
        if sign is None and how in ("more", "less"):
            sign = _moved(text, hits, match)
        if sign is None:
            sign = (-1 if how in _LESS else 1) * _polarity(text, hits, match, right=True)
        yield _evidence(text, match, sign)
    for match in (*_LEVEL.finditer(text.flat), *_AMOUNT.finditer(text.flat), *_YEAR.finditer(text.flat)):
        how = match["how"].removesuffix(" than")
        low = how in _LESS or how.startswith(("miss", "trail", "lag", "disappoint"))
        yield _evidence(text, match, (-1 if low else 1) * _polarity(text, hits, match, right=False))
    for match in _SAID.finditer(text.flat):
        yield _evidence(text, match, 1 if match["how"].startswith("beat") else -1)


def _moved(text: Text, hits: Sequence[Hit], match: re.Match[str]) -> int | None:
    """Return the sign of "fell more than expected", or None where nothing moves."""
    at = _token(text, match.start())
    moves = [hit for hit in hits if hit.entry.part in ("move", "shift", "act") and at - 5 <= hit.last < at]
    if not moves:
        return None
    more = 1 if match["how"] == "more" else -1
    return more * moves[-1].entry.polarity * _polarity(text, hits, match, right=False)


def as_expected(text: Text) -> bool:
    """Tell whether the text says that things came as expected."""
    return not _GATE.isdisjoint(text.words) and _IN_LINE.search(text.flat) is not None


def _evidence(text: Text, match: re.Match[str], sign: int) -> Evidence:
    first, last = _token(text, match.start()), _token(text, match.end()) - 1
    return Evidence(0.8 * sign, 1.4, match[0], first, "surprise", last)


def _polarity(text: Text, hits: Sequence[Hit], match: re.Match[str], *, right: bool) -> int:
    """Return which way the quantity points that is compared: what was named last before, or comes next."""
    at, end = _token(text, match.start()), _token(text, match.end())
    quantities = [hit for hit in hits if hit.entry.part == "quantity" and hit.entry.polarity]
    if right:
        near = [hit for hit in quantities if end <= hit.first <= end + 3]
        if near:
            return near[-1].entry.polarity
    before = [hit for hit in quantities if at - 12 <= hit.last < at]
    return before[-1].entry.polarity if before else 1


def _token(text: Text, position: int) -> int:
    return text.count_before(position)
