"""The analyst `offline`: deterministic, explainable, without key or network, in milliseconds.

It judges by a lexicon, rules of direction and negation, compared figures, event templates and a small
linear model over sentences written for it. No outcome of any event was used, so that no view of its
is in sample. It abstains when unsure and never raises on any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from robo_trader.events.impact import classify
from robo_trader.intelligence.analyst import Analyst
from robo_trader.intelligence.offline.judge import judge_event
from robo_trader.intelligence.offline.scoring import measured
from robo_trader.intelligence.offline.verdict import Verdict
from robo_trader.records import Abstain, Event, View
from robo_trader.signals.stream import EVERYTHING

#: Kinds of news that reach every instrument without naming one; somebody's earnings do not.
_MARKET = frozenset({"fomc", "macro"})
_NOBODY = Abstain("it names no instrument and is not about rates or the economy")


class OfflineAnalyst(Analyst):
    """Reads news, earnings, filings, posts, macro figures and rate decisions without a model."""

    name = "offline"
    kinds = frozenset({"news", "earnings", "fomc", "macro", "filing", "social"})
    clean_from: datetime | None = None

    def read(self, event: Event) -> list[View] | Abstain:
        """Return one view for each symbol of the event, or abstain.

        What names no symbol moves every instrument (``"*"``) where it is about rates or the economy.
        """
        verdict = judge_event(event.title, event.body, event.kind, event.data)
        if isinstance(verdict, Abstain):
            return verdict
        if not event.symbols and classify(event) not in _MARKET:
            return _NOBODY
        return [
            View(
                symbol=symbol,
                score=verdict.score,
                confidence=verdict.confidence,
                horizon=verdict.horizon,
                because="; ".join(verdict.because[:4]),
            )
            for symbol in event.symbols or (EVERYTHING,)
        ]

    def describe(self) -> Mapping[str, Any]:
        """Return what was measured of it, for the record of a run."""
        found = measured()
        return {} if found is None else {"measured": str(found), "data": found.data}

    def judge(self, text: str, *, kind: str = "news") -> Verdict | Abstain:
        """Return what `text` means for the holder of what it is about, or why that cannot be told."""
        return judge_event(text, "", kind, {})
