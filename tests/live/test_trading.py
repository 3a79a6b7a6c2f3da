"""A strategy traded through the broker: rehearsed as in its backtest, previewed, stopped, gone on with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pytest

import robo_trader
from robo_trader import backtest
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.select import load_bars
from robo_trader.errors import BrokerError, RefusedError, StrategyError, UsageError
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.desk import OrderDesk
from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_database
from robo_trader.journal.standing import standing
from robo_trader.live.alone import claim, release
from robo_trader.live.mending import Mender
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.trading import host_and_port, trade
from robo_trader.records import Alert
from robo_trader.risk.halt import HaltStore
from robo_trader.state import open_state

START = "2016-01-04"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own: journal, state and runs go there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rehearse(strategy: Any, end: str = "2016-06-30", **more: Any) -> Outcome:
    """Rehearse on SPY's daily bars, as fast as it goes."""
    flags = {"live.history": 60, "run.commission": 0.0005, **more.pop("flags", {})}
    chosen = {"symbols": "SPY", "start": START, "end": end, "speed": "max", "save": False, **more}
    return trade(strategy, flags=flags, **chosen)


def fills(result: Any) -> list[tuple[Any, ...]]:
    """What must be equal of fills; the wire rounds a commission in its last bit."""
    return [
        (f.time, f.symbol, f.side, f.size, f.price, round(f.commission, 9), f.order_id, f.because)
        for f in result.fills
    ]


class EveryWay(robo_trader.Strategy):
    """Brackets, groups, stops and cancellations, by the number of bars seen."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.kept: Any = None

    def next(self) -> None:
        d, n = self.data, len(self) % 20
        close = d.close[0]
        if n == 1:
            self.buy_bracket(
                size=20, exectype=bt.Order.Market, stopprice=round(close * 0.98, 2),
                limitprice=round(close * 1.02, 2),
            )  # fmt: skip
        elif n == 6:
            self.kept = self.sell(size=7, exectype=bt.Order.Limit, price=round(close * 1.2, 2))
        elif n == 8:
            self.cancel(self.kept)
        elif n == 9:
            first = self.buy(size=5, exectype=bt.Order.Stop, price=round(close * 1.01, 2))
            self.sell(size=5, exectype=bt.Order.Stop, price=round(close * 0.99, 2), oco=first)
        elif n == 15:
            self.buy(size=3, exectype=bt.Order.StopTrail, trailamount=1.5)
        elif n == 19 and self.position:
            self.close(because="the end of a round")

    def notify_order(self, order: Any) -> None:
        if order.status in (order.Completed, order.Canceled, order.Rejected, order.Margin):
            self.said.append((order.getstatusname(), order.executed.size, order.executed.price))


def test_a_rehearsal_is_its_backtest() -> None:
    live = rehearse("sma_cross", end="2017-12-29").result
    past = backtest(
        "sma_cross", symbols="SPY", start=START, end="2017-12-29", commission=0.0005,
        flags={"run.warmup": 60}, save=False,
    )  # fmt: skip
    assert live is not None and len(live.fills) > 5
    assert fills(live) == fills(past)
    assert np.allclose(live.record.sessions.value, past.record.sessions.value, rtol=1e-12, atol=0)
    assert (live.record.sessions.date == past.record.sessions.date).all()


def test_orders_of_every_kind_fare_as_in_the_backtest() -> None:
    live = rehearse(EveryWay, risk="off").result
    past = backtest(
        EveryWay, symbols="SPY", start=START, end="2016-06-30", commission=0.0005, risk="off",
        flags={"run.warmup": 60}, save=False,
    )  # fmt: skip
    assert live is not None and len(live.fills) > 15
    assert fills(live) == fills(past)
    ended = [(o.order_id, o.type, o.size, o.status, o.filled) for o in live.record.orders]
    assert ended == [(o.order_id, o.type, o.size, o.status, o.filled) for o in past.record.orders]


class CancelsEach(bt.Strategy):
    """Makes a bracket far away, and cancels each of its orders the bar after."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def next(self) -> None:
        for order in self.made:
            self.cancel(order)
        close = self.data.close[0]
        self.made = self.buy_bracket(
            size=5, price=round(close * 0.8), stopprice=round(close * 0.7), limitprice=round(close * 0.9)
        )


def test_an_order_is_cancelled_once_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = OrderDesk.cancel

    def noted(desk: OrderDesk, refs: Iterable[str]) -> None:
        asked.extend(refs := list(refs))
        real(desk, refs)

    monkeypatch.setattr(OrderDesk, "cancel", noted)
    doubts: list[None] = []
    monkeypatch.setattr(Mender, "doubt", lambda mender: doubts.append(None))
    result = rehearse(CancelsEach, end="2016-01-15").result
    assert result is not None and len(result.orders) == 30
    assert len(asked) == len(set(asked)) == 27
    assert not doubts  # The broker ends the exits with their parent, and says so.


def test_the_journal_has_what_the_rehearsal_did() -> None:
    out = rehearse("sma_cross", end="2016-12-30")
    assert out.result is not None
    with open_journal(folder=".robo") as journal:
        stands = standing(journal, out.run_id)
    assert [(f.at, f.symbol, f.side, float(f.size), float(f.price)) for f in stands.fills] == [
        (f.time, f.symbol, f.side, f.size, f.price) for f in out.result.fills
    ]
    assert stands.fills
    paid = sum(float(f.commission) for f in stands.fills)
    assert paid == pytest.approx(sum(f.commission for f in out.result.fills), rel=1e-12)
    held = {symbol: float(size) for symbol, size in stands.positions.items()}
    assert held == out.positions


class Raises(robo_trader.Strategy):
    def next(self) -> None:
        if self.position:
            raise ValueError("no such luck")
        self.buy(size=1, because="first")


def test_a_strategy_that_raises_leaves_a_whole_journal() -> None:
    with pytest.raises(StrategyError, match="raised ValueError: no such luck") as caught:
        rehearse(Raises)
    assert "orders and positions stay" in str(caught.value.hint)
    with open_journal(folder=".robo") as journal, read_database(journal.database) as reader:
        (run,) = reader.rows("runs", "1 = 1")
        (end,) = reader.rows("session_ends", "run = :run", run=run["number"])
    assert end["state"] == "failed" and "no such luck" in end["note"]
    with open_journal(folder=".robo") as journal:
        assert standing(journal, run["id"]).positions == {"SPY": 1}


# -- a gateway elsewhere ---------------------------------------------------------------------------------


@pytest.fixture
def gateway() -> Iterator[Callable[..., EmbeddedGateway]]:
    """Start gateways that play daily bars, five days a second unless told."""
    started: list[EmbeddedGateway] = []

    def start(frames: list[BarFrame] | None = None, begin: str = START, **more: Any) -> EmbeddedGateway:
        chosen = {"port": 0, "control_port": 0, "speed": "5d/s", "matching": "bars", **more}
        settings = GatewaySettings(**chosen)
        bars = frames or load_bars("bundled", ["SPY"])
        one = EmbeddedGateway(lambda: replay_gateway(settings, bars, None, begin)).__enter__()
        started.append(one)
        return one

    yield start
    for one in started:
        one.close()


class Once(robo_trader.Strategy):
    """Buys ten shares; `done` is called at a bar after the fill, or at bar number `bars`."""

    params = (("done", None), ("bars", None))

    def __init__(self) -> None:
        self.count = 0

    def next(self) -> None:
        self.count += 1
        if self.count == 1 and not self.position:
            self.buy(size=10, because="to begin")
        elif self.p.done is not None and (self.position or self.count >= (self.p.bars or 100)):
            self.p.done()


def test_a_preview_sends_nothing(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()
    out = trade(
        Once, ib=f"127.0.0.1:{one.port}", symbols="SPY", stop=stop, params={"done": stop.set, "bars": 2},
        flags={"live.history": 30},
    )  # fmt: skip
    assert not out.sending and out.orders == 1 and out.fills == 0
    assert one.control("state")["orders"] == []
    with open_journal(folder=".robo") as journal:
        (order,) = standing(journal, out.run_id).orders
    assert order.status == "Rejected"


def test_a_session_goes_on_with_its_run(gateway: Any) -> None:
    one = gateway()
    told: list[str] = []
    stop = threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    first = trade(Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    assert first.fills == 1 and first.positions == {"SPY": 10.0} and not first.differences
    stop = threading.Event()
    second = trade(
        Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30},
        told=Told(note=told.append), **words,
    )  # fmt: skip
    assert second.run_id == first.run_id and second.session == 2
    assert second.positions == {"SPY": 10.0} and (first.orders, second.orders) == (1, 0)
    assert any("going on with the run" in text for text in told)
    assert len(one.control("state")["orders"]) == 1
    third = trade(
        Once, stop=stop, fresh=True, flags={"live.history": 30},
        **words,
    )  # fmt: skip
    assert third.run_id != first.run_id and third.positions == {}


def test_a_run_is_traded_by_one_session_at_a_time(gateway: Any) -> None:
    one, ended = gateway(), threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    refused: list[RefusedError] = []

    def again() -> None:
        try:
            trade(Once, flags={"live.history": 30, "live.client_id": 2}, **words)
        except RefusedError as error:
            refused.append(error)
        ended.set()

    out = trade(Once, stop=ended, params={"done": again}, flags={"live.history": 30}, **words)
    assert f"the run {out.run_id} is traded already, by process" in refused[0].message
    assert out.fills == 1 and len(one.control("state")["orders"]) == 1
    # One whose process is gone is gone on with, whatever its last sign of life said.
    with open_state(None) as store:
        beat = store.heartbeats()[f"session/{out.run_id}"].about
        store.heartbeat(f"session/{out.run_id}", **{**beat, "phase": "trading", "started": "another"})
        claim(store, out.run_id)
        with pytest.raises(RefusedError, match="--fresh"):
            claim(store, out.run_id)  # Of two that start at one moment the second is refused.
        release(store, out.run_id)
        store.heartbeat(f"session/{out.run_id}", **{**beat, "phase": "trading"})
        with pytest.raises(RefusedError, match="--fresh"):
            claim(store, out.run_id)


def test_an_order_that_the_broker_rejects_is_told(gateway: Any) -> None:
    one, stop, alerts = gateway(), threading.Event(), []

    class Rejected(Once):
        def next(self) -> None:
            if not self.count:
                one.control("reject", code=201)
            if self.count < 100 and not any("rejected" in alert.title for alert in alerts):
                super().next()
            else:
                stop.set()

    trade(
        Rejected, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567", stop=stop,
        told=Told(alert=alerts.append), flags={"live.history": 30},
    )  # fmt: skip
    told = [alert.title for alert in alerts]
    assert any(text.startswith("SPY: the broker rejected order 1: ") for text in told), told


def test_each_stage_of_a_rehearsal_is_told() -> None:
    stages: dict[str, None] = {}
    rehearse(Once, end="2016-01-15", told=Told(progress=lambda stage, done, total: stages.setdefault(stage)))
    assert list(stages) == ["reading bars", "asking for contracts and bars", "rehearsing", "writing"]


def test_a_rehearsal_does_not_ask_for_the_configured_account() -> None:
    out = rehearse(Once, end="2016-01-15", flags={"live.account": "DU7654321"})
    assert out.fills == 1 and out.account != "DU7654321"


def test_a_halt_stops_orders_and_is_answered(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()
    alerts: list[Alert] = []
    with open_state(None) as store:
        HaltStore(store).set("HALTED", who="a test", why="enough")
    out = trade(
        Once, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567", stop=stop,
        params={"done": stop.set, "bars": 2}, told=Told(alert=alerts.append), flags={"live.history": 30},
    )  # fmt: skip
    assert one.control("state")["orders"] == [] and out.fills == 0
    assert any("HALTED" in alert.title for alert in alerts)
    with open_state(None) as store:
        beat = store.heartbeats()[f"session/{out.run_id}"]
    assert beat.about["halted_at"] and beat.about["phase"] == "stopped"


def test_runs_of_one_account_explain_each_other(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    trade(Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    stop = threading.Event()
    out = trade(Once, stop=stop, fresh=True, params={"done": stop.set}, flags={"live.history": 30}, **words)
    assert not out.differences and out.positions == {"SPY": 10.0}
    assert list(one.control("state")["pos"].values()) == [20.0]


def test_what_nobody_explains_blocks_openings(gateway: Any, project: Path) -> None:
    one, stop = gateway(), threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    trade(Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    (project / ".robo" / "journal.sqlite").rename(project / "elsewhere.sqlite")
    stop = threading.Event()
    # A journal that knows nothing of it finds ten shares that it cannot explain.
    out = trade(Once, stop=stop, params={"done": stop.set, "bars": 2}, flags={"live.history": 30}, **words)
    assert out.orders == 0 and "SPY" in out.differences[0]


class Leaves(Once):
    """Sells all that it holds, at every bar."""

    def next(self) -> None:
        if self.position:
            self.sell(size=self.position.size)
        if len(self) > 33:
            self.p.done()


@pytest.mark.parametrize("sold", [10, 4])
def test_an_exit_that_would_open_a_position_at_the_broker_is_stopped(gateway: Any, sold: int) -> None:
    one, stop = gateway(), threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    trade(Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    with Connection(Line(port=one.port)) as line:

        async def by_hand(ib: Any) -> int:
            (held,) = await ib.reqPositionsAsync()
            contract = line.library.contract(conId=held.contract.conId, exchange="SMART")
            number: int = ib.client.getReqId()
            fields = {"action": "SELL", "totalQuantity": sold, "orderType": "LMT", "lmtPrice": 900.0}
            ib.client.placeOrder(number, contract, line.library.order(**fields, tif="GTC"))
            return number

        number = line.call(by_hand)
        line.time()
        one.control("fill", orderId=number, qty=sold, price=200.0)
    stop, leaves = threading.Event(), type("Once", (Leaves,), {})  # Of one name, so that the run goes on.
    second = trade(leaves, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    assert second.positions == {"SPY": 10.0} and f"holds {sold} less" in second.differences[0]
    assert sum(one.control("state")["pos"].values()) == 10 - sold
    with open_journal(folder=".robo") as journal, read_database(journal.database) as reader:
        assert "veto" in {row["action"] for row in reader.rows("decisions")}


class Offers(robo_trader.Strategy):
    """Offers what it holds, far above the market."""

    params = (("done", None),)

    def next(self) -> None:
        if self.position:
            self.sell(size=self.position.size, exectype=bt.Order.Limit, price=900.0)
            self.p.done()


def test_a_reference_that_the_journal_lost_is_not_given_again(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()
    words = {"ib": f"127.0.0.1:{one.port}", "symbols": "SPY", "send": True, "account": "DU1234567"}
    first = trade(Once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    head = first.run_id.rpartition("-")[2]
    with Connection(Line(port=one.port)) as line:

        async def lost(ib: Any) -> None:
            (held,) = await ib.reqPositionsAsync()
            contract = line.library.contract(conId=held.contract.conId, exchange="SMART")
            fields = {"action": "SELL", "totalQuantity": 10, "orderType": "LMT", "lmtPrice": 800.0}
            order = line.library.order(**fields, tif="GTC", orderRef=f"{head}-2")
            ib.client.placeOrder(ib.client.getReqId(), contract, order)

        line.call(lost)
        line.time()
    stop, once = threading.Event(), type("Once", (Offers,), {})  # Of one name, so that the run goes on.
    second = trade(once, stop=stop, params={"done": stop.set}, flags={"live.history": 30}, **words)
    assert second.run_id == first.run_id and "not in the journal" in second.differences[0]
    assert [order["ref"] for order in one.control("state")["orders"]] == [f"{head}-{i}" for i in (1, 2, 3)]


# -- wrong words -----------------------------------------------------------------------------------------


def test_what_is_refused_before_anything_is_sent(gateway: Any) -> None:
    one = gateway()
    place = f"127.0.0.1:{one.port}"
    with pytest.raises(RefusedError, match="typed in full"):
        trade(Once, ib=place, symbols="SPY", send=True)
    with pytest.raises(BrokerError, match="does not belong to this login"):
        trade(Once, ib=place, symbols="SPY", send=True, account="DU123456")
    with pytest.raises(UsageError, match="nobody said what to trade"):
        trade(Once, ib=place)
    with pytest.raises(BrokerError, match="knows no contract"):
        trade(Once, ib=place, symbols="NOSUCH")
    with pytest.raises(UsageError, match="live bars of 45m are not built"):
        trade(Once, ib=place, symbols="SPY", timeframe="45m")
    with pytest.raises(BrokerError, match="nothing listens"):
        trade(Once, ib="127.0.0.1:1", symbols="SPY")
    with pytest.raises(UsageError, match="needs a gateway"):
        trade(Once, mode="live", symbols="SPY")
    with pytest.raises(UsageError, match="no HOST:PORT"):
        host_and_port("here")
    assert not Path(".robo/journal.sqlite").exists()


def test_a_gateway_that_takes_no_orders_is_found_out_at_the_start(gateway: Any) -> None:
    one = gateway()
    one.control("set", readonly=True)
    with pytest.raises(BrokerError, match="takes no orders: its API is read-only"):
        trade(Once, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567")


def test_capital_that_the_account_does_not_have_is_told(gateway: Any) -> None:
    one, stop, alerts = gateway(cash=50_000.0), threading.Event(), []
    trade(
        Once, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567", stop=stop,
        cash=80_000, params={"done": stop.set, "bars": 1}, told=Told(alert=alerts.append),
        flags={"live.history": 30},
    )  # fmt: skip
    assert any("the capital is 80,000.00, and the account is worth 50,000.00" in a.title for a in alerts)


def test_an_order_that_the_broker_parks_and_drops_is_over(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()

    class Parked(Once):
        def next(self) -> None:
            if not self.count:
                one.control("reject", code="inactive")
            super().next()

        def notify_order(self, order: Any) -> None:
            if order.status == order.Rejected:
                self.p.done()

    out = trade(
        Parked, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567", stop=stop,
        params={"done": stop.set}, flags={"live.history": 30},
    )  # fmt: skip
    with open_journal(folder=".robo") as journal:
        (order,) = standing(journal, out.run_id).orders
    assert (order.status, out.fills) == ("Rejected", 0)


def test_orders_that_rest_when_a_session_stops_are_told(gateway: Any) -> None:
    one, stop = gateway(), threading.Event()

    class Rests(Once):
        def next(self) -> None:
            self.buy(size=1, exectype=bt.Order.Limit, price=10.0)

        def notify_order(self, order: Any) -> None:
            if order.status == order.Accepted:
                self.p.done()

    out = trade(
        Rests, ib=f"127.0.0.1:{one.port}", symbols="SPY", send=True, account="DU1234567", stop=stop,
        params={"done": stop.set}, flags={"live.history": 30},
    )  # fmt: skip
    assert "1 order rests at the broker" in out.warnings[0] and len(out.warnings) == 1
