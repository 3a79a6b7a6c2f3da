"""The built-in plugins, and an empty folder whose modules are forgotten again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_trader.plugins import PluginHost, load_host


@pytest.fixture(scope="session")
def host() -> PluginHost:
    """The built-in plugins."""
    return load_host(third_party=False, environ={})


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and forget what was imported from it."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith(("zz_", "_robo_files_")):
            del sys.modules[name]
