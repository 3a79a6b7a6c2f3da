"""The oracles: empyrical and pyfolio, imported once, their import warnings kept apart."""

from __future__ import annotations

import warnings
from types import ModuleType

import pytest


def _quiet(name: str) -> ModuleType:
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture(scope="session")
def empyrical() -> ModuleType:
    return _quiet("empyrical")


@pytest.fixture(scope="session")
def pyfolio() -> ModuleType:
    return _quiet("pyfolio")
