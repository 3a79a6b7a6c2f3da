"""From an event to the question put to a model: cleaned, labelled, inside a boundary nobody can guess.

The boundary is new for every question, so text cannot end it; the question's address does not cover it.
It covers the event as it came, so that a recorded answer is found without cleaning the text again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from robo_trader.events.hygiene import KEY as HYGIENE
from robo_trader.events.hygiene import clean, clean_event
from robo_trader.intelligence.answer import SCHEMA, SCHEMA_HASH, load, parse
from robo_trader.intelligence.labels import Labels
from robo_trader.intelligence.prompts import Prompt
from robo_trader.intelligence.reply import Request
from robo_trader.records import Event

#: Characters of an event's data that are shown.
_LONGEST_DATA = 2_000

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def question(event: Event, prompt: Prompt, labels: Labels, *, max_tokens: int, draw: int = 0) -> Request:
    """Return the question as the reply store knows it; `complete` adds what only a call needs."""
    data = {name: value for name, value in event.data.items() if name != HYGIENE}
    content = _encode([event.kind, event.title, event.body, data, list(labels.symbols.values())])
    return Request(
        prompt_id=prompt.id,
        prompt_hash=prompt.hash,
        system=prompt.text,
        user="",
        content=content,
        schema=SCHEMA,
        schema_hash=SCHEMA_HASH,
        load=partial(load, labels=labels.names),
        max_tokens=max_tokens,
        draw=draw,
    )


def shown(event: Event, labels: Labels) -> str:
    """Return what a model sees of `event`: plain text with labels in place of symbols."""
    plain, _ = clean_event(event)
    lines = [f"TITLE: {plain.title}"]
    if plain.body:
        lines += ["BODY:", plain.body]
    data: Mapping[str, Any] = {name: value for name, value in plain.data.items() if name != HYGIENE}
    if data:
        lines.append("DATA: " + clean(_encode(dict(data)), limit=_LONGEST_DATA).text)
    return labels.masked("\n".join(lines))


def complete(request: Request, event: Event, labels: Labels) -> Request:
    """Return `request` with the user's message: kind, labels, and the text inside a fresh boundary."""
    text = shown(event, labels)
    code = secrets.token_hex(16)
    user = (
        f"Kind: {event.kind}\nLabels: {', '.join(labels.names)}\n"
        f"The text stands between the two lines that bear {code}.\n"
        f"{code}\n{text}\n{code}"
    )
    return replace(request, user=user, check=partial(parse, labels=labels.names, source=text))
