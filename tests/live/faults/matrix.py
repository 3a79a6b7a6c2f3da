"""The fault matrix at length.

    python tests/live/faults/matrix.py --alone
    python tests/live/faults/matrix.py --schedules 500 --seed 1 --json pairs.json

Runs each fault alone, or random pairs of them, with whichever IB library is installed (`--library` refuses
the other). A schedule's own seed, made of `--seed` and its number, is printed where it fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fault_list import FAULTS
from schedules import pair, play

from robo_trader.ib.library import load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=("ib_async", "ib_insync"))
    parser.add_argument("--alone", action="store_true", help="each fault by itself")
    parser.add_argument("--schedules", type=int, default=0, help="random pairs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first schedule")
    parser.add_argument("--faults", nargs="+", choices=sorted(FAULTS), help="just these at once")
    parser.add_argument("--brisk", action="store_true", help="schedules of about a second")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    library = load()
    if given.library not in (None, library.name):
        parser.error(f"{library.name} is installed here, not {given.library}")
    runs: list[tuple[tuple[str, ...], int]] = []
    if given.alone:
        runs += [((name,), given.seed) for name in FAULTS]
    if given.faults:
        runs.append((tuple(given.faults), given.seed))
    for number in range(given.first, given.first + given.schedules):
        seed = given.seed * 100_000 + number
        runs.append((pair(random.Random(seed)), seed))
    began = time.monotonic()
    totals: dict[str, int] = {}
    failed: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    for i, (names, seed) in enumerate(runs, 1):
        started = time.monotonic()
        try:
            for name, count in play(names, seed, brisk=given.brisk).items():
                totals[name] = totals.get(name, 0) + count
            word = "ok"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            word = f"FAILED: {error}"
            if not isinstance(error, AssertionError):
                word += "\n" + traceback.format_exc()
            failed.append({"faults": names, "seed": seed, "error": str(error)})
        took = time.monotonic() - started
        if word != "ok" or i % 10 == 0 or given.alone:
            sys.stdout.write(f"{i}/{len(runs)} {' + '.join(names)} seed {seed}, {took:.1f} s: {word}\n")
            sys.stdout.flush()
        summary = {
            "library": f"{library.name} {library.version}", "schedules": i, "brisk": given.brisk,
            "failed": failed, "seeds": [seed for _, seed in runs[:i]],
            "seconds": round(time.monotonic() - began, 1), **totals,
        }  # fmt: skip
        if given.json is not None:
            given.json.write_text(json.dumps(summary, indent=1) + "\n")
    sys.stdout.write(json.dumps({k: v for k, v in summary.items() if k not in ("failed", "seeds")}) + "\n")
    sys.stdout.write(f"{len(failed)} of {len(runs)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
