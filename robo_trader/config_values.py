"""Check and convert values of the configuration, and write them out again.

`check` turns a value from a file, a variable or a flag into the type of its key, or raises a
`ConfigError` that says where it stands and what was seen (secrets masked).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from numbers import Integral, Real
from typing import Any

from robo_trader.config_schema import ABOVE_0, SYMBOL_KEYS, Key
from robo_trader.errors import ConfigError, did_you_mean
from robo_trader.masking import is_secret, mask

#: Words for truth values on the command line and in the environment.
BOOLS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

_Wrong = Callable[[str], ConfigError]


def check(key: Key, value: Any, where: str, *, text: bool = False) -> Any:
    """Return `value` as the type of `key`; `where` begins the error's sentence.

    With `text` the value comes from a variable or a flag, where everything is text: it is parsed,
    and an empty one unsets an optional key. A file must say the type itself.
    """
    shown = show(mask(key.name, value))

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"{where} must be {what}, not {shown}")

    if text and key.optional and value == "":
        return None
    if text and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if text and isinstance(value, str):
        value = _parse(key, value, wrong)
    if key.type == "text":
        return _text(key, value, where, wrong)
    if key.type == "list":
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise wrong('a list of texts, such as ["SPY", "VIX"]')
        return list(value)
    if key.type == "bool":
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value
    if key.type in ("int", "number"):
        return _number(key, value, wrong)
    if key.type == "date":
        return _date(value, wrong)
    if key.type == "duration":
        parse_duration(value, where)
        return value if isinstance(value, str) else f"{value:g}s"
    return _symbols(value, where, text=text)


def _parse(key: Key, value: str, wrong: _Wrong) -> Any:
    if key.type == "list":
        return [item.strip() for item in value.split(",") if item.strip()]
    if key.type == "bool":
        return BOOLS.get(value.strip().lower(), value)
    if key.type in ("int", "number"):
        try:
            return int(value) if key.type == "int" else float(value)
        except ValueError:
            raise wrong("a whole number" if key.type == "int" else "a number") from None
    return value


def _text(key: Key, value: Any, where: str, wrong: _Wrong) -> str:
    if not isinstance(value, str):
        raise wrong("text")
    if key.choices and value not in key.choices:
        choices = " or ".join(repr(choice) for choice in key.choices)
        raise ConfigError(f"{where} must be {choices}, not {value!r}", hint=did_you_mean(value, key.choices))
    return value


def _number(key: Key, value: Any, wrong: _Wrong) -> int | float:
    what = "a whole number" if key.type == "int" else "a number"
    if isinstance(value, bool) or value != value:
        raise wrong(what)
    number: int | float
    if key.type == "int" and isinstance(value, Integral):
        number = int(value)
    elif key.type == "number" and isinstance(value, Real):
        number = float(value)
    else:
        raise wrong(what)
    if key.least is not None and not key.least <= number < float("inf"):
        raise wrong(f"{what} above 0" if key.least == ABOVE_0 else f"{what} of at least {key.least:g}")
    return number


def _date(value: Any, wrong: _Wrong) -> str:
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        value = value.date()  # Midnight without a zone is how pandas writes a date.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise wrong("a date such as 2024-09-18") from None
    raise wrong("a date such as 2024-09-18")


def _symbols(value: Any, where: str, *, text: bool) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table, not {show(value)}", hint="write [bars.symbols.NAME]")
    out: dict[str, dict[str, Any]] = {}
    for symbol, settings in value.items():
        here = f"{where}.{symbol}"
        if not isinstance(settings, Mapping):
            hint = f"write [bars.symbols.{symbol}]"
            raise ConfigError(f"{here} must be a table, not {show(settings)}", hint=hint)
        out[symbol] = {}
        for name, setting in settings.items():
            if name not in SYMBOL_KEYS:
                hint = did_you_mean(name, SYMBOL_KEYS) or "it may say " + ", ".join(SYMBOL_KEYS)
                raise ConfigError(f"{here}.{name} is not known", hint=hint)
            out[symbol][name] = check(SYMBOL_KEYS[name], setting, f"{here}.{name}", text=text)
    return out


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any, where: str = "a duration") -> timedelta:
    """Return ``"60s"``, ``"5m"``, ``"1.5h"``, ``"2d"`` or a number of seconds as a timedelta."""
    text = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value
    found = _DURATION.match(text.strip().lower()) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(f"{where} must be a duration such as 60s, 5m or 1h, not {show(value)}")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])
    except OverflowError:
        raise ConfigError(f"{where} must be a duration of less than a million days, not {text!r}") from None


def literal(name: str, text: str) -> Any:
    """Return a variable's text as a number or truth value where it is one; secrets stay text."""
    if is_secret(name):
        return text
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def copy(value: Any) -> Any:
    """Return `value` with every dict and list in it copied."""
    if isinstance(value, Mapping):
        return {key: copy(inner) for key, inner in value.items()}
    return [copy(inner) for inner in value] if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """Return a copy of `value` in types that JSON knows; dates become text."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def show(value: Any) -> str:
    """Return `value` as `robo.toml` would write it; None is ``unset``."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {show(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(inner) for inner in value) + "]"
    return repr(value) if isinstance(value, str) else str(value)
