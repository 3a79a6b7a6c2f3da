"""How long `robo --help` takes as a whole process, and which packages it imports.

Run it with ``python benchmarks/startup.py``. The first run is thrown away: it warms the disk's cache.
The figure to hold against others is the median; a bare interpreter is timed beside it, for scale. With
``--most 150`` it fails where the median is more milliseconds than that.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time

HEAVY = ("numpy", "pandas", "backtrader", "matplotlib", "scipy", "sklearn", "bokeh", "exchange_calendars")


def measure(command: list[str], runs: int) -> list[float]:
    """Return the wall-clock milliseconds of `runs` runs of `command`, after one that does not count."""
    took = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        took.append((time.perf_counter() - start) * 1000)
    return took[1:]


def imported(words: list[str]) -> list[str]:
    """Return the top-level packages outside the standard library that ``robo WORDS`` imports."""
    code = (
        "import sys; from robo_trader.cli.main import main; "
        f"main({words!r}); print(*sorted({{m.split('.')[0] for m in sys.modules}}), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    names = set(run.stderr.split()) - set(sys.stdlib_module_names)
    return sorted(name for name in names if not name.startswith(("_", "__editable__")))


def line(name: str, took: list[float]) -> str:
    """Return one row: name, minimum, median and maximum."""
    middle = statistics.median(took)
    return f"{name:<24} min {min(took):6.1f} ms   median {middle:6.1f} ms   max {max(took):6.1f} ms"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Time 'robo --help' and list what it imports.")
    parser.add_argument("--runs", type=int, default=20, help="how many runs count (default: 20)")
    parser.add_argument("--most", type=float, metavar="MS", help="fail where the median is above this")
    parser.add_argument(
        "words", nargs="*", default=["--help"], help="the words after 'robo'; put them behind --"
    )
    options = parser.parse_args()

    robo = shutil.which("robo", path=sysconfig.get_path("scripts")) or shutil.which("robo")
    if robo is None:
        parser.error("there is no 'robo' beside this Python; install the project first")
    print(
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {options.runs} runs"
    )
    print(line("python -c pass", measure([sys.executable, "-c", "pass"], options.runs)))
    took = measure([robo, *options.words], options.runs)
    print(line("robo " + " ".join(options.words), took))
    packages = imported(options.words)
    print("imports:", ", ".join(packages))
    print("heavy ones among them:", ", ".join(sorted(set(packages) & set(HEAVY))) or "none")
    if options.most is not None and statistics.median(took) > options.most:
        sys.exit(f"the median is {statistics.median(took):.1f} ms; the limit is {options.most:g} ms")


if __name__ == "__main__":
    main()
