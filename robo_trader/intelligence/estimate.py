"""What reading events with a model will cost, told before anything is spent.

Events whose reply is recorded cost nothing. For the others the length of what would be sent is known;
how many tokens a model makes of it, and how many it answers with, is learnt from the replies in the
store, prompt by prompt, and assumed where there are too few. Nothing is asked and nothing raises but a
missing price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from robo_trader.intelligence.gateway import characters
from robo_trader.intelligence.models import priced
from robo_trader.intelligence.questions import complete
from robo_trader.intelligence.replies import address
from robo_trader.records import Event

if TYPE_CHECKING:
    from robo_trader.intelligence.llm import LLMAnalyst

#: Assumed until replies say otherwise: characters of English for a token, tokens of an answer's frame
#: and of one view in it. They lean to the dear side.
CHARACTERS = 3.5
FRAME_TOKENS = 20
VIEW_TOKENS = 120
#: So many recorded replies of a prompt are believed more than the assumptions.
ENOUGH = 5
_MICRO = Decimal("0.000001")


_asking_nobody: ContextVar[bool] = ContextVar("asking_nobody", default=False)


@contextmanager
def asking_nobody() -> Iterator[None]:
    """Let analysts be made for an estimate alone: without a key, an address or an account."""
    token = _asking_nobody.set(True)
    try:
        yield
    finally:
        _asking_nobody.reset(token)


def is_asking_nobody() -> bool:
    """Tell whether analysts are made for an estimate alone."""
    return _asking_nobody.get()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an analyst would cost: `calls` of `events` need asking, the others are `recorded`.

    Tokens and `cost` (dollars) are expected values. `learnt` counts the recorded replies that they
    rest on; 0 means that they rest on assumptions.
    """

    events: int = 0
    recorded: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    model: str = ""
    learnt: int = 0

    def __str__(self) -> str:
        if not self.model:
            return "no model is asked: $0"
        basis = f"learnt from {self.learnt} replies" if self.learnt else "assumed, nothing is recorded yet"
        return (
            f"{self.model}: {self.calls:,} calls for {self.events:,} events ({self.recorded:,} recorded), "
            f"~{self.input_tokens:,} tokens in, {self.output_tokens:,} out ({basis}): ${self.cost:.4f}"
        )


def estimate(events: Iterable[Event], analyst: Any) -> Estimate:
    """Return what `analyst` would cost on `events`; nothing for one that asks no model.

    An analyst that asks models says so with a method ``estimate(events)``.
    """
    own = getattr(analyst, "estimate", None)
    if own is None:
        return Estimate()
    found: Estimate = own(list(events))
    return found


def together(parts: Iterable[Estimate]) -> Estimate:
    """Return the estimate for analysts that read the same events, those without a model left out."""
    asked = [part for part in parts if part.model]
    if not asked:
        return Estimate()
    return Estimate(
        events=max(part.events for part in asked),
        recorded=sum(part.recorded for part in asked),
        calls=sum(part.calls for part in asked),
        input_tokens=sum(part.input_tokens for part in asked),
        output_tokens=sum(part.output_tokens for part in asked),
        cost=sum((part.cost for part in asked), Decimal(0)),
        model=", ".join(part.model for part in asked),
        learnt=sum(part.learnt for part in asked),
    )


@dataclass(slots=True)
class _Seen:
    """What recorded replies tell of one prompt."""

    replies: int = 0
    characters: int = 0
    prompt: int = 0
    output: int = 0
    input_cost: Decimal = Decimal(0)


def estimate_llm(events: Sequence[Event], analyst: LLMAnalyst) -> Estimate:
    """Return the estimate for an LLM analyst: what its first model would take, without retries."""
    route = analyst.gateway.routes[0]
    price = priced(route.model)
    seen: dict[str, _Seen] = defaultdict(_Seen)
    for stored in analyst.store:
        if stored.model == route.name and stored.usage is not None and stored.usage.output:
            one = seen[stored.prompt_id]
            one.replies += 1
            one.characters += stored.characters
            one.prompt += stored.usage.prompt
            one.output += stored.usage.output
            one.input_cost += price.cost(replace(stored.usage, output=0))
    out = Estimate(model=route.model.name, learnt=sum(one.replies for one in seen.values()))
    total, recorded, calls = 0, 0, 0
    tokens_in, tokens_out, cost = 0.0, 0.0, Decimal(0)
    asked: set[str] = set()
    for event in events:
        if event.kind not in analyst.kinds:
            continue
        total += 1
        request, labels = analyst.request(event)
        found = analyst.gateway.recorded(request)
        if found is not None and found.ok:
            recorded += 1
            continue
        key = address(route.name, request).key
        if key in asked and analyst.mode != "live":
            continue  # one question is put once
        asked.add(key)
        calls += 1
        size = characters(complete(request, event, labels))
        one = seen[request.prompt_id]
        if one.replies >= ENOUGH:
            went_in, came_out = size * one.prompt / one.characters, one.output / one.replies
            cost += one.input_cost * size / one.characters
        else:
            went_in, came_out = size / CHARACTERS, FRAME_TOKENS + VIEW_TOKENS * len(labels.names)
            cost += price.input * Decimal(went_in) / 1_000_000
        cost += price.output * Decimal(came_out) / 1_000_000
        tokens_in += went_in
        tokens_out += came_out
    return replace(
        out,
        events=total,
        recorded=recorded,
        calls=calls,
        input_tokens=round(tokens_in),
        output_tokens=round(tokens_out),
        cost=cost.quantize(_MICRO),
    )
