"""From a text to a verdict: the rules first, and abstention where they do not suffice."""

from __future__ import annotations

import math
from datetime import timedelta

from robo_trader.intelligence.offline.sentence import weigh
from robo_trader.intelligence.offline.tokens import Text
from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain

_LEAST_BALANCE = 0.35
_LEAST_AGREEMENT = 0.4


def judge_sentence(raw: str) -> Verdict | Abstain:
    """Return what one sentence means, or why that cannot be told."""
    text = Text(raw)
    if not text.words:
        return Abstain("there are no words to judge")
    weighed = weigh(text)
    if abs(weighed.balance) < _LEAST_BALANCE:
        return Abstain("no event, comparison or direction that it knows")
    if weighed.agreement < _LEAST_AGREEMENT:
        return Abstain("good and bad news in one sentence")
    score = round(math.tanh(weighed.balance), 3)
    confidence = round(min(0.95, 0.35 + 0.5 * abs(score) * weighed.agreement), 3)
    return Verdict(score, confidence, timedelta(days=weighed.days), weighed.because)
