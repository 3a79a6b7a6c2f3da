"""Runs: the `Result` of a backtest, its directory on disk, and everything that reads it back.

`Result(record, info)` computes trades and metrics; `write_run` saves a run directory whole or not
at all; `list_runs`, `find_run`, `load_run`, `compare` and `export` read what is there. Every failure
to read or write is a `RunError` that names the path. `docs/run_directory.md` gives the formats.
"""

from robo_trader.analytics import Metric, Trade
from robo_trader.runs.catalog import RunRow, find_run, list_runs
from robo_trader.runs.comparing import Comparison, compare
from robo_trader.runs.exporting import export, export_tables
from robo_trader.runs.info import Baseline, Benchmark, RunInfo, new_run_id
from robo_trader.runs.result import Daily, Result, benchmark_of
from robo_trader.runs.stored import StoredRun, load_run
from robo_trader.runs.tables import Table
from robo_trader.runs.writing import check_writable, run_document, write_run

__all__ = [
    "Baseline",
    "Benchmark",
    "Comparison",
    "Daily",
    "Metric",
    "Result",
    "RunInfo",
    "RunRow",
    "StoredRun",
    "Table",
    "Trade",
    "benchmark_of",
    "check_writable",
    "compare",
    "export",
    "export_tables",
    "find_run",
    "list_runs",
    "load_run",
    "new_run_id",
    "run_document",
    "write_run",
]
