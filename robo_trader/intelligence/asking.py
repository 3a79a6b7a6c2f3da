"""One text to one analyst, outside of any run: what `robo ask` does.

The text is cleaned first (`events.hygiene`); suspicious text is abstained from, as in a run. What an
analyst raises becomes an abstention that names it, but for a `ModelError`, which a person has to mend.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any

from robo_trader import clock
from robo_trader.errors import ModelError
from robo_trader.events.hygiene import SUSPICIOUS, clean
from robo_trader.intelligence.analyst import Analyst
from robo_trader.records import Abstain, Event, View
from robo_trader.signals.stream import EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an analyst said of a text: a score with its reasons, or in `abstain` why there is none."""

    text: str
    symbol: str
    score: float | None = None
    confidence: float | None = None
    horizon: timedelta | None = None
    because: str = ""
    abstain: str | None = None
    flags: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the answer for JSON: `score`, `confidence`, `horizon_days` and `because`, or `abstain`."""
        out: dict[str, Any] = {"text": self.text, "symbol": self.symbol}
        if self.abstain is not None:
            out["abstain"] = self.abstain
        else:
            days = self.horizon / timedelta(days=1) if self.horizon is not None else None
            out |= {"score": self.score, "confidence": self.confidence, "horizon_days": days}
            out["because"] = self.because
        if self.flags:
            out["flags"] = list(self.flags)
        return out


class Asker:
    """Asks one analyst about many texts, each as an event of `kind` that names `symbol`.

    Use it as a context manager: asynchronous analysts get one event loop for all their answers.
    """

    def __init__(self, analyst: Analyst, *, kind: str = "news", symbol: str | None = None) -> None:
        self._analyst = analyst
        self._kind = kind
        self._symbol = symbol or EVERYTHING
        self._runner = asyncio.Runner()
        self._wants_past = "past" in inspect.signature(analyst.read).parameters

    def __enter__(self) -> Asker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()

    def ask(self, text: str) -> Answer:
        """Return the analyst's answer to `text`."""
        cleaned = clean(text)
        answer = self._answer(cleaned.text, cleaned.flags)
        return replace(answer, text=text, flags=cleaned.flags)

    def _answer(self, text: str, flags: Iterable[str]) -> Answer:
        bad = sorted(SUSPICIOUS.intersection(flags))
        if bad:
            return self._abstain(f"suspicious text ({', '.join(bad)})")
        if not text.strip():
            return self._abstain("there is no text")
        if self._kind not in self._analyst.kinds:
            return self._abstain(f"it does not read events of the kind {self._kind!r}")
        event = Event(kind=self._kind, title=text, published_at=clock.now(), symbols=(self._symbol,))
        try:
            said = self._analyst.read(event, *self._past(event))
            if inspect.isawaitable(said):
                said = self._runner.run(_wait(said))
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's analyst may raise anything
            return self._abstain(f"it failed: {type(error).__name__}: {error}")
        if isinstance(said, Abstain):
            return self._abstain(said.reason)
        view = next((v for v in said if v.symbol in (self._symbol, EVERYTHING)), None)
        return self._abstain("it touches no symbol") if view is None else self._told(view)

    def _past(self, event: Event) -> tuple[Any, ...]:
        """Return the empty past for analysts that ask for one."""
        if not self._wants_past:
            return ()
        from robo_trader.events.tape import EventTape
        from robo_trader.intelligence.past import Past

        return (Past(EventTape.of(()), (), clock.to_ns(event.published_at)),)

    def _told(self, view: View) -> Answer:
        return Answer(
            text="",
            symbol=self._symbol,
            score=view.score,
            confidence=view.confidence,
            horizon=view.horizon,
            because=view.because,
        )

    def _abstain(self, reason: str) -> Answer:
        return Answer(text="", symbol=self._symbol, abstain=reason)


async def _wait(answer: Any) -> Any:
    return await answer
