"""Runs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robo_trader.errors import UsageError
from robo_trader.runs import Result, StoredRun, compare, load_run

Make = Callable[..., Result]


def stored(result: Result, parent: Path) -> StoredRun:
    return load_run(result.save(parent))


def test_equal_runs(make_result: Make, tmp_path: Path) -> None:
    got = compare([stored(make_result(), tmp_path) for _ in range(2)])
    assert got.differences == {}
    assert got.same_files == dict.fromkeys(
        ["equity.csv", "orders.csv", "fills.csv", "trades.csv", "signals.csv"], True
    )
    assert len(got.metrics["sharpe"]) == 2


def test_what_differs_is_named(make_result: Make, tmp_path: Path) -> None:
    first = stored(make_result(), tmp_path)
    data = [{"source": "AAA.csv", "sha256": "cd", "rows": 3}]
    second = stored(make_result(params={"fast": 20, "slow": 30}, data=data, seed=7, fills=[]), tmp_path)
    got = compare([first, second])
    assert got.differences == {"params.fast": (10, 20), "data.0.sha256": ("ab", "cd"), "seed": (0, 7)}
    assert got.same_files["fills.csv"] is False and got.same_files["orders.csv"] is True
    trades = got.metrics["trades"]
    assert [metric.value for metric in trades if metric] == [2, 0]
    shown: dict[str, Any] = json.loads(json.dumps(got.as_dict(), allow_nan=False))
    assert shown["ids"] == [first.id, second.id] and shown["metrics"]["trades"] == [2, 0]


def test_a_metric_that_one_run_lacks(make_result: Make, tmp_path: Path) -> None:
    first, second = (stored(make_result(), tmp_path) for _ in range(2))
    del second.measures["sharpe"]
    assert compare([first, second]).as_dict()["metrics"]["sharpe"] == [None, None]
    assert compare([first, second]).metrics["sharpe"][1] is None


def test_one_run_is_no_comparison(make_result: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two runs or more"):
        compare([stored(make_result(), tmp_path)])
