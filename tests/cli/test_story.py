"""The parts of a story fit together as trades.csv says, and the words are right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.analytics import build_trades
from robo_trader.cli.parts import parts_of_trades
from robo_trader.cli.story import duration, money, price, size
from robo_trader.records import Fill

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)

sizes = st.one_of(st.integers(1, 30).map(float), st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.5]))
moves = st.lists(
    st.tuples(st.sampled_from(["SPY", "QQQ"]), st.sampled_from(["BUY", "SELL"]), sizes),
    min_size=1,
    max_size=40,
)


@given(moves)
def test_the_parts_add_up_to_the_trades_of_the_run(moved: list[tuple[str, str, float]]) -> None:
    fills = [
        Fill(
            time=START + timedelta(hours=i),
            symbol=symbol,
            side=side,  # type: ignore[arg-type]
            size=amount,
            price=100.0,
            commission=0.0,
            order_id=i + 1,
        )
        for i, (symbol, side, amount) in enumerate(moved)
    ]
    trades = build_trades(fills)
    parts = parts_of_trades(fills)
    assert sorted(parts) == [trade.trade_id for trade in trades]
    for trade in trades:
        found = parts[trade.trade_id]
        entered = sum(part.size for part in found if part.role == "entry")
        left = sum(part.size for part in found if part.role == "exit")
        assert entered == pytest.approx(trade.size)
        assert found[0].fill.time == trade.entry_time and found[0].fill.side == trade.side
        assert {part.fill.symbol for part in found} == {trade.symbol}
        if trade.exit_time is not None:
            assert left == pytest.approx(entered) and found[-1].fill.time == trade.exit_time


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (3_600, "1 h"),
        (63_000, "17 h 30 min"),
        (86_400, "1 day"),
        (183_601, "2 days 3 h"),
        (-60, "1 min before"),
    ],
)
def test_durations(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_numbers() -> None:
    assert (money(-1234.5), money(3.0, sign=True)) == ("-1,234.50", "+3.00")
    assert (price(27.0), price(1234.5678), price(0.000123)) == ("27.00", "1,234.5678", "0.000123")
    assert (size(502.0), size(0.25), size(1_000_000.0)) == ("502", "0.25", "1,000,000")
