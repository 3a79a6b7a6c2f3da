"""The rehearsals of 30 sessions: the page is what the journals say, and nothing was lost on the way."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robo_trader.journal.reading import Reader, read_file

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "benchmarks" / "paper_30_days" / "paper_30_days.py"
PAGE = ROOT / "docs" / "results" / "paper_30_days.md"


def run(*words: object, cwd: Path) -> str:
    command = [sys.executable, "-W", "error", str(PROGRAM), *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(page: str, title: str) -> list[str]:
    """Return the lines of one rehearsal, whichever library it went through."""
    body = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [re.sub(r"through ib\w+ [\d.]+", "through a library", line) for line in body.strip().splitlines()]


@pytest.mark.parametrize(("name", "title"), [("days", "Daily bars, real"), ("hours", "Hourly bars, real")])
def test_the_page_says_what_its_program_finds(name: str, title: str, tmp_path: Path) -> None:
    found = section(run("--only", name, cwd=tmp_path), title)
    assert len(found) > 70
    assert found == section(PAGE.read_text(encoding="utf-8"), title)


def counted(reader: Reader) -> tuple[int, int, list[str]]:
    """Return fills that count, executions, and every difference that was found."""
    fills = list(reader.rows("fills"))
    executions = {row["execution"] for row in fills}
    found = [text for row in reader.rows("reconciliations") for text in row["differences"]]
    return len(fills) - sum(row["corrects"] is not None for row in fills), len(executions), found


def test_made_up_minutes_are_repeatable_and_survive_the_faults(tmp_path: Path) -> None:
    words = ("--only", "minutes", "--sessions", "2", "--keep", tmp_path)
    page = run(*words, cwd=tmp_path)
    first = section(page, "Minute bars, SYNTHETIC")
    with read_file(tmp_path / "minutes.sqlite") as reader:
        fills, executions, differences = counted(reader)
        days = [row["session"].isoformat() for row in reader.rows("daily_equity")]
        faults = [row["title"] for row in reader.rows("events", "kind = 'fault'")]
    assert days == ["2020-02-10", "2020-02-11"]
    assert faults == ["every execution is told twice"]
    assert fills == executions > 20 and differences == []
    assert f"fills: {fills}; executions journalled twice: 0" in "\n".join(first)
    assert section(run(*words, cwd=tmp_path), "Minute bars, SYNTHETIC") == first
    read = run("--only", "minutes", "--read", tmp_path, cwd=tmp_path)
    assert section(read, "Minute bars, SYNTHETIC") == first


def test_made_up_minutes_are_made_from_their_seed() -> None:
    bars = runpy.run_path(str(PROGRAM.parent / "bars.py"))
    one, again, other = (bars["minutes"](seed, ["2020-02-10"])["SYN1"] for seed in (6, 6, 7))
    assert len(one) == 390 and np.array_equal(one.close, again.close)
    assert not np.array_equal(one.close, other.close)


def test_the_page_says_what_it_is_no_evidence_for() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "simulated gateway" in text and "minute bars are synthetic" in text.replace("\n", " ")
    assert "- bars: **synthetic**; 30 sessions" in text and text.count("- bars: **real**; 30 sessions") == 2
    assert "NOT SIMULATED" not in text and text.count("differences: 0\n") == 3
