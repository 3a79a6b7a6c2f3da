"""The trade table and the list of events: what happened, and why, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_trader.analytics.trades import Trade
from robo_trader.report.parts import moment, number, price, shorten, size

#: Rows of the trade table and of the list of events; all of them are in the run's own files.
MOST_TRADES, MOST_EVENTS = 500, 300
_BECAUSE = 600


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade as the table shows it; `explain` is the command that tells its story."""

    number: int
    symbol: str
    side: str
    size: str
    entered: str
    entry: str
    left: str
    exit: str
    net: str
    tone: str
    bars: str
    because: str
    explain: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event that reached the strategy."""

    known: str
    kind: str
    symbols: str
    title: str
    source: str


def explain_command(run: str, number_: int) -> str:
    """Return the command that explains a trade of the run with the id `run`; its last six digits do."""
    return f"robo explain trade {number_} --run {run[-6:]}"


def trade_rows(trades: Sequence[Trade], run: str) -> tuple[list[TradeRow], str]:
    """Return the latest trades for the table, in order, and what a reader should know of it."""
    shown = trades[-MOST_TRADES:]
    rows = []
    for t in shown:
        net = t.pnl_net
        rows.append(
            TradeRow(
                number=t.trade_id,
                symbol=t.symbol,
                side="long" if t.side == "BUY" else "short",
                size=size(t.size),
                entered=moment(t.entry_time),
                entry=price(t.entry_price),
                left=moment(t.exit_time) if t.exit_time else "still open",
                exit="" if t.exit_price is None else price(t.exit_price),
                net=number(net),
                tone="" if not net else "good" if net > 0 else "bad",
                bars=number(t.bars, 0),
                because=shorten(t.because, _BECAUSE),
                explain=explain_command(run, t.trade_id),
            )
        )
    note = ""
    if len(trades) > len(shown):
        note = f"The last {len(shown):,} of {len(trades):,} trades; all are in trades.csv."
    return rows, note


def event_rows(events: Sequence[Any]) -> tuple[list[EventRow], str]:
    """Return the latest events that reached the strategy, and a note where some are left out."""
    shown = events[-MOST_EVENTS:]
    rows = [
        EventRow(
            known=moment(e.known_at or e.published_at),
            kind=e.kind,
            symbols=", ".join(e.symbols),
            title=shorten(e.title, 240),
            source=e.source or "",
        )
        for e in shown
    ]
    note = f"The last {len(shown):,} of {len(events):,} events." if len(events) > len(shown) else ""
    return rows, note


def short_source(source: str) -> str:
    """Return a file's last two parts, which name it without telling where a machine keeps it."""
    parts = Path(source).parts
    return source if len(parts) <= 2 or "://" in source else "/".join(parts[-2:])
