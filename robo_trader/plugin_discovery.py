"""Find the installed plugins without importing one: entry points, distribution by distribution.

`importlib.metadata.entry_points()` reads every distribution in one go, so one with broken
metadata would hide all others. Here each is read on its own; one that mentions our group but
cannot be read becomes a `Found` with its error, and one that does not is nobody's business here.
Nothing raises. A distribution that is on the path twice (a leftover of an upgrade, an editable
install beside a copy) counts once: the first on `sys.path` wins, as it does for `import`, and
within one folder the newer version.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from robo_trader.hookspecs import GROUP


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point of a distribution, or the reason why its entry points cannot be read."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint | None
    error: str = ""


def discover(path: Iterable[str] | None = None) -> list[Found]:
    """Return every plugin on `path` (default: `sys.path`), sorted by name and distribution."""
    out: list[Found] = []
    for name, distribution in _installed(sys.path if path is None else list(path)):
        out += _entry_points(name, distribution)
    return sorted(out, key=lambda found: (found.name, found.distribution))


def _installed(path: list[str]) -> Iterable[tuple[str, Distribution]]:
    """Yield each distribution that mentions our group, once, with its name."""
    best: dict[str, tuple[tuple[int, list[int]], str, Distribution]] = {}
    for place, folder in enumerate(path):
        for distribution in distributions(path=[folder]):
            name, version = _from_folder(distribution)
            if name.startswith("~"):
                continue  # What pip leaves behind when it could not remove an old version.
            key = re.sub(r"[-_.]+", "-", name).lower()
            # Enough of an order to prefer 0.10 to 0.9.
            rank = (-place, [int(part) for part in re.findall(r"\d+", version)])
            if key not in best or rank > best[key][0]:
                best[key] = (rank, name, distribution)
    for _, name, distribution in best.values():
        if _mentions_us(distribution):
            yield name, distribution


def _entry_points(name: str, distribution: Distribution) -> list[Found]:
    version = _version(distribution)
    try:
        ours = [point for point in distribution.entry_points if point.group == GROUP]
    except Exception as error:  # noqa: BLE001 - any way of being broken is reported alike
        reason = f"its entry_points.txt cannot be read: {type(error).__name__}: {error}"
        return [Found(name, name, version, None, reason)]
    return [Found(point.name, name, version, point) for point in ours]


def _mentions_us(distribution: Distribution) -> bool:
    try:
        text = distribution.read_text("entry_points.txt")
    except UnicodeDecodeError as error:
        text = error.object.decode("latin-1")
    except OSError:
        return False  # Unreadable for us is unreadable for import as well.
    return f"[{GROUP}]" in (text or "")


def _from_folder(distribution: Distribution) -> tuple[str, str]:
    """Return name and version from the metadata folder's name, which is cheap and always there."""
    folder = Path(str(getattr(distribution, "_path", "")))
    if folder.suffix in (".dist-info", ".egg-info"):
        name, _, version = folder.stem.partition("-")
        return name.replace("_", "-"), version
    try:
        return str(distribution.metadata["Name"]), _version(distribution)
    except Exception:  # noqa: BLE001 - a distribution without any name
        return "unknown", ""


def _version(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Version"] or "")
    except Exception:  # noqa: BLE001 - broken metadata must not hide a plugin
        return ""
