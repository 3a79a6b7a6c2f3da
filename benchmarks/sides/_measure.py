"""What every side does alike: read its arguments, time one region, and tell it as a line of JSON.

Usage of every side: ``python SIDE.py WORKLOAD SIZE[,SIZE] OUT.npy [key=value ...]``. OUT gets the fills,
one row each: bar, symbol, signed size, price, commission; the bar is the one that opened at the fill.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))


class Job:
    """One measurement: `workload`, `size`, further `options`; `tell` ends it."""

    def __init__(self) -> None:
        self.workload, size, self.out, *options = sys.argv[1:]
        self.size = [int(part) for part in size.split(",")]
        self.options = dict(option.split("=", 1) for option in options)

    def flag(self, name: str) -> bool:
        """Return whether ``name=1`` was given."""
        return self.options.get(name) == "1"

    def time(self, region: Callable[[], Any]) -> Any:
        """Run `region`, note its CPU and wall seconds, and return its result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = region()
        self.cpu, self.wall = time.process_time() - cpu, time.perf_counter() - wall
        return result

    def tell(self, fills: Any, **more: Any) -> None:
        """Write the fills and print what was measured."""
        rows = np.array(fills, dtype=np.float64).reshape(-1, 5)
        np.save(self.out, rows)
        told = {"cpu": self.cpu, "wall": self.wall, "peak_mb": _peak_mb(), "fills": len(rows), **more}
        print(json.dumps(told))


def _peak_mb() -> float:
    """Return the most memory that this program held; `ru_maxrss` would count the one that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024
