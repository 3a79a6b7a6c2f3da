"""The benchmark suite runs, in its smallest size: fills agree and every table is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from groups import SIZES, TITLES, groups  # noqa: E402
from harness import IDENTICAL, agreement  # noqa: E402
from tables import write_into  # noqa: E402


def measure(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--tiny", "--rounds", "1", "--no-peers", *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=1200)


def test_every_workload_runs_and_our_fills_are_backtraders(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n", encoding="utf-8")
    done = measure("--json", tmp_path / "all.json", "--write", page)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert list(found) == list(TITLES)
    every = [side for sides in found.values() for side in sides.values()]
    assert all(not side["error"] and len(side["samples"]) == 1 for side in every)
    assert all(sample["cpu"] > 0 and sample["peak_mb"] > 10 for side in every for sample in side["samples"])
    for group, name in (("a", "robo_trader, wake"), ("b", "robo_trader"), ("csv-b", "robo backtest")):
        assert found[group][name]["fills"] == IDENTICAL and found[group][name]["samples"][0]["fills"] > 20
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "Sizes of --tiny" in text and "robo_trader, guard and journal" in text


def test_one_group_alone_and_measurements_that_were_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    done = measure("--only", "aligned", "--json", kept)
    assert done.returncode == 0 and "Many feeds" in done.stdout and "clocks" not in done.stdout
    again = measure("--only", "aligned", "--json", kept)
    assert again.stdout == done.stdout and again.stderr == ""
    kept.write_text(kept.read_text(encoding="utf-8").replace('"5,50"', '"7,50"'), encoding="utf-8")
    assert "another size" in measure("--only", "aligned", "--json", kept).stderr
    assert measure("--only", "elsewhere").returncode == 2


def test_fills_that_differ_are_told_apart() -> None:
    import numpy as np

    truth = np.array([[3, 0, 10.0, 100.0, 1.0], [5, 0, -10.0, 101.0, 1.01]])
    assert agreement(truth[::-1], truth) == IDENTICAL
    assert agreement(truth * [1, 1, 1, 1.5, 1], truth) == "all; prices within 0.5"
    assert agreement(truth[:1], truth) == "1 of 1 at the same bar, of 2"
    later = np.add(truth, [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert agreement(later, truth) == "1 of 2 at the same bar, of 2"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no lines"):
        write_into(page, "text", "head")
    assert page.read_text(encoding="utf-8") == "nothing here\n"


def test_every_size_has_every_group(tmp_path: Path) -> None:
    names = {size: list(groups(SIZES[size], tmp_path)) for size in SIZES}
    assert all(found == list(TITLES) for found in names.values())
