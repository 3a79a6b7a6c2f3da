"""The pages for plugin authors name every hook, registration call and key, with exact arguments."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from robo_trader.config import config_reference_markdown
from robo_trader.config_schema import PLUGIN_TABLES
from robo_trader.hookspecs import API_VERSION, HOOKS, KINDS, Hooks, Registry
from robo_trader.plugins import ALLOW, STRICT

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "writing_a_plugin.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

REGISTRATIONS = [
    name for name, value in vars(Registry).items() if inspect.isfunction(value) and name[0] != "_"
]


def call(name: str, function: object) -> str:
    """Return a call with the function's exact arguments: ``robo_fill(fill)``."""
    arguments = [p for p in inspect.signature(function).parameters if p != "self"]  # type: ignore[arg-type]
    return f"{name}({', '.join(arguments)})"


def test_there_is_something_to_document() -> None:
    assert {name for name in vars(Hooks) if name.startswith("robo_")} == set(HOOKS)
    assert set(REGISTRATIONS) == set(KINDS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_arguments(name: str) -> None:
    assert f"| `{call(name, getattr(Hooks, name))}` |" in PAGE


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_every_registration_is_documented_with_its_arguments(name: str) -> None:
    assert f"| `add.{call(name, getattr(Registry, name))}` |" in PAGE


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].method])
def test_every_method_that_the_host_calls_is_documented(name: str) -> None:
    kind = KINDS[name]
    written = f"`{kind.method}({', '.join(kind.arguments)})`"
    row = next(line for line in PAGE.splitlines() if f"add.{name}(" in line and line.startswith("|"))
    assert written in row
    assert f"`{kind.base.rpartition('.')[2]}`" in row


@pytest.mark.parametrize("name", KINDS)
def test_the_base_classes_are_where_the_host_looks(name: str) -> None:
    kind = KINDS[name]
    module, _, cls = kind.base.rpartition(".")
    base = getattr(importlib.import_module(module), cls)
    if kind.method:
        parameters = [*inspect.signature(getattr(base, kind.method)).parameters][1:]
        assert parameters[: len(kind.arguments)] == list(kind.arguments)


def test_switches_and_tables_are_documented() -> None:
    assert f"`{ALLOW}=" in PAGE and f"`{STRICT}=1`" in PAGE and f"ROBO_API = {API_VERSION}" in PAGE
    for table in PLUGIN_TABLES:
        assert f"`[{table}.NAME]`" in PAGE and f"`[{table}.NAME]`" in CONFIGURATION


def test_the_reference_of_keys_is_up_to_date() -> None:
    written = CONFIGURATION.partition("compares them -->\n")[2].partition("\n<!-- end")[0]
    assert written.strip() == config_reference_markdown().strip(), (
        "replace the generated part of docs/configuration.md by config_reference_markdown()"
    )
