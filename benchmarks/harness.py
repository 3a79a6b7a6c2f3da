"""Starts each side in a process of its own, round by round, and keeps what it told.

Of a group every side runs once first, and the fills are compared; only then come the further rounds. A side
that fails, or whose library cannot be installed, is left out and says why.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from groups import Side

HERE = Path(__file__).parent
#: What a group's first round may take (CPU s) for a side to be run again: a ratio of tens needs no median.
SLOW = 15.0
IDENTICAL = "identical to the bit"


class Bench:
    """All sides by group; `scratch` holds fills and CSV files, `cache` the peers' environments.

    `kept` is a file that holds the measurements of every group that is done; those are not taken again.
    """

    def __init__(
        self,
        groups: dict[str, list[Side]],
        scratch: Path,
        rounds: int,
        cache: Path | None = None,
        kept: Path | None = None,
    ) -> None:
        self.groups = groups
        self._scratch = scratch
        self._rounds = rounds
        self._cache = cache or _cache_folder()
        self._kept = kept

    def run(self) -> None:
        """Measure every side, group by group."""
        done = self._take_up()
        for name, sides in self.groups.items():
            if name in done:
                continue
            for number in range(self._rounds):
                for side in sides:
                    if not side.error and not (number and side.samples[0]["cpu"] > SLOW):
                        self._measure(name, side)
                        _say(f"{name} {number + 1}: {side.name:34} {_told(side)}")
                if number == 0:
                    self._compare(name, sides)
            done.add(name)
            if self._kept is not None:
                found = {group: self.as_dict()[group] for group in self.groups if group in done}
                self._kept.write_text(json.dumps(found, indent=1), encoding="utf-8")

    def _take_up(self) -> set[str]:
        """Take measurements over from the file; return which groups they are."""
        if self._kept is None or not self._kept.exists():
            return set()
        found = json.loads(self._kept.read_text(encoding="utf-8"))
        for name, told in found.items():
            for side in self.groups.get(name, ()):
                if side.name not in told or told[side.name]["size"] != side.size:
                    raise SystemExit(f"{self._kept} has measurements of another size: name another file")
                side.samples, side.verdict, side.error = (
                    told[side.name][k] for k in ("samples", "fills", "error")
                )
        return set(found) & set(self.groups)

    def median(self, group: str, name: str, what: str = "cpu") -> float | None:
        """Return the median of what a side told over its rounds; None where it did not run."""
        for side in self.groups.get(group, ()):
            if side.name == name and side.samples and what in side.samples[0]:
                return statistics.median(sample[what] for sample in side.samples)
        return None

    def wrong(self) -> list[str]:
        """Return which of our own sides failed, or filled otherwise than the side they are held against."""
        every = ((group, side) for group, sides in self.groups.items() for side in sides)
        return [
            f"{group}, {side.name}: {side.error or side.verdict}"
            for group, side in every
            if side.ours and (side.error or side.verdict != IDENTICAL)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return every measurement as plain data."""
        return {
            group: {
                side.name: {
                    "size": side.size,
                    "samples": side.samples,
                    "fills": side.verdict,
                    "error": side.error,
                }
                for side in sides
            }
            for group, sides in self.groups.items()
        }

    def _fills(self, group: str, name: str) -> Path:
        return self._scratch / f"{group}-{''.join(c if c.isalnum() else '-' for c in name)}.npy"

    def _compare(self, group: str, sides: Iterable[Side]) -> None:
        ran = {side.name for side in sides if side.samples}
        for side in sides:
            if not side.samples:
                continue
            mine = np.load(self._fills(group, side.name))
            if side.truth is None:
                side.verdict = f"{len(mine):,} fills" if len(mine) else ""
            elif side.truth in ran:
                side.verdict = agreement(mine, np.load(self._fills(group, side.truth)))
                _say(f"{group}: {side.name}: fills {side.verdict}")
            else:
                side.verdict = "nothing to compare with"

    def _measure(self, group: str, side: Side) -> None:
        python = self._python(side)
        if python is None:
            return
        for option in side.options:
            if option.startswith("csv="):
                write_csv(side.workload, [int(part) for part in side.size.split(",")], Path(option[4:]))
        out = str(self._fills(group, side.name))
        command = [python, str(HERE / "sides" / side.script), side.workload, side.size, out, *side.options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_surroundings())
        if done.returncode:
            side.error = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        else:
            side.samples.append(json.loads(done.stdout.strip().splitlines()[-1]))

    def _python(self, side: Side) -> str | None:
        """Return the interpreter of a side, made the first time; None where its peer cannot be installed."""
        if side.peer is None:
            return sys.executable
        home = self._cache / side.peer
        python = home / "bin" / "python"
        if not (home / "ready").exists():
            _say(f"installing {side.peer} into {home}")
            try:
                venv.create(home, with_pip=True, clear=True)
                pip = [str(python), "-m", "pip", "install", "--quiet", side.peer]
                subprocess.run(pip, check=True, capture_output=True, text=True)
                (home / "ready").touch()
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                side.error = f"cannot be installed: {said.strip().splitlines()[-1]}"
                return None
        return str(python)


def agreement(rows: Any, truth: Any) -> str:
    """Say how two sides' fills compare; rows are bar, symbol, size, price, commission."""
    rows, truth = (x[np.lexsort((x[:, 2] > 0, x[:, 1], x[:, 0]))] for x in (rows, truth))
    if rows.shape == truth.shape and (rows == truth).all():
        return IDENTICAL
    keys = [[(int(r[0]), int(r[1]), bool(r[2] > 0)) for r in x] for x in (rows, truth)]
    both = sorted(set(keys[0]) & set(keys[1]))
    if not len(both) == len(rows) == len(truth):
        return f"{len(both):,} of {len(rows):,} at the same bar, of {len(truth):,}"
    at = [{key: i for i, key in enumerate(k)} for k in keys]
    mine, theirs = (x[[place[key] for key in both]] for x, place in zip((rows, truth), at, strict=True))
    size, price, cost = (np.abs(mine[:, k] / theirs[:, k] - 1).max(initial=0.0) for k in (2, 3, 4))
    parts = (("sizes", size), ("prices", price), ("commissions", cost))
    return "all; " + ", ".join(f"{name} within {part:.1g}" for name, part in parts if part)


def write_csv(workload: str, size: list[int], folder: Path) -> None:
    """Write a workload's bars as CSV files, as a data vendor would; once."""
    if folder.exists():
        return
    import pandas as pd
    from workloads import load

    folder.mkdir(parents=True)
    for bars in load(workload, size):
        if workload == "a":
            stamps, name = pd.DatetimeIndex(bars.start.view("datetime64[ns]")), "datetime"
        else:
            stamps, name = pd.Index(bars.day.astype(str)), "date"
        columns = {c: getattr(bars, c) for c in ("open", "high", "low", "close", "volume")}
        pd.DataFrame(columns, index=stamps.rename(name)).to_csv(folder / f"{bars.symbol}.csv")


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GB, {platform.system()}"


def environment() -> str:
    """Return the date and the versions that matter."""
    names = ("backtrader", "numpy", "pandas")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}"


def _surroundings() -> dict[str, str]:
    """Return the environment of a side: with compiled modules kept, as an installation has them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _told(side: Side) -> str:
    return side.error or f"{side.samples[-1]['cpu']:8.3f} s"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("robo_trader") / "benchmarks"
