"""Execute a strategy file or module without letting it do more than define things.

An old Backtrader script runs itself: it parses the command line, opens its data and calls
``cerebro.run()`` at the bottom. While one is loaded, `Cerebro.run` and `Cerebro.plot` stop it,
`sys.argv` holds the file's name alone, `input()` finds nothing to read, and what it prints goes to
stderr. Whatever else ends it
early is a note when it has defined a strategy by then, and a `StrategyError` with file and line when
it has not. `KeyboardInterrupt` passes.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import io
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import backtrader as bt

from robo_trader.errors import StrategyError, did_you_mean

_loading: ContextVar[bool] = ContextVar("robo_loading", default=False)


class LoadStopped(BaseException):
    """Raised where a script would start a run; not an `Exception`, so that no script catches it.

    `cerebro` is what the script would have run, if it got that far.
    """

    def __init__(self, cerebro: Any = None) -> None:
        super().__init__()
        self.cerebro = cerebro


def stop_if_loading() -> None:
    """Stop the script that is being loaded, if one is; whatever starts a run calls this first."""
    if _loading.get():
        raise LoadStopped


@contextlib.contextmanager
def _only_defining(argv: list[str]) -> Iterator[None]:
    """Make running and plotting impossible inside the block."""

    def stop(cerebro: Any = None, *args: Any, **kwargs: Any) -> NoReturn:
        raise LoadStopped(cerebro)

    saved = {name: bt.Cerebro.__dict__[name] for name in ("run", "plot")}
    saved_argv, saved_stdin = sys.argv, sys.stdin
    token = _loading.set(True)
    sys.argv, sys.stdin = argv, io.StringIO()
    for name in saved:
        setattr(bt.Cerebro, name, stop)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for name, value in saved.items():
            setattr(bt.Cerebro, name, value)
        sys.argv, sys.stdin = saved_argv, saved_stdin
        _loading.reset(token)


#: What a script calls to set up its own run, in the words of a note.
_SETTERS = {
    "addsizer": "a sizer",
    "addsizer_byidx": "a sizer",
    "setcash": "cash (--cash)",
    "set_cash": "cash (--cash)",
    "setcommission": "commission (--commission)",
}


def load_file(path: Path) -> tuple[ModuleType, list[str]]:
    """Execute the file and return its module, with notes about what ended it early.

    The file's folder is importable while it loads and, after everything else, later on.
    """
    source = _read(path)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise StrategyError(f"{path}{line}: {error.msg}", hint="mend the file; nothing was run") from None
    except ValueError as error:
        raise StrategyError(f"{path} is not Python source: {error}") from None
    module = _module_for(path)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        note = _run(lambda: exec(code, module.__dict__), path, module)
    except BaseException:
        sys.modules.pop(module.__name__, None)
        raise
    finally:
        with contextlib.suppress(ValueError):  # The script may have changed the path itself.
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)  # For imports inside its functions, once a run calls them.
    return module, [note] if note else []


def load_module(name: str) -> ModuleType:
    """Import a module by its dotted name, the current folder included."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # Where `python -m` would look, too.
    with _only_defining([name]):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if name == missing or name.startswith(f"{missing}."):
                hint = "install its package, or name a file: file.py:Class"
                raise StrategyError(f"there is no module {missing!r}", hint=hint) from None
            raise StrategyError(f"importing {name} failed: {error}", hint=f"install {missing!r}") from None
        except LoadStopped:
            raise StrategyError(
                f"the module {name} starts a run when it is imported",
                hint="put that under 'if __name__ == \"__main__\":', or name the file instead",
            ) from None
        except (Exception, SystemExit) as error:
            raise StrategyError(f"importing {name} failed: {_describe(error)}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        others = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise StrategyError(f"there is no file {path}", hint=did_you_mean(path.name, others)) from None
    except OSError as error:
        raise StrategyError(f"{path} cannot be read: {error.strerror}") from None


def _module_for(path: Path) -> ModuleType:
    """Return a new module, registered so that dataclasses, pickles and relative imports work."""
    path = path.resolve()
    if (path.parent / "__init__.py").is_file():
        # A name of its own: the package may import this file too, under its proper name.
        package, name = _package_of(path), f"_robo_file_{path.stem}"
    else:
        package, name = _folder_as_package(path.parent), path.stem
    module = ModuleType(f"{package}.{name}")
    module.__file__ = str(path)
    module.__package__ = package
    sys.modules[module.__name__] = module
    return module


def _package_of(path: Path) -> str:
    """Return the dotted name of the package that a file lies in, and make it importable."""
    folder, names = path.parent, [path.parent.name]
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
        names.insert(0, folder.name)
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))
    return ".".join(names)


def _folder_as_package(folder: Path) -> str:
    """Return the name of a made-up package whose modules are the files of `folder`."""
    name = "_robo_files_" + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    if name not in sys.modules:
        package = ModuleType(name, "The folder of a strategy file, so that it can import its siblings.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _run(execute: Any, path: Path, module: ModuleType) -> str:
    """Execute and return a note; raise `StrategyError` if it broke before defining a strategy."""
    try:
        with _only_defining([str(path)]):
            execute()
    except LoadStopped as stopped:
        return _not_used(path, _unused(stopped.cerebro))
    except (Exception, SystemExit) as error:
        where = f"{path}:{_line(error, path)}"
        if not defined_in(module):
            raise StrategyError(f"{where}: {_describe(error)}", hint=_hint(error)) from error
        return f"{where}: the rest of the file was left out ({_describe(error)}); its strategies are defined"
    return _not_used(path, _set_but_not_run(_read(path)))


def _not_used(path: Path, what: str) -> str:
    return f"{path}: its own run is not made, and what it set for it is not used: {what}" if what else ""


def _set_but_not_run(source: bytes) -> str:
    """Say what the parts of a script that were not run, its main block say, would have set.

    What strategies set for themselves, inside their classes, does count and is passed over.
    """
    found = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SETTERS:
            found.add(_SETTERS[node.func.attr])
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.ClassDef))
    return ", ".join(sorted(found))


def _unused(cerebro: Any) -> str:
    """Say what a script set on its `Cerebro` and would miss in our run."""
    if cerebro is None:
        return ""
    found = [f"the sizer {sizer[0].__name__}" for sizer in cerebro.sizers.values()]
    broker = cerebro.broker
    if isinstance(broker, bt.brokers.BackBroker):
        if broker.p.cash != bt.brokers.BackBroker.params.cash:
            found.append(f"cash {broker.p.cash:g} (--cash)")
        if broker.comminfo[None].p.commission:
            found.append(f"commission {broker.comminfo[None].p.commission:g} (--commission)")
    return ", ".join(found)


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install {error.name!r}, or take the import out; bars come from robo_trader"
    return "the file ended before it defined a strategy"


def defined_in(module: ModuleType) -> list[type]:
    """Return the strategy classes that the module itself defines, in order, without duplicates."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, bt.Strategy) and value.__module__ == module.__name__
    ]
    return list(dict.fromkeys(found))


def _line(error: BaseException, path: Path) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path) and frame.lineno]
    return lines[-1] if lines else 0


def _describe(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it exits with {error.code!r}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
