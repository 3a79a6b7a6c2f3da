"""The versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

_PACKAGES = ("robo_trader", "backtrader", "numpy", "pandas", "exchange_calendars", "tzdata")


def installed_versions() -> dict[str, str]:
    """Return Python's version and those of the packages that can change a run's figures."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
