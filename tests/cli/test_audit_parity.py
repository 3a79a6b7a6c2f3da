"""`robo audit parity` says whether both ends did the same, shows why not, and refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CHASES = """
import backtrader as bt

class Chases(bt.Strategy):
    def next(self):
        print("noise")
        if not self.position and len(self) % 3 == 0:
            self.buy(size=10)

    def notify_order(self, order):
        if order.status == order.Completed and order.isbuy():
            self.sell(size=10)
"""


def test_what_is_the_same_is_said(robo: Any, data: Path, turns: Path, home: Path) -> None:
    answer = robo("audit", "parity", "turns.py", "--bars", "data")
    assert answer.code == 0, answer
    assert "turns: the backtest and the live path did the same" in answer.out
    assert not (home / ".robo").exists() and not (home / "runs").exists()
    found = json.loads(robo("audit", "parity", "turns.py", "--bars", "data", "--json").out)
    assert found["equal"] is True and found["backtest"] == found["live"] and found["backtest"]["fills"] > 0


def test_a_difference_is_shown_with_its_cause(robo: Any, data: Path, home: Path) -> None:
    (home / "chases.py").write_text(CHASES, encoding="utf-8")
    answer = robo("audit", "parity", "chases.py", "--bars", "data", "--symbols", "SPY")
    assert answer.code == 1 and "differ in" in answer.out and "made in notify_order" in answer.out
    assert "noise" not in answer.out + answer.err


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("turns.py", "--fill-rules", "stock"), "'stock'", 2),
        (("idle.py",), "nothing is proven", 1),
        (("turns.py", "--start", "2999-01-01"), "no bars from", 1),
        (("nobody",), "nobody", 1),
    ],
)
def test_it_refuses_in_one_line(
    robo: Any, data: Path, turns: Path, home: Path, words: tuple[str, ...], said: str, code: int
) -> None:
    (home / "idle.py").write_text("import backtrader as bt\nclass Idle(bt.Strategy): pass\n")
    assert said in robo("audit", "parity", *words, "--bars", "data").one_error_line(code)
