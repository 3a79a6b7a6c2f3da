"""Limits that a rule is given: checked when it is made, with overrides for symbols and sectors.

A limit out of range is a `ConfigError` that names the rule, the limit and the value seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robo_trader.errors import ConfigError
from robo_trader.risk.view import Facts


def number(rule: str, name: str, value: Any, *, above: float = 0.0, most: float = float("inf")) -> float:
    """Return `value` as a number above `above` and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
        limits = f"above {above:g}" + (f" and at most {most:g}" if most != float("inf") else "")
        hint = ""
        if isinstance(value, int | float) and value > most and value / 100 <= most:
            hint = f"{value:g} % is written {value / 100:g}"
        raise ConfigError(f"[risk.{rule}] {name} must be {limits}, not {value!r}", hint=hint)
    return float(value)


def count(rule: str, name: str, value: Any, *, least: int = 1) -> int:
    """Return `value` as a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"[risk.{rule}] {name} must be a whole number from {least} on, not {value!r}")
    return value


def names(rule: str, name: str, value: Any) -> frozenset[str]:
    """Return a list of symbols as a set, casefolded: ``gme`` means GME."""
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ConfigError(f'[risk.{rule}] {name} must be a list such as ["SPY"], not {value!r}')
    if not all(isinstance(item, str) and item for item in value):
        raise ConfigError(f"[risk.{rule}] {name} must hold symbols only, not {value!r}")
    return frozenset(item.casefold() for item in value)


class Limits:
    """A limit as a fraction of the portfolio, and what holds instead for some symbols and sectors.

    A symbol's own limit wins over its sector's, which wins over that of broad index funds. Capitals
    make no difference. `named` are the sectors as they were written.
    """

    def __init__(
        self,
        rule: str,
        limit: Any,
        *,
        symbols: Mapping[str, Any] | None = None,
        sectors: Mapping[str, Any] | None = None,
        index_funds: Any = None,
        most: float = 10.0,
    ) -> None:
        self.limit = number(rule, "limit", limit, most=most)
        self.symbols = _table(rule, "symbols", symbols, most)
        self.sectors = _table(rule, "sectors", sectors, most)
        self.named = tuple(sectors or ())
        apart = index_funds is not None
        self.index_funds = number(rule, "index_funds", index_funds, most=most) if apart else self.limit
        self._found: dict[str, float] = {}

    def of(self, symbol: str, facts: Facts) -> float:
        """Return the limit that holds for `symbol`."""
        found = self._found.get(symbol)
        if found is not None:
            return found
        own = self.symbols.get(symbol.casefold())
        if own is None:
            own = self.sectors.get(facts.sector.casefold())
        if own is None:
            own = self.index_funds if facts.is_index_fund else self.limit
        self._found[symbol] = own
        return own


def percent(fraction: float) -> str:
    """Return ``10 %`` for 0.1."""
    return f"{fraction * 100:.4g} %"


def _table(rule: str, name: str, values: Any, most: float) -> dict[str, float]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise ConfigError(f"[risk.{rule}] {name} must be a table such as {{AAPL = 0.2}}, not {values!r}")
    return {
        str(key).casefold(): number(rule, f"{name}.{key}", value, most=most) for key, value in values.items()
    }
