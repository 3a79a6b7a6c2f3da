"""`audit_parity`: what is the same is found equal, and what differs is found with its cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
import tapes
import write_events

from robo_trader import Event, Strategy
from robo_trader.audit import parity
from robo_trader.audit.parity import ParityReport, audit_parity
from robo_trader.audit.parity_rows import compare
from robo_trader.engine import run
from robo_trader.engine.settings import EngineSettings
from robo_trader.errors import StrategyError, UsageError

COSTS = {"run.commission": 0.0005, "run.slippage": 0.0002}
DAYS = {"AAA": tapes.days(60, 3), "BBB": tapes.days(60, 4, start=40.0)}


def audited(strategy: type, *, start: str = "2019-02-01", **more: Any) -> ParityReport:
    flags = {**COSTS, **more.pop("flags", {})}
    return audit_parity(strategy, start=start, flags=flags, **{"bars": DAYS, **more})


# -- the figures -------------------------------------------------------------------------------------------

DAILY = {
    "sma_cross": {"fast": 2, "slow": 5},
    "news_momentum": {"most_bars": 3},
    "event_driven": {"earnings_bars": 2, "earnings_entry": 0.02},
}
MINUTES = {
    "sma_cross": {"fast": 5, "slow": 12},
    "news_momentum": {"most_bars": 5, "size": "fixed"},
    "event_driven": {"earnings_bars": 3, "earnings_entry": 0.02},
}


@pytest.mark.parametrize("strategy", DAILY)
def test_a_year_of_days_is_the_same(strategy: str) -> None:
    report = audit_parity(
        strategy, symbols=["SPY", "BAC", "IBM"], events=write_events.FILE, start="2019-01-02",
        end="2019-12-31", params=DAILY[strategy], flags=COSTS,
    )  # fmt: skip
    assert report.differences == []
    assert report.backtest["trades"] >= 50 and report.backtest == report.live


@pytest.mark.parametrize("strategy", MINUTES)
def test_the_minute_days_are_the_same(strategy: str, data_dir: Path) -> None:
    report = audit_parity(
        strategy, bars={"SPY": tapes.minute_days(data_dir)}, events=write_events.FILE, start="2013-10-08",
        params=MINUTES[strategy], flags={**COSTS, "bars.stamps": "start"},
    )  # fmt: skip
    assert report.differences == []
    assert report.backtest["trades"] >= 50 and report.backtest == report.live


def test_the_written_events_are_those_of_the_script_and_say_what_they_are() -> None:
    import json

    lines = write_events.FILE.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == list(write_events.written())
    assert all(json.loads(line)["source"] == write_events.LABEL for line in lines)


def test_without_a_start_the_first_third_is_history() -> None:
    report = audited(Turns, start="", bars=DAYS)
    assert report.equal and report.first == str(DAYS["AAA"].index[20].date())


# -- what the comparison sees ------------------------------------------------------------------------------


class Turns(bt.Strategy):
    """Is long on some days."""

    def next(self) -> None:
        if len(self) % 7 == 0:
            self.order_target_percent(target=0.05)
        elif len(self) % 7 == 3:
            self.close()


def turned() -> Any:
    from robo_trader.bars.frame import BarFrame

    frames = [replace(BarFrame.from_pandas(table), symbol=name) for name, table in DAYS.items()]
    return run(frames, Turns, settings=EngineSettings(commission=0.001))


def test_every_kind_of_difference_is_seen() -> None:
    one, other = turned(), turned()
    assert len(one.fills) > 4 and compare(one, other) == []
    other.fills[2] = replace(other.fills[2], price=other.fills[2].price + 0.01)
    other.orders[3].status = "Expired"
    other.sessions.cash[-1] += 0.01
    decisions = list(other.decisions)
    decisions[4] = replace(decisions[4], action="veto", reasons=("no",))
    other.decisions = decisions
    other.state = "interrupted"
    found = {parting.kind: parting.fields for parting in compare(one, other)}
    assert found["fill"] == ("price", "told")
    assert found["order"] == ("status", "told")
    assert found["session"] == ("cash",)
    assert found["decision"] == ("action", "reasons", "told")
    assert found["end"] == ("state",)


def test_what_is_missing_is_counted_once_for_each_row() -> None:
    one, other = turned(), turned()
    del other.fills[-3:]
    (parting,) = compare(one, other)
    assert (parting.kind, parting.fields, parting.rows, parting.live) == ("fill", ("there",), 3, None)


def test_commissions_may_differ_in_their_last_digits_and_no_more() -> None:
    one, other = turned(), turned()
    fill = other.fills[0]
    other.fills[0] = replace(fill, commission=fill.commission * (1 + 1e-12))
    assert compare(one, other) == []
    other.fills[0] = replace(fill, commission=fill.commission * (1 + 1e-6))
    assert [parting.kind for parting in compare(one, other)] == ["fill"]


# -- causes ------------------------------------------------------------------------------------------------


def causes(report: ParityReport) -> str:
    assert report.differences and not report.equal
    return report.differences[0].cause


class OrdersWhenFilled(Turns):
    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.isbuy():
            self.sell(size=order.executed.size, exectype=bt.Order.Stop, price=round(self.data.close[0]) - 3.0)


def test_orders_made_in_notify_order_on_one_clock() -> None:
    assert "told together with the bar" in causes(audited(OrdersWhenFilled)).replace("tells of fills", "told")


class Hears(Strategy):
    """Hears events, so that both ends tell of fills when they happen."""

    def notify_event(self, event: Event) -> None:
        self.order_target_percent(self.data, 0.05)

    notify_order = OrdersWhenFilled.notify_order


def test_with_events_orders_made_in_notify_order_are_the_same() -> None:
    times = [datetime(2019, 2, day, hour, tzinfo=UTC) for day, hour in ((5, 3), (12, 18), (20, 21))]
    events = [Event(kind="news", title="Something", published_at=at, known_at=at) for at in times]
    report = audited(Hears, events=events)
    assert report.differences == [] and report.backtest["orders"] >= 3


class Overreaches(Strategy):
    """Orders for six tenths of the account at each event of a night."""

    def notify_event(self, event: Event) -> None:
        self.buy(self.data, size=int(0.6 * self.broker.getvalue() / self.data.close[0]))


def test_orders_of_one_night_share_the_capital() -> None:
    times = [datetime(2019, 2, 5, hour, tzinfo=UTC) for hour in (3, 4, 5)]
    events = [Event(kind="news", title=f"Nr {at.hour}", published_at=at, known_at=at) for at in times]
    report = audited(Overreaches, events=events, flags={"risk.profile": "off"})
    assert report.differences == []
    assert (report.live["orders"], report.live["fills"]) == (3, 1)


class OffTick(bt.Strategy):
    def next(self) -> None:
        if not self.position:
            self.buy(
                size=10, exectype=bt.Order.Limit, price=self.data.close[0] * 0.995, valid=timedelta(days=1)
            )
        else:
            self.close()


def test_prices_between_two_ticks() -> None:
    report = audited(OffTick)
    assert "on the contract's tick of 0.01" in causes(report)
    assert report.differences[0].kind == "fill" and report.differences[0].rows > 0


class Replaces(bt.Strategy):
    """Cancels what rests and asks for the same again on every bar; protects by a stop, and closes over it."""

    def __init__(self) -> None:
        self.kept: Any = None

    def next(self) -> None:
        if self.kept is not None and self.kept.alive():
            self.cancel(self.kept)
        held, close = self.position.size, self.data.close[0]
        if not held:
            self.kept = self.buy(size=95, exectype=bt.Order.Limit, price=round(close * 0.999, 2))
        elif len(self) % 3:
            self.kept = self.sell(size=held, exectype=bt.Order.Stop, price=round(close * 0.95))
        else:
            self.close()


def test_what_replaces_a_cancelled_order_is_judged_without_it() -> None:
    report = audited(Replaces)
    assert report.differences == []
    assert report.live["orders"] >= 30 and report.live["fills"] >= 10


class Parts(bt.Strategy):
    """Adds up tenths and thirds, and closes what floats make of them."""

    def next(self) -> None:
        if len(self) % 6 == 0:
            self.close()
        else:
            self.buy(size=0.1 if len(self) % 2 else 1 / 3)


def test_parts_of_a_share_add_up_the_same() -> None:
    report = audited(Parts, flags={"run.fractional": True})
    assert report.differences == [] and report.live["trades"] >= 3


class Charges(Turns):
    def start(self) -> None:
        self.broker.setcommission(commission=0.002)


def test_commissions_that_the_strategy_sets() -> None:
    assert "broker.setcommission" in causes(audited(Charges))


class Regrets(bt.Strategy):
    def next(self) -> None:
        if len(self) % 5 == 0:
            self.cancel(self.buy(size=10))


def test_an_order_that_is_cancelled_as_it_is_made() -> None:
    assert "made and cancelled at one moment" in causes(audited(Regrets))


class BuysTheIndex(bt.Strategy):
    def next(self) -> None:
        if len(self) == 25:
            self.buy(data=self.getdatabyname("VIX"), size=10)


def test_an_index_cannot_be_bought_live() -> None:
    bars = {"AAA": DAYS["AAA"], "VIX": tapes.days(60, 5, start=20.0)}
    assert "an index cannot be traded" in causes(audited(BuysTheIndex, bars=bars))


class TradesTheDays(bt.Strategy):
    def next(self) -> None:
        if len(self) % 40 == 0 and len(self.datas[1]):
            self.buy(data=self.datas[1], size=1)


def test_a_second_time_frame_is_no_second_market() -> None:
    report = audited(
        TradesTheDays, bars={"AAA": tapes.minutes(4)}, start="2019-07-03", timeframe="5m,1d",
        flags={"bars.stamps": "start"},
    )  # fmt: skip
    assert "second time frame" in causes(report)


class Moody(bt.Strategy):
    calls = 0

    def next(self) -> None:
        Moody.calls += 1
        if Moody.calls % 11 == 0:
            self.buy(size=1)


def test_a_strategy_that_does_not_repeat() -> None:
    assert "does not repeat" in causes(audited(Moody))


class FailsLive(bt.Strategy):
    def next(self) -> None:
        if len(self) > 30 and type(self.broker).__name__ == "IBBroker":
            raise ValueError("not here")


def test_a_strategy_that_fails_live_only() -> None:
    report = audited(FailsLive)
    assert [one.kind for one in report.differences] == ["end"] and "not here" in causes(report)


# -- refusals ----------------------------------------------------------------------------------------------


class Fails(bt.Strategy):
    def next(self) -> None:
        raise ValueError("no")


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="'stock'"):
        audited(Turns, flags={"run.fill_rules": "stock"})
    with pytest.raises(UsageError, match="OPT"):
        audited(Turns, flags={"bars.symbols": {"AAA": {"sec_type": "OPT"}}})
    with pytest.raises(UsageError, match="one session"):
        audited(Turns, start="", bars={"AAA": tapes.minutes(1)}, flags={"bars.stamps": "start"})
    with pytest.raises(StrategyError, match="ValueError: no"):
        audited(Fails)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places: list[Path] = []
    real = parity._same_for_both

    def watched(*args: Any) -> Any:
        places.append(args[-1])
        return real(*args)

    monkeypatch.setattr(parity, "_same_for_both", watched)
    assert audited(Turns).equal
    assert list(tmp_path.iterdir()) == [] and not places[0].exists()
