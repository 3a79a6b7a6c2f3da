"""30 sessions of paper trading, three times, with faults on the way, and the page about them.

Run it with ``python benchmarks/paper_30_days/paper_30_days.py --write docs/results/paper_30_days.md``. It
trades on daily bars, hourly bars and made-up minute bars through the simulated gateway, in lockstep, as
``robo paper`` does without ``--ib``, and writes the page from the journals that are left. With ``--read``
it rehearses nothing and writes the page from journals that ``--keep`` kept. The same seed gives the same
page, but for the seconds that it took.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from page import section, took
from rehearsals import FIRST, LAST, REHEARSALS, Rehearsal, rehearse

from robo_trader.journal.reading import read_file

COMMAND = "python benchmarks/paper_30_days/paper_30_days.py --write docs/results/paper_30_days.md"
PAGE = """\
# 30 sessions of paper trading, with faults

Sessions of the New York Stock Exchange from {first} to {last}, replayed by **the simulated gateway** of this
project, with {count} faults put into each rehearsal. This page is written from the three journals by

<!-- not run: it takes minutes -->
```bash
{command}
```

(seed {seed}; the same seed gives the same page, but for the seconds at its end).

**What it is no evidence for.** The gateway is simulated and says so, so none of these sessions counts for
[the gate](../live_trading.md) that stands before real money. The daily and the hourly bars are real; **the
minute bars are synthetic**, and the headlines were written for the rehearsal. Nobody chose the strategies'
parameters because of what they earn: they are short so that orders are many. The weeks are those of the
fall of March 2020, so that the guard has something to say.

Every order went the whole way: strategy, guard, journal, the IB library, the wire, the gateway's books and
back. Fills cost {commission:.2%} commission and {slippage:.2%} slippage. *Rejected* are orders that the
broker refused; *vetoed* those that the guard stopped, which never left.

{sections}

## The time it took

Market time stood still whenever the session had something to do; nothing else slowed it down.

{times}
- all together: {total:.0f} s on {cores} processor cores, load {load:.1f} at the end
"""


def main() -> None:
    """Rehearse, and write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", metavar="FILE", type=Path, help="where to write; without it: print")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the journals there")
    parser.add_argument("--read", metavar="DIR", type=Path, help="rehearse nothing, read journals kept there")
    parser.add_argument("--only", choices=[one.name for one in REHEARSALS], help="one rehearsal of the three")
    parser.add_argument("--sessions", type=int, default=30, help="how many sessions (default: 30)")
    parser.add_argument("--seed", type=int, default=6, help="of the synthetic minutes and of the strategies")
    chosen = parser.parse_args()
    wanted = [one for one in REHEARSALS if chosen.only in (None, one.name)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = (chosen.read or chosen.keep or Path(temporary)).resolve()
        if chosen.read is None:
            folder.mkdir(parents=True, exist_ok=True)
            for one in wanted:
                _rehearse(one, folder, chosen.seed, chosen.sessions)
        text = page(wanted, folder, chosen.seed, time.monotonic() - began)
    if chosen.write:
        chosen.write.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def _rehearse(which: Rehearsal, folder: Path, seed: int, count: int) -> None:
    (folder / f"{which.name}.sqlite").unlink(missing_ok=True)
    began = time.monotonic()
    done = rehearse(which, folder, seed=seed, count=count)
    print(
        f"{which.name}: {done.bars:,} bars, {done.orders} orders, {done.fills} fills in "
        f"{time.monotonic() - began:.1f} s, {len(done.differences)} differences",
        file=sys.stderr,
    )


def page(wanted: list[Rehearsal], folder: Path, seed: int, seconds: float) -> str:
    """Return the page, from the journals in `folder`."""
    sections, times, faults = [], [], 0
    for one in wanted:
        with read_file(folder / f"{one.name}.sqlite") as reader:
            sections.append(section(one, reader))
            times.append(took(one, reader))
            rows = reader.rows("events", "kind = 'fault' AND title NOT LIKE 'set right%'")
            faults = max(faults, sum(1 for _ in rows))
            config = reader.runs()[-1]["config"]
    return PAGE.format(
        first=FIRST,
        last=LAST,
        count=faults,
        command=COMMAND,
        seed=seed,
        commission=_value(config, "commission"),
        slippage=_value(config, "slippage"),
        sections="\n\n".join(sections),
        times="\n".join(times),
        total=seconds,
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
    )


def _value(config: dict[str, object], name: str) -> float:
    """Return a cost from the configuration that the journal holds."""
    table = config["run"]
    return float(table[name])  # type: ignore[index]


if __name__ == "__main__":
    main()
