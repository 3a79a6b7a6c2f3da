"""Any value as plain JSON: no NaN, no infinity, no memory addresses, keys always text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return `value` as what JSON has: numbers that are not finite become None, times ISO-8601 text,
    durations seconds, classes ``module:Class``, records and mappings objects."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic):
        return str(value) if isinstance(value, np.datetime64 | np.timedelta64) else plain(value.item())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        aware = value.tzinfo is not None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if aware else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, type):
        return f"{value.__module__}:{value.__qualname__}"
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return _described(value)


def _described(value: Any) -> str:
    """Text for what JSON does not know; the same in every process."""
    if isinstance(value, Path):
        return str(value)
    shown = repr(value)
    kind = type(value)
    return f"<{kind.__module__}.{kind.__qualname__}>" if " at 0x" in shown else shown


def dumps(value: Any) -> str:
    """Return `value` as indented JSON text with a final line break; never NaN or Infinity."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
