"""What the journal costs a backtest, and how fast a large one answers.

Run it with ``python benchmarks/journal.py``. Three parts, each with `--only` alone: ``cost`` is what writing
the journal adds to a run of a million minute bars, with many fills and with few, imports excluded;
``bulk`` is the insertion of 100,000 fills into a new SQLite journal; ``answers`` is how long `robo runs
show` and `robo explain` take for a run with a million fills, beside one with eight.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns
from robo_trader.engine.record import OrderRecord, RunRecord, Sessions
from robo_trader.engine.run import run
from robo_trader.engine.settings import EngineSettings
from robo_trader.instruments import Instrument
from robo_trader.journal.bulk import write_journal
from robo_trader.records import Decision, Fill, Intent
from robo_trader.runs import Result, RunInfo, journalling

MINUTE = 60_000_000_000
BEGIN = 1_388_674_200_000_000_000


class Crossing(bt.Strategy):
    """Buys where a fast average crosses a slow one upwards, and leaves where it falls below."""

    params = dict(fast=20, slow=50)

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))

    def next(self) -> None:
        if not self.position:
            if self.cross > 0:
                self.buy(size=100)
        elif self.cross < 0:
            self.close()


def minutes(n: int) -> BarFrame:
    """Return `n` minute bars of a random walk, 390 a session."""
    draw = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.0005, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    day, minute = np.divmod(np.arange(n), 390)
    start = BEGIN + day * 86_400_000_000_000 + minute * MINUTE
    sessions = (start // 86_400_000_000_000).astype("datetime64[D]")
    high, low = np.maximum(open_, close) * 1.0002, np.minimum(open_, close) * 0.9998
    columns = (open_, high, low, close, np.full(n, 1000.0))
    return BarFrame("X", "1m", start, start + MINUTE, sessions, *columns, Instrument("X"))


def cost(folder: Path) -> None:
    """Print what the journal adds to a run."""
    frame = minutes(1_000_000)
    # The first of all calls pays for what is made once in a process.
    small = minutes(5_000)
    warm = Result(run([small], Crossing, settings=EngineSettings(engine="fast")), _info(), bars=[small])
    journalling.write(warm, folder / "warm.sqlite")
    for label, params in (("many fills", (20, 50)), ("few fills", (2_000, 5_000))):
        ran, wrote = [], []
        fills = 0
        for i in range(5):
            settings = EngineSettings(cash=1e7, commission=1e-5, engine="fast")
            words = dict(zip(("fast", "slow"), params, strict=True))
            began = time.process_time()
            record = run([frame], Crossing, words, settings=settings)
            result = Result(record, _info(), bars=[frame])
            # Computed for the CSV files in any case.
            _ = result.daily, result.trades, list(record.orders), list(record.fills)
            ran.append(time.process_time() - began)
            began = time.process_time()
            journalling.write(result, folder / f"{label}-{i}.sqlite")
            wrote.append(time.process_time() - began)
            fills = len(record.fills)
        took, added = statistics.median(ran), statistics.median(wrote)
        print(f"{label}: {fills:,} fills, run {took:.3f} s, journal {added:.3f} s, {added / took:+.1%}")


def _info() -> RunInfo:
    return RunInfo(strategy="crossing", command="robo backtest crossing")


def large(fills: int) -> Result:
    """Return a run with `fills` fills, two to a trade, and an order and a decision for each."""
    times = BEGIN + np.arange(fills) * MINUTE
    draw = np.random.default_rng(7)
    prices = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.0001, fills))), 2).tolist()
    record = RunRecord(
        starting_cash=1e6,
        sessions=Sessions(
            date=np.array(["2014-01-02", "2014-01-03"], "datetime64[D]"),
            time=np.array([BEGIN, BEGIN + 86_400_000_000_000]),
            value=np.array([1e6, 1e6]), cash=np.array([1e6, 1e6]), fund=np.array([100.0, 100.0]),
            sizes={"X": np.zeros(2)}, prices={"X": np.full(2, 100.0)}, multipliers={"X": 1.0},
        ),
        orders=[], fills=[], decisions=[], signals=[], events_delivered=[], bars_processed=2,
    )  # fmt: skip
    for i in range(fills):
        side: Any = "SELL" if i % 2 else "BUY"
        at = from_ns(int(times[i]))
        words = dict(symbol="X", side=side, size=100.0)
        intent = Intent(order_id=i + 1, time=at, type="Market", because="up" if i % 2 else "down", **words)
        record.decisions.append(Decision(intent=intent))
        record.orders.append(
            OrderRecord(order_id=i + 1, time=int(times[i]), type="Market", limit=None, stop=None,
                        parent=None, oco=None, status="Completed", filled=100.0, reason="",
                        because=intent.because, **words)
        )  # fmt: skip
        record.fills.append(
            Fill(time=at, price=prices[i], commission=0.35, order_id=i + 1, because=intent.because, **words)
        )
    return Result(record, _info())


def bulk(folder: Path) -> None:
    """Print how long 100,000 fills take with their orders, decisions and trades."""
    result = large(100_000)
    began = time.perf_counter()
    rows = journalling.rows_of(result)
    made = time.perf_counter()
    write_journal(folder / "bulk.sqlite", rows)
    done = time.perf_counter()
    count = sum(map(len, rows.values()))
    print(f"100,000 fills: made in {made - began:.2f} s, {count:,} rows inserted in {done - made:.2f} s")


def answers(folder: Path, fills: int) -> None:
    """Print how long questions to a large run take, beside the same ones to a small run."""
    saved = {n: large(n).save(folder / str(n)) for n in (8, fills)}
    size = (saved[fills] / "journal.sqlite").stat().st_size / 1e6
    print(f"{fills:,} fills in {size:,.0f} MB")
    for words in (["runs", "show", "last"], ["explain", "order"], ["explain", "trade"], ["explain", "last"]):
        took = {}
        inside = {}
        for n in saved:
            number = {"order": [str(n // 2)], "trade": [str(n // 4)]}.get(words[-1], [])
            line = [*words, *number, "--out", str(folder / str(n))]
            took[n] = _process([sys.executable, "-m", "robo_trader", *line])
            inside[n] = _inside(line)
        print(
            f"robo {' '.join(words)}: {took[fills] - took[8]:.0f} ms beyond start-up"
            f" ({took[fills]:.0f} ms of processor time; with 8 fills {took[8]:.0f} ms)"
        )
        print(f"    a second time in one process: {inside[fills]:.0f} ms, {inside[8]:.0f} ms")


def _process(command: list[str], runs: int = 5) -> float:
    """Return the processor milliseconds of a whole process: on a busy machine the clock says little."""
    took = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
    return statistics.median(took[1:])


def _inside(words: list[str]) -> float:
    """Return the milliseconds of the second of two equal commands in one process."""
    code = (
        "import sys, time, io; from robo_trader.cli.main import main; sys.stdout = io.StringIO(); "
        f"words = {words!r}; main(words); began = time.perf_counter(); main(words); "
        "print((time.perf_counter() - began) * 1000, file=sys.__stderr__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return float(done.stderr.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["cost", "bulk", "answers"], help="one part alone")
    parser.add_argument("--fills", type=int, default=1_000_000, help="fills of the large run")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
          f"{datetime.now(UTC):%Y-%m-%d}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.only in (None, "cost"):
            cost(folder)
        if args.only in (None, "bulk"):
            bulk(folder)
        if args.only in (None, "answers"):
            answers(folder, args.fills)


if __name__ == "__main__":
    main()
