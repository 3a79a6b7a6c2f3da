"""Import what a plugin registered, judge its shape, and make instances of it.

Every failure is a `PluginError` that names the thing, its plugin and the step that failed, or a
`ConfigError` where the options of `robo.toml` do not fit. `KeyboardInterrupt` passes.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from robo_trader.errors import ConfigError, PluginError, did_you_mean
from robo_trader.hookspecs import KINDS, Kind, Offer
from robo_trader.plugin_hooks import label
from robo_trader.plugin_rows import PluginRow, one_line

#: What may pass at most from an event to its signals.
LONGEST_LATENCY = timedelta(days=30)


def load_target(offer: Offer, row: PluginRow) -> type:
    """Return the class of an offer, imported now if it is lazy, after judging its shape."""
    found: object = offer.target
    if isinstance(offer.target, str):
        found = _import(offer.target, f"the {offer.kind} {offer.name!r} of plugin {row.name!r}", row)
    return _check_shape(offer, found)


def _import(target: str, what: str, row: PluginRow) -> object:
    module_name, _, attribute = target.partition(":")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found: Any = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = f"'robo plugins check {row.name}' lists everything that is wrong with it"
        if isinstance(error, ModuleNotFoundError) and error.name:
            hint = f"install the missing module {error.name!r}, or ask the author of {row.name}"
        raise PluginError(f"{what}: importing {module_name} failed: {one_line(error)}", hint=hint) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = did_you_mean(part, [name for name in dir(found) if not name.startswith("_")])
            raise PluginError(f"{what}: {module_name} has no {attribute!r}", hint=near or f"it is {target!r}")
        found = getattr(found, part)
    return found


def _check_shape(offer: Offer, target: object) -> type:
    what = f"the {offer.kind} {offer.name!r}"
    if not isinstance(target, type):
        raise PluginError(
            f"{what} is {target!r}, not a class", hint="register the class; the host makes the instance"
        )
    kind = KINDS[offer.kind]
    if kind.method:
        _check_method(what, target, kind)
    # By name, so that the host need not import Backtrader.
    elif kind.base not in {f"{base.__module__}.{base.__qualname__}" for base in target.__mro__}:
        raise PluginError(
            f"{what} ({label(target)}) is no strategy",
            hint="derive it from robo_trader.Strategy or backtrader.Strategy",
        )
    return target


def _check_method(what: str, target: type, kind: Kind) -> None:
    also = getattr(target, "also", ()) if kind.name == "signal" else ()
    if isinstance(also, str):
        raise PluginError(
            f"{what}: also must be a tuple of symbols, not {also!r}", hint=f"write also = ({also!r},)"
        )
    write = f"write 'def {kind.method}({', '.join(('self', *kind.arguments))}{', **also' if also else ''})'"
    function = inspect.getattr_static(target, kind.method, None)
    bound = not isinstance(function, staticmethod)
    if isinstance(function, staticmethod | classmethod):
        function = function.__func__
    # The base class's own method is only there to be overridden.
    if not callable(function) or label(function) == f"{kind.base}.{kind.method}":
        near = did_you_mean(kind.method, [name for name in vars(target) if not name.startswith("_")])
        raise PluginError(
            f"{what} ({label(target)}) has no method {kind.method!r}", hint=f"{near} {write}".strip()
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # A compiled function tells nothing of its arguments before it is called.
    count = len(kind.arguments) + bound
    problem = _misfit(signature, count, also)
    if problem and kind.further and not _misfit(signature, count + len(kind.further), also):
        problem = ""
    if problem:
        raise PluginError(
            f"{what}: {label(target)}.{kind.method}{signature} cannot be called with "
            f"({', '.join((*kind.arguments, *also))}): {problem}",
            hint=write,
        )


def _misfit(signature: inspect.Signature, positional: int, named: Iterable[str]) -> str:
    """Return why a call with so many arguments fails, or an empty string."""
    try:
        signature.bind(*([None] * positional), **dict.fromkeys(named))
    except TypeError as error:
        return str(error)
    return ""


def make(offer: Offer, cls: type, options: Mapping[str, Any]) -> Any:
    """Return an instance of `cls` made with `options` from `robo.toml`."""
    where = f"[{KINDS[offer.kind].table}.{offer.name}]"
    _check_options(cls, where, options)
    try:
        thing = cls(**options)
    except (ConfigError, PluginError):
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the {offer.kind} {offer.name!r} cannot be made: {one_line(error)}",
            hint=f"see {where} of robo.toml",
        ) from error
    if offer.kind == "analyst":
        _check_analyst(f"the analyst {offer.name!r}", thing)
    return thing


def _check_analyst(what: str, thing: Any) -> None:
    """Refuse what would let an analyst's views count before its event was known, or hide what it knows."""
    kinds = getattr(thing, "kinds", None)
    if isinstance(kinds, str) or not kinds or not all(isinstance(kind, str) for kind in kinds):
        raise PluginError(
            f"{what} has kinds = {kinds!r}", hint='say which events it reads, such as kinds = {"news"}'
        )
    latency = getattr(thing, "latency", None)
    if latency is not None and not (
        isinstance(latency, timedelta) and timedelta(0) <= latency <= LONGEST_LATENCY
    ):
        raise PluginError(
            f"{what} has latency = {latency!r}",
            hint=f"give a timedelta from 0 to {LONGEST_LATENCY.days} days, or None for the setting's",
        )
    clean_from = getattr(thing, "clean_from", None)
    if clean_from is not None and not (isinstance(clean_from, datetime) and clean_from.tzinfo is not None):
        raise PluginError(
            f"{what} has clean_from = {clean_from!r}",
            hint="give a datetime with a time zone, such as datetime(2025, 7, 1, tzinfo=UTC), or None",
        )


def takes(cls: type, option: str) -> bool:
    """Tell whether the constructor of `cls` has a parameter named `option`."""
    try:
        return option in inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return False


def _check_options(cls: type, where: str, options: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return  # Without a signature to read, the constructor itself will tell.
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name in options:
            if name not in named:
                takes = f"it takes {', '.join(named)}" if named else "it takes none"
                raise ConfigError(f"{where} has no option {name!r}", hint=did_you_mean(name, named) or takes)
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in options:
            raise ConfigError(f"{where} needs the option {name!r}", hint=f"write {name} = … under {where}")
