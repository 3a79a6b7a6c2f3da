"""A bench for the tests of the live pipeline; lets them import the helpers that lie beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A store, a state and pipelines over them in a folder of their own."""
    made = Bench(tmp_path)
    yield made
    made.close()
