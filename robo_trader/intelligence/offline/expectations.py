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
    r"(?:(?:the|its|their|his|our|all|even|worst|best|most|average|mean|median|market|street|wall street|"
    r"analysts?'?|consensus|of|profit|sales|revenue|earnings|q [1-4]|quarterly|first|second|third|fourth|"
    r"quarter|full year|annual|eps|city|lseg|factset|refinitiv|bloomberg|reuters|investors?'?|economists?'?|"
    r"previous|own|top line|poll|bottom line) ?)*"
)
_WHAT = (
    r"(?:expectations?|estimates?|consensus|forecasts?|projections?|guidance|targets?|views?|predictions?|"
    r"plans?|budget|hopes|street)\b"
)
_EXPECTED = (
    r"(?:expected|forecasted|forecast|anticipated|estimated|predicted|projected|hoped|expectations|estimates|"
    r"forecasts|planned|thought|the consensus|consensus|pencill?ed in|priced in|baked in|bargained for|"
    r"looked for|budgeted|announced|flagged|guided|promised|advertised|targeted|hoped for|sought|modell?ed)\b"
)
#: Who expected it: "than the management had originally".
_BEFORE_EXPECTED = r"(?:(?!(?:than|as|in|for|last|previous|a|year|ago|at) )[a-z']+ ){0,5}?"
_FEARED = r"(?:feared|braced for|dreaded)\b"
_MORE = (
    r"better|higher|stronger|larger|bigger|greater|faster|more|hotter|wider|longer|later|costlier|"
    r"sooner|earlier|deeper|steeper"
)
_FEWER = r"worse|lower|weaker|smaller|slower|softer|less|fewer|cooler|poorer|narrower"
_THAN = re.compile(
    rf"\b(?P<how>{_MORE}|{_FEWER}) (?P<manner>[a-z]+ )?than {_BEFORE_EXPECTED}(?P<what>{_EXPECTED}|{_FEARED})"
)
#: "more slowly", "more modest" is less.
_GENTLE = bag("slowly gradually modestly modest mildly mild gently gentle moderate moderately muted")
#: "not as steep as feared", "less severe than expected": by what the adjective calls bad or good.
_NOT_AS = re.compile(
    rf"\b(?:(?:not|n't|never) (?:quite |nearly |been )?(?:as|so) (?P<adjective>[a-z]+) as|"
    rf"less (?P<less>[a-z]+) than) {_BEFORE_EXPECTED}(?:{_EXPECTED}|{_FEARED})"
)
_HARSH = bag(
    "bad steep severe deep weak dire poor harsh grim gloomy costly damaging sharp painful negative"
    " pessimistic downbeat serious dramatic pronounced disruptive awful restrictive hawkish"
)
_FINE = bag("good strong rosy robust high fast quick much positive optimistic upbeat bullish large generous")
#: "not good enough", "not enough to".
_NOT_ENOUGH = re.compile(r"\b(?:not|n't|hardly|barely) (?:[a-z]+ ){0,2}enough\b")
#: "less than the 3 % decline that was feared".
_LESS_OF = re.compile(
    r"\b(?P<how>more|less|smaller|larger|bigger|better|worse) than (?:the |a |an )?[$€£]?[\d.,]+ ?"
    r"(?:[a-z%]+ ){0,3}?"
    r"(?P<what>declines?|drops?|falls?|decreases?|dip|slump|contraction|slide|"
    r"rises?|increases?|gains?|growth|jump)\b"
    r"(?= (?:[a-z]+ ){0,3}?(?:analysts?|economists?|wall|the street|forecast|expected|estimated?|consensus|"
    r"feared|predicted|investors|anticipated|projected|seen))"
)
_FALLING = ("decl", "drop", "fall", "decr", "dip", "slum", "cont", "slid")
_OVER = (
    r"above|over|ahead of|beat|beats|beating|tops?|topped|topping|exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?|"
    r"crush(?:es|ed)?|smash(?:es|ed)?|outpace[sd]?|trounce[sd]?"
)
_UNDER = (
    r"below|under|short of|shy of|light of|behind|miss(?:es|ed|ing)?|trail(?:s|ed|ing)?|lag(?:s|ged|ging)?|"
    r"undershoots?|undershot|disappoint(?:s|ed)"
)
_LEVEL = re.compile(rf"\b(?P<how>{_OVER}|{_UNDER}) {_WHOSE}{_WHAT}")
#: "above the $ 4.4 billion that analysts had expected".
_AMOUNT = re.compile(
    rf"\b(?P<how>{_OVER}|{_UNDER}|more than|less than) (?:the |a )?[$€£]? ?[\d.,]+ ?(?:[a-z%]+ ){{0,4}}?"
    r"(?:analysts?|economists|wall street|the street|forecast|expected|estimated?|consensus|"
    r"predicted|projected)\b"
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
    r"\b(?:(?:earnings|profit|revenue|sales|eps|results|quarter|top and bottom lines?) "
    r"(?P<how>beats?|miss(?:es|ed)?)\b"
    r"|(?P<by>beats?|tops?|topped|miss(?:es|ed)?) "
    r"(?:on|by [$€£]?[\d.]+|the street|wall street|views|both|all)\b)"
)
#: "fewer customers left than expected".
_COUNTED = re.compile(
    rf"\b(?P<how>{_MORE}|{_FEWER}) (?P<counted>(?:[a-z]+ ){{1,4}}?)than {_BEFORE_EXPECTED}"
    rf"(?P<what>{_EXPECTED}|{_FEARED})"
)
#: What there should be little of, and is no quantity.
_TROUBLE = bag(
    "recall shortage outage damage delay delays closures redundancies fallout disruption toll bill hit"
)
_LEAVING = bag("left leave leaving quit cancelled canceled defected lost dropped withdrew")
_LESS = bag(
    "worse lower weaker smaller slower softer less fewer cooler poorer narrower below under behind"
) | {
    "short of",
    "shy of",
    "light of",
    "undershoot",
    "undershoots",
    "undershot",
}
_JUDGED = {
    **dict.fromkeys(("better", "stronger", "sooner", "earlier"), 1),
    **dict.fromkeys(("worse", "weaker", "poorer", "longer", "later", "costlier", "deeper", "steeper"), -1),
}
_GATE = bag(
    "than expected feared expectations expectation estimates estimate consensus forecast forecasts"
    " projections guidance view street hopes analysts economists"
    " previous last prior preceding corresponding ago target targets views beat beats miss misses missed"
    " predictions enough plan plans budget anticipated predicted projected tops topped than"
)


def expectations(text: Text, hits: Sequence[Hit]) -> Iterator[Evidence]:
    """Yield evidence for each comparison with what had been expected."""
    if _GATE.isdisjoint(text.words):
        return
    for match in _THAN.finditer(text.flat):
        how, feared = match["how"], match["what"].startswith(("feared", "braced", "dreaded"))
        sign = _JUDGED.get(how)
        manner = (match["manner"] or "").strip()
        if manner not in _GENTLE and manner[-2:] not in ("ly", "") and how in ("more", "fewer", "less"):
            continue  # "fewer layoffs than feared": counted below
        if sign is None and feared:
            sign = 1 if how in _LESS else -1
        if sign is None:
            sign = _moved(text, hits, match)
        if sign is None and how in ("faster", "slower"):
            sign = 1 if how == "faster" else -1
        if sign is None:
            sign = (-1 if how in _LESS else 1) * _polarity(text, hits, match, right=True)
        yield _evidence(text, match, sign)
    for match in _COUNTED.finditer(text.flat):
        sign = _counted(text, hits, match)
        if sign:
            yield _evidence(text, match, sign)
    short = {match.start() for match in _LESS_OF.finditer(text.flat)}
    for match in (*_LEVEL.finditer(text.flat), *_AMOUNT.finditer(text.flat), *_YEAR.finditer(text.flat)):
        if match.start() in short:
            continue
        how = match["how"].removesuffix(" than")
        moved = _moved(text, hits, match) if how in ("more than", "more", "less than", "less") else None
        if moved:
            yield _evidence(text, match, moved)
            continue
        low = how in _LESS or how.startswith(("miss", "trail", "lag", "disappoint"))
        yield _evidence(text, match, (-1 if low else 1) * _polarity(text, hits, match, right=False))
    for match in _NOT_AS.finditer(text.flat):
        adjective = match["adjective"] or match["less"]
        sign = 1 if adjective in _HARSH else -1 if adjective in _FINE else 0
        if sign:
            yield _evidence(text, match, sign)
    for match in _NOT_ENOUGH.finditer(text.flat):
        yield _evidence(text, match, -1)
    for match in _LESS_OF.finditer(text.flat):
        sign = _JUDGED.get(match["how"]) or _short_of(match) * _polarity(text, hits, match, right=False)
        yield _evidence(text, match, sign)
    for match in _SAID.finditer(text.flat):
        yield _evidence(text, match, -1 if (match["how"] or match["by"]).startswith("miss") else 1)


def _counted(text: Text, hits: Sequence[Hit], match: re.Match[str]) -> int:
    """Return the sign of "fewer customers left than expected", 0 where it is not known what is counted."""
    first, last = _token(text, match.start()), _token(text, match.end("counted"))
    named = [
        h
        for h in hits
        if first < h.first < last and h.entry.polarity and h.entry.part in ("quantity", "tone")
    ]
    if not named:
        return 0
    leaving = -1 if _LEAVING.intersection(match["counted"].split()) else 1
    return (-1 if match["how"] in _LESS else 1) * named[-1].entry.polarity * leaving


def _short_of(match: re.Match[str]) -> int:
    """Return the sign of "less than the 3 % decline" for something of which more is good."""
    more = 1 if match["how"] in ("more", "larger", "bigger") else -1
    return -more if match["what"].startswith(_FALLING) else more


def _moved(text: Text, hits: Sequence[Hit], match: re.Match[str]) -> int | None:
    """Return the sign of "fell more than expected", or None where nothing moves."""
    at = _token(text, match.start())
    moves = [hit for hit in hits if hit.entry.part in ("move", "shift", "act") and at - 5 <= hit.last < at]
    if not moves:
        return None
    how = match["how"].removesuffix(" than")
    if how in ("more", "less"):
        more = 1 if how == "more" else -1
        if (match.groupdict().get("manner") or "").strip() in _GENTLE:
            more = -more
    elif how in ("faster", "slower"):
        more = 1 if how == "faster" else -1
    else:
        return None
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
    if before:
        return before[-1].entry.polarity
    if match[0].endswith("budget"):
        return -1
    # "the recall is bigger than thought": more of what is bad.
    blamed = _TROUBLE.intersection(text.words[max(0, at - 6) : at])
    return -1 if blamed else 1


def _token(text: Text, position: int) -> int:
    return text.count_before(position)
