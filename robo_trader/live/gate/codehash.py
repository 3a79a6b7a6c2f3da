"""What a strategy is made of, as one number: its source, and the risk configuration in force.

Evidence of paper trading counts for exactly the code and the limits that were rehearsed. Both hashes are
SHA-256 in hex. They depend on no path and no clock, so that a checkout elsewhere has the same; line ends
count as one. Comments do count: nobody has to judge which change of a file is harmless.

Failure contract: a strategy without a readable source raises `StrategyError`; a risk profile that cannot
be put together is the `ConfigError` that starting a session would raise.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robo_trader.config import Config
from robo_trader.errors import StrategyError
from robo_trader.plugins import BUILTIN, PluginHost
from robo_trader.risk.profile import BUILT_IN, OFF, resolve_profile
from robo_trader.risk.sectors import read_sectors

#: Bases that are the framework's and not the strategy's.
_FRAMEWORK = frozenset(("backtrader", "robo_trader", *sys.stdlib_module_names))
#: What Python and tools leave beside the source.
_LEFT_BEHIND = frozenset(("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"))
_INSTALLED = frozenset(("site-packages", "dist-packages"))


def code_hash(strategy: type) -> str:
    """Return the hash of a strategy's source and of the strategies that it derives from.

    A strategy in a package counts with all files of that package, whatever they hold; one in a file of
    its own with that file and with the files beside it that it imports by an import statement. The
    class's name counts, since a file may hold several. What comes with robo_trader counts with its
    module alone.
    """
    files: dict[str, bytes] = {}
    for cls in strategy.__mro__:
        if cls is strategy or cls.__module__.partition(".")[0] not in _FRAMEWORK:
            files |= _files_of(cls)
    return _sha(
        json.dumps(
            [strategy.__qualname__, {name: _sha(data) for name, data in files.items()}], sort_keys=True
        )
    )


def risk_hash(config: Config, host: PluginHost) -> str:
    """Return the hash of the risk configuration: every rule that is asked, its limits, and the sectors told.

    Limits that nobody gave count with their defaults. A plugin's rule counts with its version and its source.
    The project's own sector map does not count, since it grows with every version.
    """
    profile = resolve_profile(config, host)
    if profile is None:
        return _sha(OFF)
    rules = []
    for name, given in profile.rules.items():
        cls, row = host.target("risk_rule", name), host.provider("risk_rule", name)
        theirs = name not in BUILT_IN and row.distribution != BUILTIN
        rules.append(
            [
                name,
                {**_defaults(cls), **given},
                [row.distribution, row.version, code_hash(cls)] if theirs else [],
            ]
        )
    told = {
        symbol: table["sector"]
        for symbol, table in config.get("bars.symbols").items()
        if isinstance(table, Mapping) and table.get("sector")
    }
    placed = read_sectors(profile.sectors) if profile.sectors is not None else {}
    return _sha(json.dumps([rules, placed, told], sort_keys=True, default=_plain))


def _files_of(cls: type) -> dict[str, bytes]:
    """Return the files behind a class by a name that says nothing of where they are."""
    path = _source(cls)
    if cls.__module__.partition(".")[0] == BUILTIN:
        return {cls.__module__: _read(path)}
    if (path.parent / "__init__.py").is_file():
        root = path.parent
        while (root.parent / "__init__.py").is_file():
            root = root.parent
        return {file.relative_to(root.parent).as_posix(): _read(file) for file in _all_files(root)}
    files = {"": _read(path)}
    if not _INSTALLED & set(path.parts):
        _add_imported(path, path.parent, files)
    return files


def _source(cls: type) -> Path:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            file = inspect.getsourcefile(cls)
        except TypeError:
            file = None
    if file is None or not Path(file).is_file():
        raise StrategyError(
            f"the source of {cls.__qualname__} cannot be found, so that nobody could say what was rehearsed",
            hint="put the strategy into a file or a package",
        )
    return Path(file).resolve()


def _all_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        parts = set(path.relative_to(root).parts)
        if path.is_file() and path.suffix != ".pyc" and not parts & _LEFT_BEHIND:
            yield path


def _add_imported(path: Path, folder: Path, files: dict[str, bytes]) -> None:
    """Add the modules and packages of `folder` that the file imports, and what those import."""
    for name in sorted(set(_imported(path))):
        module, package = folder / f"{name}.py", folder / name
        found = [package / "__init__.py"] if (package / "__init__.py").is_file() else [module]
        if found[0].parent == package:
            found = list(_all_files(package))
        for file in found:
            key = file.relative_to(folder).as_posix()
            if key in files or not file.is_file() or file == path:
                continue
            files[key] = _read(file)
            if file.suffix == ".py":
                _add_imported(file, folder, files)


def _imported(path: Path) -> Iterator[str]:
    """Yield the first parts of the modules that a file imports, wherever in it."""
    try:
        tree = ast.parse(_read(path))
    except (SyntaxError, ValueError):
        return  # It is not what is imported, or importing it says why.
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.module.partition(".")[0]
            else:  # from . import helper
                yield from (alias.name for alias in node.names)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise StrategyError(f"{path} cannot be read: {error.strerror}") from None


def _defaults(cls: type) -> dict[str, Any]:
    """Return the options that a class has by itself."""
    try:
        found = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in found if p.default is not inspect.Parameter.empty}


def _plain(value: Any) -> Any:
    """An option that JSON does not know; its text must not hold an address in memory."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    text = str(value)
    return type(value).__qualname__ if " at 0x" in text else text


def _sha(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
