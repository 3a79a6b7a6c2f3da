"""Following the news: when it enters and leaves, how much it stakes, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from robo_news_momentum.strategy import NewsMomentum

import robo_trader
from robo_trader import Event, UsageError

FIRST = pd.Timestamp("2024-01-02")


def bars(n: int = 40, symbol: str = "XYZ") -> pd.DataFrame:
    """Daily bars that rise by a tenth of a percent and swing a little."""
    days = pd.bdate_range(FIRST, periods=n + 3)
    days = days[~days.isin(pd.to_datetime(["2024-01-15", "2024-02-19"]))][:n]
    close = 100.0 * 1.001 ** np.arange(n) * (1 + 0.002 * (np.arange(n) % 2))
    frame = pd.DataFrame({"open": close, "high": close * 1.001, "low": close * 0.999, "close": close}, days)
    frame.attrs["symbol"] = symbol
    return frame


def story(day: str, title: str, source: str = "wire") -> Event:
    return Event(
        kind="news", title=title, published_at=datetime.fromisoformat(f"{day}T15:00:00+00:00"),
        symbols=("XYZ",), source=source,
    )  # fmt: skip


GOOD = [
    story("2024-01-09", "XYZ raises its full-year profit forecast after a strong quarter"),
    story("2024-01-09", "Orders at XYZ jump, profit beats expectations", "paper"),
]
BAD = [story("2024-01-09", "XYZ cuts its full-year profit forecast after a weak quarter")]


def run(events: list[Event], **params: Any) -> Any:
    return robo_trader.backtest(
        NewsMomentum, bars=bars(), events=events, params=params, risk="off", save=False, assume_delay="1s"
    )


def test_good_news_is_bought_at_the_next_open_and_sold_when_it_has_faded() -> None:
    result = run(GOOD)
    bought, sold = result.record.fills
    assert (bought.side, bought.time.date().isoformat()) == ("BUY", "2024-01-10")
    assert bought.because.startswith("news +0.") and "% of the account by conviction" in bought.because
    assert sold.side == "SELL" and sold.time > bought.time + timedelta(days=2)
    assert sold.because.startswith("news ")


def test_bad_news_is_sold_short_where_that_is_allowed() -> None:
    assert not run(BAD).record.fills
    assert run(BAD, short=True).record.fills[0].side == "SELL"


def test_a_trade_may_end_after_a_number_of_bars() -> None:
    bought, sold = run(GOOD, most_bars=2).record.fills
    assert sold.because == "held 2 bars"
    assert (sold.time - bought.time).days == 2


@pytest.mark.parametrize(
    ("size", "said", "least", "most"),
    [
        ("conviction", "by conviction", 0.05, 0.10),
        ("fixed", "10.0% of the account, always", 0.099, 0.101),
        ("volatility", "at a volatility of", 0.01, 0.101),
        ("kelly", "a probe: 0 trades known", 0.024, 0.026),
    ],
)
def test_how_much_is_staked(size: str, said: str, least: float, most: float) -> None:
    fills = run(GOOD, size=size, bars=4).record.fills
    assert said in fills[0].because
    assert least <= fills[0].size * fills[0].price / 100_000 <= most


def test_kelly_learns_from_the_trades_that_were_closed_by_then() -> None:
    events = [
        story((FIRST + pd.Timedelta(days=7 * k)).date().isoformat(), f"{word} profit beats expectations")
        for k, word in enumerate(
            ("Spring", "Summer", "Autumn", "Winter", "Maple", "Cedar", "Birch", "Aspen", "Willow", "Hazel",
             "Rowan", "Linden", "Poplar")
        )
    ]  # fmt: skip
    result = robo_trader.backtest(
        NewsMomentum, bars=bars(100), events=events, risk="off", save=False,
        params={"size": "kelly", "most_bars": 1, "entry": 0.1},
    )  # fmt: skip
    sizes = [fill.because for fill in result.record.fills if fill.side == "BUY"]
    assert "a probe: 0 trades known" in sizes[0] and "a probe: 9 trades known" in sizes[9]
    assert "by Kelly: " in sizes[10] and " of 10 trades won" in sizes[10]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"entry": 0.1, "leave": 0.2}, "entry=0.1 and leave=0.2 do not fit"),
        ({"weight": 0.0}, "weight=0.0 must be above 0"),
        ({"size": "all"}, "size='all' is none of conviction, fixed, volatility, kelly"),
        ({"role": "nws"}, "there is no signal 'nws'"),
    ],
)
def test_contradicting_parameters_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(GOOD, **params)


def test_registering_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, robo_news_momentum\n"
        "class Add:\n"
        "    def strategy(self, name, target): print(name, target)\n"
        "robo_news_momentum.robo_register(Add())\n"
        "print([m for m in ('backtrader', 'numpy', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = ["news_momentum robo_news_momentum.strategy:NewsMomentum", "[]"]
    assert done.stdout.split("\n")[:2] == expected


def test_the_readme_names_every_parameter() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in NewsMomentum.params._getkeys())
