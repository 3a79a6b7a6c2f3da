"""docs/metrics.md names every metric that a run has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robo_trader.analytics import compute_metrics

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_metric_is_documented() -> None:
    none = np.zeros(0)
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    names = compute_metrics(none.astype("datetime64[D]"), none, none, starting_cash=1.0)
    assert [name for name in names if f"`{name}`" not in page] == []
