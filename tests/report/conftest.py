"""Synthetic runs for the report: honest books over random walks, as long and as odd as a test asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_trader import clock
from robo_trader.bars.frame import BarFrame, Origin
from robo_trader.engine.record import RunRecord, Sessions
from robo_trader.instruments import Instrument
from robo_trader.records import Event, Fill
from robo_trader.runs import Baseline, Benchmark, Result, RunInfo

NS = 1_000_000_000
FIVE = ("SPY", "QQQ", "IWM", "EEM", "BAC")


def business_days(n: int, first: str = "2011-01-03") -> np.ndarray:
    return np.busday_offset(np.datetime64(first), np.arange(n), roll="forward")


def frames(symbols: Sequence[str], dates: np.ndarray, seed: int = 1) -> list[BarFrame]:
    """Daily bars that open 14:30Z and close 21:00Z; prices are a random walk."""
    rng = np.random.default_rng(seed)
    days = dates.astype("datetime64[ns]").astype(np.int64)
    out = []
    for i, symbol in enumerate(symbols):
        close = 50.0 * (i + 1) * np.exp(np.cumsum(rng.normal(0.0004, 0.011, len(dates))))
        open_ = close * np.exp(rng.normal(0, 0.004, len(dates)))
        high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.004, len(dates))))
        low = np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.004, len(dates))))
        out.append(
            BarFrame(
                symbol=symbol,
                timeframe="1d",
                start=days + 52_200 * NS,
                end=days + 75_600 * NS,
                session=dates,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=np.full(len(dates), 1e6),
                instrument=Instrument(symbol),
                origin=Origin(f"bars/{symbol}.csv", "ab" * 32, len(dates), "date", "America/New_York"),
            )
        )
    return out


def trade_plan(
    n_sessions: int, symbols: Sequence[str], n_fills: int, seed: int = 2
) -> list[tuple[int, str, float]]:
    """Entries and exits by turns and by symbol: (session, symbol, signed share of the account)."""
    rng = np.random.default_rng(seed)
    plan: list[tuple[int, str, float]] = []
    per_symbol = max(1, n_fills // max(1, len(symbols)))
    for symbol in symbols:
        if n_sessions < 2 or not n_fills:
            break
        at = np.sort(
            rng.choice(np.arange(1, n_sessions), size=min(per_symbol, n_sessions - 1), replace=False)
        )
        for k, session in enumerate(at):
            side = 1.0 if rng.random() > 0.25 else -1.0
            plan.append((int(session), symbol, side * 0.15 if k % 2 == 0 else 0.0))
    return sorted(plan, key=lambda row: row[0])


def simulate(
    bars: Sequence[BarFrame],
    plan: Sequence[tuple[int, str, float]],
    *,
    cash: float = 100_000.0,
    because: Callable[[str, int], str] = lambda s, i: f"{s}: fast mean crossed the slow one (step {i})",
) -> RunRecord:
    """Fill the plan at the opens and mark the book at the closes."""
    dates = bars[0].session
    by_symbol = {b.symbol: b for b in bars}
    sizes = {s: np.zeros(len(dates)) for s in by_symbol}
    held = dict.fromkeys(by_symbol, 0.0)
    fills: list[Fill] = []
    value, cash_at, money, book = np.zeros(len(dates)), np.zeros(len(dates)), cash, cash
    todo = list(plan)
    for t in range(len(dates)):
        while todo and todo[0][0] == t:
            _, symbol, share = todo.pop(0)
            price = float(by_symbol[symbol].open[t])
            change = float(np.trunc(share * book / price)) - held[symbol]
            if not change:
                continue
            fee = 0.0005 * abs(change) * price
            fills.append(
                Fill(
                    time=clock.from_ns(int(by_symbol[symbol].start[t])),
                    symbol=symbol,
                    side="BUY" if change > 0 else "SELL",
                    size=abs(change),
                    price=price,
                    commission=fee,
                    order_id=len(fills) + 1,
                    because=because(symbol, len(fills)),
                )
            )
            held[symbol] += change
            money -= change * price + fee
        for symbol in by_symbol:
            sizes[symbol][t] = held[symbol]
            book = money + sum(held[s] * float(by_symbol[s].close[t]) for s in by_symbol)
        value[t], cash_at[t] = book, money
    sessions = Sessions(
        date=dates,
        time=bars[0].end,
        value=value,
        cash=cash_at,
        fund=100.0 * value / cash,
        sizes=sizes,
        prices={s: np.array(b.close) for s, b in by_symbol.items()},
        multipliers=dict.fromkeys(by_symbol, 1.0),
    )
    return RunRecord(
        starting_cash=cash,
        sessions=sessions,
        orders=[],
        fills=fills,
        decisions=[],
        signals=[],
        events_delivered=[],
        bars_processed=len(dates) * len(bars),
    )


def hold(bars: Sequence[BarFrame], cash: float) -> Result:
    """Buy equal parts on the second session and keep them."""
    share = 0.99 / len(bars)
    record = simulate(bars, [(1, b.symbol, share) for b in bars] if len(bars[0]) > 1 else [], cash=cash)
    return Result(record, RunInfo(strategy="buy_and_hold"), bars=bars)


def information(record: RunRecord, bars: Sequence[BarFrame], **changes: Any) -> RunInfo:
    """The circumstances of a run: benchmark, two baselines, data, warnings and a twin."""
    dates = record.sessions.date
    close = np.array(bars[0].close)
    fields: dict[str, Any] = {
        "strategy": "sma_cross",
        "command": "robo backtest sma_cross --symbols SPY,QQQ,IWM,EEM,BAC --cash 100000 --seed 7",
        "config": {"run": {"cash": record.starting_cash, "slippage": 0.0}, "risk": {"profile": "off"}},
        "params": {"fast": 20, "slow": 50},
        "seed": 7,
        "versions": {"robo_trader": "0.1.0", "python": "3.11.7", "backtrader": "1.9.78.123"},
        "data": [
            {
                "source": b.origin.source,
                "sha256": b.origin.sha256,
                "rows": b.origin.rows,
                "symbol": b.symbol,
                "timeframe": "1d",
                "stamps": b.origin.stamps,
                "tz": b.origin.tz,
            }
            for b in bars
        ],
        "warnings": ["commission and slippage are 0: real trading costs money"],
        "timings": {"engine": 1.25},
        "started": datetime(2026, 11, 20, 8, 0, tzinfo=UTC),
        "twin": {"state": "not applicable", "why": "the run had no events"},
    }
    if len(dates) > 1:
        fields["benchmark"] = Benchmark("SPY", dates[1:], close[1:] / close[:-1] - 1)
        fields["baselines"] = {
            "buy_and_hold": hold(bars, record.starting_cash).as_baseline("equal parts of every symbol"),
            "random_entry": Baseline(dates[:0], close[:0], note="nothing here can be traded"),
        }
    fields.update(changes)
    return RunInfo(**fields)


def make_result(
    n: int = 60,
    symbols: Sequence[str] = ("SPY", "QQQ"),
    n_fills: int = 12,
    *,
    because: Callable[[str, int], str] | None = None,
    **changes: Any,
) -> Result:
    """A run of `n` sessions; `changes` replace fields of its information."""
    bars = frames(symbols, business_days(n))
    plan = trade_plan(n, symbols, n_fills)
    record = simulate(bars, plan, because=because) if because else simulate(bars, plan)
    return Result(record, information(record, bars, **changes), bars=bars)


@pytest.fixture(scope="session")
def make() -> Callable[..., Result]:
    """Return `make_result`."""
    return make_result


@pytest.fixture(scope="session")
def ten_years() -> Result:
    """Ten years of daily bars of five symbols with sixty fills, two events and a hindsight twin."""
    result = make_result(2520, FIVE, 60)
    record = result.record
    dates = [str(d) for d in record.sessions.date]
    own = {k: result.metrics[k] for k in ("total_return", "cagr", "sharpe", "max_drawdown", "final_value")}
    result.info.twin = {
        "state": "compared",
        "metrics": {**own, "total_return": 0.5, "final_value": 150_000.0},
        "own": own,
        "fills": 64,
        "own_fills": 60,
        "dates": dates,
        "value": [float(v) for v in np.linspace(100_000, 150_000, len(dates))],
    }
    published = datetime(2018, 12, 19, 19, 0, tzinfo=UTC)
    record.events_delivered.extend(
        Event(
            kind="fomc", title=title, published_at=published, known_at=published, source="fed", symbols=("*",)
        )
        for title in ("Target range raised to 2.25–2.50 %", "Statement <b>released</b>")
    )
    return result


@pytest.fixture(scope="session")
def ten_year_report(ten_years: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `ten_years`."""
    from robo_trader.report import write_report

    return write_report(ten_years, tmp_path_factory.mktemp("report") / "report.html")
