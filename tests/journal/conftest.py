"""A journal in a file of its own, and the words to fill it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_trader.journal.live import Journal, open_journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal on SQLite."""
    with open_journal(folder=tmp_path / ".robo") as opened:
        yield opened
