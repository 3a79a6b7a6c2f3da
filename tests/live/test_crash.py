"""Sessions killed at random moments: no event lost, no signal doubled. `crashing.py` does it at length."""

from __future__ import annotations

from pathlib import Path

from crashing import crash


def test_killed_sessions_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    found = crash(tmp_path, count=30, kills=4, seed=7)
    assert found["killed"] == 4
    assert found["events"] == 90 and found["signals"] >= 40
