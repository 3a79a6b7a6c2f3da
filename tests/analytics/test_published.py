"""Figures that others published for the same prices."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from robo_trader.analytics.ratios import sortino_ratio


@pytest.mark.parametrize("rate", ["0", "0.01"])
def test_sortino_as_lean_has_it(data_dir: Path, rate: str) -> None:
    """QuantConnect Lean (Apache-2.0): rolling Sortino of 15 returns, not annualised, rate a period."""
    with (data_dir / "open/reference/lean/spy_sortino.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    closes = np.array([float(row["close"]) for row in rows])
    returns = np.concatenate(([np.nan], closes[1:] / closes[:-1] - 1))
    checked = 0
    for i, row in enumerate(rows):
        if row[f"sortino_rf_{rate}_period_15"]:
            got = sortino_ratio(returns[i - 14 : i + 1] - float(rate), 1.0)
            assert got == pytest.approx(float(row[f"sortino_rf_{rate}_period_15"]), rel=2e-9)
            checked += 1
    assert checked == 62
