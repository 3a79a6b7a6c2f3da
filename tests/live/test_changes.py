"""A live session changes working orders: what the broker takes, refuses and never hears of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import backtrader as bt
import pytest

import robo_trader
from robo_trader.bars.select import load_bars
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Line, LineDownError
from robo_trader.ib.desk import OrderDesk
from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_database
from robo_trader.journal.standing import StandingOrder, standing
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.trading import trade
from robo_trader.risk.halt import HaltStore
from robo_trader.state import open_state

QUICK: dict[str, Any] = dict(heartbeat=0.8, retry_first=0.02, retry_most=0.2)
LOW = 100.0
#: What a step answers that is to be taken again with the next bar.
AGAIN = object()


@dataclass
class Diary:
    """What a strategy does at which bar, and what it was told; the session ends after the last step."""

    steps: list[Callable[[Any], Any]]
    told: list[tuple[str, float, float, str]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    order: Any = None
    valid: date | None = None


class Stepping(robo_trader.Strategy):
    """Rests a buy limit far below with its first bar, then takes one step a bar."""

    params = (("diary", None),)

    def __init__(self) -> None:
        self.count = 0

    def next(self) -> None:
        diary, self.count = self.p.diary, self.count + 1
        if self.count == 1:
            working = self.broker.get_orders_open()
            diary.order = working[0] if working else None
            if diary.order is None:
                diary.order = self.buy(
                    size=10, exectype=bt.Order.Limit, price=LOW, valid=diary.valid, because="cheap"
                )
        elif diary.order.status == bt.Order.Submitted:
            return  # Two bars may come at once, before the broker has it.
        elif diary.steps:
            answer = diary.steps[0](self)
            if answer is not AGAIN:
                diary.answers.append(answer)
                del diary.steps[0]
        else:
            diary.stop.set()

    def notify_order(self, order: Any) -> None:
        told = (order.getstatusname(), abs(order.created.size), order.created.price)
        self.p.diary.told.append((*told, order.info.get("refused", "")))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own, and a line that notices and mends a break within a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("robo_trader.live.trading.Line", partial(Line, **QUICK))
    return tmp_path


@pytest.fixture
def gateway() -> Iterator[EmbeddedGateway]:
    settings = GatewaySettings(port=0, control_port=0, speed="5d/s", matching="bars", warn_closed=False)
    bars = load_bars("bundled", ["SPY"])
    with EmbeddedGateway(lambda: replay_gateway(settings, bars, None, "2016-01-04")) as one:
        yield one


def live(one: EmbeddedGateway, diary: Diary, **more: Any) -> Outcome:
    words = {"send": True, "account": "DU1234567", "risk": "off", **more}
    return trade(
        words.pop("strategy", Stepping), ib=f"127.0.0.1:{one.port}", symbols="SPY", stop=diary.stop,
        params={"diary": diary}, flags={"live.history": 30},
        told=Told(alert=lambda a: diary.alerts.append(f"{a.title} {a.text}")),
        **words,
    )  # fmt: skip


def change(**asked: Any) -> Callable[[Any], Any]:
    return lambda s: s.broker.modify(s.p.diary.order, **asked)


def settled(s: Any) -> Any:
    """Wait for bars until the broker has answered every change."""
    return AGAIN if s.broker.unanswered() else None


def filled(size: float) -> Callable[[Any], Any]:
    """Wait for bars until so much of the order was filled."""
    return lambda s: None if s.p.diary.order.executed.size == size else AGAIN


def there(one: EmbeddedGateway) -> tuple[str, float, float]:
    """How the gateway has the first order."""
    order = next(iter(one.server.books.orders.values()))
    return order.status, order.quantity, order.limit or 0.0


def in_the_journal(run: str) -> StandingOrder:
    with open_journal(folder=".robo") as journal:
        return standing(journal, run).orders[0]


def states(run: str) -> list[str]:
    with open_journal(folder=".robo") as journal, read_database(journal.database) as reader:
        number = reader.run(run)
        assert number is not None
        return [row["state"] for row in reader.modifications(number["number"], 1)]


def agree(one: EmbeddedGateway, out: Outcome, size: float, limit: float) -> None:
    """Gateway, journal and session have the order alike, and nothing is open."""
    assert there(one) == ("Submitted", size, limit)
    stands = in_the_journal(out.run_id)
    assert (float(stands.size), float(stands.limit or 0), stands.changes) == (size, limit, ())
    assert out.differences == ()
    assert len(one.control("state")["orders"]) == 1, "it is the same order"


def test_a_change_keeps_the_order_and_is_told_when_the_broker_has_it(gateway: EmbeddedGateway) -> None:
    diary = Diary(
        [
            change(price=101.5, because="up"),
            settled,
            change(size=25),
            settled,
            change(price=102.0, size=5),
            settled,
        ]
    )
    out = live(gateway, diary)
    assert diary.answers == [True, None] * 3
    agree(gateway, out, 5, 102.0)
    assert diary.told[-3:] == [
        ("Accepted", 10, 101.5, ""), ("Accepted", 25, 101.5, ""), ("Accepted", 5, 102.0, ""),
    ]  # fmt: skip
    assert states(out.run_id) == ["asked", "holds"] * 3
    assert out.orders == 1


class AtOnce(Stepping):
    """Changes its order before the broker can have said that it has it."""

    def notify_order(self, order: Any) -> None:
        super().notify_order(order)
        if order.status == bt.Order.Submitted:
            self.p.diary.answers.append(self.broker.modify(order, price=101.0))


@pytest.mark.parametrize("taken", [True, False])
def test_a_change_leaves_once_the_broker_has_the_order(gateway: EmbeddedGateway, taken: bool) -> None:
    """The change of an order that is refused would make a new one at the broker."""
    for _ in range(0 if taken else 2):  # The first is met by what the session asks at its start.
        gateway.control("reject", code=201)
    diary = Diary([lambda s: None])
    out = live(gateway, diary, strategy=AtOnce)
    assert diary.answers == [True, None]
    if taken:
        agree(gateway, out, 10, 101.0)
        assert states(out.run_id) == ["asked", "holds"]
    else:
        assert gateway.control("state")["orders"] == [] and diary.told[-1][0] == "Rejected"
        assert states(out.run_id) == ["asked", "refused"]


def test_what_the_broker_refuses_leaves_the_order_as_it_was(gateway: EmbeddedGateway) -> None:
    def refused(code: Any) -> Callable[[Any], Any]:
        def step(s: Any) -> Any:
            gateway.control("reject", code=code)
            return change(price=103.0, size=12)(s)

        return step

    codes = ("110", "201", "321", 399)
    diary = Diary([change(price=101.0), settled, *(step for c in codes for step in (refused(c), settled))])
    out = live(gateway, diary)
    agree(gateway, out, 12, 103.0)
    assert [told[1:3] for told in diary.told[-5:-1]] == [(10, 101.0)] * 4
    assert [told[3].partition(":")[0] for told in diary.told[-4:]] == [
        "error 110",
        "error 201",
        "error 321",
        "",
    ]
    assert states(out.run_id) == ["asked", "holds", *["asked", "refused"] * 3, "asked", "holds"]
    assert sum("stays as it was: error" in text for text in diary.alerts) == 3


def test_a_change_after_a_partial_fill(gateway: EmbeddedGateway) -> None:
    def partly(s: Any) -> None:
        gateway.control("fill", orderId=gateway.control("state")["orders"][0]["id"], qty=4, price=LOW)

    diary = Diary([partly, filled(4), change(size=4), change(size=3), change(size=6), settled])
    out = live(gateway, diary)
    assert diary.answers[2:5] == [False, False, True]
    assert there(gateway) == ("Submitted", 6.0, LOW) and out.positions == {"SPY": 4.0}
    assert "leaves nothing of it, 4 being filled" in diary.told[-2][3]
    assert diary.told[-1] == ("Partial", 6.0, LOW, "")
    assert float(in_the_journal(out.run_id).size) == 6 and out.differences == ()


@pytest.mark.parametrize("size", [5, 10, 25])
def test_an_order_that_is_filled_while_its_change_is_on_its_way(
    gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    modify = OrderDesk.modify

    def late(desk: OrderDesk, order: Any, number: int) -> bool:
        gateway.control("fill", orderId=gateway.control("state")["orders"][0]["id"], qty=10, price=LOW)
        return modify(desk, order, number)

    monkeypatch.setattr(OrderDesk, "modify", late)
    diary = Diary([change(size=size, price=101.0), settled, settled])
    out = live(gateway, diary)
    assert diary.told[-1][:2] == ("Completed", 10.0) and out.positions == {"SPY": 10.0}
    assert [told[0] for told in diary.told].count("Completed") == 1
    assert states(out.run_id) == ["asked", "refused"] and out.differences == ()
    assert float(in_the_journal(out.run_id).size) == 10


@pytest.mark.parametrize("arrives", [True, False])
def test_a_line_that_breaks_before_the_answer(
    gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    modify, place = OrderDesk.modify, OrderDesk._place

    def breaking(desk: OrderDesk, order: Any, number: int) -> bool:
        def cut(desk: Any, ib: Any, own: int, symbol: str, fields: Any) -> None:
            if arrives:
                place(desk, ib, own, symbol, fields)
            ib.client.conn.transport.close()  # What is written already still arrives.

        with monkeypatch.context() as patch:
            patch.setattr(OrderDesk, "_place", cut)
            return modify(desk, order, number)

    monkeypatch.setattr(OrderDesk, "modify", breaking)
    diary = Diary([change(size=20, price=101.0), settled])
    out = live(gateway, diary)
    agree(gateway, out, *((20, 101.0) if arrives else (10, LOW)))
    assert states(out.run_id) == ["asked", "holds" if arrives else "refused"]
    assert ("never arrived" in diary.told[-1][3]) is not arrives


def test_a_change_while_the_line_is_down_is_refused(
    gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise LineDownError("the line to the broker is down")

    monkeypatch.setattr(OrderDesk, "modify", down)
    diary = Diary([change(price=101.0), settled])
    out = live(gateway, diary)
    agree(gateway, out, 10, LOW)
    assert diary.told[-1] == ("Accepted", 10, LOW, "not sent: the line to the broker is down")


def be_killed(port: int, sent: bool) -> None:
    """Change an order in a session that is killed when the change is journalled, or has just left."""
    modify = OrderDesk.modify

    def killed(desk: OrderDesk, order: Any, number: int) -> bool:
        if sent:
            modify(desk, order, number)
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    OrderDesk.modify = killed  # type: ignore[method-assign]
    live(SimpleNamespace(port=port), Diary([change(size=20, price=101.0), settled]))  # type: ignore[arg-type]


@pytest.mark.parametrize("sent", [True, False])
def test_a_session_that_is_killed_between_journal_and_answer(gateway: EmbeddedGateway, sent: bool) -> None:
    """The next one asks the broker which values hold; the same order goes on, and can be changed again."""
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.run(
        [sys.executable, "-c", f"import test_changes; test_changes.be_killed({gateway.port}, {sent})"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    with open_journal(folder=".robo") as journal, read_database(journal.database) as reader:
        (row,) = reader.runs()
    run = row["id"]
    (pending,) = in_the_journal(run).changes
    assert (float(pending.size), float(pending.limit or 0)) == (20, 101.0)
    diary = Diary([settled, change(price=102.0), settled])
    out = live(gateway, diary)
    assert out.run_id == run
    agree(gateway, out, 20 if sent else 10, 102.0)
    assert states(out.run_id) == ["asked", "holds" if sent else "refused", "asked", "holds"]


def test_an_order_of_an_earlier_session_keeps_its_validity(gateway: EmbeddedGateway) -> None:
    """Who changes an order says all of it again, and the validity is not in the journal."""
    first = live(gateway, Diary([settled], valid=date(2017, 1, 3)))
    order = next(iter(gateway.server.books.orders.values()))
    ends, tif = order.good_until, order.values["tif"]
    assert ends is not None and tif == "GTD"
    out = live(gateway, Diary([change(price=101.0), settled, change(price=102.0), settled]))
    assert out.run_id == first.run_id
    agree(gateway, out, 10, 102.0)
    order = next(iter(gateway.server.books.orders.values()))
    assert (order.good_until, order.values["tif"]) == (ends, "GTD")


def orders(one: EmbeddedGateway) -> list[Any]:
    return list(one.server.books.orders.values())


def test_an_exit_does_not_grow_again_when_another_was_filled_in_part(gateway: EmbeddedGateway) -> None:
    """The broker took what the profit target has sold off the stop, which follows the market then."""
    family: list[Any] = []

    def bracket(s: Any) -> None:
        family.extend(s.buy_bracket(size=10, exectype=bt.Order.Market, stopprice=60.0, limitprice=900.0))

    def partly(s: Any) -> Any:
        if family[0].alive() or family[2].status == bt.Order.Submitted:
            return AGAIN
        gateway.control("fill", orderId=orders(gateway)[3].order_id, qty=4, price=900.0)
        return None

    def follow(s: Any) -> Any:
        return AGAIN if abs(family[2].executed.size) != 4 else s.broker.modify(family[1], price=61.0)

    diary = Diary([bracket, partly, follow, settled])
    out = live(gateway, diary)
    stop = orders(gateway)[2]
    assert diary.answers[2] is True
    assert (stop.quantity, stop.stop, out.positions) == (6.0, 61.0, {"SPY": 6.0})
    assert out.differences == ()


@pytest.mark.parametrize("filled_first", [True, False])
def test_exits_follow_an_entry_that_could_not_become_smaller(
    gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch, filled_first: bool
) -> None:
    """Or a part of what is bought would have no stop."""
    modify, family = OrderDesk.modify, []

    def late(desk: OrderDesk, order: Any, number: int) -> bool:
        if order.limit == LOW + 1 and filled_first:
            gateway.control("fill", orderId=orders(gateway)[1].order_id, qty=10, price=LOW + 1)
        elif order.limit == LOW + 1:
            gateway.control("reject", code="201")
        return modify(desk, order, number)

    monkeypatch.setattr(OrderDesk, "modify", late)

    def bracket(s: Any) -> None:
        family.extend(s.buy_bracket(size=10, price=LOW + 1, stopprice=60.0, limitprice=900.0))

    def smaller(s: Any) -> Any:
        return AGAIN if family[2].status == bt.Order.Submitted else s.broker.modify(family[0], size=4)

    out = live(gateway, Diary([bracket, smaller, settled, settled, settled]))
    assert [o.quantity for o in orders(gateway)[1:]] == [10.0, 10.0, 10.0]
    assert [abs(o.created.size) for o in family] == [10, 10, 10]
    assert out.positions == ({"SPY": 10.0} if filled_first else {}) and out.differences == ()


def test_who_joins_a_group_does_not_bring_a_refused_change_into_force(gateway: EmbeddedGateway) -> None:
    def refused(s: Any) -> Any:
        gateway.control("reject", code="201")
        return change(price=105.0, size=30)(s)

    def join(s: Any) -> None:
        s.buy(size=1, exectype=bt.Order.Limit, price=90.0, oco=s.p.diary.order)

    out = live(gateway, Diary([refused, settled, join, settled, settled]))
    first = orders(gateway)[0]
    assert first.group and (first.quantity, first.limit) == (10.0, LOW) and out.differences == ()


def test_a_change_that_did_not_leave_says_nothing_of_one_that_did(
    gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line breaks with the first change; what becomes of it the broker says, whatever came after."""
    modify, place, count = OrderDesk.modify, OrderDesk._place, 0

    def breaking(desk: OrderDesk, order: Any, number: int) -> bool:
        nonlocal count
        count += 1
        if count > 1:
            raise LineDownError("the line to the broker is down")

        def cut(desk: Any, ib: Any, own: int, symbol: str, fields: Any) -> None:
            place(desk, ib, own, symbol, fields)
            ib.client.conn.transport.close()  # What is written already still arrives.

        with monkeypatch.context() as patch:
            patch.setattr(OrderDesk, "_place", cut)
            return modify(desk, order, number)

    monkeypatch.setattr(OrderDesk, "modify", breaking)

    def twice(s: Any) -> None:
        change(size=20, price=101.0)(s)
        s.broker.flush()
        change(size=30)(s)

    out = live(gateway, Diary([twice, settled]))
    agree(gateway, out, 20, 101.0)
    assert states(out.run_id) == ["asked", "asked", "refused", "holds"]


def test_no_change_follows_a_cancellation(gateway: EmbeddedGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(OrderDesk, "modify", lambda *what: sent.append(what) or True)

    def both(s: Any) -> None:
        change(price=101.0)(s)
        s.cancel(s.p.diary.order)

    diary = Diary([both, settled, settled])
    out = live(gateway, diary)
    assert sent == [] and states(out.run_id) == ["asked", "refused"] and out.differences == ()
    assert orders(gateway)[0].status == "Cancelled" and diary.told[-1][0] == "Canceled"


def test_a_halt_lets_an_order_become_smaller_and_not_larger(gateway: EmbeddedGateway, project: Path) -> None:
    halts = HaltStore(open_state(None, folder=project / ".robo"), project / ".robo" / "HALT")

    def reduce(s: Any) -> None:
        halts.set("REDUCING", who="the guard", why="look")

    diary = Diary([reduce, change(size=20), change(size=7), change(price=99.0), change(price=101.0), settled])
    out = live(gateway, diary, risk="default")
    assert diary.answers[1:5] == [False, True, True, False]
    agree(gateway, out, 7, 99.0)
    assert "halt: REDUCING" in diary.told[-1][3]


def test_a_preview_changes_nothing_at_the_broker(gateway: EmbeddedGateway) -> None:
    first = live(gateway, Diary([settled]))
    diary = Diary([change(price=101.0), settled])
    out = live(gateway, diary, send=None, account=None)
    assert out.run_id == first.run_id and not out.sending
    agree(gateway, out, 10, LOW)
    assert diary.told[-1] == ("Accepted", 10, LOW, "preview: nothing is sent")
