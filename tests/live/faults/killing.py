"""A trading session that is killed at random moments and started again, at a gateway that lives on.

    python tests/live/faults/killing.py --kills 100 --seed 1

The session is a process of its own and trades a lot; each SIGKILL comes after a random number of steps (bars,
notifications) and a random part of the time to the next. The last session is ended in order; then journal,
strategy and gateway must agree, no order may have reached the gateway twice, and each session must have had
its bars without a gap or a double.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from fault_bench import FIRST, QUICK, Simulated, Trader, eventually, judge, session_arguments, settle
from fault_list import FAULTS
from fault_strategy import Diary, strategy

from robo_trader.calendars import get_calendar
from robo_trader.feeds.bars import to_backtrader_days
from robo_trader.ib.connection import Line
from robo_trader.ib.library import load
from robo_trader.live.trading import trade

#: Nothing here breaks the line but a kill.
PATIENT = QUICK | {"heartbeat": 60.0}
#: Sessions that are played; a hundred kills take about fifteen.
DAYS = 60
#: What may happen between two sessions.
_MEANWHILE = ("fill", "fill_cancelled", "correct", "resend_status", "resets_ids")


class Steps(Diary):
    """A diary that writes a byte for each step, and each bar into a file before that."""

    file: IO[str]

    def tell(self) -> None:
        for name, rows in self.bars.items():
            for row in rows:
                self.file.write(json.dumps([name, *row]) + "\n")
            rows.clear()
        self.file.flush()
        os.write(1, b".")


def session(folder: Path, port: int, seed: int) -> None:
    """Trade until killed."""
    diary = Steps(seed=seed)
    diary.file = (folder / f"bars-{seed}").open("w")
    with diary.file, patch("robo_trader.live.trading.Line", partial(Line, **PATIENT)):
        trade(strategy(diary), **session_arguments(folder, port))


def nursery(folder: Path, port: int, control: int) -> None:
    """Start a session in a process of its own for each seed that is read; tell its id, then how it ended.

    What a session needs is imported once, here, so that a start takes no seconds.
    """
    load()
    get_calendar("XNYS").session_bounds(np.array([FIRST]))
    for line in sys.stdin:
        child = os.fork()
        if not child:
            session(folder, port, int(line))
            os._exit(7)
        os.write(control, b"%d\n" % child)
        os.write(control, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def kill_often(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill `kills` sessions, let the last one end in order, and raise `AssertionError` where books differ."""
    dice = random.Random(seed)
    told, tell = os.pipe()
    with Simulated(folder, seed, days=DAYS) as simulated, (folder / "errors").open("wb") as errors:
        command = [
            sys.executable, __file__, "--nursery", str(folder), "--port", str(simulated.embedded.port),
            "--control", str(tell),
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, pass_fds=(tell,)
        )
        os.close(tell)
        with process, os.fdopen(told, "rb") as control:
            assert process.stdin is not None and process.stdout is not None
            sessions = Sessions(process.stdin, process.stdout.fileno(), control, dice)
            for number in range(kills):
                mine = seed * 10_000 + number
                ended = sessions.kill(mine)
                assert ended == -signal.SIGKILL, f"{ended}: {(folder / 'errors').read_text()[-2000:]}"
                _check_bars(simulated, folder / f"bars-{mine}")
                assert eventually(lambda: not simulated.control("state")["sessions"], 60)
                # What happens while nobody listens has to be found out afterwards.
                for name in dice.sample(_MEANWHILE, dice.randrange(3)):
                    FAULTS[name].begin(simulated, dice)
            process.stdin.close()
        trader = Trader(simulated, folder, Diary(seed=seed), line=PATIENT)
        trader.start()
        try:
            assert trader.diary.until(lambda: trader.diary.count >= 3, 120), f"no bars: {trader.error!r}"
            settle(simulated, trader)
            found = judge(simulated, trader, adopted=True)
        finally:
            trader.stop.set()
        return {"kills": kills, "steps": sessions.steps, **found}


@dataclass
class Sessions:
    """Starts sessions by writing seeds to `start`, and kills each; they write a byte to `pipe` a step."""

    start: IO[bytes]
    pipe: int
    control: IO[bytes]
    dice: random.Random
    steps: int = 0

    def kill(self, seed: int) -> int:
        """Start a session, kill it at a random moment, and return what it ended with."""
        self.start.write(b"%d\n" % seed)
        self.start.flush()
        child = int(self.control.readline())
        dice = self.dice
        # A session that starts takes no steps for a while.
        wanted = dice.choice((0, dice.randint(1, 10), dice.randint(1, 30), dice.randint(1, 60)))
        done, until = 0, time.monotonic() + (120.0 if wanted else dice.uniform(0.0, 1.0))
        while done < max(1, wanted):
            left = until - time.monotonic()
            if left <= 0 or not self._step(left):
                break
            done += 1
        self._step(dice.uniform(0.0, 0.05))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        ended = int(self.control.readline())
        while self._step(0.0):
            done += 1
        self.steps += done
        return ended

    def _step(self, seconds: float) -> bool:
        """Wait for a step; False where none came in time."""
        return bool(select.select([self.pipe], [], [], seconds)[0] and os.read(self.pipe, 1))


def _check_bars(simulated: Simulated, path: Path) -> None:
    """Raise `AssertionError` unless a session had each bar once, in order, as it was."""
    told: dict[str, list[list[float]]] = {}
    for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
        if line.endswith("\n"):
            name, *row = json.loads(line)
            told.setdefault(name, []).append(row)
    for name, rows in told.items():
        frame = simulated.frames[name]
        first = int(np.searchsorted(to_backtrader_days(frame.end), rows[0][0]))
        span = slice(first, first + len(rows))
        columns = (
            to_backtrader_days(frame.end),
            frame.open,
            frame.high,
            frame.low,
            frame.close,
            frame.volume,
        )
        wanted = np.column_stack([column[span] for column in columns])
        assert np.array_equal(np.array(rows), wanted), (
            f"{name}: bars of {path.name} are not those of the market"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--nursery", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.nursery is not None:
        nursery(given.nursery, given.port, given.control)
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder), given.kills, given.seed)
    seconds = round(time.monotonic() - began, 1)
    library = load()
    if given.json is not None:
        about = {"library": f"{library.name} {library.version}", "seed": given.seed, "seconds": seconds}
        given.json.write_text(json.dumps({**about, **found}, indent=1) + "\n")
    words = ", ".join(f"{number:,} {name}" for name, number in found.items())
    sys.stdout.write(f"{library.name}: {words}, all books agree; {seconds:.0f} s\n")


if __name__ == "__main__":
    main()
