"""Read a strategy's parameters and turn ``--param name=text`` into values of the right type.

The type of a parameter is that of its default. An unknown name is a `StrategyError` with the
nearest known one; a value that does not fit is a `UsageError` that shows both.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NoReturn

from robo_trader.config_values import BOOLS, parse_duration
from robo_trader.errors import StrategyError, UsageError, did_you_mean


def param_table(cls: type) -> dict[str, Any]:
    """Return every parameter of a strategy class with its default, inherited ones too."""
    return dict(cls.params._getpairs())  # type: ignore[attr-defined]


def coerce_params(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` with text turned into the type of each parameter's default.

    Values that are not text (from Python or TOML) are checked and kept; a whole number may stand
    for a float. A default of None takes a number, true, false, none or text.
    """
    table = param_table(cls)
    out = {}
    for name, value in given.items():
        if name not in table:
            known = f"it has {', '.join(table)}" if table else "it has none"
            raise StrategyError(
                f"{cls.__name__} has no parameter {name!r}", hint=did_you_mean(name, table) or known
            )
        out[name] = _coerce(f"{cls.__name__}'s parameter {name}", table[name], value)
    return out


def _coerce(what: str, default: Any, value: Any) -> Any:
    parse = _PARSERS.get(type(default))
    if default is None:
        return _guess(value) if isinstance(value, str) else value
    if parse is None:
        if isinstance(value, str):
            raise UsageError(
                f"{what} takes a {type(default).__name__}, which cannot be given as text ({value!r})",
                hint="set it in Python: backtest(…, params={…})",
            )
        return value
    kind, reader = parse
    if type(value) is type(default):
        return value
    try:
        return reader(value, default)
    except (ValueError, TypeError, OverflowError, UsageError):
        hint = f"its default is {default!r}"
        raise UsageError(f"{what} must be {kind}, not {value!r}", hint=hint) from None


def _to_bool(value: Any, default: bool) -> bool:
    word = value.strip().lower() if isinstance(value, str) else ""
    return BOOLS[word] if word in BOOLS else _refuse(value)


def _to_int(value: Any, default: int) -> int:
    return int(value) if isinstance(value, str) else _refuse(value)


def _to_float(value: Any, default: float) -> float:
    if isinstance(value, bool):
        _refuse(value)
    number = float(value)
    return number if number == number else _refuse(value)


def _to_str(value: Any, default: str) -> str:
    return _refuse(value)


def _to_sequence(value: Any, default: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        parts = [part.strip() for part in text.split(",") if part.strip()]
        items = _literal(text) if text[:1] in ("(", "[") else parts
    else:
        items = value
    if not isinstance(items, list | tuple):
        _refuse(value)
    sample = default[0] if len(default) else None
    return type(default)(_coerce("item", sample, item) for item in items)


def _to_dict(value: Any, default: Any) -> Any:
    found = _literal(value) if isinstance(value, str) else value
    return dict(found) if isinstance(found, Mapping) else _refuse(value)


def _to_date(value: Any, default: date) -> date:
    return date.fromisoformat(value)


def _to_datetime(value: Any, default: datetime) -> datetime:
    return datetime.fromisoformat(value)


def _to_time(value: Any, default: time) -> time:
    return time.fromisoformat(value)


def _to_timedelta(value: Any, default: timedelta) -> timedelta:
    return parse_duration(value)


def _refuse(value: object) -> NoReturn:
    raise ValueError(value)


def _guess(text: str) -> Any:
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return _literal(text)
    except ValueError:
        return text


def _literal(text: str) -> Any:
    """Return what a Python literal says; raise `ValueError` when it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(text) from error


_PARSERS: dict[type, tuple[str, Any]] = {
    bool: ("true or false", _to_bool),
    int: ("a whole number", _to_int),
    float: ("a number", _to_float),
    str: ("text", _to_str),
    tuple: ("a list such as 1,2,3", _to_sequence),
    list: ("a list such as 1,2,3", _to_sequence),
    dict: ("a dict", _to_dict),
    date: ("a date such as 2024-09-18", _to_date),
    datetime: ("a time such as 2024-09-18T14:00", _to_datetime),
    time: ("a time of day such as 15:30", _to_time),
    timedelta: ("a duration such as 5m", _to_timedelta),
}
