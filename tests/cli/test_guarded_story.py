"""A backtest whose guard refused, shrank and halted: its journal, and what the commands tell of it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_trader.journal.reading import read_file
from robo_trader.runs import load_run

#: Buys more than it may, then asks every day for one more share while prices fall.
STUBBORN = """
import backtrader as bt
class Stubborn(bt.Strategy):
    def next(self):
        if len(self) == 1:
            self.buy(size=150)
        else:
            self.buy(size=7)
"""
TOML = """
[run]
cash = 10000
[risk.position]
limit = 1.0
[risk.sector]
limit = 0.9
[risk.duplicate]
enabled = false
"""


@pytest.fixture
def saved(robo: Any, home: Path) -> Path:
    """A run over forty sessions, in which the price falls by a fifth on the fourth."""
    (home / "stubborn.py").write_text(STUBBORN)
    (home / "robo.toml").write_text(TOML)
    days = np.busday_offset("2024-01-02", np.arange(40))
    rows = [f"{day},{p},{p},{p},{p},1000" for day, p in zip(days, [100.0] * 3 + [78.0] * 37, strict=True)]
    (home / "bars").mkdir()
    (home / "bars" / "ZZZ.csv").write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    answer = robo("backtest", "stubborn.py", "--bars", "bars", "--symbols", "ZZZ", "--no-report", "--json")
    assert answer.code == 0, answer.err
    return Path(json.loads(answer.out)["run_dir"])


def test_halts_repeats_and_numbers_are_in_the_journal(saved: Path) -> None:
    run = load_run(saved)
    with read_file(saved / "journal.sqlite") as reader:
        halts = list(reader.halts(1))
        decisions = list(reader.rows("decisions"))
        answers = list(reader.rows("guard_answers"))
        orders = list(reader.rows("orders"))
    assert [(halt["state"], halt["rule"]) for halt in halts] == [
        ("REDUCING", "daily_loss"), ("REDUCING", "drawdown"),
        ("REDUCING", "daily_loss"), ("ACTIVE", "drawdown"),
    ]  # fmt: skip
    assert halts[2]["at"] < halts[3]["at"] - timedelta(days=20)
    assert [row["why"] for row in run.document["halts"]] == [halt["why"] for halt in halts]
    assert len(orders) == len(run.orders) == 40
    assert sum(row["repeats"] for row in decisions) == 40 and len(decisions) < 12
    many = max(decisions, key=lambda row: row["repeats"])
    assert {row["decision"] for row in orders if row["number"] >= 6} >= {many["number"]}
    sector = next(row for row in answers if row["rule"] == "sector")
    assert (sector["limit_value"], sector["seen"]) == (pytest.approx(0.9), pytest.approx(1.5))
    assert sector["size"] == Decimal("90.0") and sector["numbers"] == {"portfolio": 10_000.0}
    drawdown = next(row for row in answers if row["rule"] == "drawdown")
    assert drawdown["limit_value"] == 0.15 and drawdown["seen"] == pytest.approx(0.198)


def test_the_commands_tell_it(robo: Any, saved: Path) -> None:
    told = robo("explain", "order", "1").out
    assert "the guard made it smaller: 90 of 150" in told
    assert "sector: resize to 90 (would be 1.5, limit 0.9): ZZZ would reach 150 %" in told
    refused = robo("explain", "order", "8").out
    assert "drawdown: veto (would be 0.198, limit 0.15)" in refused
    assert "times in a row; the figures are the first time's" in refused
    shown = robo("runs", "show", "last").out
    assert "Openings were stopped once" in shown and "2024-01-05 21:00Z  REDUCING" in shown
    story = robo("explain", "last")
    assert "ACTIVE    drawdown: 20 sessions are over; the peak is measured anew" in story.out
    assert len(json.loads(robo("explain", "last", "--json").out)["halts"]) == 4


HOSTILE = """
import backtrader as bt
class Hostile(bt.Strategy):
    def next(self):
        if len(self) == 1:
            why = "\\x1b[2Jgone \\u202eti"
            self.late = self.buy(size=150, exectype=bt.Order.Limit, price=1.0, because=why)
        elif len(self) == 3:
            self.cancel(self.late)
"""


def test_a_story_tells_why_an_order_ended_and_shows_what_would_act_on_a_terminal(
    robo: Any, saved: Path, home: Path
) -> None:
    (home / "hostile.py").write_text(HOSTILE)
    assert robo("backtest", "hostile.py", "--bars", "bars", "--symbols", "ZZZ", "--no-report").code == 0
    told = robo("explain", "order", "1").out
    assert (
        "Canceled (cancelled by the strategy, its bracket or its group; made smaller: position: ZZZ" in told
    )
    assert "because �[2Jgone �ti" in told
    assert (
        json.loads(robo("explain", "order", "1", "--json").out)["order"]["because"] == "\x1b[2Jgone \u202eti"
    )
    robo("halt", "--why", "\x1b[2J\u202e")
    assert robo("status").out.splitlines()[0].endswith(": �[2J�")


def test_sizes_are_rounded_for_people_and_exact_for_programs(robo: Any, saved: Path, home: Path) -> None:
    (home / "stubborn.py").write_text(STUBBORN.replace("size=150", "size=1150.5"))
    (home / "robo.toml").write_text(TOML.replace("limit = 0.9", f"limit = {8 / 9}"))
    assert robo("backtest", "stubborn.py", "--bars", "bars", "--symbols", "ZZZ", "--no-report").code == 0
    told = robo("explain", "order", "1").out
    assert "the guard made it smaller: 88.888889 of 1,150.5" in told and "resize to 88.89 (" in told
    decided = json.loads(robo("explain", "order", "1", "--json").out)["chain"]["decision"]["decided"]
    assert decided.startswith("88.8888888888")
