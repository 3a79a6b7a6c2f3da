"""Measures a whole process; its options are ``side= strategy= csv=DIR runs=DIR words=``.

A process of its own starts the command, so that its CPU seconds and its peak memory are the command's and
nobody else's. ``side=robo`` is `robo backtest`, ``side=stock`` the plain Backtrader script.
"""

from __future__ import annotations

import csv
import json
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SIDES = Path(__file__).parent
CASH, COMMISSION = "10000000", "0.00001"


def command(options: dict[str, str]) -> list[str]:
    """Return the command that is measured."""
    strategy, bars, runs = options["strategy"], options["csv"], options["runs"]
    if options["side"] == "stock":
        return [sys.executable, str(SIDES / "csv_stock.py"), strategy, bars, runs]
    spec = f"{SIDES.parent / 'strategies.py'}:{strategy}"
    words = ["--bars", bars, "--out", runs, "--cash", CASH, "--commission", COMMISSION, "--no-report"]
    robo = [sys.executable, "-m", "robo_trader", "backtest", spec]
    return [*robo, *words, *shlex.split(options.get("words", ""))]


def fills(options: dict[str, str]) -> list[tuple[float, ...]]:
    """Return the fills that the command wrote: number within the symbol, symbol, size, price, commission."""
    (path,) = Path(options["runs"]).rglob("fills.csv")
    with path.open(encoding="utf-8", newline="") as file:
        if options["side"] == "stock":
            found = [(name, *map(float, row)) for _, name, *row in csv.reader(file)]
        else:
            found = [
                (row["symbol"], float(row["size"]) * (1 if row["side"] == "BUY" else -1),
                 float(row["price"]), float(row["commission"]))
                for row in csv.DictReader(file)
            ]  # fmt: skip
    numbers = {name: i for i, name in enumerate(sorted({row[0] for row in found}))}
    seen: dict[str, int] = {}
    rows: list[tuple[float, ...]] = []
    for name, *numeric in found:
        seen[name] = seen.get(name, -1) + 1
        rows.append((seen[name], numbers[name], *numeric))
    return rows


def main() -> None:
    """Run the command and print what it took."""
    _, _, out, *words = sys.argv[1:]
    options = dict(word.split("=", 1) for word in words)
    shutil.rmtree(options["runs"], ignore_errors=True)
    wall = time.perf_counter()
    done = subprocess.run(command(options), capture_output=True, text=True, check=False)
    wall = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    import numpy as np  # only now: a child's peak counts what its parent held when it was started

    rows = np.array(fills(options), dtype=np.float64).reshape(-1, 5)
    np.save(out, rows)
    told: dict[str, Any] = {"cpu": used.ru_utime + used.ru_stime, "wall": wall, "fills": len(rows)}
    print(json.dumps({**told, "peak_mb": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
