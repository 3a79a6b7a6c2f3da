"""Events that carry figures: results against estimates, indicators against consensus, filings' items.

The figures of `Event.data` go before the text. Names that are read:

    earnings  eps_actual, eps_expected; revenue_actual, revenue_expected (any unit, the same for both)
    macro     actual, expected, previous; indicator (else the title names it)
    filing    items: a list such as ["1.03", "9.01"]

`…_consensus`, `…_estimate` and `…_forecast` are taken for `…_expected`. What is no finite number counts as
absent. Nothing here raises on any data.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from robo_trader.intelligence.offline.lexicon import DATA
from robo_trader.intelligence.offline.verdict import Verdict

_EXPECTED = ("expected", "consensus", "estimate", "forecast")
_DAYS = {"earnings": 5, "macro": 1, "filing": 10}


def judge_data(kind: str, title: str, data: Mapping[str, Any]) -> Verdict | None:
    """Return what the figures of an event mean, or None where it carries none that are known."""
    if kind == "earnings":
        return _earnings(data)
    if kind == "macro":
        return _macro(title, data)
    if kind == "filing":
        return _filing(data)
    return None


def _earnings(data: Mapping[str, Any]) -> Verdict | None:
    parts: list[tuple[float, float]] = []
    because = []
    for name, typical, weight in (("eps", 0.08, 0.6), ("revenue", 0.03, 0.4)):
        actual, expected = number(data.get(f"{name}_actual")), _expected(data, f"{name}_")
        if actual is None or expected is None:
            continue
        surprise = (actual - expected) / max(abs(expected), 1e-9)
        parts.append((math.tanh(surprise / typical), weight))
        how = "above" if actual > expected else "below" if actual < expected else "as"
        because.append(f"{name} {actual:g} {how} the {expected:g} expected")
    if not parts:
        return None
    score = sum(value * weight for value, weight in parts) / sum(weight for _, weight in parts)
    confidence = 0.75 if len(parts) == 2 else 0.65
    return Verdict(round(score, 3), confidence, timedelta(days=_DAYS["earnings"]), tuple(because))


def _macro(title: str, data: Mapping[str, Any]) -> Verdict | None:
    actual, expected = number(data.get("actual")), _expected(data, "")
    known = _indicator(f"{data.get('indicator', '')} {title}".lower())
    if actual is None or known is None:
        return None
    name, polarity, scale = known
    against, confidence, word = expected, 0.6, "expected"
    if against is None:
        # The last value is a poor forecast: it says something, at a low confidence.
        against, confidence, word = number(data.get("previous")), 0.25, "before"
    if against is None:
        return None
    score = 0.7 * polarity * math.tanh((actual - against) / scale / 2)
    said = f"{name} {actual:g} against {against:g} {word}"
    return Verdict(round(score, 3), confidence, timedelta(days=_DAYS["macro"]), (said,))


def _filing(data: Mapping[str, Any]) -> Verdict | None:
    items = data.get("items")
    if not isinstance(items, list | tuple):
        return None
    found = [(_items()[str(item)], str(item)) for item in items if str(item) in _items()]
    if not found:
        return None
    found.sort(key=lambda row: row[0][0])
    because = tuple(f"item {item}: {meaning}" for (_, meaning), item in found)
    return Verdict(found[0][0][0], 0.8, timedelta(days=_DAYS["filing"]), because)


def _expected(data: Mapping[str, Any], prefix: str) -> float | None:
    return next((v for name in _EXPECTED if (v := number(data.get(prefix + name))) is not None), None)


def number(value: Any) -> float | None:
    """Return a finite number as a float, None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _indicator(text: str) -> tuple[str, int, float] | None:
    words = f" {' '.join(text.replace('-', ' ').split())} "
    for names, polarity, scale in _indicators():
        for name in names:
            if f" {name} " in words:
                return name, polarity, scale
    return None


@cache
def _indicators() -> tuple[tuple[tuple[str, ...], int, float], ...]:
    rows = csv.DictReader((DATA / "indicators.csv").read_text(encoding="utf-8").splitlines())
    return tuple((tuple(row["words"].split("|")), int(row["polarity"]), float(row["scale"])) for row in rows)


@cache
def _items() -> dict[str, tuple[float, str]]:
    rows = csv.DictReader((DATA / "filing_items.csv").read_text(encoding="utf-8").splitlines())
    return {row["item"]: (float(row["score"]), row["meaning"]) for row in rows}
