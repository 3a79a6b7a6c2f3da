"""`BarSettings`: how bars are to be read, for all symbols and for single ones.

The fields are the keys of the table ``[bars]`` in ``robo.toml``; ``[bars.symbols.X]`` may repeat
any of them for one symbol and add what its instrument is. Values are checked when settings are
made: an unknown key or word is a `ConfigError` with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from robo_trader.bars.defaults import default_instrument
from robo_trader.errors import ConfigError, did_you_mean
from robo_trader.instruments import Instrument
from robo_trader.zones import zone

Stamps = Literal["start", "end", "date"]

_WORDS: dict[str, tuple[object, ...]] = {
    "session": ("regular", "all"),
    "stamps": (None, "start", "end", "date"),
    "align": ("session", "none"),
}
_NUMBERS = ("tick", "multiplier", "lot")
_TEXTS = ("sector", "currency", "sec_type", "exchange")


@dataclass(frozen=True)
class BarSettings:
    """How bars are read.

    `calendar` is an exchange calendar's code or None for the instrument's own. `session` keeps
    the ``regular`` session's bars only, or ``all``. `stamps` says what the stamps mark, `tz` the
    IANA zone of stamps that carry none. `align` delivers daily bars of one date together
    (``session``) or not (``none``). `repair` mends what is unambiguous. `adjusted` says that
    prices know later splits and dividends (an ``Adj Close`` column is then applied).
    `timeframe` says what a file's bars are where the stamps do not. `symbols` overrides per symbol.
    """

    calendar: str | None = None
    session: Literal["regular", "all"] = "regular"
    stamps: Stamps | None = None
    tz: str | None = None
    align: Literal["session", "none"] = "session"
    repair: bool = False
    adjusted: bool = False
    timeframe: str | None = None
    symbols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_words({f.name: getattr(self, f.name) for f in fields(self)}, "bars")
        for symbol, table in self.symbols.items():
            if not isinstance(table, Mapping):
                raise ConfigError(f"bars.symbols.{symbol} must be a table, not {table!r}")
            _check_keys(table, f"bars.symbols.{symbol}")
            _check_words(table, f"bars.symbols.{symbol}")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> BarSettings:
        """Return settings from the configuration's ``[bars]`` table; its `source` is not ours."""
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in table.items() if k != "source"}
        for key in values:
            if key not in known:
                raise ConfigError(f"unknown key bars.{key}", hint=did_you_mean(key, known))
        return cls(**values)

    @cached_property
    def _by_name(self) -> dict[str, Mapping[str, Any]]:
        return {name.upper(): table for name, table in self.symbols.items()}

    def for_symbol(self, symbol: str) -> BarSettings:
        """Return these settings with the overrides of `symbol` in place (names in any case)."""
        table = self._by_name.get(symbol.upper())
        if not table:
            return self
        own = {f.name for f in fields(self)} - {"symbols"}
        return replace(self, **{k: v for k, v in table.items() if k in own})

    def instrument(self, symbol: str) -> Instrument:
        """Return what `symbol` is: the default by its name, then the settings, then its overrides."""
        made = default_instrument(symbol)
        calendar = self.for_symbol(symbol).calendar
        return self.dress(replace(made, calendar=calendar) if calendar else made)

    def dress(self, instrument: Instrument) -> Instrument:
        """Return `instrument` with what the settings say of its symbol: tick, multiplier, lot and words.

        Its calendar stays: bars that are made already end by it.
        """
        table = self._by_name.get(instrument.symbol.upper(), {})
        changes: dict[str, Any] = {k: float(table[k]) for k in _NUMBERS if k in table}
        changes |= {k: table[k] for k in _TEXTS if k in table}
        return replace(instrument, **changes) if changes else instrument


def _check_keys(table: Mapping[str, Any], where: str) -> None:
    known = {f.name for f in fields(BarSettings)} - {"symbols"} | {*_NUMBERS, *_TEXTS}
    for key in table:
        if key not in known:
            raise ConfigError(
                f"unknown key {where}.{key}",
                hint=did_you_mean(key, known) or f"known: {', '.join(sorted(known))}",
            )


def _check_words(table: Mapping[str, Any], where: str) -> None:
    for key, allowed in _WORDS.items():
        if key in table and table[key] not in allowed:
            words = ", ".join(str(w) for w in allowed if w)
            near = did_you_mean(str(table[key]), [str(w) for w in allowed if w])
            raise ConfigError(f"{where}.{key} must be one of {words}, not {table[key]!r}", hint=near)
    for key in ("repair", "adjusted"):
        if key in table and not isinstance(table[key], bool):
            raise ConfigError(f"{where}.{key} must be true or false, not {table[key]!r}")
    for key in ("calendar", "tz", "timeframe", *_TEXTS):
        if table.get(key) is not None and not isinstance(table[key], str):
            raise ConfigError(f"{where}.{key} must be text, not {table[key]!r}")
    if table.get("tz") is not None:
        zone(table["tz"])  # Also where no stamp would ever ask for it.
    for key in _NUMBERS:
        value = table.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"{where}.{key} must be a number above 0, not {value!r}")
