"""Who read the run's events, and its figures before and after a model can have known the outcome.

Everything comes from the run's own record; a run whose events nobody read has neither table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robo_trader.report.parts import Cell, TableView
from robo_trader.report.source import Reportable
from robo_trader.report.summary import COMPARED, text_of

#: What an analyst's row in `run.json` says in columns of its own.
_OWN = {"name", "plugin", "version", "latency", "clean_from", "views", "abstained", "failed"}


def readers_table(extra: Mapping[str, Any]) -> TableView | None:
    """Return one row for each analyst that read; None where none did."""
    rows: Sequence[Mapping[str, Any]] = extra.get("analysts") or ()
    if not rows:
        return None
    cells = [
        [
            Cell(f"analyst={row['name']}"),
            Cell(f"{row['plugin']} {row['version']}"),
            Cell(f"{row['views']:,}"),
            Cell(f"{row['abstained']:,}"),
            Cell(f"{row['failed']:,}"),
            Cell(f"{row['latency']:g} s"),
        ]
        for row in rows
    ]
    head = ["Analyst", "Plugin", "Views", "Abstained", "Failed", "Latency"]
    said = [f"{row['name']}: {described(row)}." for row in rows if described(row)]
    bounds = "One source moves a signal by at most 0.30, two independent ones by 0.60, three or more by 1.0."
    return TableView("Analysts", head, cells, " ".join([*said, bounds]), words=frozenset({0, 1}))


def described(row: Mapping[str, Any]) -> str:
    """Return what an analyst said of itself: its measured score, or its model, mode and prompts."""
    said = []
    for key, value in row.items():
        if key in _OWN or not value:
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {what}" for name, what in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        said.append(f"{key} {value}")
    if row.get("clean_from"):
        said.append(clean_words(str(row["clean_from"])))
    return "; ".join(said)


def clean_words(clean_from: str) -> str:
    """Return from when on an analyst knows no outcome (an ISO date), in words."""
    if clean_from.startswith("9999"):
        return "the end of its knowledge is not known"
    return f"clean from {clean_from[:10]} on"


def split_table(result: Reportable) -> TableView | None:
    """Return the figures after, before and over all; None where no model read the events."""
    split, since = result.split, result.info.clean_from
    if not split or since is None:
        return None
    parts = [result.measures, split["before"], split["whole"]]
    n = [part["total_return"].n for part in parts]
    rows = []
    for name, label in COMPARED:
        found = [part.get(name) for part in parts]
        if found[0] is not None:
            cells = [Cell(text_of(m), title=m.reason if m is not None else "") for m in found]
            rows.append([Cell(label), *cells])
    names = (clean_words(since.isoformat()).capitalize(), "Before, in sample", "All")
    head = ["", *(f"{name} ({count:,} sessions)" for name, count in zip(names, n, strict=True))]
    note = (
        "A model may have known the outcome of what it read before its knowledge ended: only the first "
        "column tells what it is worth, and it is the one that stands at the top of this page."
    )
    return TableView("Before and after the model's knowledge ends", head, rows, note)
