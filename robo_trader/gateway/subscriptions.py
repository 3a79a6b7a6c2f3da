"""What one client listens to. Plain data; the modules by subject fill it and read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from robo_trader.gateway.contracts import Spec
from robo_trader.gateway.market import BarSize


@dataclass(slots=True)
class Line:
    """A market-data line: its contract, generic ticks, kind of data, and what was last sent by tick type."""

    request: int
    spec: Spec
    generic: frozenset[int]
    data_type: int = 1
    sent: dict[int, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Depth:
    """A depth-of-book subscription: rows asked for, and those last sent by (side, row)."""

    request: int
    spec: Spec
    rows: int
    smart: bool
    sent: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class TickByTick:
    """A tick-by-tick subscription of a kind: Last, AllLast, BidAsk or MidPoint."""

    request: int
    spec: Spec
    kind: str
    sent: Any = None


@dataclass(slots=True)
class RealTime:
    """Five-second bars of a contract."""

    request: int
    spec: Spec
    what: str


@dataclass(slots=True)
class KeepUp:
    """A historical request that is kept up to date; `sent` is the last bar that went out."""

    request: int
    spec: Spec
    size: BarSize
    what: str
    format: int
    sent: Any = None


@dataclass(slots=True)
class Subscriptions:
    """Everything that one client listens to, by request id."""

    lines: dict[int, Line] = field(default_factory=dict)
    depth: dict[int, Depth] = field(default_factory=dict)
    ticks: dict[int, TickByTick] = field(default_factory=dict)
    real_time: dict[int, RealTime] = field(default_factory=dict)
    keep_up: dict[int, KeepUp] = field(default_factory=dict)
    account: bool = False
    positions: bool = False
    multi: dict[int, str] = field(default_factory=dict)
    summary: dict[int, frozenset[str]] = field(default_factory=dict)
    pnl: set[int] = field(default_factory=set)
    pnl_single: dict[int, int] = field(default_factory=dict)
    bulletins: bool = False
    news: dict[int, str] = field(default_factory=dict)

    def drop_data(self) -> None:
        """Forget market data; the account's own subscriptions stay."""
        for table in (self.lines, self.depth, self.ticks, self.real_time, self.keep_up, self.news):
            table.clear()

    def contracts(self) -> set[int]:
        """Return the ids of contracts whose market is watched."""
        tables = (self.lines, self.depth, self.ticks, self.real_time, self.keep_up)
        return {sub.spec.con_id for table in tables for sub in table.values()}
