"""How long the report of a ten-year daily run of five symbols takes, and how large it is.

    python benchmarks/report.py --most 15

The run is made first and does not count. With --most it fails where the median took more seconds than that.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from robo_trader import __version__, backtest

SYMBOLS = "SPY,QQQ,IWM,EEM,IBM"
START, END = "2011-04-01", "2021-03-31"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=float, metavar="SECONDS", help="fail where the median is above this")
    given = parser.parse_args()
    result = backtest("sma_cross", symbols=SYMBOLS, start=START, end=END, save=False)
    wall, cpu = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        for _ in range(given.rounds):
            start, busy = time.perf_counter(), time.process_time()
            result.report(path)
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
        size = path.stat().st_size / 1e6
    print(f"robo_trader {__version__}, Python {platform.python_version()} on {platform.machine()}")
    print(f"{len(result.equity)} sessions, {len(result.fills)} fills, {size:.1f} MB")
    middle = statistics.median(wall)
    print(f"wall p50 {middle:.1f} s, CPU p50 {statistics.median(cpu):.1f} s, {given.rounds} rounds")
    if given.most is not None and middle > given.most:
        sys.exit(f"the median is {middle:.1f} s; the limit is {given.most:g} s")


if __name__ == "__main__":
    main()
