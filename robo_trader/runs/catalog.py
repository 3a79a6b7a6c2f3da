"""Find runs: every folder below a parent, good or not, and one run by the beginning of its id.

Failure contract: a foreign or damaged folder is a row with its problem, never an exception; a
parent that does not exist, and an id that fits no run or several, raise `RunError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from robo_trader.errors import RunError, did_you_mean
from robo_trader.runs.info import is_run_id
from robo_trader.runs.stored import StoredRun, load_run

#: The metrics shown in a list of runs.
LISTED = ("total_return", "cagr", "sharpe", "max_drawdown", "trades_closed")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One folder: a run with its main numbers, or something else with `problem` saying what.

    `mode` is ``backtest`` or ``rehearsal``.
    """

    id: str
    path: Path
    state: str = ""
    strategy: str = ""
    started: datetime | None = None
    first: str | None = None
    last: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    problem: str = ""
    mode: str = "backtest"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            "id": self.id,
            "path": str(self.path),
            "state": self.state,
            "strategy": self.strategy,
            "started": None if self.started is None else self.started.isoformat().replace("+00:00", "Z"),
            "first": self.first,
            "last": self.last,
            "metrics": dict(self.metrics),
            "problem": self.problem,
            "mode": self.mode,
        }


def list_runs(parent: str | Path = "runs") -> list[RunRow]:
    """Return a row per folder below `parent`, runs by the time they were started, oldest first."""
    parent = Path(parent)
    try:
        folders = sorted(p for p in parent.iterdir() if p.is_dir())
    except OSError as error:
        raise RunError(
            f"{parent}: cannot be read: {error.strerror}",
            hint="make a first run with 'robo backtest'; 'robo status' shows what trades live",
        ) from error
    rows = [_row(folder) for folder in folders if not folder.name.startswith(".") or _is_leftover(folder)]
    # Not by id alone: a folder may have been renamed. What has no start comes first.
    return sorted(rows, key=lambda row: (row.started is not None, row.started or row.id, row.id))


def _is_leftover(folder: Path) -> bool:
    name = folder.name
    return name.endswith(".partial") and is_run_id(name.removeprefix(".").removesuffix(".partial"))


def _row(folder: Path) -> RunRow:
    if _is_leftover(folder):
        return RunRow(
            folder.name, folder, problem="left by a process that was killed while writing; delete it"
        )
    try:
        run = load_run(folder)
    except RunError as error:
        return RunRow(folder.name, folder, problem=error.message)
    period = run.document.get("period")
    period = period if isinstance(period, dict) else {}
    return RunRow(
        id=run.id,
        path=folder,
        state=run.state,
        strategy=run.strategy,
        started=run.started,
        first=period.get("first"),
        last=period.get("last"),
        metrics={name: run.metrics[name] for name in LISTED if name in run.metrics},
        mode="rehearsal" if run.document.get("mode") else "backtest",
    )


def find_run(parent: str | Path = "runs", ref: str = "last") -> StoredRun:
    """Return the run that `ref` means: ``last``, the beginning of an id, the beginning of its six
    digits at the end, or a run's folder. Raises `RunError` when there is none or more than one."""
    direct = Path(ref)
    if ref != "last" and (direct / "run.json").is_file():
        return load_run(direct)
    rows = [row for row in list_runs(parent) if not row.problem or row.id == ref]
    if not rows:
        raise RunError(f"{parent}: there are no runs", hint="make a first one with 'robo backtest'")
    if ref == "last":
        return load_run(rows[-1].path)
    fits = [row for row in rows if row.id == ref] or [
        row for row in rows if row.id.startswith(ref) or row.id.rpartition("-")[2].startswith(ref)
    ]
    if not fits:
        known = [row.id for row in rows]
        hint = did_you_mean(ref, known) or f"the last one is {known[-1]!r}; see 'robo runs list'"
        raise RunError(f"{parent}: no run begins with {ref!r}", hint=hint)
    if len(fits) > 1:
        names = ", ".join(row.id for row in fits[:5])
        raise RunError(f"{parent}: {len(fits)} runs fit {ref!r}: {names}", hint="give more of the id")
    return load_run(fits[0].path)
