"""The gateway itself: market, account, orders and clients, without a socket of its own.

`server` opens the ports and feeds it connections. All of it runs in one event loop; nothing here
blocks or takes a lock.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from robo_trader.clock import NS_PER_DAY, monotonic
from robo_trader.gateway import (
    account_messages,
    contract_messages,
    data_messages,
    history_messages,
    news_messages,
    order_messages,
)
from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway.account import Account
from robo_trader.gateway.bar_matching import BarMatcher
from robo_trader.gateway.books import Books
from robo_trader.gateway.desk import Desk
from robo_trader.gateway.faults import Faults
from robo_trader.gateway.market import Market
from robo_trader.gateway.news import NewsRoom
from robo_trader.gateway.quote_matching import QuoteMatcher
from robo_trader.gateway.reports import WireReports
from robo_trader.gateway.session import LOST, Session
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.gateway.wire import Fields

if TYPE_CHECKING:
    from robo_trader.gateway.market import LiveBar, PastBar
    from robo_trader.records import Event

#: Bytes that may wait for a client before a replay at full speed waits for it.
_LAG = 256_000
#: How often the gateway looks whether it runs late, in seconds of wall time.
PULSE = 0.05
Handler = Callable[["Gateway", Session, Fields], None]


class Gateway:
    """Everything that a simulated gateway is; see the module."""

    def __init__(self, settings: GatewaySettings, market: Market, books: Books, news: NewsRoom) -> None:
        self.settings, self.market, self.books, self.news = settings, market, books, news
        self.clock, self.universe = market.clock, market.universe
        self.faults = Faults()
        self.sessions: list[Session] = []
        self.awake = asyncio.Event()
        self.awake.set()
        self.gap = False
        self._late: deque[tuple[float, float]] = deque()
        self.pulse_due = math.inf
        self.broken_farms: set[str] = set()
        self.account = Account(settings.account, settings.cash, self.price, settings.commission)
        books.restore(self.account)
        self._day, self.account.opening_equity = books.fact("day", [0, settings.cash])
        self.reports = WireReports(self)
        self.desk = Desk(self.universe, market, self.account, books, self.faults, self.reports)
        self.desk.margin, self.desk.ticks = settings.margin, settings.ticks
        self.desk.latency, self.desk.warn_closed = settings.latency, settings.warn_closed
        self.matcher: BarMatcher | QuoteMatcher = (
            BarMatcher(self.desk, settings.slippage)
            if settings.matching == "bars"
            else QuoteMatcher(self.desk)
        )
        self.desk.matcher = self.matcher
        self.history_pace = history_messages.Pace(settings.limits)
        self.tick_pace = history_messages.Repeats(settings.limits.tick_by_tick_repeat)
        self.handlers: dict[int, Handler] = {
            **contract_messages.HANDLERS,
            **data_messages.HANDLERS,
            **history_messages.HANDLERS,
            **account_messages.HANDLERS,
            **order_messages.HANDLERS,
            **news_messages.HANDLERS,
        }
        self._listen()

    @property
    def stalled(self) -> bool:
        """True while nothing is read or sent."""
        return not self.awake.is_set()

    def late(self, seconds: float) -> None:
        """Note that the gateway has just read nothing for so many seconds of wall time."""
        self._late.append((monotonic(), seconds))

    def lateness(self, now: float) -> float:
        """Return the seconds in which the gateway did not read, of the last second and till now."""
        while self._late and now - self._late[0][0] >= 1.0:
            self._late.popleft()
        overdue = now - self.pulse_due
        return sum(seconds for _, seconds in self._late) + (overdue if overdue > PULSE else 0.0)

    # -- clients -----------------------------------------------------------------------------------

    def enter(self, session: Session, client: int) -> bool:
        """Take a client in; False where its id is in use or there is no room."""
        if client in self.faults.taken or any(s.client == client for s in self.sessions):
            return False
        if len(self.sessions) >= self.settings.limits.clients:
            return False
        session.client = client
        self.sessions.append(session)
        self.market.started.set()
        return True

    def leave(self, session: Session) -> None:
        """Forget a client that has gone."""
        if session in self.sessions:
            self.sessions.remove(session)

    def owners(self, client: int) -> list[Session]:
        """Return who hears of a client's orders: itself, and client 0."""
        return [s for s in self.sessions if s.client in (client, 0)]

    def next_order_id(self, client: int) -> int:
        """Return the order id from which a client may count."""
        kept = assumed.NEXT_ID_SURVIVES_RESTART and not self.faults.resets_ids
        return self.books.next_order_id(client) if kept else 1

    def price(self, con_id: int) -> float | None:
        """Return what a contract is worth now: its last price, the middle for what has no trades."""
        spec = self.universe.get(con_id)
        quote = self.market.quote(spec) if spec is not None else None
        if spec is None or quote is None:
            return None
        return quote.mid if spec.sec_type in ("CASH", "OPT") else quote.last

    def broadcast(self, code: int, text: str, request: int = -1) -> None:
        """Send an error to every client."""
        for session in list(self.sessions):
            session.error(request, code, text)

    # -- the line to the market ----------------------------------------------------------------------

    def lose(self) -> None:
        """The line to the broker is lost: 1100; ticks stop and fills pause."""
        self.desk.connected = False
        self.broadcast(1100, LOST)

    def restore(self, maintained: bool) -> None:
        """The line is back: 1102, or 1101 and every data subscription is gone."""
        self.desk.connected = True
        text = "Connectivity between IBKR and Trader Workstation has been restored"
        if maintained:
            self.broadcast(1102, f"{text} - data maintained.")
        else:
            for session in self.sessions:
                session.subs.drop_data()
            self.broadcast(1101, f"{text} - data lost.")
        self.desk.wake()

    @property
    def paced(self) -> bool:
        """True while the published limits of historical and tick-by-tick requests apply."""
        rules = self.faults.hist_pacing
        return rules == "rules" or (self.settings.limits.pace_history and not rules)

    @property
    def flowing(self) -> bool:
        """True while market data may go out."""
        return self.desk.connected and "market" not in self.broken_farms

    def watched(self) -> set[int]:
        """Return the contracts whose market somebody or some order looks at."""
        found: set[int] = set()
        for session in self.sessions:
            found |= session.subs.contracts()
        return found | {order.contract.con_id for order in self.desk.alive()}

    def congested(self) -> bool:
        """Tell whether a client lags behind what is sent to it; close one that has stopped to read."""
        return bool([session for session in list(self.sessions) if session.lags(_LAG)])

    # -- what the market says --------------------------------------------------------------------------

    def _listen(self) -> None:
        market, listeners = self.market, self.market.listeners
        market.interested, market.congested = self.watched, self.congested
        listeners.tick = self._tick
        listeners.bar_start = self._bar_start
        listeners.bar_end = self._bar_end
        listeners.five_seconds = self._five_seconds
        listeners.event = self._event

    def _new_day(self, day: int) -> None:
        """Count the day's profit from here where a new day has begun."""
        if day > self._day:
            self._day, self.account.opening_equity = day, self.account.equity
            self.books.remember("day", [day, self.account.opening_equity])

    def _tick(self, con_ids: Any) -> None:
        self._new_day(self.clock.now() // NS_PER_DAY)
        if isinstance(self.matcher, QuoteMatcher):
            self.matcher.tick(con_ids)
        if self.flowing:
            data_messages.push(self, set(con_ids) - set(self.faults.halted))
            history_messages.push(self, set(con_ids) - set(self.faults.halted))
        account_messages.push_profit(self)

    def _bar_start(self, bars: dict[int, LiveBar]) -> None:
        if isinstance(self.matcher, BarMatcher):
            self.matcher.bar_start(bars)
        self._tick(list(bars))

    def _bar_end(self, bars: dict[int, LiveBar]) -> None:
        if isinstance(self.matcher, BarMatcher):
            self.matcher.bar_end(bars)
        else:
            self.matcher.tick(bars)
            self.matcher.bar_end(bars)
        if self.settings.books is not None:
            self.books.remember("time", self.clock.now())
        if self.flowing:
            data_messages.push(self, set(bars) - set(self.faults.halted))
            history_messages.push(self, set(bars) - set(self.faults.halted))
        account_messages.push_profit(self)

    def _five_seconds(self, bars: dict[int, PastBar]) -> None:
        if self.flowing:
            data_messages.push_real_time(self, bars)

    def _event(self, event: Event) -> None:
        headline = self.news.add(event)
        if self.flowing:
            news_messages.push_headline(self, headline)
