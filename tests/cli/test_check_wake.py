"""`robo backtest --check-wake`: an honest `wake()`, a lying one, none, and ones that are no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CROSS = '''
import backtrader as bt
import numpy as np

class Cross(bt.Strategy):
    """Buys and sells at crosses of the close and its average; `wake` follows."""

    def __init__(self):
        self.cross = {d: bt.ind.CrossOver(d.close, bt.ind.SMA(d, period=5)) for d in self.datas}

    def next(self):
        for d, cross in self.cross.items():
            if cross[0] > 0 and not self.getposition(d):
                self.buy(d, size=10)
            elif cross[0] < 0 and self.getposition(d):
                self.close(d)
'''
ANSWERS = {
    "honest": "return np.array(self.cross[self.data].array) != 0",
    "lying": "return np.array(self.cross[self.data].array) > 0",
    "each": "return {d: np.array(cross.array) != 0 for d, cross in self.cross.items()}",
    "short": "return np.zeros(3, dtype=bool)",
    "numbers": "return np.array(self.cross[self.data].array)",
    "raising": "return self.crosses",
    "silent": "return None",
}
ONE = ("--bars", "data", "--symbols", "SPY", "--check-wake")
#: Hourly bars beside daily ones.
SEVERAL = ("--bars", "mixed", "--check-wake")

pytestmark = pytest.mark.usefixtures("data", "mixed", "cross")


@pytest.fixture
def cross(home: Path) -> None:
    for name, answer in ANSWERS.items():
        text = f"{CROSS}\n    def wake(self):\n        {answer}\n"
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    (home / "none.py").write_text(CROSS, encoding="utf-8")


@pytest.fixture
def mixed(home: Path, data: Path) -> None:
    folder = home / "mixed"
    folder.mkdir()
    (folder / "SPY.csv").write_text((data / "SPY.csv").read_text(encoding="utf-8"), encoding="utf-8")
    days = [line.split(",") for line in (data / "QQQ.csv").read_text(encoding="utf-8").split()[1:]]
    rows = [f"{day} {hour}:30:00,{','.join(prices)}" for day, *prices in days for hour in ("09", "10", "11")]
    (folder / "QQQ.csv").write_text(
        "\n".join(["datetime,open,high,low,close,volume", *rows]), encoding="utf-8"
    )


def test_an_honest_one_is_equal_to_the_bit_and_nothing_is_saved(robo: Any, home: Path) -> None:
    answer = robo("backtest", "honest.py", *ONE)
    assert answer.code == 0 and "the same on the bars that wake() names" in answer.out
    assert "equal to the bit" in answer.out and not (home / "runs").exists()
    found = json.loads(robo("backtest", "honest.py", *ONE, "--json").out)
    assert found["equal"] is True and found["difference"] is None
    assert 0 < found["named"] < found["bars"] == 83 and found["orders"] >= found["fills"] > 3


def test_a_lying_one_is_told_its_first_bar_and_order(robo: Any) -> None:
    answer = robo("backtest", "lying.py", *ONE)
    assert answer.code == 1 and "error" not in answer.err
    found = json.loads(robo("backtest", "lying.py", *ONE, "--json").out)
    assert found["equal"] is False
    seen = found["difference"]
    assert seen["what"] == "order" and seen["named"] is False and seen["awake"] == "nothing"
    assert seen["always"].startswith("order 2 (SELL 10 SPY Market")
    assert seen["time"] in answer.out and seen["always"] in answer.out.replace("\n  ", " ")
    assert "wake() does not name the bar that ends then" in answer.out


def test_without_wake_there_is_nothing_to_compare(robo: Any) -> None:
    assert "none has no wake()" in robo("backtest", "none.py", *ONE).one_error_line(2)
    assert "name one" in robo("backtest", "--check-wake").one_error_line(2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("short", "Cross.wake() returned 3 values for SPY, which has 83 bars"),
        ("numbers", "Cross.wake() returned an array of float64 with shape (83,) for SPY"),
        ("raising", "raising.py:"),
        ("silent", "silent.wake() returned None"),
    ],
)
def test_what_is_no_answer_is_said_in_one_line(robo: Any, name: str, words: str) -> None:
    assert words in robo("backtest", f"{name}.py", *ONE).one_error_line(1)


def test_on_several_clocks_each_feed_has_its_own_answer(robo: Any) -> None:
    answer = robo("backtest", "each.py", *SEVERAL, "--json")
    assert answer.err == ""
    found = json.loads(answer.out)
    assert found["equal"] is True and 0 < found["named"] < found["bars"] and found["fills"] > 3
    assert "for bars on 2 clocks" in robo("backtest", "honest.py", *SEVERAL).one_error_line(1)


def test_a_strategy_that_fails_is_no_difference(robo: Any, home: Path) -> None:
    text = (home / "honest.py").read_text(encoding="utf-8").replace("self.buy(d, size=10)", "self.bye(d)")
    (home / "failing.py").write_text(text, encoding="utf-8")
    assert "has no attribute 'bye'" in robo("backtest", "failing.py", *ONE).one_error_line(1)


def test_the_guard_and_its_settings_count(robo: Any) -> None:
    words = ("--cash", "2000", "--commission", "0.001", "--json")
    guarded = json.loads(robo("backtest", "honest.py", *ONE, *words).out)
    free = json.loads(robo("backtest", "honest.py", *ONE, *words, "--risk", "off").out)
    assert guarded["equal"] and free["equal"]
