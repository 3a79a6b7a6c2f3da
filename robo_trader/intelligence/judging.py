"""What is kept of a stranger's answer: views of the event's own and allowed symbols, or why there are none.

A backtest's reading and the live pipeline judge by these rules alone, so that an analyst that answers
alike moves alike in both. Nothing here raises for what an answer holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from numbers import Real
from typing import Any

from robo_trader.errors import RoboError
from robo_trader.events.hygiene import SUSPICIOUS, clean_event
from robo_trader.intelligence.roles import OFFLINE
from robo_trader.records import Abstain, Event, View
from robo_trader.signals.stream import EVERYTHING

_LONGEST = timedelta(days=366)
_LONGEST_REASON = 2_000  # characters
_MOST_VIEWS = 1_000  # of one event
_ANY = ""

Linking = Callable[[Event], Collection[str]]


def plain(event: Event, link: Linking | None, allowed: Collection[str]) -> tuple[Event, frozenset[str]]:
    """Return `event` as an analyst is shown it, and the flags for which nobody may read it.

    Its text is cleaned; `link` finds the symbols, of those allowed, of an event that names none.
    """
    event, flags = clean_event(event)
    if not event.symbols and link is not None:
        event = replace(event, symbols=tuple(s for s in link(event) if s in allowed))
    return event, SUSPICIOUS.intersection(flags)


@dataclass(frozen=True, slots=True)
class Abstention:
    """An event on which an analyst gave no view; `failed` where that was not its own decision."""

    event_id: str
    analyst: str
    reason: str
    failed: bool = False


@dataclass(slots=True)
class Answers:
    """What came back from one analyst."""

    views: list[View] = field(default_factory=list)
    abstained: list[Abstention] = field(default_factory=list)
    read: int = 0
    unlinked: int = 0
    outside: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """What went wrong where an analyst should have answered."""

    reason: str


def judged(answer: Any) -> Sequence[View] | Abstain | Failed:
    """Return an answer that can be used, or what is wrong with it."""
    if isinstance(answer, Abstain):
        return answer
    if answer is None or isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Sequence):
        return Failed(f"it answered with {type(answer).__name__}, not with a list of views")
    if len(answer) > _MOST_VIEWS:
        return Failed(f"it answered with {len(answer)} views, more than {_MOST_VIEWS}")
    for view in answer:
        if not isinstance(view, View):
            return Failed(f"it answered with a list of {type(view).__name__}, not of views")
        if not isinstance(view.symbol, str) or not view.symbol:
            return Failed(f"a view's symbol is {view.symbol!r}")
        if not isinstance(view.horizon, timedelta) or view.horizon <= timedelta(0):
            return Failed(f"a view's horizon is {view.horizon!r}")
        if not (_within(view.score, -1.0) and _within(view.confidence, 0.0)):
            return Failed(f"a view's score is {view.score!r} and its confidence {view.confidence!r}")
        for name in ("because", "model", "prompt_hash"):
            value = getattr(view, name)
            if not isinstance(value, str) and (value is not None or name == "because"):
                return Failed(f"a view's {name} is {type(value).__name__}, not text")
    return answer


def _within(number: Any, least: float) -> bool:
    return isinstance(number, Real) and least <= float(number) <= 1.0


def keep(
    out: Answers, name: str, event: Event, answer: Sequence[View] | Abstain | Failed | None,
    allowed: Collection[str],
) -> None:  # fmt: skip
    """Keep those views that are about the event and allowed; the others are counted."""
    id = event.id or ""
    if isinstance(answer, Abstain):
        out.abstained.append(Abstention(id, name, str(answer.reason)))
    elif isinstance(answer, Failed):
        out.abstained.append(Abstention(id, name, answer.reason, failed=True))
    elif answer is not None:
        for view in answer:
            if view.symbol != EVERYTHING and view.symbol not in event.symbols:
                out.unlinked += 1
            elif view.symbol != EVERYTHING and view.symbol not in allowed:
                out.outside += 1
            else:
                out.views.append(_kept(view, id, name))


def _kept(view: View, event_id: str, analyst: str) -> View:
    """Return the host's own copy of a view: of a stranger's subclass only the values are taken."""
    return View(
        symbol=view.symbol, score=float(view.score), confidence=float(view.confidence),
        horizon=min(view.horizon, _LONGEST), because=view.because[:_LONGEST_REASON],
        event_id=event_id, analyst=analyst, model=view.model, prompt_hash=view.prompt_hash,
    )  # fmt: skip


def handed(event: Event) -> Event:
    """Return a copy of `event` to hand to a stranger, so that what is changed in it changes nothing here."""
    return replace(event, data=deepcopy(dict(event.data)))


def wants_past(analyst: Any) -> bool:
    """Tell whether `read` takes the past as a second argument."""
    try:
        inspect.signature(analyst.read).bind(None)
    except TypeError:
        return True
    except ValueError:
        return False
    parameters = [
        p
        for p in inspect.signature(analyst.read).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return len(parameters) > 1 and parameters[1].name == "past"


def reason_of(error: BaseException) -> str:
    """Return in one line what was raised."""
    text = error.message if isinstance(error, RoboError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:300]


def doubtful(event: Event) -> Event:
    """Return `event` as the offline analyst is asked to doubt it: one that names nobody is about everybody.

    By itself that analyst would say nothing of it, and what others make of it would go undoubted.
    """
    return event if event.symbols else replace(event, symbols=(EVERYTHING,))


def doubts_of(views: Iterable[View]) -> dict[tuple[str, str], float]:
    """Return what the offline analyst thinks, by (event id, symbol); "" stands for any symbol of an event."""
    found: dict[tuple[str, str], float] = {}
    for view in views:
        id = view.event_id or ""
        found[id, view.symbol] = view.score
        found.setdefault((id, _ANY), view.score)
    return found


def is_disputed(view: View, doubts: Mapping[tuple[str, str], float]) -> bool:
    """Tell whether the offline analyst reads the event of `view` the other way.

    A view of every instrument is measured by what the offline analyst thinks of any.
    """
    if view.analyst == OFFLINE or not doubts:
        return False
    id = view.event_id or ""
    thought = doubts.get((id, EVERYTHING), 0.0)
    thought = doubts.get((id, _ANY if view.symbol == EVERYTHING and not thought else view.symbol), thought)
    return thought * view.score < 0


def known_at(event: Event) -> datetime:
    """Return from when `event` may be known."""
    return event.known_at or event.published_at


def in_sample(analyst: Any, event: Event) -> bool:
    """Tell whether `analyst` may have known what came of `event`."""
    clean_from = getattr(analyst, "clean_from", None)
    return bool(clean_from is not None and known_at(event) < clean_from)
