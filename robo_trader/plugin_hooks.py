"""Judge the hooks of a plugin: each must have one of our names and our arguments.

pluggy alone ignores a function with a misspelt name and one without its mark, and never passes an
argument that has a default. Each of these is a `PluginError` here, with the nearest right name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from robo_trader.errors import PluginError, did_you_mean
from robo_trader.hookspecs import API_VERSION, GROUP, HOOKS

_MARK = f"{GROUP}_impl"
_PASSED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def as_plugin(named: object) -> object:
    """Return the plugin object for what an entry point names: a class is made an instance."""
    if inspect.isroutine(named):
        module = getattr(named, "__module__", "its module")
        raise PluginError(
            f"the entry point names the function {label(named)}", hint=f"let it name the module: {module!r}"
        )
    if isinstance(named, type) and any(_candidates(named)):
        return named()
    return named


def hooks_of(plugin: object) -> dict[str, Callable[..., Any]]:
    """Return the hooks that `plugin` implements, by name, or raise `PluginError`."""
    _check_api(getattr(plugin, "ROBO_API", None))
    hooks: dict[str, Callable[..., Any]] = {}
    for attribute, name, options in _candidates(plugin):
        function = getattr(plugin, attribute)
        _check_hook(name, function, options)
        if name in hooks:
            raise PluginError(f"{label(plugin)} implements {name} twice", hint="keep one of them")
        hooks[name] = function
    if not hooks:
        raise PluginError(
            f"{label(plugin)} implements no hook of robo_trader",
            hint="mark 'robo_register(add)' with @hookimpl, and let the entry point name its module",
        )
    return hooks


def label(thing: object) -> str:
    """Return how to call a module, class, function or instance in an error."""
    if isinstance(thing, ModuleType):
        return f"the module {thing.__name__}"
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return ".".join(str(getattr(named, part, "")) for part in ("__module__", "__qualname__")).strip(".")


def _check_api(needed: object) -> None:
    """Raise unless `needed`, a plugin's ``ROBO_API``, is None or a version that we have."""
    if needed is None:
        return
    if isinstance(needed, bool) or not isinstance(needed, int) or needed < 1:
        raise PluginError(
            f"ROBO_API must be a whole number from 1 on, not {needed!r}", hint=f"this is {API_VERSION}"
        )
    if needed > API_VERSION:
        raise PluginError(
            f"it needs version {needed} of the hooks, and this robo_trader has {API_VERSION}",
            hint="pip install --upgrade robo_trader, or install an older version of the plugin",
        )


def _candidates(plugin: object) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """Yield each attribute that is a hook or looks like one: its name, the hook's, its mark."""
    for attribute in dir(plugin):
        value = inspect.getattr_static(plugin, attribute, None)
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        options = getattr(value, _MARK, None) if inspect.isroutine(value) else None
        if isinstance(options, Mapping):
            yield attribute, str(options.get("specname") or attribute), options
        elif attribute.startswith("robo_") and inspect.isroutine(value) and _is_own(plugin, value):
            yield attribute, attribute, None


def _is_own(plugin: object, function: object) -> bool:
    """Tell a plugin's own function from one that its module imported, which is no hook."""
    return not isinstance(plugin, ModuleType) or getattr(function, "__module__", "") == plugin.__name__


def _check_hook(name: str, function: Callable[..., Any], options: Mapping[str, Any] | None) -> None:
    if name not in HOOKS:
        hint = did_you_mean(name, HOOKS) or "hooks are " + ", ".join(HOOKS)
        raise PluginError(f"there is no hook {name!r}", hint=f"{hint}; names with robo_ are kept for hooks")
    write = f"write 'def {name}({', '.join(HOOKS[name])})'"
    if options is None:
        raise PluginError(f"{name} is not marked as a hook", hint="put @robo_trader.hookimpl above it")
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{name} is marked as a wrapper, which robo_trader's hooks cannot be", hint=write)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{name} is async and would never be awaited", hint=write)
    if inspect.isgeneratorfunction(function):
        raise PluginError(f"{name} is a generator and would never run", hint=f"{write}, without yield")
    _check_arguments(name, function, write)


def _check_arguments(name: str, function: Callable[..., Any], write: str) -> None:
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind not in _PASSED:
            raise PluginError(f"{name} takes '{parameter}', which is never passed", hint=write)
        if parameter.name not in HOOKS[name]:
            near = did_you_mean(parameter.name, HOOKS[name])
            raise PluginError(
                f"{name} has an argument {parameter.name!r}, which is never passed",
                hint=f"{near} {write}".strip(),
            )
        if parameter.default is not parameter.empty:
            raise PluginError(
                f"{name} gives {parameter.name!r} a default, and so it is never passed", hint=write
            )
    if name == "robo_register" and not parameters:
        raise PluginError("robo_register takes no 'add' and so cannot register anything", hint=write)
