"""The one schema in which every model answers, and the judge of what came.

A provider's structured output keeps the shape but not the bounds, and a local server may keep
neither: everything is checked again here. `parse` raises `BadAnswer` with the status MALFORMED or
SCHEMA; a quotation that does not stand in the text is dropped and costs confidence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from robo_trader.intelligence.reply import BadAnswer, Status, plain

#: How long a view matters, in the words that a model may use.
HORIZONS = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "1w": timedelta(weeks=1),
    "1m": timedelta(days=30),
    "3m": timedelta(days=91),
}

_LENGTHS = frozenset(HORIZONS.values())

_VIEW: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["label", "score", "confidence", "horizon", "rationale", "evidence"],
    "properties": {
        "label": {"type": "string", "description": "one of the labels given, exactly as written"},
        "score": {"type": "number", "description": "-1 (very bad for its price) to 1 (very good)"},
        "confidence": {"type": "number", "description": "0 (a guess) to 1 (certain)"},
        "horizon": {"type": "string", "enum": list(HORIZONS), "description": "how long it will matter"},
        "rationale": {"type": "string", "description": "why, in at most two sentences"},
        "evidence": {
            "type": "array",
            "items": {"type": "string"},
            "description": "one to three short passages copied from the text, letter by letter",
        },
    },
}
#: What every prompt asks for; strict structured output takes it as it stands.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["views"],
    "properties": {
        "views": {
            "type": "array",
            "items": _VIEW,
            "description": "at most one view for each label; none for a label that the text does not touch",
        }
    },
}
SCHEMA_HASH = hashlib.sha256(json.dumps(SCHEMA, sort_keys=True).encode()).hexdigest()[:16]

#: What is left of the confidence when not one quotation stands in the text.
UNQUOTED = 0.25
_LONGEST_RATIONALE = 600
_LONGEST_QUOTE = 300
_MOST_QUOTES = 5
#: A quotation of fewer letters proves nothing.
_SHORTEST_QUOTE = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model says of one label. `confidence` is already reduced for quotations not found."""

    label: str
    score: float
    confidence: float
    horizon: timedelta
    rationale: str
    evidence: tuple[str, ...]
    dropped: int = 0


class Judgements(tuple[Judgement, ...]):
    """A judged answer: at most one judgement for each label, in the order of the labels."""

    __slots__ = ()

    def dump(self) -> list[list[Any]]:
        """Return it as JSON values, for the reply store."""
        return [
            [
                j.label,
                j.score,
                j.confidence,
                j.horizon.total_seconds(),
                j.rationale,
                list(j.evidence),
                j.dropped,
            ]
            for j in self
        ]


def load(rows: Any, labels: Collection[str]) -> Judgements:
    """Return what `Judgements.dump` was made from; raise `BadAnswer` where it cannot have been."""
    try:
        found = Judgements(
            Judgement(label, score, confidence, timedelta(seconds=seconds), rationale, tuple(quotes), dropped)
            for label, score, confidence, seconds, rationale, quotes, dropped in rows
        )
        fits = all(map(_can_be, found)) and {j.label for j in found} <= set(labels)
        fits = fits and len({j.label for j in found}) == len(found)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise BadAnswer(Status.SCHEMA, "the stored answer does not fit this event")
    return found


def _can_be(one: Judgement) -> bool:
    """Tell whether `parse` can have made `one`: a store may have been edited, checksums and all."""
    numbers = (one.score, one.confidence)
    texts = (one.rationale, *one.evidence)
    return (
        all(type(number) in (int, float) for number in numbers)
        and -1 <= one.score <= 1
        and 0 <= one.confidence <= 1
        and one.horizon in _LENGTHS
        and all(isinstance(text, str) and text.isprintable() for text in texts)
    )


def parse(text: str, labels: Collection[str], source: str) -> Judgements:
    """Return the judgements in `text`, a model's answer about `source`.

    Evidence must be a literal part of `source` (white space apart).
    """
    try:
        document = json.loads(text, parse_constant=_not_finite, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, _Odd):
            raise BadAnswer(Status.SCHEMA, str(error)) from None
        raise BadAnswer(Status.MALFORMED, f"the answer is not JSON: {_shown(text)}") from None
    views = _fields(document, "the answer", SCHEMA)["views"]
    if not isinstance(views, list):
        raise BadAnswer(Status.SCHEMA, f"views is {_shown(views)}, not a list")
    flat = " ".join(source.split())
    found: dict[str, Judgement] = {}
    for item in views:
        view = _fields(item, "a view", _VIEW)
        label = view["label"]
        if not isinstance(label, str) or label not in labels:
            raise BadAnswer(Status.SCHEMA, f"there is no label {_shown(label)}")
        if label in found:
            raise BadAnswer(Status.SCHEMA, f"the label {label} has two views")
        found[label] = _judgement(label, view, flat)
    return Judgements(found[label] for label in labels if label in found)


def _judgement(label: str, view: dict[str, Any], source: str) -> Judgement:
    horizon, rationale, quotes = view["horizon"], view["rationale"], view["evidence"]
    if not isinstance(horizon, str) or horizon not in HORIZONS:
        raise BadAnswer(Status.SCHEMA, f"horizon is {_shown(horizon)}, not one of {', '.join(HORIZONS)}")
    if not isinstance(rationale, str):
        raise BadAnswer(Status.SCHEMA, f"rationale is {_shown(rationale)}, not text")
    if not isinstance(quotes, list) or not all(isinstance(quote, str) for quote in quotes):
        raise BadAnswer(Status.SCHEMA, f"evidence is {_shown(quotes)}, not a list of texts")
    score, confidence = _number(view, "score", -1.0), _number(view, "confidence", 0.0)
    stripped = [" ".join(quote.split()) for quote in quotes[:_MOST_QUOTES]]
    shortest = min(_SHORTEST_QUOTE, len(source))
    kept = [plain(q)[:_LONGEST_QUOTE] for q in stripped if len(q) >= shortest and q in source]
    # Who quotes more than is looked up proves no more by it.
    share = len(kept) / len(quotes) if quotes else 0.0
    return Judgement(
        label,
        score,
        confidence * (UNQUOTED + (1 - UNQUOTED) * share),
        HORIZONS[horizon],
        plain(rationale)[:_LONGEST_RATIONALE],
        tuple(kept),
        len(quotes) - len(kept),
    )


def _fields(value: Any, what: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return `value` if it is an object with just the keys of `schema`."""
    if not isinstance(value, dict):
        raise BadAnswer(Status.SCHEMA, f"{what} is {_shown(value)}, not an object")
    wanted = schema["properties"].keys()
    if value.keys() != wanted:
        wrong = [f"lacks {name!r}" for name in wanted - value.keys()]
        wrong += [f"has the extra key {_shown(name)}" for name in value.keys() - wanted]
        raise BadAnswer(Status.SCHEMA, f"{what} {' and '.join(sorted(wrong)[:3])}")
    return value


def _number(view: dict[str, Any], name: str, least: float) -> float:
    value = view[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 1.0:
        raise BadAnswer(Status.SCHEMA, f"{name} is {_shown(value)}, not a number from {least:g} to 1")
    return float(value)


class _Odd(ValueError):
    """JSON as Python reads it, which nobody should write."""


def _not_finite(text: str) -> NoReturn:
    raise _Odd(f"{text} is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Odd("a key stands twice in one object")
    return found


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "something deep"
    return text if len(text) <= 60 else text[:57] + "…"
