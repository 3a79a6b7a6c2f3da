"""Every workload side by side: this engine, stock Backtrader, and peers in environments of their own.

``python benchmarks/run.py`` takes about an hour; ``--quick`` a tenth of the size and some minutes. Fills
are compared before any time is: a side whose fills do not agree is shown, and told apart. Times are
CPU seconds, the medians of interleaved rounds, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from harness import Bench, environment, machine  # noqa: E402
from tables import fills_agree, markdown, write_into  # noqa: E402


def sizes(quick: bool) -> dict[str, str]:
    """Return the size of each workload."""
    if quick:
        return {"a": "100000", "b": "100,1260", "one": "1,20000", "hundred": "100,200", "aligned": "400,500"}
    return {"a": "1000000", "b": "500,2520", "one": "1,200000", "hundred": "100,2000", "aligned": "2000,2520"}


def main() -> None:
    """Measure, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of which the median counts (default: 3)"
    )
    parser.add_argument(
        "--only", nargs="*", help="groups to run: a b csv-a csv-b small clocks aligned events"
    )
    parser.add_argument("--no-peers", action="store_true", help="this engine and stock Backtrader only")
    parser.add_argument("--cache", type=Path, default=None, help="where the peers' environments are kept")
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    parser.add_argument("--write", type=Path, help="put the tables into this Markdown file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), options.rounds, options.cache)
        groups = bench.groups(sizes(options.quick), peers=not options.no_peers)
        for name in options.only or list(groups):
            for side in groups[name]:
                bench.add(name, side)
        bench.run(list(options.only or groups))
        verdicts = {name: fills_agree(bench, name) for name in options.only or groups}
        text = markdown(bench, verdicts)
        print(text)
        if options.json:
            options.json.write_text(json.dumps(bench.as_dict(), indent=1))
        if options.write:
            write_into(options.write, text, machine(), environment(), quick=options.quick)


if __name__ == "__main__":
    main()
