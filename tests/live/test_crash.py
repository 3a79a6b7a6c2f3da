"""Killed at random moments: nothing lost or doubled. `crashing.py`, `killed_hearing.py` do it at length."""

from __future__ import annotations

from pathlib import Path

from crashing import crash
from killed_hearing import crash as kill_sessions


def test_killed_sessions_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    found = crash(tmp_path, count=30, kills=4, seed=7)
    assert found["killed"] == 4
    assert found["events"] == 90 and found["signals"] >= 40


def test_a_restarted_session_hears_what_its_predecessor_did_not(tmp_path: Path) -> None:
    found = kill_sessions(tmp_path, count=24, kills=2, seed=5)
    assert (found["lives"], found["events"], found["signals"], found["orders"]) == (3, 24, 48, 48)
