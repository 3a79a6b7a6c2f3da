"""Exports appear whole or not at all, and never over something else."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from robo_trader.errors import RunError, UsageError
from robo_trader.runs import Result, StoredRun, export, exporting, load_run

Make = Callable[..., Result]


@pytest.fixture
def stored(make_result: Make, tmp_path: Path) -> StoredRun:
    return load_run(make_result().save(tmp_path / "runs"))


def test_csv(stored: StoredRun, tmp_path: Path) -> None:
    target = export(stored, tmp_path / "out" / "mine")
    assert sorted(p.name for p in target.iterdir()) == sorted(
        ["equity.csv", "fills.csv", "orders.csv", "run.json", "signals.csv", "trades.csv"]
    )
    assert (target / "fills.csv").read_bytes() == (stored.run_dir / "fills.csv").read_bytes()


def test_json(stored: StoredRun, tmp_path: Path) -> None:
    got = json.loads(export(stored, tmp_path / "run.json", "json").read_text(encoding="utf-8"))
    assert got["id"] == stored.id
    tables = got["tables"]
    assert tables["equity"][0] == {"date": "2024-01-02", "value": 100000.0, "cash": 90000.0, "return": 0.0}
    assert tables["orders"][0]["time"] == "2024-01-02T14:30:00Z" and tables["orders"][0]["limit"] is None
    assert tables["fills"][1]["time"] == "2024-01-03T21:00:00Z"
    assert tables["trades"][1]["exit_time"] is None
    assert tables["signals"][0]["evidence"] == ["e1", "e2"]


def test_parquet_without_pyarrow(stored: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs pyarrow, which is not installed \(pip install pyarrow"):
        export(stored, tmp_path / "out", "parquet")
    assert not (tmp_path / "out").exists()


def test_parquet(stored: StoredRun, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pandas as pd

    target = export(stored, tmp_path / "out", "parquet")
    fills = pd.read_parquet(target / "fills.parquet")
    assert fills["price"].tolist() == [100.1, 105.5, 11.0]
    assert str(fills["time"].iloc[0]) == "2024-01-02 14:30:00+00:00"
    assert pd.read_parquet(target / "equity.parquet")["value"].iloc[-1] == 100600.0


def test_unknown_format(stored: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no export format 'jsn'.*did you mean 'json'"):
        export(stored, tmp_path / "out", "jsn")


def test_nothing_is_overwritten(stored: StoredRun, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(RunError, match="is there already"):
        export(stored, tmp_path / "mine.json", "json")
    assert (tmp_path / "mine.json").read_text() == "precious"


@pytest.mark.parametrize("form", ["csv", "json"])
def test_full_disk_leaves_nothing(
    stored: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exporting.shutil, "copyfile", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="cannot be written: No space left"):
        export(stored, tmp_path / "out", form)
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_a_damaged_run_is_not_exported(stored: StoredRun, tmp_path: Path) -> None:
    (stored.run_dir / "fills.csv").unlink()
    with pytest.raises(RunError):
        export(stored, tmp_path / "a", "csv")
    with pytest.raises(RunError, match=r"fills\.csv: cannot be read"):
        export(stored, tmp_path / "b", "json")
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
