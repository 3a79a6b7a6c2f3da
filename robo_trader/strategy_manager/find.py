"""Find the strategy that a person means.

A plugin's name, ``file.py``, ``file.py:Class`` or ``module:Class``; whatever does not lead to
exactly one strategy is a `StrategyError` that says what there is instead.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import backtrader as bt

from robo_trader.errors import PluginError, StrategyError, did_you_mean
from robo_trader.plugins import PluginHost
from robo_trader.strategy_manager.load import defined_in, load_file, load_module


@dataclass(frozen=True, slots=True)
class StrategyRef:
    """A strategy that was found.

    `name` is fit for a folder's name. `origin` says where it came from in words; `source_path` is
    the file that defines it, where there is one. `notes` are sentences for the run's warnings.
    """

    cls: type[bt.Strategy]
    name: str
    origin: str
    source_path: Path | None = None
    notes: tuple[str, ...] = ()


def find_strategy(spec: str | type, host: PluginHost) -> StrategyRef:
    """Return the strategy that `spec` names; a class is taken as it is.

    Raises `StrategyError` when there is none, or several and none was chosen, naming them, and
    when the file or plugin cannot be loaded.
    """
    if isinstance(spec, type):
        _require_strategy(spec, spec.__name__)
        return StrategyRef(spec, snake(spec.__name__), f"class {spec.__qualname__}", _source(spec))
    spec = spec.strip()
    file = re.match(r"(?P<file>.+\.py)(:(?P<name>[^:/\\]+))?\Z", spec)
    if file:
        return _from_file(Path(file["file"]).expanduser(), file["name"])
    if ":" in spec:
        module_name, _, attribute = spec.partition(":")
        return _from_module(module_name, attribute)
    return _from_plugin(spec, host)


def snake(name: str) -> str:
    """Return ``SmaCross`` as ``sma_cross``: letters, digits, ``_`` and ``-`` only.

    >>> snake("SMACrossV2")
    'sma_cross_v2'
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9_-]+", "_", spaced.lower()).strip("_") or "strategy"


def _from_plugin(name: str, host: PluginHost) -> StrategyRef:
    if any(name in row.offers.get("strategy", ()) for row in host.rows()):
        try:
            cls = host.target("strategy", name)
            plugin = host.provider("strategy", name).name
        except PluginError as error:
            raise StrategyError(error.message, hint=error.hint) from error
        return StrategyRef(cls, name, f"plugin {plugin}", _source(cls))
    known = host.names("strategy")
    hint = did_you_mean(name, known) or did_you_mean(name.replace("-", "_"), known)
    if not hint and Path(f"{name}.py").is_file():
        hint = f"did you mean the file {name}.py?"
    if not hint and Path(name).exists():
        hint = "a file with a strategy ends in .py"
    raise StrategyError(
        f"there is no strategy {name!r}",
        hint=hint or f"installed are {', '.join(known)}; a file is named with its .py",
    )


def _from_file(path: Path, name: str | None) -> StrategyRef:
    module, notes = load_file(path)
    cls = _pick(module, str(path), name)
    label = snake(cls.__name__ if name else path.stem)
    return StrategyRef(cls, label, f"file {path}", path.resolve(), tuple(notes))


def _from_module(module_name: str, attribute: str) -> StrategyRef:
    if not re.match(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", module_name) or not attribute:
        raise StrategyError(
            f"{module_name}:{attribute} names no strategy", hint="write module:Class or file.py:Class"
        )
    module = load_module(module_name)
    cls = _pick(module, module_name, attribute)
    return StrategyRef(cls, snake(attribute), f"module {module_name}", _source(cls))


def _pick(module: ModuleType, where: str, name: str | None) -> type[bt.Strategy]:
    if name is not None:
        if not hasattr(module, name):
            known = [c.__name__ for c in defined_in(module)]
            hint = did_you_mean(name, known) or (f"it defines {', '.join(known)}" if known else "")
            raise StrategyError(f"{where} has no {name!r}", hint=hint)
        chosen = getattr(module, name)
        _require_strategy(chosen, f"{where}:{name}")
        return chosen  # type: ignore[no-any-return]
    found = defined_in(module)
    leaves = [c for c in found if not any(c is not other and issubclass(other, c) for other in found)]
    if not leaves:
        raise StrategyError(f"{where} defines no strategy", hint=_imported_hint(module))
    if len(leaves) > 1:
        names = ", ".join(c.__name__ for c in leaves)
        hint = f"choose one: {where}:{leaves[0].__name__}"
        raise StrategyError(f"{where} defines {len(leaves)} strategies: {names}", hint=hint)
    return leaves[0]


def _imported_hint(module: ModuleType) -> str:
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, bt.Strategy) and value is not bt.Strategy:
            return f"it imports {name}; if you mean that, write {value.__module__}:{value.__name__}"
    return "derive a class from robo_trader.Strategy or backtrader.Strategy in it"


def _require_strategy(thing: object, where: str) -> None:
    if not isinstance(thing, type) or not issubclass(thing, bt.Strategy):
        raise StrategyError(
            f"{where} is {thing!r}, not a strategy",
            hint="derive the class from robo_trader.Strategy or backtrader.Strategy",
        )


def _source(cls: type) -> Path | None:
    try:
        file = inspect.getsourcefile(cls)
    except TypeError:
        return None
    return Path(file).resolve() if file else None
