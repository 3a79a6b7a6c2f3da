"""Odd orders and odd moments of a live session: what a strategy may do wrong without harm to its account."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import backtrader as bt
import numpy as np
import pytest

import robo_trader
from robo_trader import backtest, clock
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.select import load_bars
from robo_trader.clock import to_ns
from robo_trader.errors import BrokerError, JournalError, StateError, StrategyError, UsageError
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.contracts import ContractName, Qualified
from robo_trader.instruments import Instrument
from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_database
from robo_trader.live.books import acceptance, restoring
from robo_trader.live.books.restoring import same_contracts
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.realtime import MarketClock, RealTime
from robo_trader.live.trading import trade
from robo_trader.records import Alert, Decision, Intent


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own: journal, state and runs go there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rehearse(strategy: Any, end: str = "2016-02-12", **more: Any) -> Outcome:
    """Rehearse on SPY's daily bars, as fast as it goes."""
    chosen = {"symbols": "SPY", "start": "2016-01-04", "end": end, "risk": "off", "save": False, **more}
    return trade(strategy, speed="max", flags={"live.history": 60}, **chosen)


def orders(out: Outcome) -> Sequence[Any]:
    """Return the orders of a rehearsal."""
    assert out.result is not None
    return out.result.orders


class Bracket(robo_trader.Strategy):
    """Places a bracket on its first bar and takes back what `back` names of it at once."""

    params = (("back", 0),)

    def next(self) -> None:
        if len(self) % 10 == 1:
            close = self.data.close[0]
            family = self.buy_bracket(
                size=5, exectype=bt.Order.Market, stopprice=round(close * 0.99, 2),
                limitprice=round(close * 1.01, 2),
            )  # fmt: skip
            self.cancel(family[self.p.back])


def test_exits_go_with_a_parent_that_is_taken_back() -> None:
    out = rehearse(Bracket)
    assert {order.status for order in orders(out)} == {"Canceled"}
    assert out.fills == 0 and out.positions == {}


class Tidy(robo_trader.Strategy):
    """Cancels everything that is open when a bracket's parent is filled."""

    def next(self) -> None:
        if len(self) % 10 == 1:
            close = self.data.close[0]
            self.buy_bracket(
                size=5, exectype=bt.Order.Market, stopprice=round(close * 0.99, 2),
                limitprice=round(close * 1.01, 2),
            )  # fmt: skip

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            for other in self.broker.get_orders_open():
                self.cancel(other)


def test_open_orders_are_those_at_the_broker() -> None:
    out = rehearse(Tidy)
    ended = {(order.type, order.status) for order in orders(out)[:9]}
    assert ended == {("Market", "Completed"), ("Stop", "Canceled"), ("Limit", "Canceled")}


class Odd(robo_trader.Strategy):
    """Asks for one order on each bar, as `asks` says."""

    params = (("asks", ()),)

    def next(self) -> None:
        if (n := self.p.asks[0].pop(0) if self.p.asks[0] else None) is not None:
            self.buy(size=5, **n)


def test_a_price_that_is_no_number_is_refused_and_the_journal_stays_whole() -> None:
    alerts: list[Alert] = []
    asks = [
        {"exectype": bt.Order.Limit, "price": float("nan")},
        {"exectype": bt.Order.Stop, "price": float("inf")},
        {},
    ]
    out = rehearse(Odd, params={"asks": [asks]}, told=Told(alert=alerts.append))
    assert [order.status for order in orders(out)] == ["Rejected", "Rejected", "Completed"]
    assert not alerts and "no number" in orders(out)[0].reason


def test_a_validity_that_is_no_time_refuses_the_order_alone() -> None:
    low = {"exectype": bt.Order.Limit, "price": 1.0}
    out = rehearse(Odd, params={"asks": [[{**low, "valid": 3}, {**low, "valid": timedelta(days=1)}, {}]]})
    assert [order.status for order in orders(out)] == ["Rejected", "Expired", "Completed"]


class Leaves(robo_trader.Strategy):
    def next(self) -> None:
        sys.exit(3)


def test_a_strategy_that_exits_ends_its_session_in_order() -> None:
    with pytest.raises(StrategyError, match="raised SystemExit: 3"):
        rehearse(Leaves)
    with open_journal(folder=".robo") as journal, read_database(journal.database) as reader:
        (end,) = reader.rows("session_ends")
    assert end["state"] == "failed"


class Broke(robo_trader.Strategy):
    """Holds a position, then closes it in the same moment as it asks for far too much."""

    def next(self) -> None:
        n = len(self) % 10
        if n == 1:
            self.buy(size=5)
        elif n == 4:
            self.buy(size=1_000_000)
            self.close()


def test_no_exit_is_refused_for_want_of_cash() -> None:
    closed = [order for order in orders(rehearse(Broke)) if order.side == "SELL"]
    assert closed and {order.status for order in closed} == {"Completed"}


class Fractions(robo_trader.Strategy):
    """Buys a tenth three times and closes; tells `ended` of its position."""

    params = (("ended", None),)

    def next(self) -> None:
        n = len(self) % 10
        if n in (1, 2, 3):
            self.buy(size=0.1)
        elif n == 6:
            self.close()

    def stop(self) -> None:
        self.p.ended()


def test_fractions_that_add_up_to_nothing_leave_nothing() -> None:
    gateways: list[EmbeddedGateway] = []
    sizes: set[float] = set()

    def look() -> None:
        sizes.update(order["qty"] for order in gateways[0].control("state")["orders"])

    out = rehearse(Fractions, params={"ended": look}, gateway=gateways.append, end="2016-01-15")
    assert sizes == {0.1, 0.3}
    assert out.positions == {} and {order.status for order in orders(out)} == {"Completed"}


# -- after a restart ---------------------------------------------------------------------------------------


class Protected(robo_trader.Strategy):
    """Opens a bracket, far off since no replay waits; the next session fills its stop by `out`. Both end."""

    params = (("done", None), ("said", None), ("out", None))

    def next(self) -> None:
        close = self.data.close[0]
        if self.p.out is None and not self.broker.get_orders_open() and not self.position:
            self.buy_bracket(
                size=10, exectype=bt.Order.Market, stopprice=round(close * 0.1, 2),
                limitprice=round(close * 10, 2),
            )  # fmt: skip
        if self.p.out is not None:
            self.p.out()

    def notify_order(self, order: Any) -> None:
        if order.status in (order.Completed, order.Canceled):
            self.p.said.append((order.getordername(), order.getstatusname()))
            if self.p.out is None and order.status == order.Completed:
                self.p.done()

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.p.said.append(("closed", trade.commission))
            self.p.done()


def test_a_strategy_hears_of_orders_of_its_earlier_session() -> None:
    settings = GatewaySettings(port=0, control_port=0, speed="20d/s", matching="bars")
    bars = load_bars("bundled", ["SPY"])
    said: list[Any] = []
    with EmbeddedGateway(lambda: replay_gateway(settings, bars, None, "2016-01-04")) as one:

        def fill() -> None:
            stop = next(o for o in one.control("state")["orders"] if o["type"] == "STP")
            if stop["status"] != "Filled":
                one.control("fill", orderId=stop["id"], price=150.0)

        words: Any = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
        for exit in (None, fill):
            stop = threading.Event()
            given = {"done": stop.set, "said": said, "out": exit}
            out = trade(Protected, stop=stop, params=given, risk="off", flags={"live.history": 30}, **words)
    assert out.session == 2 and out.positions == {}
    assert said[0] == ("Market", "Completed")
    assert ("Stop", "Completed") in said and ("closed", 2.0) in said


def test_what_a_run_holds_never_becomes_another_contract(project: Path) -> None:
    def future(con_id: int, month: str) -> Qualified:
        return Qualified(ContractName("ES", "FUT", "CME", "USD", month, con_id=con_id), "ES", 0.25, "")

    order = Intent(order_id=1, time=clock.now(), symbol="ES", side="BUY", size=1.0, type="Market")
    with open_journal(folder=project / ".robo") as journal:
        run = journal.begin("20260102T000000Z-x-abcdef", mode="paper", strategy="x")
        run.session(contracts={"ES": {"notation": "ES-FUT-CME-USD-20261218", "con_id": 5}})
        same_contracts(journal, run.id, {"ES": future(6, "20270319")})
        run.decide([Decision(intent=order)])
        run.flush()
        same_contracts(journal, run.id, {"ES": future(5, "20261218")})
        with pytest.raises(BrokerError, match="trades ES-FUT-CME-USD-20261218 as ES, and this is ES-.*2027"):
            same_contracts(journal, run.id, {"ES": future(6, "20270319")})
        run.finish()


def test_each_feed_has_a_name_and_bars_of_its_own() -> None:
    settings = GatewaySettings(port=0, control_port=0, speed="20d/s", matching="bars")
    bars = load_bars("bundled", ["SPY"])
    with EmbeddedGateway(lambda: replay_gateway(settings, bars, None, "2016-01-04")) as one:
        words = {"ib": f"127.0.0.1:{one.port}", "flags": {"live.history": 30}}
        with pytest.raises(UsageError, match="SPY and SPY-STK-SMART-USD are the same bars"):
            trade(Odd, symbols="SPY,SPY-STK-SMART-USD", **words)
        stop, names = threading.Event(), []

        class Names(robo_trader.Strategy):
            def next(self) -> None:
                names.extend(feed._name for feed in self.datas)
                stop.set()

        trade(Names, symbols="SPY,SPY", stop=stop, **words)
    assert set(names) == {"SPY"}


# -- when journal or state store are away -----------------------------------------------------------------


class Drops(robo_trader.Strategy):
    """Loses its line once, as `drop` does it, then opens and closes."""

    params = (("drop", None), ("mend", None))

    def next(self) -> None:
        n = len(self) - 60
        if n == 2:
            self.buy(size=5)
        elif n == 4:
            self.p.drop()
        elif n == 6:
            self.buy(size=1)
            self.close()
        elif n == 8:
            self.p.mend()


def test_a_journal_that_is_away_after_a_break_stops_openings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gateways: list[EmbeddedGateway] = []
    away: list[bool] = []
    alerts: list[Alert] = []
    read = restoring.standing

    def standing(journal: Any, run: str) -> Any:
        if away:
            raise JournalError("the journal is away")
        return read(journal, run)

    def drop() -> None:
        away.append(True)
        gateways[0].control("drop")

    monkeypatch.setattr(restoring, "standing", standing)
    out = rehearse(
        Drops, gateway=gateways.append, params={"drop": drop, "mend": away.clear},
        told=Told(alert=alerts.append),
    )  # fmt: skip
    assert out.state == "finished" and out.positions == {}
    assert [order.status for order in orders(out)] == ["Completed", "Rejected", "Completed"]
    assert any("could not be compared: the journal is away" in alert.text for alert in alerts)


def test_a_state_store_that_is_away_ends_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(state: Any, run: str) -> Any:
        raise StateError("the store is away")

    monkeypatch.setattr(acceptance, "take", take)
    assert rehearse(Fractions, params={"ended": lambda: None}, end="2016-01-15").state == "finished"


class Stubborn(robo_trader.Strategy):
    """Answers each refusal with the same order again."""

    def next(self) -> None:
        if len(self) == 61:
            self.buy(size=1_000_000)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Margin:
            self.buy(size=1_000_000)


def test_a_strategy_that_answers_each_refusal_is_slowed_down() -> None:
    alerts: list[Alert] = []
    out = rehearse(Stubborn, told=Told(alert=alerts.append), end="2016-01-06")
    assert out.state == "finished" and 3 < len(orders(out)) < 1000
    assert [alert.title for alert in alerts] == ["the strategy answers each refused order with another"]


class Rests(robo_trader.Strategy):
    """Leaves an order at the broker that is not filled."""

    params = (("done", None),)

    def next(self) -> None:
        if not self.broker.get_orders_open():
            self.buy(size=1, exectype=bt.Order.Limit, price=1.0)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Accepted:
            self.p.done()


def test_orders_that_rest_under_another_client_id_are_not_left_alone() -> None:
    settings = GatewaySettings(port=0, control_port=0, speed="20d/s", matching="bars")
    bars = load_bars("bundled", ["SPY"])
    with EmbeddedGateway(lambda: replay_gateway(settings, bars, None, "2016-01-04")) as one:
        stop = threading.Event()
        words: dict[str, Any] = {
            "ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567",
            "stop": stop, "params": {"done": stop.set}, "flags": {"live.history": 30},
        }  # fmt: skip
        assert trade(Rests, client_id=1, **words).orders == 1
        with pytest.raises(BrokerError, match="rest at the broker under client id 1") as caught:
            trade(Rests, client_id=2, **words)
        alerts: list[Alert] = []
        fresh = trade(Rests, client_id=1, fresh=True, told=Told(alert=alerts.append), **words)
    assert "--client-id 1" in str(caught.value.hint)
    assert fresh.session == 1 and any("1 orders of the run" in alert.title for alert in alerts)


# -- instruments -------------------------------------------------------------------------------------------


def test_a_pair_of_currencies_can_be_rehearsed() -> None:
    days = 40
    start = np.datetime64("2024-01-01", "ns").astype(np.int64) + np.arange(days) * 24 * 3600 * 10**9
    price = np.round(1.08 + 0.001 * np.sin(np.arange(days)), 5)
    frame = BarFrame(
        symbol="EUR.USD", timeframe="1d", start=start, end=start + 24 * 3600 * 10**9 - 1,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"), open=price, high=price + 0.001,
        low=price - 0.001, close=price, volume=np.zeros(days),
        instrument=Instrument(
            "EUR.USD", calendar="24/7", tick=0.00005, sec_type="CASH", exchange="IDEALPRO"
        ),
    )  # fmt: skip
    out = trade(
        Fractions, bars=[frame], start="2024-01-21", speed="max", risk="off", save=False,
        params={"ended": lambda: None}, flags={"live.history": 20},
    )  # fmt: skip
    assert out.fills >= 4


class Counts(robo_trader.Strategy):
    """Notes how many bars of each feed there are, and the close before the last."""

    params = (("seen", None),)

    def next(self) -> None:
        self.p.seen.append([(len(feed), feed.close[0], feed.close[-1]) for feed in self.datas])


def test_a_longer_time_frame_has_its_history_in_a_rehearsal_too() -> None:
    hours = 30 * 24
    start = np.datetime64("2024-01-01", "ns").astype(np.int64) + np.arange(hours) * 3600 * 10**9
    price = np.round(100 + 10 * np.sin(np.arange(hours) / 50), 2)
    frame = BarFrame(
        symbol="BTC", timeframe="1h", start=start, end=start + 3600 * 10**9,
        session=start.astype("datetime64[ns]").astype("datetime64[D]"), open=price, high=price + 0.1,
        low=price - 0.1, close=price, volume=np.ones(hours),
        instrument=Instrument("BTC", calendar="24/7", sec_type="CRYPTO", exchange="PAXOS"),
    )  # fmt: skip
    words = {"bars": [frame], "timeframe": "1h,1d", "start": "2024-01-22", "end": "2024-01-24", "save": False}
    live: list[Any] = []
    past: list[Any] = []
    trade(Counts, speed="max", params={"seen": live}, flags={"live.history": 20}, **words)
    backtest(Counts, params={"seen": past}, flags={"run.warmup": 20}, **words)
    assert live == past and live[0][1][0] >= 20


class Patient(robo_trader.Strategy):
    def __init__(self) -> None:
        self.average = bt.ind.SMA(period=500)

    def next(self) -> None:
        self.buy(size=1)


def test_a_history_that_is_too_short_is_told() -> None:
    alerts: list[Alert] = []
    rehearse(Patient, end="2016-01-08", told=Told(alert=alerts.append))
    assert [alert.title for alert in alerts] == ["SPY: 60 bars are too few for this strategy to act"]


def test_a_clock_that_is_set_ends_no_bar_early(monkeypatch: pytest.MonkeyPatch) -> None:
    true, wrong, passed = datetime(2026, 11, 20, 15, 0, tzinfo=UTC), timedelta(0), 0.0

    class Gateway:
        opened = SimpleNamespace(simulated=False, skew=0.2)

        def time(self) -> datetime:
            return true + timedelta(seconds=int(passed))

    monkeypatch.setattr(clock, "now", lambda: true + timedelta(seconds=passed) + wrong)
    monkeypatch.setattr(clock, "monotonic", lambda: passed)
    market = MarketClock(Gateway())  # type: ignore[arg-type]
    for step in ((10.0, timedelta(0)), (20.0, timedelta(hours=1)), (90.0, timedelta(hours=-2))):
        passed, wrong = step
        off = market.now() - to_ns(true + timedelta(seconds=passed))
        assert abs(off) <= 10**9


class Trails(robo_trader.Strategy):
    params = (("ended", None),)

    def next(self) -> None:
        if len(self) == 61:
            self.buy(size=1)
            self.sell(size=1, exectype=bt.Order.StopTrail, trailamount=61.234567)

    def stop(self) -> None:
        self.p.ended()


def test_the_distance_of_a_trailing_stop_lies_on_the_tick() -> None:
    gateways: list[EmbeddedGateway] = []
    distances: list[float] = []

    def look() -> None:
        there = gateways[0].server.gateway.books.orders.values()
        distances.extend(float(order.values["auxPrice"]) for order in there if order.kind == "TRAIL")

    rehearse(Trails, params={"ended": look}, gateway=gateways.append, end="2016-01-08")
    assert distances == [61.23]


@pytest.mark.parametrize(
    ("simulated", "skew", "waits"), [(False, 0.0, True), (True, 0.3, True), (True, -5e7, False)]
)
def test_the_last_word_on_a_bar_is_waited_for_where_time_is_ours(
    simulated: bool, skew: float, waits: bool
) -> None:
    stop, seen, second = threading.Event(), [], 10**9
    session = SimpleNamespace(
        w=SimpleNamespace(
            connection=SimpleNamespace(opened=SimpleNamespace(simulated=simulated, skew=skew)),
            cerebro=SimpleNamespace(stopped=False),
        ),
        next_end=lambda: 60 * second, turn=seen.append, wait=lambda seconds: stop.set(),
    )  # fmt: skip
    market = SimpleNamespace(now=lambda: 61 * second)
    RealTime(session, market, 2.0, stop, lambda: None).drive()  # type: ignore[arg-type]
    assert seen == [(59 if waits else 61) * second]
