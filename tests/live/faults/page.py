"""Write the page about the fault matrix from the JSON files of `matrix.py` and `killing.py`.

python tests/live/faults/page.py matrix.json killing.json > docs/results/faults.md
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fault_list import EXCLUSIVE, FAULTS, LIES

_HEAD = """# Trading through faults

Sessions of a strategy that trades at random (market, limit and stop orders, brackets, groups, changes,
cancellations) in two stocks, on synthetic minute bars that **the simulated gateway** of this project
replays at 600 times the speed of life, through the real wire protocol. Faults are injected by its
control port at random moments. At the end they are taken back, the session comes to rest, must still
trade, and is ended. A schedule counts as passed only if then

- the journal, the strategy's own account and the gateway's books hold the same executions (id, side,
  size, price, commission), positions, cash and living orders,
- the strategy was notified of each execution once, and of nothing else,
- each order reference reached the gateway as one order at most,
- the strategy had every minute bar once, in order, and as it was. Where a fault delays or hides data
  themselves (`{loose}`) a bar's last change may come after the bar; the session tells of it, and the bar is
  neither missing nor doubled.

This page is written from the results by

<!-- not run: it takes the better part of an hour -->
```bash
python tests/live/faults/matrix.py --alone --schedules 500 --seed 4 --json matrix.json
python tests/live/faults/killing.py --kills 100 --seed 2 --json killing.json
python tests/live/faults/page.py matrix.json killing.json > docs/results/faults.md
```

with each IB library in an environment of its own. A seed fixes what is tried, not the microsecond in which it
happens: a schedule that failed may pass the next time.
"""


def main() -> None:
    found = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    loose = "`, `".join(name for name, fault in FAULTS.items() if fault.loose)
    # Lists wrap where they like; the page is read, not edited.
    lines = [_HEAD.replace("{loose}", loose)]
    lines += _matrix([one for one in found if "schedules" in one])
    lines += _kills([one for one in found if "kills" in one])
    sys.stdout.write("\n".join(lines) + "\n")


def _matrix(runs: list[dict[str, Any]]) -> list[str]:
    lines = ["## Each fault alone, and random pairs", ""]
    lines += ["| library | schedules | passed | orders | executions | bars | notifications | seconds |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|---:|"]
    for one in runs:
        passed = one["schedules"] - len(one["failed"])
        counts = [one["schedules"], passed, *(one.get(k, 0) for k in ("orders", "fills", "bars", "notices"))]
        figures = " | ".join(f"{n:,}" for n in (*counts, round(one["seconds"])))
        lines.append(f"| {one['library']} | {figures} |")
    lines += ["", f"The {len(FAULTS)} faults: {', '.join(f'`{name}`' for name in FAULTS)}.", ""]
    lied = [name for pair in EXCLUSIVE if LIES in pair for name in sorted(pair - {LIES})]
    other = "; ".join(" and ".join(f"`{name}`" for name in sorted(pair)) for pair in EXCLUSIVE[:3])
    lines += [
        f"Never paired: {other}, which are one setting; and `{LIES}` with those that break the line, since a",
        f"gateway that hides its open orders from a new connection lies: `{'`, `'.join(lied)}`.",
        "",
    ]
    for one in runs:
        lines += [f"Seeds with {one['library']}: {_ranges(one['seeds'])}.", ""]
        for failed in one["failed"]:
            words = textwrap.shorten(failed["error"], 300).replace("|", "/")
            lines += [f"- failed: {' + '.join(failed['faults'])}, seed {failed['seed']}: {words}", ""]
    return lines


def _kills(runs: list[dict[str, Any]]) -> list[str]:
    if not runs:
        return []
    lines = ["## SIGKILL at random moments", ""]
    lines += [
        "One run, killed again and again and gone on with by a new process; between two sessions an order",
        "may be filled, an execution corrected, or the numbering of orders begin anew. The last session is",
        "judged as above; of the killed ones each reference and each bar.",
        "",
        "| library | seed | kills | orders | executions | seconds | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for one in runs:
        figures = " | ".join(f"{one[k]:,}" for k in ("seed", "kills", "orders", "fills"))
        lines.append(f"| {one['library']} | {figures} | {round(one['seconds'])} | all books agree |")
    return lines


def _ranges(seeds: list[int]) -> str:
    """Return numbers as ranges.

    >>> _ranges([4, 4, 7, 8, 9])
    '4, 7–9'
    """
    told: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if told and seed == told[-1][1] + 1:
            told[-1][1] = seed
        else:
            told.append([seed, seed])
    return ", ".join(f"{a}–{b}" if a != b else str(a) for a, b in told)


if __name__ == "__main__":
    main()
