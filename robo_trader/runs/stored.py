"""`StoredRun`: a run read back from its folder, with the same names as a `Result`.

Failure contract: `load_run` reads `run.json` and raises `RunError` when it is missing, damaged or of
a newer format; a table is read when it is first asked for and raises `RunError` with file and line.
`verify()` compares all files with the hashes that were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader.analytics import Metric, Score, Trade, scorecard
from robo_trader.errors import RunError
from robo_trader.records import Fill, Signal
from robo_trader.runs import csvs
from robo_trader.runs.result import pick_metric
from robo_trader.runs.tables import Table
from robo_trader.runs.writing import FORMAT

if TYPE_CHECKING:
    import pandas as pd

    from robo_trader.engine.record import OrderRecord

# Bytes that are hashed in a blink.
_LARGE = 8_000_000
_STATES = ("finished", "interrupted", "failed")


class StoredRun:
    """A run directory: `run_dir` is the folder, `document` the content of `run.json`."""

    def __init__(self, run_dir: Path, document: Mapping[str, Any]) -> None:
        self.run_dir = run_dir
        self.document = document
        try:
            self.id = str(document["id"])
            self.state = str(document["state"])
            self.strategy = str(document["strategy"])
            self.started: datetime = csvs.read_moment(document["started"])
            self.measures = {name: _metric(name, got) for name, got in document["metrics"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{run_dir / 'run.json'}: is damaged: {type(error).__name__}: {error}",
                hint="run the backtest again; 'robo runs list' shows every folder's state",
            ) from error
        if self.state not in _STATES:
            raise RunError(f"{run_dir / 'run.json'}: is damaged: the state is {self.state!r}")

    @property
    def metrics(self) -> dict[str, float | None]:
        """The bare values by name."""
        return {name: metric.value for name, metric in self.measures.items()}

    def metric(self, name: str) -> Metric:
        """Return one metric; raises `UsageError` for a name that does not exist."""
        return pick_metric(self.measures, name)

    @cached_property
    def scorecard(self) -> list[Score]:
        """The plan's targets: met, missed or unknown."""
        return scorecard(self.measures)

    @cached_property
    def fills(self) -> Table[Fill]:
        """The executions, in order."""
        return Table(Fill, (Fill(**row) for row in self._rows("fills.csv", csvs.FILLS)))

    @cached_property
    def orders(self) -> Table[OrderRecord]:
        """The orders as they stood at the end, in order of submission."""
        from robo_trader.engine.record import OrderRecord

        return Table(OrderRecord, (OrderRecord(**row) for row in self._rows("orders.csv", csvs.ORDERS)))

    @cached_property
    def trades(self) -> Table[Trade]:
        """The round trips, open ones included, by entry."""
        return Table(Trade, (Trade(**row) for row in self._rows("trades.csv", csvs.TRADES)))

    @cached_property
    def signals(self) -> Table[Signal]:
        """The signals that reached the strategy."""
        return Table(Signal, (Signal(**row) for row in self._rows("signals.csv", csvs.SIGNALS)))

    @cached_property
    def equity(self) -> pd.DataFrame:
        """A DataFrame indexed by session date with the columns value, cash and return."""
        import pandas as pd

        rows = self._rows("equity.csv", csvs.EQUITY)
        try:
            index = pd.DatetimeIndex([row.pop("date") for row in rows], dtype="datetime64[s]", name="date")
        except ValueError as error:
            raise RunError(f"{self.run_dir / 'equity.csv'}: a date cannot be read: {error}") from error
        return pd.DataFrame(rows, index=index, columns=["value", "cash", "return"], dtype=float)

    @property
    def report_path(self) -> Path | None:
        """Where the report is, or None when the run was made without one."""
        path = self.run_dir / "report.html"
        return path if path.is_file() else None

    def verify(self, *, quick: bool = False) -> list[str]:
        """Return a sentence for each file that is missing or no longer what was written.

        With `quick` large files are compared by their size alone.
        """
        problems = []
        for name, written in self.document.get("files", {}).items():
            path = self.run_dir / name
            try:
                size = path.stat().st_size
                if quick and size > _LARGE and "bytes" in written:
                    if size != written["bytes"]:
                        problems.append(f"{name}: was changed after the run")
                    continue
                seen = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                problems.append(f"{name}: {error.strerror}")
                continue
            if seen != written.get("sha256"):
                problems.append(f"{name}: was changed after the run")
        return problems

    def _rows(self, name: str, columns: tuple[csvs.Column, ...]) -> list[dict[str, Any]]:
        names = [column.name for column in columns]
        return [dict(zip(names, row, strict=True)) for row in csvs.decode(columns, self.run_dir / name)]

    def __repr__(self) -> str:
        return f"<StoredRun {self.id}: {self.state}>"


def _metric(name: str, got: Mapping[str, Any]) -> Metric:
    return Metric(
        name=name,
        value=got["value"],
        unit=got["unit"],
        method=got["method"],
        sampling=got["sampling"],
        n=got["n"],
        reason=got["reason"],
        extra=got.get("extra", {}),
    )


def load_run(path: str | Path) -> StoredRun:
    """Return the run in the folder `path`; raises `RunError` when it cannot be read."""
    path = Path(path)
    file = path / "run.json"
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        what = "has no run.json, so it is no run" if path.is_dir() else "there is no such folder"
        raise RunError(f"{path}: {what}", hint="see 'robo runs list'") from error
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file}: is damaged: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise RunError(f"{file}: is no run of robo_trader", hint="see 'robo runs list'")
    if document["format"] > FORMAT:
        raise RunError(
            f"{file}: has format {document['format']}, this version reads up to {FORMAT}",
            hint="upgrade robo_trader",
        )
    return StoredRun(path, document)
