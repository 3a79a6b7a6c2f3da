"""Every workload side by side: this engine, stock Backtrader, and peers in environments of their own.

``python benchmarks/run.py`` takes about half an hour; ``--quick`` a tenth of the size and some minutes.
Fills are compared before any time counts; it ends with exit code 1 where one of our own sides fills
otherwise than Backtrader. Times are CPU seconds, medians of interleaved rounds, so that other work on
the machine matters less; a side that takes long runs once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from groups import SIZES, TITLES, groups
from harness import Bench, environment, machine
from tables import markdown, write_into


def main() -> int:
    """Measure, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", help="a tenth of the size")
    size.add_argument(
        "--tiny", dest="size", action="store_const", const="tiny", help="just to see that it runs"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of which the median counts (default: 3)"
    )
    parser.add_argument("--only", nargs="+", choices=TITLES, metavar="GROUP", help=" ".join(TITLES))
    parser.add_argument("--no-peers", action="store_true", help="this engine and stock Backtrader only")
    parser.add_argument("--cache", type=Path, help="where the peers' environments are kept")
    parser.add_argument(
        "--json", type=Path, help="keep measurements here, group by group; what is there counts"
    )
    parser.add_argument("--write", type=Path, help="put the tables into this Markdown file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        every = groups(SIZES[options.size or "full"], Path(scratch))
        chosen = {
            name: [side for side in sides if not (options.no_peers and side.peer)]
            for name, sides in every.items()
            if name in (options.only or every)
        }
        bench = Bench(chosen, Path(scratch), options.rounds, options.cache, options.json)
        bench.run()
    text = markdown(bench)
    print(text)
    if options.write:
        small = f" Sizes of --{options.size}." if options.size else ""
        write_into(options.write, text, f"Measured {environment()}, on {machine()}.{small}")
    for line in bench.wrong():
        print(f"wrong: {line}", file=sys.stderr)
    return 1 if bench.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
