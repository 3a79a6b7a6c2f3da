"""A run's journal: it holds what the CSV files hold, chained from event to fill, and nothing twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.analytics import build_trades
from robo_trader.backtesting import backtest
from robo_trader.records import Decision, Event, Fill, Intent, Signal, View
from robo_trader.runs import Result, StoredRun, journalling, load_run
from robo_trader.runs.journalling import _walk

Make = Callable[..., Result]
NOON = datetime(2024, 1, 2, 17, 0, tzinfo=UTC)


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / journalling.FILE)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """The demonstration: real bars, real events, seventy orders."""
    result = backtest(out=tmp_path_factory.mktemp("runs"))
    assert result.run_dir is not None
    return load_run(result.run_dir)


def test_it_is_whole_and_its_chain_has_no_orphan(demonstration: StoredRun) -> None:
    folder = demonstration.run_dir
    assert ask(folder, "PRAGMA integrity_check") == [("ok",)]
    assert ask(folder, "PRAGMA foreign_key_check") == []
    assert ask(folder, "SELECT id, mode, strategy FROM runs") == [
        (demonstration.id, "backtest", "fomc_drift")
    ]


def test_it_holds_what_the_csv_files_hold(demonstration: StoredRun) -> None:
    folder = demonstration.run_dir
    fills = ask(
        folder,
        "SELECT f.at, f.symbol, f.side, f.size, f.price, f.commission, f.order_number, o.because"
        " FROM fills f JOIN orders o ON o.run = f.run AND o.number = f.order_number ORDER BY f.number",
    )
    assert [
        Fill(
            time=datetime.fromisoformat(at), symbol=symbol, side=side, size=float(size), price=float(price),
            commission=float(commission), order_id=order, because=because,
        )
        for at, symbol, side, size, price, commission, order, because in fills
    ] == list(demonstration.fills)  # fmt: skip
    states = ask(folder, "SELECT order_number, status, CAST(filled AS REAL), reason FROM order_states")
    assert states == [(o.order_id, o.status, o.filled, o.reason) for o in demonstration.orders]
    trades = ask(folder, "SELECT number, symbol, CAST(pnl AS REAL), bars FROM trades")
    assert trades == [(t.trade_id, t.symbol, t.pnl, t.bars) for t in demonstration.trades]
    equity = ask(folder, "SELECT session, CAST(value AS REAL) FROM daily_equity")
    assert equity == [(f"{day:%Y-%m-%d}", value) for day, value in demonstration.equity["value"].items()]


def test_an_order_made_by_a_signal_leads_back_to_its_view_and_event(demonstration: StoredRun) -> None:
    linked = ask(
        demonstration.run_dir,
        "SELECT o.because, e.title, v.at = s.at AND e.known_at < s.at AND s.at <= o.at, v.analyst"
        " FROM orders o"
        " JOIN decisions d ON d.run = o.run AND d.number = o.decision"
        " JOIN signals s ON s.run = d.run AND s.number = d.signal"
        " JOIN signal_evidence x ON x.run = s.run AND x.signal = s.number"
        " JOIN views v ON v.run = x.run AND v.number = x.view"
        " JOIN events e ON e.run = x.run AND e.number = x.event",
    )
    asked = [o for o in demonstration.orders if o.because.startswith("news ")]
    assert len(linked) == len(asked) > 10
    assert all(title in because and in_order and who == "offline" for because, title, in_order, who in linked)


def test_signals_views_and_events_are_chained(make_result: Make) -> None:
    event = Event(kind="news", title="A rises", published_at=NOON, id="e1", known_at=NOON, source="wire")
    view = View(
        symbol="AAA", score=0.5, confidence=0.8, horizon=timedelta(days=1), event_id="e1", analyst="offline"
    )
    signals = [
        Signal(at=NOON + timedelta(hours=i), symbol="AAA", name="news", value=0.42, confidence=0.8,
               evidence=("e1",))
        for i in range(2)
    ]  # fmt: skip
    intent = Intent(
        order_id=1, time=NOON + timedelta(minutes=30), symbol="AAA", side="BUY", size=1.0, type="Market",
        because="news +0.42 (confidence 0.80)",
    )  # fmt: skip
    result = make_result(decisions=[Decision(intent=intent)])
    result.record.events_delivered.append(event)
    result.record.signals[:] = signals
    result.record.views.append(view)
    rows = journalling.rows_of(result)
    assert [row[8] for row in rows["decisions"]] == [1], "the signal in force, not the later one"
    assert [row[2:] for row in rows["signal_evidence"]] == [(1, 1, 1), (2, 1, 1)]
    assert rows["views"][0][2:6] == (1, None, "offline", "AAA")


def test_money_is_exact(make_result: Make, tmp_path: Path) -> None:
    folder = make_result().save(tmp_path)
    for (price,) in ask(folder, "SELECT price FROM fills"):
        assert isinstance(price, str) and Decimal(price).is_finite()
    assert ask(folder, "SELECT typeof(value) FROM daily_equity LIMIT 1") == [("text",)]


def test_what_is_written_cannot_be_changed(make_result: Make, tmp_path: Path) -> None:
    folder = make_result().save(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        ask(folder, "UPDATE fills SET price = '1'")


_sizes = st.sampled_from([1.0, 2.0, 0.1, 0.2, 0.3, 1 / 3, 100.0])
_steps = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["BUY", "SELL"]), _sizes), max_size=40
)


@given(_steps)
def test_trades_begin_and_end_where_the_analysis_says(steps: list[tuple[str, str, float]]) -> None:
    fills = [
        Fill(time=NOON + timedelta(minutes=i), symbol=symbol, side=side, size=size, price=10.0 + i,
             commission=0.0, order_id=i)  # type: ignore[arg-type]
        for i, (symbol, side, size) in enumerate(steps)
    ]  # fmt: skip
    positions, spans = _walk(fills)
    trades = build_trades(fills)
    assert len(positions) == len(fills) and len(spans) == len(trades)
    for trade, (first, last) in zip(trades, spans, strict=True):
        assert fills[first - 1].time == trade.entry_time and fills[first - 1].symbol == trade.symbol
        if trade.exit_time is not None:
            assert fills[last - 1].time == trade.exit_time
    held = {"A": 0.0, "B": 0.0}
    for fill, position in zip(fills, positions, strict=True):
        held[fill.symbol] += fill.size if fill.side == "BUY" else -fill.size
        assert float(position) == pytest.approx(held[fill.symbol], abs=1e-9)
