"""A session meets every fault of the gateway by itself, and a few pairs; `matrix.py` does it at length."""

from __future__ import annotations

import random

import pytest
from fault_list import FAULTS
from schedules import pair, play


@pytest.mark.parametrize("name", FAULTS)
def test_books_agree_after_a_fault(name: str) -> None:
    found = play((name,), 1, brisk=True)
    assert found["fills"] >= 3 and found["orders"] >= 5


@pytest.mark.parametrize("seed", range(12))
def test_books_agree_after_two_faults(seed: int) -> None:
    found = play(pair(random.Random(seed)), seed, brisk=True)
    assert found["fills"] >= 3 and found["orders"] >= 5
