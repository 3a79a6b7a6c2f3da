"""Commission and contract size: whole lots, fractions, and every number Backtrader's own where it can be."""

from __future__ import annotations

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import daily

from robo_trader.engine import EngineSettings, run
from robo_trader.engine.commission import commission_for
from robo_trader.instruments import Instrument

PRICES = st.floats(0.01, 1e5)
SIZES = st.floats(-1e6, 1e6)


@given(price=PRICES, size=SIZES, cash=st.floats(0, 1e9), fraction=st.floats(0, 0.1))
def test_plain_shares_are_backtraders_own(price: float, size: float, cash: float, fraction: float) -> None:
    ours = commission_for(Instrument("A"), fraction, fractional=False)
    theirs = bt.CommissionInfo(commission=fraction)
    assert ours.getsize(price, cash) == theirs.getsize(price, cash)
    assert ours.getoperationcost(size, price) == theirs.getoperationcost(size, price)
    assert ours.getvaluesize(size, price) == theirs.getvaluesize(size, price)
    assert ours.getcommission(size, price) == theirs.getcommission(size, price)
    position = bt.Position(size, price)
    assert ours.getvalue(position, price * 1.1) == theirs.getvalue(position, price * 1.1)
    assert ours.profitandloss(size, price, 2 * price) == theirs.profitandloss(size, price, 2 * price)


@given(price=PRICES, cash=st.floats(0, 1e9), lot=st.sampled_from([1.0, 100.0, 0.001]))
def test_sizes_are_whole_lots_that_the_cash_reaches_for(price: float, cash: float, lot: float) -> None:
    scheme = commission_for(Instrument("A", lot=lot, multiplier=5.0), 0.0, fractional=False)
    size = scheme.getsize(price, cash)
    assert size * price * 5 <= cash * (1 + 1e-9)
    assert (size + lot) * price * 5 > cash * (1 - 1e-9)
    assert size / lot == pytest.approx(round(size / lot), rel=1e-12, abs=1e-6)


@given(price=PRICES, cash=st.floats(1, 1e9), multiplier=st.sampled_from([1.0, 50.0]))
def test_fractions_use_all_of_the_cash(price: float, cash: float, multiplier: float) -> None:
    scheme = commission_for(Instrument("A", multiplier=multiplier), 0.0, fractional=True)
    assert scheme.getoperationcost(scheme.getsize(price, cash), price) == pytest.approx(cash, rel=1e-12)


def test_money_of_a_contract_with_a_multiplier() -> None:
    scheme = commission_for(Instrument("ES", multiplier=50.0), 0.001, fractional=False)
    assert scheme.getoperationcost(2, 100.0) == 10_000.0
    assert scheme.getvaluesize(-2, 100.0) == -10_000.0
    assert scheme.getcommission(-2, 100.0) == pytest.approx(10.0)
    assert scheme.profitandloss(2, 100.0, 101.0) == 100.0
    assert scheme.getsize(100.0, 14_999.0) == 2


@pytest.mark.parametrize("rules", ["honest", "stock"])
@pytest.mark.parametrize("how", ["setcommission", "addcommissioninfo"])
def test_a_scheme_that_the_strategy_sets_counts_as_in_backtrader(rules: str, how: str) -> None:
    class Dear(bt.Strategy):
        def start(self) -> None:
            if how == "setcommission":
                self.broker.setcommission(commission=0.01)
            else:
                self.broker.addcommissioninfo(bt.CommissionInfo(commission=0.01))

        def next(self) -> None:
            if len(self) == 1:
                self.buy(size=10)

    frame = daily("A", [[100.0, 101.0, 99.0, 100.0]] * 3)
    record = run([frame], Dear, settings=EngineSettings(fill_rules=rules, commission=0.5))
    assert [f.commission for f in record.fills] == [10.0]
    assert record.sessions.cash[-1] == 100_000 - 1000 - 10


def test_a_scheme_for_one_symbol_leaves_the_others() -> None:
    class One(bt.Strategy):
        def start(self) -> None:
            self.broker.setcommission(commission=0.01, name="B")

        def next(self) -> None:
            if len(self) == 1:
                for data in self.datas:
                    self.buy(data, size=10)

    frames = [daily(name, [[100.0, 101.0, 99.0, 100.0]] * 3) for name in ("A", "B")]
    record = run(frames, One, settings=EngineSettings(commission=0.001))
    assert [(f.symbol, f.commission) for f in record.fills] == [("A", 1.0), ("B", 10.0)]
