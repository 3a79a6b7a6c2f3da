"""What a session owes after a break: bars held back, jumps noticed, refusals asked again, orders ended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from robo_trader import clock
from robo_trader.bars.timeframes import parse
from robo_trader.calendars import get_calendar
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import LineDownError
from robo_trader.ib.contracts import ContractName, Qualified
from robo_trader.ib.executions import Moved, Orders, State
from robo_trader.ib.history import Series
from robo_trader.ib.messages import Bars, Execution, OpenOrder, OrderStatus, PriceBar, Problem
from robo_trader.ib.series import LiveSeries
from robo_trader.ib.stream import BarJoin
from robo_trader.live import mending
from robo_trader.live.mending import Mender

MINUTE = 60 * 10**9
OPEN = int(get_calendar("XNYS").session_bounds(np.array(["2024-03-06"], "datetime64[D]"))[0][0])
SPY = Qualified(ContractName("SPY", con_id=756733), "SPY", 0.01, "US/Eastern")


def bar(at: int, price: float = 1.0) -> PriceBar:
    return PriceBar(at, price, price, price, price, 1.0)


def told(*bars: PriceBar, snapshot: bool = False) -> Bars:
    return Bars("k", bars, snapshot)


# -- bars ------------------------------------------------------------------------------------------------


def test_no_bar_is_finished_before_the_snapshot_that_follows_a_break() -> None:
    join = BarJoin(last=1)
    join.take(told(bar(2)))
    join.hold()
    assert join.take(told(bar(4))) == () and join.finish(9) == ()
    assert join.take(told(bar(2, 7.0), bar(3), bar(4), bar(5), snapshot=True)) == (
        bar(2, 7.0),
        bar(3),
        bar(4),
    )
    assert join.holes == [(1, 2)]  # the snapshot did not reach back to what was known


def test_a_bar_that_changes_after_its_end_is_noted_once() -> None:
    join = BarJoin()
    assert join.take(told(bar(1), bar(2))) == (bar(1),)
    join.take(told(bar(1), bar(2)))
    assert join.changed == []
    join.take(told(bar(1, 5.0), bar(2)))
    join.take(told(bar(1, 5.0), bar(2)))
    assert join.changed == [1]


@pytest.fixture
def minutes() -> LiveSeries:
    one = LiveSeries(Series(SPY, parse("1m"), "TRADES", True), "SPY", 10)
    one.take(told(*(bar(OPEN + i * MINUTE) for i in range(5)), snapshot=True))
    one.finish(OPEN + 5 * MINUTE)
    one.begin()
    return one


def test_a_jump_holds_bars_back_until_they_are_subscribed_again(minutes: LiveSeries) -> None:
    minutes.take(told(bar(OPEN + 4 * MINUTE), bar(OPEN + 5 * MINUTE)))
    assert not minutes.jumped
    minutes.take(told(bar(OPEN + 5 * MINUTE), bar(OPEN + 8 * MINUTE)))
    assert minutes.jumped and minutes.due() == []
    minutes.take(told(*(bar(OPEN + i * MINUTE) for i in range(4, 9)), snapshot=True))
    assert [int(f.start[0] - OPEN) // MINUTE for f in minutes.due()] == [5, 6, 7]


def test_a_night_is_no_jump(minutes: LiveSeries) -> None:
    last = OPEN + 389 * MINUTE
    minutes.join.last = last
    dates = np.array(["2024-03-07"], "datetime64[D]")
    tomorrow = int(get_calendar("XNYS").session_bounds(dates)[0][0])
    minutes.take(told(bar(last), bar(tomorrow)))
    assert not minutes.jumped


def test_a_market_that_rarely_trades_is_believed(minutes: LiveSeries) -> None:
    at = OPEN + 4 * MINUTE
    for i in range(5):
        minutes.jumped = False
        minutes.take(told(bar(at), bar(at + 3 * MINUTE)))
        assert minutes.jumped is (i < 3)
        # The broker has nothing between.
        minutes.take(told(bar(at), bar(at + 3 * MINUTE), snapshot=True))
        at += 3 * MINUTE
    assert [int(f.start[0] - OPEN) // MINUTE for f in minutes.due()] == [7, 10, 13, 16]


@pytest.mark.parametrize("code", ["1m", "1h"])
def test_history_outside_the_session_is_left_out(code: str) -> None:
    size = parse(code)
    one = LiveSeries(Series(SPY, size, "TRADES", True), "SPY", 100)
    first = OPEN - OPEN % size.ns - 15 * size.ns
    one.take(told(*(bar(first + i * size.ns) for i in range(18)), snapshot=True))
    history = one.begin()
    assert history.start.min() == OPEN and len(history) == 2


def test_what_comes_after_the_close_is_left_out() -> None:
    close = OPEN + 390 * MINUTE
    one = LiveSeries(Series(SPY, parse("1m"), "TRADES", True), "SPY", 100)
    one.take(told(*(bar(close + i * MINUTE) for i in (-3, -2, -1)), snapshot=True))
    one.begin()
    for i in range(4):
        one.take(told(bar(close + (i - 1) * MINUTE), bar(close + i * MINUTE)))
    assert [int(frame.start[0] - close) // MINUTE for frame in one.due()] == [-1]


def test_bars_that_lie_outside_every_session_say_what_to_do() -> None:
    one = LiveSeries(Series(SPY, parse("1m"), "TRADES", True), "SPY", 100)
    one.take(told(*(bar(OPEN - i * MINUTE) for i in range(90, 60, -1)), snapshot=True))
    with pytest.raises(BrokerError, match="none of 29 bars of 1m") as caught:
        one.begin()
    assert "[live] regular = false" in (caught.value.hint or "")


def test_daily_bars_jump_over_a_session_and_not_over_a_weekend() -> None:
    one = LiveSeries(Series(SPY, parse("1d"), "TRADES", True), "SPY", 10)
    friday = int(np.datetime64("2024-03-01").astype(np.int64))
    one.take(told(bar(friday - 1), bar(friday), snapshot=True))
    one.take(told(bar(friday), bar(friday + 3)))
    assert not one.jumped
    one.take(told(bar(friday + 3), bar(friday + 5)))
    assert one.jumped


# -- orders ----------------------------------------------------------------------------------------------


@pytest.fixture
def orders() -> Orders:
    made = Orders()
    made.announce("a1-1", client_id=1, order_id=7, side="BUY", size=Decimal(10))
    return made


def status(word: str) -> OrderStatus:
    return OrderStatus(
        order_id=7, client_id=1, perm_id=5, status=word, filled=Decimal(0), remaining=Decimal(10)
    )


def test_a_child_without_its_parent_is_refused_and_a_known_order_is_not(orders: Orders) -> None:
    orphan = Problem(id=7, code=135, text="Can't find order with id = 6")
    (moved,) = orders.apply(orphan)
    assert isinstance(moved, Moved) and moved.after is State.REJECTED and "135" in moved.reason
    orders.announce("a1-2", client_id=1, order_id=8, side="BUY", size=Decimal(10))
    orders.apply(
        OpenOrder(
            order_id=8, client_id=1, perm_id=6, ref="a1-2", con_id=1, account="D", side="BUY",
            size=Decimal(10), type="LMT", status="Submitted",
        )
    )  # fmt: skip
    orders.apply(Problem(id=8, code=135, text="Can't find order with id = 8"))
    known = orders.get("a1-2")
    assert known is not None and known.state is State.WORKING


def test_a_parked_order_that_cannot_be_cancelled_is_over(orders: Orders) -> None:
    orders.apply(status("Inactive"))
    (moved,) = orders.apply(Problem(id=7, code=10148, text="cannot be cancelled, state: Inactive"))
    assert isinstance(moved, Moved) and moved.after is State.REJECTED


def test_a_refused_cancellation_does_not_end_an_order(orders: Orders) -> None:
    orders.call_back("a1-1")
    orders.call_back("a1-9")  # one that nobody knows
    orders.apply(Problem(id=7, code=321, text="the API is read-only"))
    known = orders.get("a1-1")
    assert known is not None and known.state is State.CREATED
    (moved,) = orders.apply(Problem(id=7, code=10147, text="OrderId 7 is not found."))
    assert isinstance(moved, Moved) and moved.after is State.REJECTED and "10147" in moved.reason


def test_an_open_order_that_says_filled_lacks_executions(orders: Orders) -> None:
    orders.apply(
        OpenOrder(
            order_id=7, client_id=1, perm_id=6, ref="a1-1", con_id=1, account="D", side="BUY",
            size=Decimal(10), type="LMT", status="Filled",
        )
    )  # fmt: skip
    known = orders.get("a1-1")
    assert known is not None and known.missing == 10 and not known.state.over


def test_the_confirmation_of_a_cancellation_is_no_warning(orders: Orders) -> None:
    orders.apply(status("Submitted"))
    assert orders.apply(Problem(id=7, code=202, text="Order Canceled - reason:")) == ()
    (moved,) = orders.apply(status("Cancelled"))
    assert isinstance(moved, Moved) and moved.after is State.CANCELLED and not moved.reason


def test_numbers_of_other_clients_do_not_count(orders: Orders) -> None:
    orders.announce("a1-2", client_id=2, order_id=90, side="BUY", size=Decimal(1))
    assert (orders.highest(1), orders.highest(2), orders.highest(3)) == (7, 90, 0)


# -- the mender --------------------------------------------------------------------------------------------


class Wires:
    """A line, a stream and a broker whose answers a test says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answers: list[Any] = []
        self.books: list[Any] = []
        self.asked = 0
        self.changes: dict[int, Any] = {}
        self.connection = self.gate = self.cerebro = self.desk = self.broker = self.halts = self
        self.up, self.blocked, self.wanted_gone = True, "", set[str]()
        self.orders = Orders()
        self.join = BarJoin(last=3)
        self.symbol, self.jumped = "SPY", False
        self.series = self.streams = [self]

    def subscribe(self, since: int | None) -> None:
        answer = self.answers.pop(0) if self.answers else None
        self.said.append(f"subscribe {since}")
        if answer is not None:
            raise answer

    def reconcile(self) -> list[str]:
        self.said.append("compare")
        answer = self.books.pop(0) if self.books else []
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def again(self) -> None:
        self.said.append("halts")

    def ask_executions(self) -> None:
        self.asked += 1

    def unanswered(self) -> dict[int, Any]:
        return self.changes

    def trouble(self, level: Any, title: str, text: str) -> None:
        self.said.append(title)

    def block(self, why: str) -> None:
        self.blocked = why


@pytest.fixture
def wires() -> Wires:
    return Wires()


@pytest.fixture
def mender(wires: Wires) -> Mender:
    return Mender(wires, wires.trouble, wires.block)  # type: ignore[arg-type]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time[0])
    return time


def test_what_the_broker_refuses_is_asked_for_again(wires: Wires, mender: Mender, now: list[float]) -> None:
    wires.answers = [BrokerError("pacing"), BrokerError("pacing"), None]
    mender.back()
    assert wires.join.held
    mender.turn(False)
    mender.turn(False)
    assert wires.said == ["subscribe 3", "SPY: no bars; they are asked for again", "compare", "halts"]
    now[0] += 0.6
    mender.turn(False)
    now[0] += 0.6
    mender.turn(False)
    assert wires.said[4:] == ["subscribe 3"]
    now[0] += 0.6
    mender.turn(False)
    assert wires.said[5:] == ["subscribe 3", "bars are subscribed again"]
    now[0] += 100
    mender.turn(False)
    assert len(wires.said) == 7


def test_a_line_that_breaks_meanwhile_loses_nothing(wires: Wires, mender: Mender, now: list[float]) -> None:
    wires.answers, wires.books = [LineDownError("down")], [LineDownError("down")]
    mender.back()
    mender.turn(False)
    mender.turn(False)
    assert wires.said == ["subscribe 3", "compare", "subscribe 3", "compare", "halts"]
    wires.up = False
    mender.back()
    mender.turn(False)
    assert len(wires.said) == 5


def test_changes_without_an_answer_are_looked_for_less_and_less_often(
    wires: Wires, mender: Mender, now: list[float]
) -> None:
    def looks(seconds: float) -> int:
        before = wires.said.count("compare")
        for _ in range(round(seconds * 10)):
            now[0] += 0.1
            mender.turn(False)
        return wires.said.count("compare") - before

    wires.changes = {7: {1: "asked"}}
    mender.turn(False)
    assert looks(0.8) == 0
    assert [looks(1.5), looks(2.5), looks(60.0)] == [1, 1, 4]
    wires.changes = {}
    assert looks(600.0) == 0
    wires.changes = {7: {2: "asked"}}
    assert looks(0.9) == 0 and looks(1.0) == 1


def test_books_that_cannot_be_compared_block_what_opens(
    wires: Wires, mender: Mender, now: list[float]
) -> None:
    wires.books = [BrokerError("the account goes on changing"), ["a difference"], []]
    mender.back()
    mender.turn(False)
    assert "could not be compared" in wires.blocked
    now[0] += 0.6
    mender.turn(False)
    assert "a difference" in wires.blocked
    mender.turn(False)
    now[0] += mending._LOOK_FIRST + 0.1
    mender.turn(False)
    now[0] += 2 * mending._LOOK_FIRST + 0.1
    mender.turn(False)
    assert wires.blocked == "" and wires.said.count("compare") >= 3


def test_books_in_doubt_are_compared_once(wires: Wires, mender: Mender, now: list[float]) -> None:
    mender.doubt()
    mender.turn(False)
    mender.turn(False)
    assert wires.said == ["compare", "halts"]


def test_a_series_that_jumped_is_subscribed_again(wires: Wires, mender: Mender, now: list[float]) -> None:
    wires.jumped = True
    mender.turn(False)
    assert wires.said == ["subscribe 3"] and not wires.jumped


def test_an_overdue_commission_is_asked_for_with_growing_pauses(
    wires: Wires, mender: Mender, now: list[float]
) -> None:
    wires.orders.announce("a1-1", client_id=1, order_id=7, side="BUY", size=Decimal(10))
    wires.orders.apply(
        Execution(
            exec_id="x.01", order_id=7, client_id=1, perm_id=5, ref="a1-1", con_id=1, symbol="SPY",
            account="D", side="BUY", size=Decimal(10), price=Decimal(5), time=clock.now(),
        )
    )  # fmt: skip
    mender.turn(True)
    assert wires.asked == 0
    for seconds, asked in ((1.1, 1), (1.0, 1), (1.1, 2), (2.0, 2), (2.1, 3)):
        now[0] += seconds
        mender.turn(False)
        assert wires.asked == asked, seconds


def test_bars_are_named_by_day_or_time() -> None:
    daily = LiveSeries(Series(SPY, parse("1d"), "TRADES", True), "SPY", 10)
    minutes = LiveSeries(Series(SPY, parse("5m"), "TRADES", True), "SPY", 10)
    assert daily.named(16_804) == "2016-01-04"
    assert minutes.named(1_451_917_800_000_000_000) == "2016-01-04T14:30:00Z"
