"""A journal in a file of its own, and the words to fill it with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_trader.journal.live import Journal, open_journal

# The words of `journal_pages` serve here and on PostgreSQL.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal on SQLite."""
    with open_journal(folder=tmp_path / ".robo") as opened:
        yield opened
