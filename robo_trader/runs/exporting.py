"""Export a stored run for other tools: CSV files, one JSON file, or Parquet files.

Failure contract: what is there already is never overwritten; the export appears whole or not at
all. Parquet needs pyarrow and says so when it is missing.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robo_trader.errors import RunError, UsageError, did_you_mean
from robo_trader.runs.plain import dumps, plain
from robo_trader.runs.stored import StoredRun
from robo_trader.runs.tables import Table

FORMATS = ("csv", "json", "parquet")
_TABLES = ("orders", "fills", "trades", "signals")


def export(run: StoredRun, target: str | Path, format: str = "csv") -> Path:
    """Write `run` to `target` and return it.

    ``csv`` and ``parquet`` make a folder with one file per table (equity, orders, fills, trades,
    signals), beside them `run.json`; ``json`` makes one file with run.json's content and the tables
    under ``tables``. Raises `UsageError` for another format or a missing library, `RunError` when
    `target` exists or cannot be written.
    """
    writers: dict[str, Callable[[StoredRun, Path], None]] = {
        "csv": _csv,
        "json": _json,
        "parquet": _parquet,
    }
    return _whole(target, format, lambda partial: writers[format](run, partial))


def export_tables(
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    columns: Mapping[str, Sequence[str]],
    target: str | Path,
    format: str = "csv",
) -> Path:
    """Write `tables`, rows by table as `Reader.rows` gives them, to `target` and return it.

    ``csv`` and ``parquet`` make a folder with one file per table, ``json`` one file. Amounts are
    written exactly, as text in JSON and Parquet; lists and mappings are JSON text. Raises as `export`.
    """

    def csv_files(folder: Path) -> None:
        folder.mkdir()
        for name, rows in tables.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns[name])
                writer.writerows([_cell(row[column]) for column in columns[name]] for row in rows)

    def json_file(file: Path) -> None:
        shown = {
            name: [{key: _plain(value) for key, value in row.items()} for row in rows]
            for name, rows in tables.items()
        }
        file.write_text(dumps({"tables": shown}), encoding="utf-8")

    def parquet_files(folder: Path) -> None:
        import pandas as pd

        folder.mkdir()
        for name, rows in tables.items():
            cells = [
                {key: value if isinstance(value, datetime) else _cell(value) for key, value in row.items()}
                for row in rows
            ]
            frame = pd.DataFrame(cells, columns=list(columns[name]))
            frame.to_parquet(folder / f"{name}.parquet", index=False)

    writers = {"csv": csv_files, "json": json_file, "parquet": parquet_files}
    return _whole(target, format, lambda partial: writers[format](partial))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else plain(value)


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)
    shown = _plain(value)
    return str(shown) if isinstance(value, Decimal) else shown


def _whole(target: str | Path, format: str, write: Callable[[Path], None]) -> Path:
    """Let `write` make `target`, which appears whole or not at all."""
    if format not in FORMATS:
        hint = did_you_mean(format, FORMATS) or f"one of {', '.join(FORMATS)}"
        raise UsageError(f"no export format {format!r}", hint=hint)
    if format == "parquet" and find_spec("pyarrow") is None:
        raise UsageError(
            "the parquet format needs pyarrow, which is not installed",
            hint="pip install pyarrow, or export csv or json",
        )
    target = Path(target)
    if target.exists():
        raise RunError(f"{target}: is there already", hint="name a new file or folder")
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.rename(target)
    except OSError as error:
        raise RunError(
            f"{target}: cannot be written: {error.strerror or error}", hint="name another place"
        ) from error
    finally:
        _remove(partial)
    return target


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _csv(run: StoredRun, folder: Path) -> None:
    folder.mkdir()
    for name in ("equity", *_TABLES):
        shutil.copyfile(run.run_dir / f"{name}.csv", folder / f"{name}.csv")
    shutil.copyfile(run.run_dir / "run.json", folder / "run.json")


def _json(run: StoredRun, file: Path) -> None:
    equity = run.equity
    dates = [f"{day:%Y-%m-%d}" for day in equity.index]
    tables: dict[str, Any] = {
        "equity": [
            {"date": day, **row} for day, row in zip(dates, equity.to_dict(orient="records"), strict=True)
        ]
    }
    for name in _TABLES:
        table: Table[Any] = getattr(run, name)
        tables[name] = [plain(row) for row in table]
    for order, row in zip(tables["orders"], run.orders, strict=True):
        order["time"] = _iso(row.time)
    file.write_text(dumps({**run.document, "tables": tables}), encoding="utf-8")


def _iso(ns: int) -> str:
    from robo_trader.clock import iso

    return iso(ns)


def _parquet(run: StoredRun, folder: Path) -> None:
    folder.mkdir()
    run.equity.to_parquet(folder / "equity.parquet")
    for name in _TABLES:
        frame = getattr(run, name).to_pandas()
        if name == "signals":
            frame["evidence"] = frame["evidence"].map(list)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    shutil.copyfile(run.run_dir / "run.json", folder / "run.json")
