"""`RunInfo`: what belongs to a run besides what happened in it. Who asked, with what, for what.

The engine's `RunRecord` says what happened; `RunInfo` says from which command, configuration and
data, beside which baselines and benchmark, and with which warnings. Both together make a `Result`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robo_trader import clock
from robo_trader.analytics.metric import Metric

if TYPE_CHECKING:
    from robo_trader.risk.halt import Halt

_ID = re.compile(r"^(?P<time>\d{8}T\d{6}Z)-(?P<strategy>[a-z0-9_-]+)-(?P<hex>[0-9a-f]{6})$")


@dataclass(frozen=True, slots=True, eq=False)
class Benchmark:
    """Close-to-close returns of something to be measured against; `dates` are session dates."""

    symbol: str
    dates: NDArray[np.datetime64]
    returns: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Another strategy on the same bars: its account value by session date, and its metrics.

    `note` says what a reader has to know of it, or why there is nothing (then all is empty).
    """

    dates: NDArray[np.datetime64]
    value: NDArray[np.float64]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    note: str = ""


@dataclass(slots=True, kw_only=True)
class RunInfo:
    """The circumstances of one run.

    `strategy` is the name in the run's id. `command` repeats the run exactly. `config` is the
    resolved configuration, secrets masked. `data` has one mapping per data file: source, sha256,
    rows, symbol, timeframe, stamps, tz. `timings` are seconds. `twin` describes the hindsight twin,
    or is ``{"state": "not applicable", "why": …}``. `always_open` says that one of the markets never
    closes (a year then has 365 sessions; None: the session dates decide). `rf` is the yearly
    risk-free rate as a fraction. `clean_from` (aware UTC) is set where a model read the run's events:
    what it read before then it may have known the outcome of, so that metrics are of the sessions
    from then on. `halts` are the changes of the halt state, in order. `extra` goes
    into `run.json` as it is. `id` and `started` (aware UTC) are set when they are not given.
    """

    strategy: str
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[Mapping[str, Any]] = ()
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    benchmark: Benchmark | None = None
    baselines: dict[str, Baseline] = field(default_factory=dict)
    twin: Mapping[str, Any] = field(default_factory=dict)
    always_open: bool | None = None
    rf: float = 0.0
    clean_from: datetime | None = None
    halts: Sequence[Halt] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=clock.now)
    id: str = ""

    def __post_init__(self) -> None:
        self.started = clock.require_utc(self.started, "a run's start")
        if not self.id:
            self.id = new_run_id(self.strategy, self.started)


def new_run_id(strategy: str, started: datetime) -> str:
    """Return ``<UTC time>-<strategy>-<6 hex>``; the six digits are random, so two runs of one
    second differ. Ids sort by time."""
    slug = re.sub(r"[^a-z0-9_]+", "-", strategy.lower()).strip("-_")[:60].strip("-_") or "strategy"
    return f"{started:%Y%m%dT%H%M%SZ}-{slug}-{secrets.token_hex(3)}"


def is_run_id(name: str) -> bool:
    """True when `name` has the form of a run's id."""
    return _ID.match(name) is not None
