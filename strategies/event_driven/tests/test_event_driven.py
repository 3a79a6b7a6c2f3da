"""Rate decisions and earnings: what is traded, when, for how long, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from robo_event_driven.strategy import EventDriven

import robo_trader
from robo_trader import Event, UsageError


def bars(symbol: str = "XYZ", n: int = 60, swing: float = 0.002) -> pd.DataFrame:
    """Daily bars that rise by a tenth of a percent and swing a little."""
    days = pd.bdate_range("2024-01-02", periods=n + 2)
    days = days[~days.isin(pd.to_datetime(["2024-01-15", "2024-02-19"]))][:n]
    close = 100.0 * 1.001 ** np.arange(n) * (1 + swing * (np.arange(n) % 2))
    frame = pd.DataFrame({"open": close, "high": close * 1.001, "low": close * 0.999, "close": close}, days)
    frame.attrs["symbol"] = symbol
    return frame


def fed(day: str, change: int) -> Event:
    way = "cuts" if change < 0 else "raises"
    return Event(
        kind="fomc", title=f"FOMC {way} the target range by {abs(change)} bp",
        published_at=datetime.fromisoformat(f"{day}T14:00:00-05:00"), data={"change_bp": change},
        source="fed",
    )  # fmt: skip


def earnings(day: str, title: str) -> Event:
    return Event(
        kind="earnings", title=title, symbols=("XYZ",), source="wire",
        published_at=datetime.fromisoformat(f"{day}T16:30:00-05:00"),
    )  # fmt: skip


def run(events: list[Event], frames: Any = None, **params: Any) -> Any:
    return robo_trader.backtest(
        EventDriven, bars=bars() if frames is None else frames, events=events, params=params, risk="off",
        save=False, assume_delay="1s",
    )  # fmt: skip


def rows(result: Any) -> list[tuple[str, str]]:
    return [(fill.side, fill.time.date().isoformat()) for fill in result.record.fills]


def test_a_cut_is_bought_at_the_next_open_and_sold_when_its_bars_are_over() -> None:
    result = run([fed("2024-02-08", -50)])
    assert rows(result) == [("BUY", "2024-02-09"), ("SELL", "2024-02-16")]
    bought, sold = result.record.fills
    assert bought.because.startswith("news +0.") and "at a volatility of" in bought.because
    assert sold.because == "its bars are over"
    (signal,) = result.record.signals
    assert signal.at.isoformat() == "2024-02-08T19:00:03+00:00", (
        "14:00 in New York, a second to arrive, two to read"
    )


def test_a_rise_is_sold_short_unless_that_is_not_allowed() -> None:
    assert rows(run([fed("2024-02-08", 50)]))[0] == ("SELL", "2024-02-09")
    assert not run([fed("2024-02-08", 50)], short=False).record.fills


def test_a_later_decision_the_other_way_ends_a_trade() -> None:
    result = run([fed("2024-02-08", -50), fed("2024-02-12", 100)])
    assert rows(result)[:2] == [("BUY", "2024-02-09"), ("SELL", "2024-02-13")]
    assert result.record.fills[1].because.startswith("news -")


def test_several_decisions_the_other_way_leave_once() -> None:
    later = [
        Event(
            kind="fomc", title=f"The committee of {source} raises its range by {75 + i} bp", source=source,
            published_at=datetime.fromisoformat(f"2024-02-12T14:{10 + i}:00-05:00"),
            data={"change_bp": 75 + i},
        )
        for i, source in enumerate("abc")
    ]  # fmt: skip
    result = run([fed("2024-02-08", -50), *later])
    assert rows(result) == [("BUY", "2024-02-09"), ("SELL", "2024-02-13")]


def test_one_event_is_traded_once_though_its_signal_is_made_anew() -> None:
    """The news that also speaks ends first; the signal that is left rests on the old decision."""
    other = Event(
        kind="news", title="XYZ profit beats expectations", symbols=("XYZ",), source="wire",
        published_at=datetime.fromisoformat("2024-02-04T13:00:00-05:00"),
    )  # fmt: skip
    result = run([other, fed("2024-02-05", -50)], fomc_bars=1, fomc_entry=0.001)
    assert [s.at.day for s in result.record.signals] == [4, 5, 7]
    assert rows(result) == [("BUY", "2024-02-06"), ("SELL", "2024-02-07")]


def test_earnings_are_traded_for_their_own_symbol_only() -> None:
    frames = {"XYZ": bars(), "ABC": bars("ABC")}
    result = run([earnings("2024-02-08", "XYZ profit beats expectations, outlook raised")], frames)
    assert {fill.symbol for fill in result.record.fills} == {"XYZ"}
    assert rows(result) == [("BUY", "2024-02-09"), ("SELL", "2024-02-14")]


def test_other_kinds_are_not_traded() -> None:
    other = Event(
        kind="news", title="XYZ profit beats expectations", symbols=("XYZ",),
        published_at=datetime.fromisoformat("2024-02-08T14:00:00-05:00"),
    )  # fmt: skip
    assert not run([other]).record.fills


def test_only_the_named_symbols_trade_rate_decisions() -> None:
    frames = {"XYZ": bars(), "ABC": bars("ABC"), "VIX": bars("VIX")}
    traded = {fill.symbol for fill in run([fed("2024-02-08", -50)], frames).record.fills}
    assert traded == {"XYZ", "ABC"}
    traded = {fill.symbol for fill in run([fed("2024-02-08", -50)], frames, fomc="ABC").record.fills}
    assert traded == {"ABC"}


def test_a_wild_symbol_gets_less_of_the_account() -> None:
    frames = {"XYZ": bars(), "ABC": bars("ABC", swing=0.05)}
    wild, calm = run([fed("2024-02-08", -100)], frames).record.fills[:2]
    assert (wild.symbol, calm.symbol) == ("ABC", "XYZ")
    assert calm.size * calm.price > 2 * wild.size * wild.price


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"fomc_entry": 0.0}, "fomc_entry=0.0 and fomc_bars=5 make no trade"),
        ({"earnings_bars": 0}, "earnings_bars=0 make no trade"),
        ({"weight": 2.0}, "weight=2.0 must be above 0 and at most 1"),
    ],
)
def test_contradicting_parameters_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run([], **params)


def test_registering_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, robo_event_driven\n"
        "class Add:\n"
        "    def strategy(self, name, target): print(name, target)\n"
        "robo_event_driven.robo_register(Add())\n"
        "print([m for m in ('backtrader', 'numpy', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["event_driven robo_event_driven.strategy:EventDriven", "[]"]


def test_the_readme_names_every_parameter() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in EventDriven.params._getkeys())
