"""Decisions on interest rates: what changed against what was expected, and the tone of the statement.

Scores are for shares: lower rates than expected are good. Without knowledge of what was expected the
bare change counts, at a low confidence, because most of it is in the price before. Nothing here raises
on any text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from robo_trader.intelligence.offline.expectations import as_expected
from robo_trader.intelligence.offline.lexicon import DATA
from robo_trader.intelligence.offline.structured import number
from robo_trader.intelligence.offline.tokens import Text
from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain

_HORIZON = timedelta(days=2)
_BANK = (
    r"(?:fed|fomc|federal reserve|ecb|boe|boj|pboc|snb|rba|rbnz|riksbank|norges bank|policymakers|committee|"
    r"(?:us |european )?central banks?|bank of (?:england|japan|canada|korea|mexico|israel))"
)
_RAISE = r"raise[sd]?|raising|hike[sd]?|hiking|lift(?:s|ed)?|increase[sd]?|tighten(?:s|ed)?"
_CUT = r"cuts?|cutting|lower(?:s|ed)?|reduce[sd]?|slash(?:es|ed)?|trim(?:s|med)?|ease[sd]?"
_HOLD = r"hold(?:s)?|held|keep(?:s)?|kept|leave(?:s)?|left|maintain(?:s|ed)?|pauses?|paused"
_RATE = (
    r"(?:(?:interest |key |benchmark |policy |main |lending |deposit |repo |bank |cash |refinancing |us |"
    r"federal funds |borrowing )*rates?\b|target (?:range )?for the federal funds rate|target rate)"
)
_VERB = rf"(?:(?P<up>{_RAISE})|(?P<down>{_CUT})|(?P<hold>{_HOLD}))"
_DECISION = re.compile(rf"\b{_BANK}\b[^.;?!]{{0,60}}?\b{_VERB}\b[^.;?!]{{0,40}}?{_RATE}")
#: How the Federal Open Market Committee said in 2014 and 2015 that nothing changes.
_STAYS = re.compile(r"\breaffirmed its view that the current [^.;]{0,40}target range\b")
_FRACTIONS = {
    "1/4": 25,
    "1/2": 50,
    "3/4": 75,
    "1": 100,
    "quarter": 25,
    "half": 50,
    "three quarter": 75,
    "full": 100,
}
_SIZE = re.compile(
    r"\b(?P<bp>\d{1,3}) ?(?:bp|bps|basis points?)\b|"
    r"\b(?P<part>1/4|1/2|3/4|1|quarter|half|three quarters?|full)(?: of)?(?: a)? (?:percentage )?point\b|"
    r"\b(?P<pct>0\.\d+) percentage points?\b"
)
_HEADLINE = 400
_MORE = re.compile(r"\b(?:surprise[sd]?|unexpected(?:ly)?|emergency|shock)\b")
_STATED = re.compile(r"\b(?:more|bigger|larger) than (?:expected|forecast|anticipated)\b")
_LESS = re.compile(r"\b(?:smaller|less) than (?:expected|forecast|anticipated)\b")
_DEFIED = re.compile(
    r"\b(?:defying|despite|against|dashing) (?:\w+ ){0,3}?(?:expectations?|forecasts?|hopes?|bets)"
    r" (?:for|of|on) (?:an? )?(?:\w+ )?(?P<for>cut|hike|rise|increase)\b"
)
_MAY = re.compile(
    r"\b(?:may|done|might|could|would|should|will|to|if|expects?|expected to|likely|bets?|calls? for|urges?|"
    r"hopes?|sees?|traders|odds|chance)\b"
)


def judge_rates(text: Text, data: Mapping[str, Any] | None = None) -> Verdict | Abstain | None:
    """Return what a rate decision means for shares; None when the text and `data` tell of none.

    `data` may hold `change_bp` and `expected_bp`, in basis points; they go before the text.
    """
    data = data or {}
    change, expected = number(data.get("change_bp")), number(data.get("expected_bp"))
    if change is None:
        change = decision(text)
    if change is None:
        return None
    tone, tone_because = stance(text)
    if expected is not None:
        how = "as expected" if expected == change else f"where {expected:+g} bp was expected"
        return _against(change - expected, f"rates {_by(change)}, {how}", 0.7, tone, tone_because)
    # Only a headline says of the decision itself that it was expected; a statement uses such words of
    # the economy.
    told = _told_surprise(text, change) if len(text.flat) <= _HEADLINE else None
    if told is not None:
        surprise, how = told
        return _against(surprise, f"rates {_by(change)}, {how}", 0.5, tone, tone_because)
    said = f"rates {_by(change)}; what was expected is not known"
    if not change:
        if abs(tone) < 0.2:
            return Abstain("rates unchanged, and what was expected is not known")
        return Verdict(round(0.3 * tone, 3), 0.2, _HORIZON, (said, *tone_because))
    score = _clamped(-change / 80 + 0.1 * tone)
    return Verdict(score, 0.3, _HORIZON, (said, *tone_because))


def _told_surprise(text: Text, change: float) -> tuple[float, str] | None:
    """Return by how many basis points a headline says that a decision surprised, and how it says so.

    A surprise without a size is one of all that was done; "more than expected" one of 25 bp.
    """
    if as_expected(text):
        return 0.0, "as expected"
    hoped = _DEFIED.search(text.flat)
    if hoped:
        expected = -25.0 if hoped["for"] == "cut" else 25.0
        return change - expected, f"where a {hoped['for']} was expected"
    sign = (change > 0) - (change < 0)
    if _LESS.search(text.flat):
        return -25.0 * sign, "less than expected"
    if _STATED.search(text.flat):
        return 25.0 * sign, "more than expected"
    if sign and _MORE.search(text.flat):
        return change, "a surprise"
    return None


def _against(
    surprise: float, said: str, confidence: float, tone: float, tone_because: tuple[str, ...]
) -> Verdict:
    if surprise:
        return Verdict(_clamped(-surprise / 40), confidence, _HORIZON, (said,))
    if abs(tone) < 0.5:
        return Verdict(0.0, 0.5, _HORIZON, (said,))
    return Verdict(round(0.3 * tone, 3), 0.3, _HORIZON, (said, *tone_because))


def decision(text: Text) -> float | None:
    """Return by how many basis points a text says that rates were changed; 0 if they were held.

    None where it tells of no decision, or only of one that may come. Without a size a change counts
    as 25 bp.
    """
    if _STAYS.search(text.flat):
        return 0.0
    for match in _DECISION.finditer(text.flat):
        verb = max(match.start(name) for name in ("up", "down", "hold"))
        may = _MAY.search(text.flat, max(match.start() - 25, 0), verb)
        if may and "decided to" not in match[0] and "committee will maintain" not in match[0]:
            continue
        if match["hold"]:
            return 0.0
        size = _size(text, match.start(), match.end() + 60)
        return size if match["up"] else -size
    return None


def _size(text: Text, first: int, end: int) -> float:
    """Return the size of a change in basis points that is written between two characters, else 25."""
    sized = _SIZE.search(text.flat, first, end)
    if sized is None:
        return 25.0
    if sized["bp"]:
        return float(sized["bp"])
    return 100 * float(sized["pct"]) if sized["pct"] else float(_FRACTIONS[sized["part"].removesuffix("s")])


def stance(text: Text) -> tuple[float, tuple[str, ...]]:
    """Return the tone of a statement from -1 (hawkish) to 1 (dovish) and the phrases that say so."""
    found = [(phrase, weight) for phrase, weight in _stance_phrases() if phrase in text.flat]
    dovish = sum(weight for _, weight in found if weight > 0)
    hawkish = -sum(weight for _, weight in found if weight < 0)
    if not found:
        return 0.0, ()
    tone = (dovish - hawkish) / (dovish + hawkish + 1)
    side = 1 if tone > 0 else -1
    said = [phrase for phrase, weight in found if weight * side > 0]
    name = "dovish" if tone > 0 else "hawkish"
    return tone, tuple(f"{name}: {phrase}" for phrase in said[:3])


@cache
def _stance_phrases() -> tuple[tuple[str, float], ...]:
    rows = csv.DictReader((DATA / "stance.csv").read_text(encoding="utf-8").splitlines())
    return tuple(
        (row["phrase"], float(row["weight"]) * (1 if row["side"] == "dovish" else -1)) for row in rows
    )


def _clamped(value: float) -> float:
    return round(max(-0.9, min(0.9, value)), 3)


def _by(change: float) -> str:
    if not change:
        return "unchanged"
    return f"{'raised' if change > 0 else 'cut'} by {abs(change):g} bp"
