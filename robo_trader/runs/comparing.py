"""Put runs side by side: their metrics, what differs in how they were made, whether the files are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robo_trader.analytics import Metric
from robo_trader.errors import UsageError
from robo_trader.runs.stored import StoredRun

# What makes a run what it is; its id, times and results are bound to differ.
_CAUSES = (
    "strategy",
    "params",
    "seed",
    "fill_rules",
    "cheats",
    "starting_cash",
    "config",
    "data",
    "versions",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side; every sequence has one entry per run, in the order of `ids`.

    `metrics` maps a name to the runs' metrics (None where a run lacks it), `differences` a setting
    (``params.fast``, ``data.2.sha256``) to its values, and `same_files` a CSV's name to whether its
    bytes are the same in all runs.
    """

    ids: tuple[str, ...]
    metrics: Mapping[str, tuple[Metric | None, ...]]
    differences: Mapping[str, tuple[Any, ...]]
    same_files: Mapping[str, bool]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "ids": list(self.ids),
            "metrics": {
                name: [None if metric is None else metric.value for metric in row]
                for name, row in self.metrics.items()
            },
            "differences": {key: list(values) for key, values in self.differences.items()},
            "same_files": dict(self.same_files),
        }


def compare(runs: Sequence[StoredRun]) -> Comparison:
    """Return two or more runs side by side; raises `UsageError` for fewer."""
    if len(runs) < 2:
        raise UsageError("a comparison needs two runs or more", hint="robo runs compare ID ID")
    names = dict.fromkeys(name for run in runs for name in run.measures)
    settings = [dict(_flat({key: run.document.get(key) for key in _CAUSES})) for run in runs]
    keys = dict.fromkeys(key for found in settings for key in found)
    rows = {key: tuple(found.get(key) for found in settings) for key in keys}
    files = [run.document.get("files", {}) for run in runs]
    hashes = {name: {str(found.get(name, {}).get("sha256")) for found in files} for name in files[0]}
    return Comparison(
        ids=tuple(run.id for run in runs),
        metrics={name: tuple(run.measures.get(name) for run in runs) for name in names},
        differences={key: row for key, row in rows.items() if any(value != row[0] for value in row)},
        same_files={name: len(found) == 1 for name, found in hashes.items()},
    )


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings and lists with dotted keys."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _flat(item, f"{prefix}.{i}")
    else:
        yield prefix, value
