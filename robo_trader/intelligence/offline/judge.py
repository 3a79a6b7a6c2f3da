"""From a text to a verdict: rules and linear model put together, and abstention where they do not suffice.

The rules decide; the model speaks where they are silent and vetoes what they say weakly. When both
disagree about the sign, or nothing is sure, the answer is an `Abstain` with its reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from robo_trader.intelligence.offline import documents
from robo_trader.intelligence.offline.classifier import Odds, odds
from robo_trader.intelligence.offline.language import is_english
from robo_trader.intelligence.offline.rates import judge_rates
from robo_trader.intelligence.offline.sentence import Weighed, weigh
from robo_trader.intelligence.offline.structured import judge_data
from robo_trader.intelligence.offline.tokens import Text
from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain

#: Below this sum of evidence, or this agreement among its pieces, the rules say nothing.
_LEAST_BALANCE = 0.35
_LEAST_AGREEMENT = 0.4
#: So probable must a class be for the model to speak alone, or to veto rules of less than this balance.
_MODEL_SPEAKS = 0.7
_MODEL_VETOES = 0.9
_STRONG_BALANCE = 0.8
#: A single word of praise or blame needs the model to find its class as probable as this.
_WEAK_BALANCE = 0.5
_MODEL_SECONDS = 0.4
#: What the model says alone is no event that anybody recognised: half as strong.
_MODEL_ALONE = 0.5
#: What is only possible is believed so much less.
_DOUBT = 0.5
#: A story's news stands in its first sentences; calls and filings are read to the end.
_NEWS_SENTENCES = 25
#: How pieces begin that report nothing new.
_NO_NEWS = re.compile(
    r"(?:explainer|factbox|timeline|analysis|opinion|commentary|column|preview|graphic|photos?|video|quiz|"
    r"how to|what to (?:know|expect|watch)|(?:wall street )?week ?ahead|morning bid|live updates)"
    r" ?(?::|\b(?!by\b))"
    r"|(?:the )?(?:top |best )?(?:\d{1,2}|two|three|four|five|six|seven|eight|nine|ten) (?:[a-z]+ ){0,3}"
    r"(?:stocks|shares|things|reasons|ways|charts|takeaways|funds|etfs|tips|questions|picks|names) "
    r"(?:to|for|that|you|your|with|we|under|i|worth|from|about)\b"
)
#: "Oh great, …": how people write who mean the opposite, and no newsroom.
_EXCLAMATION = re.compile(
    r"(?:oh|sure|yeah|yay|wow|ah|well|ha|lol),? |"
    r"(?:just )?(?:great|wonderful|fantastic|brilliant|lovely|nice|congratulations|congrats|bravo|"
    r"well done|thanks|good job|nothing says|what a)\b(?:,| another|!| how| because)"
)
_IRONY = Abstain("an exclamation, not news")
_NOT_ENGLISH = Abstain("the text does not seem to be English")
_QUESTION = Abstain("a question tells no news")
_EXPLANATION = Abstain("an explanation or a preview, not news")
#: A title so judged settles what its text is.
_NOT_FOR_US = (_NOT_ENGLISH, _QUESTION, _EXPLANATION, _IRONY)
_NO_WORDS = Abstain("there are no words to judge")


def judge_event(title: str, body: str, kind: str, data: Mapping[str, Any]) -> Verdict | Abstain:
    """Return what an event means: its figures first, else title and body."""
    whole = f"{title}\n{body}".strip()
    if kind == "fomc":
        return judge_rates(Text(whole), data) or _judge_text(title, body, kind)
    known = judge_data(kind, title, data)
    said = _judge_text(title, body, kind)
    if known is None:
        return said
    if not isinstance(said, Verdict) or not said.score:
        return known
    # Figures beat words, but a cut of guidance beside a good quarter must not be lost.
    size = 2 * known.confidence + said.confidence
    score = (2 * known.confidence * known.score + said.confidence * said.score) / size
    agree = known.score * said.score > 0
    confidence = max(known.confidence, said.confidence) if agree else 0.6 * known.confidence
    horizon = max(known.horizon, said.horizon)
    return Verdict(round(score, 3), round(confidence, 3), horizon, (*known.because, *said.because))


def _judge_text(title: str, body: str, kind: str) -> Verdict | Abstain:
    if not body.strip():
        return judge_text(title)
    head = judge_sentence(title) if title.strip() else None
    if head in _NOT_FOR_US:
        return head
    short = kind in ("news", "social")
    sentences = documents.split(body, _NEWS_SENTENCES) if short else documents.split(body)
    return documents.add_up(sentences, judge_sentence, head)


def judge_text(raw: str) -> Verdict | Abstain:
    """Return what a text means: one sentence, or a longer one added up."""
    sentences = documents.split(raw)
    return (
        judge_sentence(sentences[0]) if len(sentences) == 1 else documents.add_up(sentences, judge_sentence)
    )


def judge_sentence(raw: str) -> Verdict | Abstain:
    """Return what one sentence means, or why that cannot be told."""
    text = Text(raw)
    if not text.words:
        return _NO_WORDS
    if not is_english(raw, text.words):
        return _NOT_ENGLISH
    if text.words[-1] == "?":
        return _QUESTION
    if _NO_NEWS.match(text.flat):
        return _EXPLANATION
    if _EXCLAMATION.match(text.flat):
        return _IRONY
    rates = judge_rates(text)
    if rates is not None:
        return rates
    weighed = weigh(text)
    return _decide(weighed, odds(text, weighed))


def _decide(weighed: Weighed, chance: Odds) -> Verdict | Abstain:
    balance, horizon = weighed.balance, timedelta(days=weighed.days)
    if weighed.as_expected and abs(balance) < _STRONG_BALANCE:
        return Verdict(0.0, 0.5, horizon, ("in line with what was expected",))
    if abs(balance) >= _LEAST_BALANCE and weighed.agreement >= _LEAST_AGREEMENT:
        return _by_rules(weighed, chance, horizon)
    if weighed.found and weighed.agreement < _LEAST_AGREEMENT:
        return Abstain("good and bad news in one sentence")
    for sign, likely in ((1, chance.positive), (-1, chance.negative)):
        if likely > _MODEL_SPEAKS and balance * sign > -0.2:
            score = round(sign * _MODEL_ALONE * likely, 3)
            wording = "good" if sign > 0 else "bad"
            said = f"worded as {wording} news mostly is ({likely:.0%})"
            return Verdict(score, round(0.45 * likely, 3), horizon, (said, *weighed.because))
    return Abstain("no event, comparison or direction that it knows")


def _by_rules(weighed: Weighed, chance: Odds, horizon: timedelta) -> Verdict | Abstain:
    balance = weighed.balance
    likely, against = chance.positive, chance.negative
    if balance < 0:
        likely, against = against, likely
    if abs(balance) < _WEAK_BALANCE and likely < _MODEL_SECONDS:
        return Abstain("a word of praise or blame alone")
    if against > 0.5:
        return Abstain("its rules and its wording point in opposite ways")
    if chance.neutral > _MODEL_VETOES and abs(balance) < _STRONG_BALANCE:
        return Abstain("worded as plain facts mostly are")
    score = round(math.tanh(balance), 3)
    confidence = round(min(0.95, 0.25 + 0.35 * abs(score) * weighed.agreement + 0.3 * likely), 3)
    if weighed.doubtful:
        confidence = round(_DOUBT * confidence, 3)
    return Verdict(score, confidence, horizon, weighed.because)
