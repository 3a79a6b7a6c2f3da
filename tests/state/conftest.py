"""A fresh store of files for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from robo_trader.state import State, open_state


@pytest.fixture
def store(tmp_path: Path) -> State:
    """A store that nobody has written to yet."""
    return open_state(folder=tmp_path / ".robo")
