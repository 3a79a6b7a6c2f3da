"""One life of a live strategy: messages, bars, events and signals in; orders out.

`turn(now)` does everything that is known by a moment, in the order of a backtest: what the broker says
of orders, then bars that ended, events and signals, each followed by the orders that it led to. Whoever
drives it (`lockstep`, `realtime`) says when. Only the thread that runs Cerebro may call it.

Failure contract: what the broker, the line, the journal or the state store do is told and journalled, and
stops new orders where positions are no longer known; it raises nothing. What the strategy raises passes.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robo_trader import clock
from robo_trader.calendars import get_calendar
from robo_trader.engine.timeline import Phase
from robo_trader.errors import RoboError
from robo_trader.ib.connection import LineDownError
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.executions import Adopted, Change, Conflict
from robo_trader.ib.messages import (
    AccountValue,
    Bars,
    Commission,
    Execution,
    Failed,
    Lost,
    Message,
    Opened,
    OpenOrder,
    OrderStatus,
    Problem,
    Quote,
)
from robo_trader.ib.quotes import Quotes
from robo_trader.ib.series import LiveSeries
from robo_trader.ib.stream import ends_subscriptions
from robo_trader.live.mending import Mender
from robo_trader.live.steps import Said
from robo_trader.live.wires import Wires
from robo_trader.records import Alert, Event

_ABOUT_ORDERS = (OpenOrder, OrderStatus, Execution, Commission, Problem)
#: Errors of the line that mean nothing is wrong.
_LINE_LOST, _RESTORED, _LINE_BACK = 1100, 1101, 1102
#: An order cannot be cancelled: it is unknown, or over.
_NOT_CANCELLED = (10147, 10148)
#: So long the strategy waits for the end of orders that it has cancelled, before its next order is judged.
_CANCELLING = 1.0
#: A data farm is gone, and what says that it is back.
_FARMS_BROKEN = {2103: 2104, 2105: 2106}


@dataclass(slots=True)
class Standing:
    """What a session shows of itself."""

    line: str = "up"
    broker_line: str = "up"
    troubles: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    account: dict[str, str] = field(default_factory=dict)
    quotes: dict[str, Quote] = field(default_factory=dict)
    bars: int = 0
    events: int = 0
    last_bar: int | None = None


class TradingSession:
    """The loop's body; see the module."""

    def __init__(self, wires: Wires) -> None:
        self.w = wires
        self.shown = Standing()
        self.now = 0
        self._waiting: deque[Message] = deque()
        self._by_key = {one.series.key: one for one in wires.series}
        self._session: np.datetime64 | None = None
        self._last_step = 0
        #: Whether anything was said of orders since it was last looked for missing executions.
        self._told = False
        self._farms_broken: set[int] = set()
        self._flooded = False
        self.mender = Mender(wires, self.trouble, self._block)
        self._quotes: Quotes | None = None
        self._closing: dict[np.datetime64, int] = {}

    def begin(self, now: int) -> None:
        """Let time begin at `now` (ns UTC), and hear what the broker has told so far."""
        self.now = self._last_step = now
        self._hear()

    # -- one turn --------------------------------------------------------------------------------------

    def turn(self, now: int) -> bool:
        """Do everything that is known by `now` (ns UTC); True where anything happened."""
        self.now = max(now, self.now)
        heard = self._hear()
        self.w.halts.follow()
        steps = self._due()
        for time, phase, members in steps:
            self._play(time, phase, members)
        if len(self.w.cerebro.broker.notifs):
            self.w.cerebro.orders(self.now)
            if self.w.cerebro.holds_back and not self._flooded:
                self._flooded = True
                text = "the rest is told with the next bar, as in a backtest"
                self.trouble("warning", "the strategy answers each refused order with another", text)
        told, self._told = self._told, False
        self.mender.turn(told)
        return heard or bool(steps)

    def wait(self, seconds: float) -> None:
        """Wait for a message up to `seconds`; it is taken by the next turn."""
        if self._waiting:
            return
        try:
            self._waiting.append(self.w.inbox.get(timeout=max(0.0, seconds)))
        except queue.Empty:
            return

    def next_end(self) -> int | None:
        """Return when the next bar in the making ends, as far as that is known (ns UTC)."""
        ends = [end for one in self.w.series if (end := one.next_end()) is not None]
        return min(ends, default=None)

    # -- what the line says ------------------------------------------------------------------------------

    def _hear(self) -> bool:
        """Take every message that waits; what concerns orders reaches the strategy at once."""
        heard = False
        while True:
            changes: list[Change] = []
            taken = self._drain(changes)
            if not taken:
                return heard
            heard = True
            if changes:
                self.order_news(changes)

    def _drain(self, changes: list[Change]) -> bool:
        taken = False
        while True:
            if self._waiting:
                message = self._waiting.popleft()
            else:
                try:
                    message = self.w.inbox.get_nowait()
                except queue.Empty:
                    return taken
            taken = True
            self._take(message, changes)

    def _take(self, message: Message, changes: list[Change]) -> None:
        if isinstance(message, _ABOUT_ORDERS):
            self._told = True
            changes += self.w.orders.apply(message)
        self._line_news(message)
        if self._quotes is not None and (words := self._quotes.take(message)):
            self.trouble("warning", words, "")

    def hear_of(self, refs: Iterable[str]) -> None:
        """Wait until orders that were cancelled are over, a moment at the most, and book what came.

        The strategy is in the middle of a callback: it is told with everything else, afterwards.
        """
        waits = [order for ref in refs if (order := self.w.orders.get(ref)) is not None]
        until = clock.monotonic() + _CANCELLING
        changes: list[Change] = []
        while self.w.connection.up and not all(order.state.over for order in waits):
            self.wait(until - clock.monotonic())
            if not self._waiting:
                break
            self._take(self._waiting.popleft(), changes)
        self._look_at(changes)
        self.w.cerebro.broker.hear(changes)

    def _line_news(self, message: Message) -> None:
        match message:
            case Bars():
                self._by_key[message.key].take(message)
            case Lost(reason=reason):
                # Whether the gateway has its own line is told anew with the next connection.
                self.shown.line, self.shown.broker_line = "down", "up"
                self.mender.lost()
                self.trouble("warning", "the line to the broker is down", reason)
            case Failed(reason=reason):
                self.trouble("info", "the line is still down", reason)
            case Opened(attempt=attempt):
                if attempt > 1:
                    self.shown.line = "up"
                    (self.mender.back if self.shown.broker_line == "up" else self.mender.lost)()
                    self.trouble("info", "the line is up again", "")
            case Problem(code=code, text=text, id=number):
                self._problem(message, code, text, number)
            case AccountValue(key=key, value=value, currency=currency):
                if currency != "BASE":
                    self.shown.account[key] = value
            case Quote():
                self._quoted(message)

    def _quoted(self, quote: Quote) -> None:
        """Keep a contract's quote; a halt of its trading, and delayed data, are told when they begin."""
        before = self.shown.quotes.get(quote.symbol)
        self.shown.quotes[quote.symbol] = quote
        if quote.halted != (before is not None and before.halted):
            title = f"{quote.symbol}: trading is {'halted' if quote.halted else 'open again'}"
            text = "orders wait at the broker" if quote.halted else ""
            self.trouble("critical" if quote.halted else "info", title, text)
        if quote.delayed and not (before is not None and before.delayed):
            self.trouble("warning", f"{quote.symbol}: its quotes are delayed", "no live data are subscribed")

    def _problem(self, problem: Problem, code: int, text: str, number: int) -> None:
        if ends_subscriptions(problem) or code == _LINE_BACK or code in self._farms_broken:
            # Even where subscriptions go on, what happened meanwhile was not told.
            self.mender.back()
            self._farms_broken.discard(code)
        if code in _FARMS_BROKEN:
            self._farms_broken.add(_FARMS_BROKEN[code])
        if code in _NOT_CANCELLED and number > 0:
            order = self.w.orders.numbered(number)
            if order is None or not order.state.over:  # That it is over was not told.
                self.mender.doubt()
        if code == _LINE_LOST:
            self.shown.broker_line = "down"
            self.mender.lost()
            self.trouble("warning", "the gateway has lost its own line", text)
        elif code in (_RESTORED, _LINE_BACK):
            self.shown.broker_line = "up"
            self.trouble("info", "the gateway has its line again", text)
        elif number == -1 and not 2100 <= code < 2200:
            self.trouble("warning", f"the gateway says {code}", text)

    def order_news(self, changes: Sequence[Change]) -> None:
        """Take what has become of orders; tell the strategy at once, or with the bar that has just ended."""
        self._look_at(changes)
        broker = self.w.cerebro.broker
        self.w.cerebro.robo.now = broker.now = self.now
        broker.hear(changes)
        # What happened at the end of a bar that is about to be delivered is told with it, as in a backtest.
        if not any(one.is_due(self.now) for one in self.w.series):
            self.w.cerebro.orders(self.now)

    def _look_at(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Conflict):
                self._block(f"the broker contradicts itself: {change.text}")
            elif isinstance(change, Adopted) and self.w.notes.is_ours(change.ref):
                self._block(f"the broker holds order {change.ref}, which the journal does not know")

    def _block(self, why: str) -> None:
        """Let nothing open until somebody has looked: 'robo reconcile' shows what differs."""
        if not self.w.gate.blocked:
            self.w.gate.blocked = f"{why}; see 'robo reconcile'"
            self.trouble("critical", "no new orders", self.w.gate.blocked)

    def trouble(self, level: Any, title: str, text: str) -> None:
        """Tell a person, and keep it for `robo status`."""
        self.shown.troubles.append(f"{title}: {text}" if text else title)
        self.w.tell(Alert(time=clock.now(), level=level, title=title, text=text, source="session"))

    # -- bars, events, signals ---------------------------------------------------------------------------

    def _due(self) -> list[tuple[int, Phase, Any]]:
        """Return the steps that are due, in the order of a backtest."""
        bars: dict[int, list[LiveSeries]] = {}
        for one in self.w.series:
            one.finish(self.now)
            assert one.feed is not None
            for frame in one.due():
                one.feed.append(frame)
                bars.setdefault(int(frame.end[0]), []).append(one)
            for before, after in one.join.holes:
                self.trouble(
                    "critical",
                    f"{one.symbol}: bars may be missing",
                    f"between {one.named(before)} and {one.named(after)}",
                )
            one.join.holes.clear()
            for at in one.join.changed:
                self.trouble(
                    "warning",
                    f"{one.symbol}: a bar changed after it was delivered",
                    f"the one stamped {one.named(at)}",
                )
            one.join.changed.clear()
        steps: list[tuple[int, Phase, Any]] = [(end, Phase.END, members) for end, members in bars.items()]
        steps += [(said.time, said.phase, said) for said in self.w.news.take(self.now)]
        return sorted(steps, key=lambda step: step[:2])

    def _play(self, time: int, phase: Phase, what: Any) -> None:
        # A bar that comes late is delivered late, never into the past.
        time = self._last_step = max(time, self._last_step)
        if phase is Phase.END:
            self._end(time, what)
            return
        said: Said = what
        if isinstance(said.what, Event):
            self.shown.events += 1
            self.w.notes.event(said.what)
            self.w.cerebro.event(time, said.what)
        else:
            self.w.notes.signal(said.what, self.w.news.grounds(said.what))
            self.w.cerebro.signal(time, said.what)

    def _end(self, time: int, members: Sequence[LiveSeries]) -> None:
        feeds = [one.feed for one in members if one.feed is not None]
        session = max(feed.session_at(len(feed)) for feed in feeds)
        if self._session is not None and session > self._session:
            self._mark(self._last_mark_time())
        self._session = session
        self.w.cerebro.bars(time, feeds)
        self.shown.bars += len(feeds)
        self.shown.last_bar = time
        if time >= self._closes(session):
            self._mark(time)
        if self.w.guard is not None and self.w.cerebro.broker.book is not None:
            try:
                self.w.guard.watch(self.w.cerebro.broker.book)
            except RoboError as error:
                self.trouble("critical", "a breach could not be stored", str(error))

    def _mark(self, time: int) -> None:
        """Note the account at the end of the session in progress, once."""
        if self._session is not None:
            self.w.cerebro.mark(time, self._session)
            self.w.notes.marked(self.w.cerebro.recorder.marks[-1])
            self._session = None

    def _last_mark_time(self) -> int:
        return self.shown.last_bar or self._last_step

    def _closes(self, session: np.datetime64) -> int:
        """Return when the last of the feeds' calendars closes a session (ns UTC)."""
        if session not in self._closing:
            days = np.array([session], "datetime64[D]")
            ends = []
            for code in {feed.frame.instrument.calendar for feed in self.w.cerebro.datas}:
                _, close, there = get_calendar(code).session_bounds(days)
                if bool(there[0]):
                    ends.append(int(close[0]))
            self._closing = {session: max(ends, default=0)}
        return self._closing[session]

    # -- the line ------------------------------------------------------------------------------------------

    def follow_quotes(self, contracts: Mapping[str, Qualified]) -> None:
        """Follow the quotes of what is traded, delayed ones where no live ones are subscribed."""
        self._quotes = Quotes(self.w.connection, self.w.inbox.put)
        for contract in {one.name.con_id: one for one in contracts.values()}.values():
            try:
                self._quotes.follow(contract)
            except LineDownError:
                continue  # Remembered, and asked for when the line is back.

    def compare_books(self) -> None:
        """Compare journal and broker; differences block what opens until they are resolved."""
        try:
            self.mender.compare_books()
        except LineDownError as error:
            self.mender.back()
            self._block(f"the broker's books could not be compared: {error.message}")
