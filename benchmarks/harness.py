"""Starts each side in a process of its own, round by round, and keeps what it told."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = {"backtesting": "backtesting", "vectorbt": "vectorbt", "bt": "bt", "zipline": "zipline-reloaded"}


@dataclass
class Side:
    """One command to be measured: `script` in ``sides/`` with its words, or a whole `command`.

    A script tells its own times; of a command the whole process counts.
    """

    name: str
    words: list[str]
    peer: str | None = None
    command: bool = False
    samples: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def median(self, what: str) -> float | None:
        """Return the median of `what` over the rounds; None where the side did not run."""
        values = [sample[what] for sample in self.samples if what in sample]
        return statistics.median(values) if values else None


class Bench:
    """All sides by group; `scratch` holds fills and CSV files."""

    def __init__(self, scratch: Path, rounds: int, cache: Path | None) -> None:
        self.scratch = scratch
        self.rounds = rounds
        self.sides: dict[str, list[Side]] = {}
        self._cache = cache or _cache_folder()
        self._pythons: dict[str, str] = {}

    def groups(self, size: dict[str, str], *, peers: bool) -> dict[str, list[Side]]:
        """Return what can be measured, by group."""
        a, b, csv_a, csv_b = size["a"], size["b"], self.scratch / "csv-a", self.scratch / "csv-b"
        small = self.scratch / "small"
        groups = {
            "a": [
                Side("robo_trader", ["robo.py", "a", a]),
                Side("robo_trader, metrics", ["robo.py", "a", a, "metrics=1"]),
                Side("robo_trader, wake", ["robo.py", "a", a, "wake=1"]),
                Side("Backtrader, best", ["stock.py", "a", a, "setup=best"]),
                Side("Backtrader, default", ["stock.py", "a", a]),
                Side("backtesting.py", ["peer_backtesting.py", "a", a], "backtesting"),
                Side("bt", ["peer_bt.py", "a", a], "bt"),
                Side("vectorbt, warm", ["peer_vectorbt.py", "a", a], "vectorbt"),
            ],
            "b": [
                Side("robo_trader", ["robo.py", "b", b]),
                Side("robo_trader, metrics", ["robo.py", "b", b, "metrics=1"]),
                Side("Backtrader, best", ["stock.py", "b", b, "setup=best"]),
                Side("Backtrader, default", ["stock.py", "b", b]),
                Side("zipline-reloaded", ["peer_zipline.py", "b", b], "zipline"),
                Side("bt", ["peer_bt.py", "b", b], "bt"),
                Side("vectorbt, warm", ["peer_vectorbt.py", "b", b], "vectorbt"),
            ],
            "csv-a": self._from_csv("SmaCross", "a", a, csv_a, ["--calendar", "24/7", "--stamps", "start"]),
            "csv-b": self._from_csv("TopMomentum", "b", b, csv_b, []),
            "small": self._from_csv("SmaCross", "b", "1,2520", small, []),
            "clocks": [
                Side("1 feed", ["robo.py", "apart", size["one"]]),
                Side("100 feeds, 100 clocks", ["robo.py", "apart", size["hundred"]]),
            ],
            "aligned": [Side("2,000 aligned feeds", ["robo.py", "b", size["aligned"], "idle=1"])],
            "events": [
                Side("without events", ["robo.py", "a", a]),
                Side("100,000 events", ["robo.py", "a", a, "events=100000"]),
            ],
        }
        if not peers:
            groups = {name: [s for s in sides if s.peer is None] for name, sides in groups.items()}
        return groups

    def _from_csv(
        self, strategy: str, workload: str, size: str, folder: Path, words: list[str]
    ) -> list[Side]:
        write_csv(workload, [int(part) for part in size.split(",")], folder)
        common = ["--cash", "10000000", "--commission", "0.00001", "--no-report"]
        spec = f"{HERE / 'strategies.py'}:{strategy}"
        out = self.scratch / "runs"
        robo = [
            sys.executable,
            "-m",
            "robo_trader",
            "backtest",
            spec,
            "--bars",
            str(folder),
            "--out",
            str(out),
        ]
        stock = [
            sys.executable,
            str(HERE / "sides" / "csv_stock.py"),
            strategy,
            str(folder),
            str(out / "stock"),
        ]
        return [
            Side("robo backtest", [*robo, *common, *words], command=True),
            Side("plain Backtrader script", stock, command=True),
        ]

    def add(self, group: str, side: Side) -> None:
        """Take a side into the measurement."""
        self.sides.setdefault(group, []).append(side)

    def run(self, names: Iterable[str]) -> None:
        """Measure every side of the groups, round by round."""
        for name in names:
            for number in range(self.rounds):
                for side in self.sides[name]:
                    if side.error:
                        continue
                    told = self._measure(name, side)
                    words = f"{told['cpu']:8.3f} s" if told else side.error
                    print(f"{name} round {number + 1}: {side.name:28} {words}", file=sys.stderr, flush=True)

    def fills_of(self, group: str, side: Side) -> Path:
        """Return where a side's fills are."""
        words = "".join(c if c.isalnum() else "-" for c in side.name)
        return self.scratch / f"{group}-{words}.npy"

    def _measure(self, group: str, side: Side) -> dict[str, Any] | None:
        command = side.words
        if not side.command:
            script, workload, size, *options = side.words
            python = self._python(side)
            if python is None:
                return None
            out = str(self.fills_of(group, side))
            command = [python, str(HERE / "sides" / script), workload, size, out, *options]
        shutil.rmtree(self.scratch / "runs", ignore_errors=True)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        began = time.perf_counter()
        assert process.stdout is not None
        assert process.stderr is not None
        text, errors = process.communicate()
        if process.returncode:
            side.error = (errors.strip().splitlines() or [f"it ended with {process.returncode}"])[-1]
            return None
        if side.command:
            told = {"wall": time.perf_counter() - began, **_children()}
        else:
            told = json.loads(text.strip().splitlines()[-1])
        side.samples.append(told)
        return told

    def _python(self, side: Side) -> str | None:
        """Return the interpreter of a side, made the first time; None where its peer cannot be installed."""
        if side.peer is None:
            return sys.executable
        found = self._pythons.get(side.peer)
        if found is None:
            home = self._cache / side.peer
            python = home / "bin" / "python"
            try:
                if not (home / "ready").exists():
                    print(f"installing {PEERS[side.peer]} into {home}", file=sys.stderr, flush=True)
                    venv.create(home, with_pip=True, clear=True)
                    pip = [str(python), "-m", "pip", "install", "--quiet", PEERS[side.peer]]
                    subprocess.run(pip, check=True, capture_output=True, text=True)
                    (home / "ready").touch()
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                side.error = f"cannot be installed: {said.strip().splitlines()[-1]}"
                return None
            found = self._pythons[side.peer] = str(python)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return every measurement as plain data."""
        return {
            group: {side.name: side.samples or side.error for side in sides}
            for group, sides in self.sides.items()
        }


def write_csv(workload: str, size: list[int], folder: Path) -> None:
    """Write a workload's bars as CSV files, as a data vendor would."""
    import pandas as pd
    from workloads import load

    if folder.exists():
        return
    folder.mkdir(parents=True)
    for bars in load(workload, size):
        if workload == "a":
            stamps, name = pd.DatetimeIndex(bars.start.view("datetime64[ns]")), "datetime"
        else:
            stamps, name = pd.Index(bars.day.astype(str)), "date"
        columns = {c: getattr(bars, c) for c in ("open", "high", "low", "close", "volume")}
        pd.DataFrame(columns, index=stamps.rename(name)).to_csv(folder / f"{bars.symbol}.csv")


_before: dict[str, float] = {"cpu": 0.0}


def _children() -> dict[str, float]:
    """Return the CPU seconds of the child that has just ended, and the largest child's memory so far."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = usage.ru_utime + usage.ru_stime
    cpu, _before["cpu"] = total - _before["cpu"], total
    return {"cpu": cpu}


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("robo_trader") / "benchmarks"


def machine() -> str:
    """Return what the figures were measured on."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {model or platform.processor()}, {memory:.0f} GB, {platform.system()}"


def environment() -> str:
    """Return the date and the versions that matter."""
    names = ("backtrader", "numpy", "pandas")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}"
