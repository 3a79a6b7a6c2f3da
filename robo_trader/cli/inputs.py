"""From options to configuration: which key each flag sets, and parameters of a strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from robo_trader.errors import UsageError

#: The parser's name of an option → the configuration key that it sets.
KEYS = {
    "symbols": "run.symbols",
    "start": "run.start",
    "end": "run.end",
    "timeframe": "run.timeframe",
    "cash": "run.cash",
    "commission": "run.commission",
    "slippage": "run.slippage",
    "seed": "run.seed",
    "fill_rules": "run.fill_rules",
    "fractional": "run.fractional",
    "engine": "run.engine",
    "benchmark": "run.benchmark",
    "folder": "run.out",
    "bars": "bars.source",
    "calendar": "bars.calendar",
    "session": "bars.session",
    "stamps": "bars.stamps",
    "tz": "bars.tz",
    "align": "bars.align",
    "repair": "bars.repair",
    "events": "events.sources",
    "assume_delay": "events.assume_delay",
    "analyst": "intelligence.analyst",
    "latency": "intelligence.latency",
    "risk": "risk.profile",
    "ib": "live.ib",
    "client_id": "live.client_id",
    "speed": "live.speed",
}


def flags_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return {configuration key: value} of the options that were given."""
    flags = {KEYS[name]: value for name, value in given.items() if name in KEYS}
    # A switch that was not thrown says nothing: robo.toml may have thrown it.
    flags["bars.repair"] = flags.get("bars.repair") or None
    flags["events.sources"] = flags.get("events.sources") or None
    analysts = flags.get("intelligence.analyst")
    flags["intelligence.analyst"] = ",".join(analysts) if analysts else None
    return flags


def params_of(given: Iterable[str] | None) -> dict[str, str]:
    """Return {name: text} of ``--param name=value``; raise `UsageError` for other forms."""
    params = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--param {text!r} is no name and value", hint="write --param fast=10")
        params[name.strip()] = value.strip()
    return params
