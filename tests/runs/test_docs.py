"""docs/run_directory.md gives every file's columns and every key of run.json as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from robo_trader.runs import Result, csvs, run_document

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "run_directory.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["equity", "orders", "fills", "trades", "signals"])
def test_columns(name: str) -> None:
    columns = getattr(csvs, name.upper())
    header = ",".join(column.name for column in columns)
    assert any(f"`{name}.csv`" in line and f"`{header}`" in line for line in PAGE.splitlines())


def test_keys(make_result: Callable[..., Result]) -> None:
    assert [key for key in run_document(make_result()) if f"`{key}`" not in PAGE] == []
