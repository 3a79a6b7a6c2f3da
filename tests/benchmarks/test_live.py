"""The latency of a live session can be measured: every order arrives once, and every figure is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "live.py"


def test_a_few_orders_and_headlines_are_measured(tmp_path: Path) -> None:
    kept = tmp_path / "live.json"
    command = [sys.executable, str(BENCHMARK), "--orders", "6", "--events", "3", "--json", str(kept)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(kept.read_text(encoding="utf-8"))
    led = len(found["news: headline to order at the gateway"])
    assert 1 <= led <= 3
    ours, bare = ("order: decision to wire", "fill: report to notify_order"), list(found)[1:4:2]
    assert [len(found[name]) for name in ours] == [6 + led] * 2
    assert [len(found[name]) for name in bare] == [6, 6]
    assert all(0 < seconds < 10 for values in found.values() for seconds in values)
    assert "p50 ≤ 10, p99 ≤ 50" in done.stdout and "bare ib_async: order to wire" in done.stdout
