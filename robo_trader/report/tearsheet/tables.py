"""The tables of the tear sheet: pyfolio's own figures and the positions of every symbol."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.report.parts import DASH, Cell, TableView, number, percent, row, toned
from robo_trader.report.source import Book
from robo_trader.report.tearsheet.frames import Frames
from robo_trader.report.tearsheet.panels import Need, fills, moves, sessions, solvent, trips

if TYPE_CHECKING:
    import pandas as pd

_PERCENT = ("return", "returns", "volatility", "drawdown", "value at risk", "alpha")
_DAYS = 86_400.0

Make = Callable[[Any, Frames, Book], TableView]


def perf_stats(pf: Any, f: Frames, book: Book) -> TableView:
    """pyfolio's performance statistics; against the benchmark on the dates that both have."""
    versus = f.benchmark is not None
    returns = f.returns if f.returns_vs is None else f.returns_vs
    stats = pf.timeseries.perf_stats(
        returns,
        factor_returns=f.benchmark,
        positions=f.positions if not solvent(f) else None,
        transactions=f.transactions if not fills(f) else None,
        turnover_denom="portfolio_value",
    )
    rows = []
    for name, value in stats.items():
        share = str(name).lower().endswith(_PERCENT)
        digits = 4 if "turnover" in str(name) else 2
        rows.append([Cell(str(name)), Cell(percent(float(value)) if share else number(float(value), digits))])
    note = "pyfolio counts 252 sessions a year."
    if f.factor != 252.0:
        note += f" This run's sessions make {f.factor:g}: trust the metrics further down."
    if versus:
        note += f" From the {len(returns):,} sessions that {book.benchmark_name} has as well."
    return TableView("Performance statistics", ["Statistic", "Value"], rows, note)


def worst_drawdowns(pf: Any, f: Frames, book: Book) -> TableView:
    """The ten deepest drawdowns with their dates; a duration counts weekdays."""
    table = pf.timeseries.gen_drawdown_table(f.returns, top=10)
    table = table.dropna(subset=["Net drawdown in %"])
    table = table[table["Net drawdown in %"].astype(float) > 0]
    table = table.sort_values("Net drawdown in %", ascending=False)
    rows = [
        [
            Cell(str(i + 1)),
            Cell(percent(-float(r["Net drawdown in %"]) / 100)),
            *row(*(_date(r[c]) for c in ("Peak date", "Valley date", "Recovery date"))),
            Cell(number(float(r["Duration"]), 0)),
        ]
        for i, (_, r) in enumerate(table.iterrows())
    ]
    head = ["", "Drawdown", "Peak", "Valley", "Recovery", "Weekdays"]
    note = "A dash: not recovered by the end." if rows else "The account was never under water."
    return TableView("Worst drawdown periods", head, rows, note)


def monthly(pf: Any, f: Frames, book: Book) -> TableView:
    """Each year's months and the whole year, in percent."""
    months = pf.timeseries.aggregate_returns(f.returns, "monthly")
    years = pf.timeseries.aggregate_returns(f.returns, "yearly")
    rows = []
    for year, whole in years.items():
        cells = [Cell(str(year))]
        for month in range(1, 13):
            value = float(months.get((year, month), math.nan))
            cells.append(toned(number(value * 100), value))
        rows.append([*cells, toned(number(float(whole) * 100), float(whole))])
    head = ["", *["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], "Year"]
    return TableView("Monthly returns in percent", head, rows, wide=True)


def positions(pf: Any, f: Frames, book: Book) -> TableView:
    """Every symbol of the run: how large, how long, with what result."""
    total = f.positions.sum(axis="columns").to_numpy()
    total = np.where(total > 0, total, np.nan)
    profit = dict.fromkeys(book.symbols, 0.0)
    count = dict.fromkeys(book.symbols, 0)
    for trade in book.trades:
        profit[trade.symbol] = profit.get(trade.symbol, 0.0) + (trade.pnl_net or 0.0)
        count[trade.symbol] = count.get(trade.symbol, 0) + 1
    rows = []
    for symbol in profit:
        value = book.values.get(symbol, np.zeros(len(book.dates)))
        share = np.divide(value, total, out=np.full(len(value), np.nan), where=np.isfinite(total))
        known = share[np.isfinite(share)]
        held = int((value != 0).sum())
        rows.append(
            [
                Cell(symbol),
                Cell(percent(float(known.max(initial=0.0)))),
                Cell(percent(float(known.min(initial=0.0)))),
                Cell(percent(float(np.abs(known).mean())) if len(known) else DASH),
                Cell(number(held, 0)),
                Cell(number(count[symbol], 0)),
                toned(number(profit[symbol]), profit[symbol]),
            ]
        )
    head = ["Symbol", "Largest long", "Largest short", "Mean size", "Sessions held", "Trades", "Net profit"]
    note = "Shares of the account at session closes; the mean is of the absolute size over all sessions."
    return TableView("Positions, every symbol", head, rows, note, tall=True, wide=True)


def trip_stats(name: str, title: str, kind: str) -> Make:
    """One of pyfolio's round trip tables, from the trades as recorded."""

    def make(pf: Any, f: Frames, book: Book) -> TableView:
        table = pf.round_trips.gen_round_trip_stats(f.trips.dropna(subset=["pnl"]))[name]
        rows = [
            [Cell(str(label).replace("_", " ")), *(Cell(_shown(value, kind, str(label))) for value in values)]
            for label, values in zip(table.index, table.to_numpy(), strict=True)
        ]
        return TableView(title, ["", *(str(c) for c in table.columns)], rows, tall=len(rows) > 14)

    return make


def attribution(pf: Any, f: Frames, book: Book) -> TableView:
    """The share of each symbol in the closed trades' profit, in money: shares of a sum near 0 mislead."""
    by = f.trips.groupby("symbol")["pnl"].agg(["sum", "count"]).sort_values("sum", ascending=False)
    rows = [
        [Cell(str(symbol)), Cell(number(int(r["count"]), 0)), toned(number(r["sum"]), float(r["sum"]))]
        for symbol, r in by.iterrows()
    ]
    return TableView("Profit by symbol", ["Symbol", "Closed trades", "Net profit"], rows, tall=True)


def stress(pf: Any, f: Frames, book: Book) -> TableView:
    """Returns over the known market events that pyfolio lists, for those that the run lived through."""
    spells = pf.timeseries.extract_interesting_date_ranges(f.returns)
    beside = {} if f.benchmark is None else pf.timeseries.extract_interesting_date_ranges(f.benchmark)
    rows = []
    for name, spell in spells.items():
        total, other = _compounded(spell), _compounded(beside.get(name))
        rows.append(
            [
                Cell(str(name)),
                *row(_date(spell.index[0]), _date(spell.index[-1])),
                toned(percent(total), total),
                toned(percent(other), other),
                Cell(percent(float(spell.min()))),
            ]
        )
    head = ["Event", "From", "To", "Strategy", book.benchmark_name or "Benchmark", "Worst day"]
    note = "" if rows else "The run saw none of the market events that pyfolio lists."
    return TableView("Stress events", head, rows, note, wide=True)


TABLES: tuple[tuple[str, str, Make, tuple[Need, ...]], ...] = (
    ("Returns", "Performance statistics", perf_stats, (sessions(2), moves)),
    ("Returns", "Worst drawdown periods", worst_drawdowns, (sessions(2), moves)),
    ("Returns", "Monthly returns in percent", monthly, (sessions(1),)),
    ("Returns", "Stress events", stress, (sessions(1), moves)),
    ("Positions", "Positions, every symbol", positions, (sessions(1),)),
    ("Round trips", "Summary", trip_stats("summary", "Summary", "summary"), (trips(1),)),
    ("Round trips", "Profit and loss", trip_stats("pnl", "Profit and loss", "money"), (trips(1),)),
    ("Round trips", "Duration", trip_stats("duration", "Duration in days", "days"), (trips(1),)),
    ("Round trips", "Returns", trip_stats("returns", "Returns on the account", "percent"), (trips(1),)),
    ("Round trips", "Profit by symbol", attribution, (trips(1),)),
)  # fmt: skip


def _compounded(spell: pd.Series | None) -> float | None:
    return None if spell is None or not len(spell) else float(np.prod(1.0 + spell.to_numpy()) - 1.0)


def _date(value: Any) -> str:
    return DASH if value is None or value != value else f"{value:%Y-%m-%d}"


def _shown(value: Any, kind: str, label: str) -> str:
    if value is None or value != value:
        return DASH
    if kind == "days":
        return number(value / np.timedelta64(1, "s") / _DAYS, 1)
    if kind == "percent":
        return percent(float(value))
    if kind == "summary":
        return percent(float(value)) if label.startswith("Percent") else number(float(value), 0)
    return number(float(value))
