"""Longer texts: judged sentence by sentence, then added up.

A press release opens with its news, so early sentences weigh more; a title weighs most. A text whose
sentences disagree is abstained from. Nothing here raises on any text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from datetime import timedelta

from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain

#: Up to so many characters on one line a text is one sentence, whatever stops stand in it.
SHORT = 400
_MOST_SENTENCES = 600
#: Longer sentences are lists and tables; they are judged in pieces of so many characters.
_LONGEST = 1_000
_END = re.compile(r"(?<=[.!?])[\"')\u201d]*\s+(?=[\"'(\u201c]?[A-Z0-9$])|\n+")
_BROKEN = re.compile(
    r"\b(?:Inc|Corp|Co|Ltd|Mr|Mrs|Ms|Dr|No|St|vs|approx|U\.S|Jan|Feb|Aug|Sept|Oct|Nov|Dec)\.$"
)
_LEAST_SCORE = 0.12
_LEAST_AGREEMENT = 0.3


def split(raw: str, most: int = _MOST_SENTENCES) -> list[str]:
    """Return the first `most` sentences of a text."""
    if len(raw) <= SHORT and "\n" not in raw.strip():
        return [raw.strip()]
    parts: list[str] = []
    for part in _END.split(raw.strip()):
        if parts and _BROKEN.search(parts[-1]):
            parts[-1] += f" {part}"
        elif part.strip():
            parts.append(part.strip())
        if len(parts) > most:
            break
    pieces = [piece for part in parts for piece in (textwrap.wrap(part, _LONGEST) or [part])]
    return pieces[:most]


def add_up(
    sentences: list[str], judge: Callable[[str], Verdict | Abstain], title: Verdict | Abstain | None = None
) -> Verdict | Abstain:
    """Return one verdict of many sentences; `title` is the verdict of the headline above them."""
    judged: list[tuple[float, Verdict]] = []
    if isinstance(title, Verdict) and title.score:
        judged.append((3.0, title))
    for i, sentence in enumerate(sentences):
        verdict = judge(sentence)
        if isinstance(verdict, Verdict) and verdict.score:
            judged.append((1.0 / (1.0 + 0.05 * i), verdict))
    if not judged:
        if isinstance(title, Verdict):
            return title
        return Abstain(f"none of {len(sentences)} sentences says what it knows")
    size = sum(weight * verdict.confidence for weight, verdict in judged)
    score = sum(weight * verdict.confidence * verdict.score for weight, verdict in judged) / size
    span = sum(weight * verdict.confidence * abs(verdict.score) for weight, verdict in judged) / size
    agreement = abs(score) / span
    if abs(score) < _LEAST_SCORE or agreement < _LEAST_AGREEMENT:
        return Abstain(f"good and bad news in balance ({_counts(judged)})")
    side = [(w, v) for w, v in judged if v.score * score > 0]
    side.sort(key=lambda item: -item[0] * item[1].confidence * abs(item[1].score))
    confidence = round(min(0.9, side[0][1].confidence * (0.5 + 0.5 * agreement)), 3)
    horizon = max((v.horizon for _, v in side), default=timedelta(days=3))
    because = list(_first_reasons(v for _, v in side))[:3]
    if len(judged) > 1:
        because.append(_counts(judged))
    return Verdict(round(score, 3), confidence, horizon, tuple(because))


def _counts(judged: list[tuple[float, Verdict]]) -> str:
    good = sum(verdict.score > 0 for _, verdict in judged)
    return f"{good} good and {len(judged) - good} bad sentences"


def _first_reasons(verdicts: Iterable[Verdict]) -> dict[str, None]:
    return dict.fromkeys(verdict.because[0] for verdict in verdicts if verdict.because)
