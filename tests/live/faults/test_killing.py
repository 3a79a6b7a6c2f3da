"""A session that is killed and started again; `killing.py` does it at length."""

from __future__ import annotations

from pathlib import Path

from killing import kill_often


def test_killed_sessions_go_on_where_the_books_stand(tmp_path: Path) -> None:
    found = kill_often(tmp_path, kills=4, seed=3)
    assert found["kills"] == 4 and found["steps"] > 10 and found["fills"] >= 3
