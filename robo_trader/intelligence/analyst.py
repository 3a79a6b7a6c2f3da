"""The base class of analysts: they read an event and say what it means, or abstain.

A model's answer is untrusted: the host clamps it, records it and turns it into signals. An
analyst that raises, times out or answers nonsense counts as having abstained; it never stops a
strategy and never becomes a score of zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from robo_trader.records import Abstain, Event, View


class Analyst(ABC):
    """Reads events of some kinds and answers with views.

    Set `kinds` to the kinds of event it reads, such as ``{"news", "filing"}``; the host shows it
    no other. The host adds `event_id`, `analyst`, `at` and `in_sample` to each view.

    `clean_from` (aware UTC) is when the analyst cannot have known outcomes any more: its views of
    events known before it are in-sample; None means that it never knows any. `latency` is what
    passes between `known_at` and the signal in a backtest; None leaves it to the setting
    ``intelligence.latency``.
    """

    kinds: Collection[str] = ()
    name: str | None = None
    clean_from: datetime | None = None
    latency: timedelta | None = None

    def describe(self) -> Mapping[str, Any]:
        """Return what a run should record of this analyst: model, prompts, measured score, mode."""
        return {}

    @abstractmethod
    def read(
        self, event: Event, *args: Any, **kwargs: Any
    ) -> Sequence[View] | Abstain | Awaitable[Sequence[View] | Abstain]:
        """Return the views that follow from `event`, or ``Abstain(reason)``.

        Write it as ``read(self, event)``, or as ``read(self, event, past)`` to be given the store
        of events and bars as they were known at ``event.known_at``; plain or ``async``. An empty
        list means that the event touches no symbol. One event must always give one answer where
        the analyst is deterministic: backtests replay it.
        """
