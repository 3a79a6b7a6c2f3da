"""Values that every database can hold, made of whatever a session hands to its journal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

#: More levels than any document has whose facts somebody will read.
_DEEPEST = 50


def exact(value: float | Decimal | None) -> Any:
    """A float by its shortest text, as a decimal."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(float(value)))


def plain(value: Any, depth: int = 0) -> Any:
    """Plain JSON values that every database can hold; what JSON does not know becomes text.

    A row that is refused stops all openings, and what stands in an event is a stranger's word: numbers
    that are not finite become None, and what is nested too deeply is cut.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    return clean(str(value))


def clean(text: str) -> str:
    """Text that every database can hold: no NUL, no lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")
