"""Round trips: by hand, against the cash that the fills moved, and against Backtrader's own book."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.analytics import Trade, build_trades
from robo_trader.analytics.trade_stats import measure_trades
from robo_trader.analytics.trades import times_ns
from robo_trader.errors import UsageError
from robo_trader.records import Fill, Side

T0 = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


def fill(
    side: str,
    size: float,
    price: float,
    *,
    at: int = 0,
    symbol: str = "A",
    fee: float = 0.0,
    because: str = "",
) -> Fill:
    return Fill(
        time=T0 + timedelta(days=at),
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        size=size,
        price=price,
        commission=fee,
        order_id=1,
        because=because,
    )


def test_one_round_trip() -> None:
    fills = [fill("BUY", 10, 100, fee=1, because="cross up"), fill("SELL", 10, 110, at=3, fee=1.1)]
    (trade,) = build_trades(fills)
    assert trade == Trade(
        trade_id=1,
        symbol="A",
        side="BUY",
        size=10.0,
        entry_time=T0,
        entry_price=100.0,
        exit_time=T0 + timedelta(days=3),
        exit_price=110.0,
        pnl=100.0,
        commission=2.1,
        pnl_net=97.9,
        bars=None,
        because="cross up",
    )


def test_scaling_in_and_out_is_one_trade_at_average_prices() -> None:
    fills = [
        fill("SELL", 10, 100, because="first"),
        fill("SELL", 30, 104, at=1, because="second"),
        fill("BUY", 15, 98, at=2),
        fill("SELL", 5, 99, at=3),
        fill("BUY", 30, 90, at=4),
    ]
    (trade,) = build_trades(fills, {"A": 50.0})
    assert (trade.side, trade.size, trade.because) == ("SELL", 45.0, "first")
    assert trade.entry_price == pytest.approx((1000 + 3120 + 495) / 45)
    assert trade.exit_price == pytest.approx((15 * 98 + 30 * 90) / 45)
    assert trade.pnl == pytest.approx(50 * (4615 - 4170))


def test_reversal_ends_one_trade_and_opens_the_next() -> None:
    fills = [
        fill("BUY", 10, 100, fee=1),
        fill("SELL", 25, 110, at=1, fee=5, because="flip"),
        fill("BUY", 15, 100, at=2),
    ]
    long, short = build_trades(fills)
    assert (long.side, long.size, long.pnl, long.commission) == ("BUY", 10.0, 100.0, 1 + 5 * 10 / 25)
    assert (short.side, short.size, short.pnl, short.commission) == ("SELL", 15.0, 150.0, 5 * 15 / 25)
    assert long.exit_time == short.entry_time == T0 + timedelta(days=1)
    assert short.because == "flip"
    assert [long.trade_id, short.trade_id] == [1, 2]


def test_open_trade_is_valued_at_the_last_price() -> None:
    fills = [fill("BUY", 10, 100, fee=1), fill("SELL", 4, 120, at=1)]
    (trade,) = build_trades(fills, last_prices={"A": 130.0})
    assert trade.is_open and trade.exit_time is None and trade.exit_price is None
    assert trade.pnl == 4 * 20 + 6 * 30 and trade.pnl_net == 259.0
    (unknown,) = build_trades(fills)
    assert unknown.pnl is None and unknown.pnl_net is None
    (nowhere,) = build_trades(fills, last_prices={"A": float("nan")})
    assert nowhere.pnl is None


def test_trades_of_several_symbols_are_numbered_by_entry() -> None:
    fills = [fill("BUY", 1, 10, symbol="B"), fill("BUY", 1, 10, at=1), fill("SELL", 1, 11, at=2)]
    fills += [fill("SELL", 1, 12, at=3, symbol="B")]
    assert [(t.trade_id, t.symbol) for t in build_trades(fills)] == [(1, "B"), (2, "A")]


def test_sums_of_decimal_fractions_end_flat() -> None:
    fills = [fill("BUY", 0.1, 100)] * 3 + [fill("SELL", 0.3, 110, at=1)]
    (trade,) = build_trades(fills)
    assert not trade.is_open and trade.pnl == pytest.approx(3.0)
    fills = [fill("SELL", 0.3, 100), fill("BUY", 0.1, 90), fill("BUY", 0.2, 90)]
    assert [t.is_open for t in build_trades(fills)] == [False]


def test_dust_of_a_real_size_is_a_position() -> None:
    assert [t.is_open for t in build_trades([fill("BUY", 1.0, 100), fill("SELL", 1 - 1e-8, 110)])] == [True]


def test_bars_held() -> None:
    opens = times_ns(T0 + timedelta(days=i) for i in range(6))
    ends = opens + 6 * 3_600_000_000_000
    fills = [fill("BUY", 1, 100, at=1), fill("SELL", 1, 100, at=4), fill("BUY", 1, 100, at=5)]
    closed, open_ = build_trades(fills, bar_ends={"A": ends})
    assert closed.bars == 3  # the closes of days 1, 2 and 3
    assert open_.bars == 1
    (stopped,) = build_trades(
        [fills[0], Fill(**{**_fields(fills[1]), "time": T0 + timedelta(days=1, hours=6)})],
        bar_ends={"A": ends},
    )
    assert stopped.bars == 1  # stopped out within its own bar
    assert [t.bars for t in build_trades(fills, bar_ends={"B": ends})] == [None, None]


def _fields(record: Fill) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Fill.__dataclass_fields__}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 0.0}, "above 0, not 0.0"),
        ({"size": -1.0}, "above 0"),
        ({"size": float("nan")}, "above 0"),
        ({"price": float("nan")}, "price nan"),
        ({"side": "buy"}, "BUY or SELL, not 'buy'"),
    ],
)
def test_impossible_fills_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_trades([Fill(**{**_fields(fill("BUY", 1, 1)), **change})])


some_fills = st.lists(
    st.builds(
        lambda symbol, side, size, price, fee: fill(side, size, price, symbol=symbol, fee=fee),
        st.sampled_from(["A", "B"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 50).map(float) | st.integers(1, 500).map(lambda n: n / 100) | st.floats(1e-3, 1e3),
        st.floats(0.01, 1e4),
        st.floats(0, 10),
    ),
    max_size=60,
)


@given(fills=some_fills, last=st.floats(0.01, 1e4))
def test_trades_reconcile_with_the_cash_that_fills_moved(fills: list[Fill], last: float) -> None:
    multipliers = {"A": 1.0, "B": 50.0}
    trades = build_trades(fills, multipliers, last_prices={"A": last, "B": last})
    signed = [(f, f.size if f.side == "BUY" else -f.size) for f in fills]
    cash = -sum(size * f.price * multipliers[f.symbol] for f, size in signed)
    held = {s: sum(size for f, size in signed if f.symbol == s) for s in multipliers}
    worth = sum(size * last * multipliers[s] for s, size in held.items())
    scale = 1.0 + sum(f.size * max(f.price, last) * multipliers[f.symbol] for f in fills)
    pnl = [t.pnl for t in trades if t.pnl is not None]
    assert len(pnl) == len(trades)
    assert abs(sum(pnl) - (cash + worth)) <= 1e-9 * scale
    paid = sum(f.commission for f in fills)
    assert abs(sum(t.commission for t in trades) - paid) <= 1e-9 * (1 + paid)
    for symbol in multipliers:
        mine = [t for t in trades if t.symbol == symbol]
        assert sum(t.is_open for t in mine) == (abs(held[symbol]) > 1e-9)
        # One position at a time: a trade begins no earlier than the one before it ended.
        assert all(not t.is_open for t in mine[:-1])
    for t in trades:
        assert t.pnl_net == pytest.approx(t.pnl - t.commission) and t.size > 0  # type: ignore[operator]


@given(fills=some_fills)
def test_closed_trades_profit_is_size_times_price_difference(fills: list[Fill]) -> None:
    for t in build_trades(fills):
        if t.is_open or t.exit_price is None:
            continue
        direction = 1 if t.side == "BUY" else -1
        expected = direction * (t.exit_price - t.entry_price) * t.size
        scale = t.size * max(t.exit_price, t.entry_price)
        assert t.pnl == pytest.approx(expected, abs=1e-9 * scale)


# -- against Backtrader's TradeAnalyzer -----------------------------------------------------------


class RandomOrders(bt.Strategy):
    """Market orders of random side and size; keeps what was filled, with the bar's open time."""

    params = (("seed", 0),)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(self.p.seed)
        self.seen: list[Fill] = []

    def next(self) -> None:
        for data in self.datas:
            if self.rng.random() < 0.4:
                size = float(self.rng.integers(1, 30))
                (self.buy if self.rng.random() < 0.5 else self.sell)(data=data, size=size)
            elif self.rng.random() < 0.1:
                self.close(data=data)

    def notify_order(self, order: Any) -> None:
        if order.status != order.Completed:
            return
        done = order.executed
        side: Side = "BUY" if done.size > 0 else "SELL"
        self.seen.append(
            Fill(
                time=bt.num2date(done.dt).replace(tzinfo=UTC),
                symbol=order.data._name,
                side=side,
                size=abs(done.size),
                price=done.price,
                commission=done.comm,
                order_id=order.ref,
            )
        )


def _random_run(seed: int, multiplier: float) -> tuple[Any, list[Fill], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    cerebro = bt.Cerebro(stdstats=False)
    ends = {}
    for name in ("A", "B"):
        days = pd.bdate_range("2020-01-01", periods=150)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 150)))
        open_ = close * np.exp(rng.normal(0, 0.005, 150))
        top, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
        frame = pd.DataFrame(dict(open=open_, high=top, low=low, close=close, volume=1.0), index=days)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame), name=name)
        # Backtrader stamps fills with their bar's date: its start here, and its end a second later.
        ends[name] = days.to_numpy().astype("datetime64[ns]").astype(np.int64) + 1_000_000_000
    cerebro.broker.setcash(1e9)
    cerebro.broker.setcommission(0.001, mult=multiplier, name="A")
    cerebro.broker.setcommission(0.002, name="B")
    cerebro.addstrategy(RandomOrders, seed=seed)
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    (strategy,) = cerebro.run()
    return strategy.analyzers.trades.get_analysis(), strategy.seen, ends


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_backtraders_trade_analyzer(seed: int) -> None:
    theirs, fills, ends = _random_run(seed, multiplier=1.0)
    trades = build_trades(fills, bar_ends=ends)
    closed = [t for t in trades if not t.is_open]
    assert len(fills) > 80 and len(closed) > 10
    assert (theirs.total.closed, theirs.total.open) == (len(closed), len(trades) - len(closed))
    assert sum(t.pnl for t in closed if t.pnl is not None) == pytest.approx(theirs.pnl.gross.total, rel=1e-9)
    net = [t.pnl_net for t in closed if t.pnl_net is not None]
    assert sum(net) == pytest.approx(theirs.pnl.net.total, rel=1e-9)
    got = {m.name: m for m in measure_trades(trades)}
    assert got["win_rate"].extra["won"] == theirs.won.total
    assert got["win_rate"].value == pytest.approx(theirs.won.total / theirs.total.closed)
    assert got["avg_win"].value == pytest.approx(theirs.won.pnl.average, rel=1e-9)
    assert got["avg_loss"].value == pytest.approx(theirs.lost.pnl.average, rel=1e-9)
    assert got["largest_win"].value == pytest.approx(theirs.won.pnl.max, rel=1e-9)
    assert got["largest_loss"].value == pytest.approx(theirs.lost.pnl.max, rel=1e-9)
    assert got["trades_closed"].extra == {"long": theirs.long.total, "short": theirs.short.total}
    assert got["avg_bars"].value == pytest.approx(theirs.len.average)


def test_multiplier_as_in_backtrader() -> None:
    theirs, fills, _ = _random_run(9, multiplier=20.0)
    # Backtrader multiplies a percentage commission too, and reports it with the fill.
    closed = [t for t in build_trades(fills, {"A": 20.0}) if not t.is_open]
    assert sum(t.pnl_net for t in closed if t.pnl_net is not None) == pytest.approx(
        theirs.pnl.net.total, rel=1e-9
    )
