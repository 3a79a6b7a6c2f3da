"""The answer of the offline analyst to one text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text means for the holder: `score` in [-1, 1], `confidence` in [0, 1].

    A score of 0 says that the text is neutral; what cannot be told is an `Abstain`. `horizon` is how
    long it should matter; `because` holds the reasons, the weightiest first.
    """

    score: float
    confidence: float
    horizon: timedelta
    because: tuple[str, ...]
