"""`check_wake` from Python: what differs first, whatever it is."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from robo_trader.audit import check_wake
from robo_trader.errors import StrategyError, UsageError

DAYS = pd.bdate_range("2018-01-02", periods=60, name="date")


def table() -> pd.DataFrame:
    close = 100 + 5 * np.sin(np.arange(60) / 3)
    return pd.DataFrame(
        {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 1e3}, index=DAYS
    )


class Tenth(bt.Strategy):
    """Buys on every tenth bar, and says so."""

    def wake(self) -> Any:
        return np.arange(1, self.data.buflen() + 1) % 10 == 0

    def next(self) -> None:
        if len(self) % 10 == 0:
            self.buy(size=1)


class Counts(Tenth):
    """Counts its own calls, which only works on every bar."""

    calls = 0

    def next(self) -> None:
        self.calls += 1
        if self.calls % 10 == 0:
            self.buy(size=1)


class FailsAsleep(Tenth):
    """Fails on a bar that it left out."""

    def next(self) -> None:
        if len(self) == 25:
            raise ValueError("no such bar")
        super().next()


class MovesCash(Tenth):
    """Takes cash out on a bar that it left out; no order tells."""

    def next(self) -> None:
        if len(self) == 25:
            self.broker.add_cash(-100.0)
        super().next()


def test_an_honest_one() -> None:
    report = check_wake(Tenth, bars=table())
    assert report.equal and report.difference is None
    assert (report.bars, report.named, report.orders, report.sessions) == (60, 6, 6, 60)
    assert report.as_dict()["equal"] is True


def test_a_strategy_that_counts_its_calls() -> None:
    found = check_wake(Counts, bars=table()).difference
    assert found is not None and found.what == "order" and found.awake == "nothing" and found.named


def test_a_failure_that_was_slept_through() -> None:
    found = check_wake(FailsAsleep, bars=table()).difference
    assert found is not None and found.what in ("end", "session") and found.time.startswith("2018-02-0")
    assert "no such bar" in found.always or found.always == "nothing"


def test_an_account_that_differs_without_an_order() -> None:
    found = check_wake(MovesCash, bars=table()).difference
    assert found is not None and found.what == "session" and not found.named
    assert found.awake.startswith("2018-02-0") and found.awake != found.always


def test_what_cannot_be_checked() -> None:
    with pytest.raises(UsageError, match="has no wake"):
        check_wake(type("Silent", (bt.Strategy,), {}), bars=table())

    class Broken(Tenth):
        def next(self) -> None:
            raise ValueError("always")

    with pytest.raises(StrategyError, match="always"):
        check_wake(Broken, bars=table())
