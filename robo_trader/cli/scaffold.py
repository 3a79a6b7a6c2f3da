"""Write a new distribution: a strategy or a plugin whose own tests pass as written.

The folder appears whole or not at all: it is written beside its place under a hidden name and then
renamed. A bad or taken name is a `UsageError`, a disk that is full or read-only a `RoboError`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import keyword
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from robo_trader.config_schema import KEYS
from robo_trader.errors import RoboError, UsageError, did_you_mean
from robo_trader.hookspecs import KINDS, RESERVED
from robo_trader.plugins import load_host

#: What can be written, with the kinds of thing that it registers under its name.
OFFERS = {"strategy": ("strategy",), "plugin": ("bars", "signal")}
_SUFFIX = ".tmpl"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Names:
    """What a new distribution and its parts are called."""

    folder: str
    name: str

    @property
    def words(self) -> dict[str, str]:
        """The words that templates may use."""
        return {
            "name": self.name,
            "package": f"robo_{self.name}",
            "distribution": f"robo-{self.name.replace('_', '-')}",
            "Class": "".join(word.capitalize() for word in self.name.split("_")),
        }


def write(kind: str, name: str, parent: Path) -> Path:
    """Write the distribution `name` of `kind` (``strategy`` or ``plugin``) and return its folder.

    `name` is in kebab or snake case, with or without a leading ``robo-``; the folder below
    `parent` is called as given, and what it registers as in snake case.
    """
    if kind not in OFFERS:
        raise UsageError(
            f"there is no template for a {kind!r}", hint=did_you_mean(kind, OFFERS) or "strategy or plugin"
        )
    names = _names(name)
    _refuse_taken(kind, names)
    parent = Path(parent)
    if not parent.is_dir():
        raise UsageError(f"there is no folder {parent}", hint="make it first, or name another")
    folder = parent / names.folder
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists already", hint="choose another name; nothing was changed")
    try:
        with _whole_or_not_at_all(folder) as place:
            for path, text in _render(kind, names):
                file = place / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RoboError(
            f"{folder} cannot be written: {error.strerror or error}", hint="nothing was left behind"
        ) from error
    return folder


def _names(given: str) -> Names:
    name = given.replace("-", "_").removeprefix("robo_")
    if not _NAME.match(given) or not _NAME.match(name):
        tidy = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", given).strip("_").lower()
        near = _NAME.match(tidy) and tidy != given.replace("-", "_")
        raise UsageError(
            f"a name is made of small letters, digits, '-' and '_' and begins with a letter, not {given!r}",
            hint=f"did you mean {tidy!r}?" if near else "such as momentum or my-signal",
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"{given!r} is a word of Python's own", hint=f"such as my_{name}")
    return Names(given, name)


def _refuse_taken(kind: str, names: Names) -> None:
    """Raise when the name would clash once the distribution is installed."""
    host = load_host()
    for offer in OFFERS[kind]:
        key = f"{KINDS[offer].table}.{names.name}"
        if key in KEYS or names.name in RESERVED.get(offer, ()):
            raise UsageError(
                f"{names.name!r} has a meaning of its own in [{KINDS[offer].table}]", hint="choose another"
            )
        if any(names.name in row.offers.get(offer, ()) for row in host.rows()):
            raise UsageError(f"there is a {offer} {names.name!r} already", hint="choose another name")
    package = names.words["package"]
    if importlib.util.find_spec(package) is not None:
        raise UsageError(f"a package {package!r} is installed already", hint="choose another name")


def _render(kind: str, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the text of every file."""
    for path, source in _walk(files("robo_trader.cli") / "templates" / kind):
        path = path.replace("__package__", names.words["package"]).removesuffix(_SUFFIX)
        path = path.replace("gitignore", ".gitignore")  # Hidden files get lost when packages are built.
        yield path, Template(source.read_text(encoding="utf-8")).substitute(names.words)


def _walk(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{below}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield below + entry.name, entry


@contextlib.contextmanager
def _whole_or_not_at_all(folder: Path) -> Iterator[Path]:
    """Give a hidden folder to write into; it becomes `folder` at the end, or goes away."""
    place = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        place.mkdir()
        yield place
        place.rename(folder)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
