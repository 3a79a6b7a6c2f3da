"""A folder that looks like site-packages, to install made-up distributions in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from robo_trader.config import Config, load_config
from robo_trader.plugins import PluginHost, PluginRow, load_host

REGISTER = "from robo_trader import hookimpl\n\n@hookimpl\ndef robo_register(add):\n"


@dataclass
class Site:
    """A folder on `sys.path`."""

    folder: Path

    def module(self, name: str, code: str) -> None:
        """Write a module."""
        (self.folder / f"{name}.py").write_text(dedent(code), encoding="utf-8")

    def dist(self, name: str, entry_points: str, *, version: str = "1.0", stem: str = "") -> Path:
        """Write a distribution's metadata folder; `entry_points` is the whole file."""
        info = self.folder / f"{stem or name.replace('-', '_') + '-' + version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)
        return info

    def plugin(self, name: str, code: str, *, version: str = "1.0") -> None:
        """Install the plugin `name` as the module ``zz_<name>`` of the distribution ``robo-<name>``."""
        self.module(f"zz_{name}", code)
        self.dist(f"robo-{name}", f"[robo_trader]\n{name} = zz_{name}\n", version=version)

    def registering(self, name: str, *lines: str) -> None:
        """Install a plugin whose `robo_register` consists of `lines`."""
        self.plugin(name, REGISTER + "".join(f"    {line}\n" for line in lines or ("pass",)))

    def host(self, config: Config | None = None, **environ: str) -> PluginHost:
        """Load a host that sees this folder alone."""
        return load_host(config, environ=environ, path=[str(self.folder)])

    def row(self, name: str, config: Config | None = None, **environ: str) -> PluginRow:
        """Load a host and return the one row of `name`."""
        rows = [row for row in self.host(config, **environ).rows() if row.name == name]
        assert len(rows) == 1
        return rows[0]

    def config(self, text: str, **environ: str) -> Config:
        """Return the configuration that a file with `text` makes."""
        file = self.folder / "robo.toml"
        file.write_text(dedent(text), encoding="utf-8")
        return load_config(file, environ=environ)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site folder, importable; its modules are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if name.startswith("zz_"):
            del sys.modules[name]
