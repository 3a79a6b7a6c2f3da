"""Rules about orders as such: how many a minute, the same one twice, which symbols, at which hours."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from datetime import time
from zoneinfo import ZoneInfo

import numpy as np

from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_SECOND, from_ns
from robo_trader.errors import ConfigError
from robo_trader.records import Decision, Intent
from robo_trader.risk.book import WorkingOrder
from robo_trader.risk.limits import count, names, number
from robo_trader.risk.rule import BATCH, RiskRule
from robo_trader.risk.usage import Usage
from robo_trader.risk.view import View

_MINUTE = 60 * NS_PER_SECOND


class OrdersPerMinute(RiskRule):
    """At most `limit` orders that open something in any 60 seconds: a strategy run wild is stopped.

    Orders that reduce are counted and never stopped. The default is what Interactive Brokers takes.
    """

    def __init__(self, limit: int = 3000) -> None:
        self.limit = count("orders_per_minute", "limit", limit)
        self._recent: deque[list[int]] = deque()
        self._total = 0

    def label(self) -> str:
        """Return the limit."""
        return str(self.limit)

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` when the minute is full."""
        self._forget(book.now)
        if self._total < self.limit:
            return None
        reason = f"{self._total} orders in the last 60 s, limit {self.limit}"
        return self.veto(intent, reason, limit=float(self.limit), seen=float(self._total))

    def unasked(self, book: View) -> float:
        """Return infinity while the minute has room for many more."""
        self._forget(book.now)
        return math.inf if self._total + BATCH <= self.limit else 0.0

    def sent(self, intent: Intent, book: View) -> None:
        """Count an order."""
        if self._recent and self._recent[-1][0] == book.now:
            self._recent[-1][1] += 1
        else:
            self._recent.append([book.now, 1])
        self._total += 1

    def usage(self, book: View) -> list[Usage]:
        """Return the orders of the last minute."""
        self._forget(book.now)
        return [Usage("minute", float(self._total), float(self.limit))]

    def _forget(self, now: int) -> None:
        while self._recent and self._recent[0][0] <= now - _MINUTE:
            self._total -= self._recent.popleft()[1]


class DuplicateOrder(RiskRule):
    """No opening order that equals one at work, or one sent less than `seconds` ago."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = number("duplicate", "seconds", seconds, most=86_400)
        self._window = int(self.seconds * NS_PER_SECOND)
        #: By symbol: what was sent lately, and when (ns UTC).
        self._sent: dict[str, list[tuple[int, Intent]]] = {}
        self._last = 0

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` when it is a repetition."""
        for order in book.at_work:
            if _is_same(order, intent) and order.order_id != intent.order_id:
                reason = f"order {order.order_id} is the same and still works"
                return self.veto(intent, reason, order=order.order_id)
        since = book.now - self._window
        if self._last > since and not intent.modifies:  # A change takes its order's place.
            for at, before in reversed(self._sent.get(intent.symbol, ())):
                if at > since and _is_same(before, intent):
                    reason = f"the same order was sent less than {self.seconds:g} s ago"
                    seen = (book.now - at) / NS_PER_SECOND
                    return self.veto(intent, reason, limit=self.seconds, seen=seen)
        return None

    def sent(self, intent: Intent, book: View) -> None:
        """Remember an order for a while."""
        if intent.modifies:
            return
        now, sent = book.now, self._sent
        if self._last <= now - self._window:
            sent.clear()
        self._last = now
        if intent.symbol in sent:
            before = [row for row in sent[intent.symbol] if row[0] > now - self._window]
            sent[intent.symbol] = [*before, (now, intent)]
        else:
            sent[intent.symbol] = [(now, intent)]


class AllowList(RiskRule):
    """Only these symbols may be opened; an empty list allows all."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self.symbols = names("allow", "symbols", symbols)
        self.idle = not self.symbols

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` when its symbol is not on the list."""
        if self.idle or intent.symbol.casefold() in self.symbols:
            return None
        return self.veto(intent, f"{intent.symbol} is not on the list of {len(self.symbols)} allowed symbols")


class DenyList(RiskRule):
    """These symbols may not be opened."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self.symbols = names("deny", "symbols", symbols)
        self.idle = not self.symbols

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` when its symbol is on the list."""
        if intent.symbol.casefold() not in self.symbols:
            return None
        return self.veto(intent, f"{intent.symbol} is on the list of denied symbols")


class TradingHours(RiskRule):
    """Openings only inside `hours` of the exchange's day: ``09:35-15:55`` or ``regular``.

    The moment of the decision counts, so this is no rule for daily bars, whose strategies decide at
    the close for the next open. Unset, every hour is allowed. Times are the exchange's own.
    """

    def __init__(self, hours: str = "") -> None:
        self.hours = hours
        self.idle = not hours
        self._between = _between(hours) if hours and hours != "regular" else None

    def label(self) -> str:
        """Return the hours."""
        return self.hours

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` outside the hours."""
        if self.idle:
            return None
        calendar = get_calendar(book.instrument(intent.symbol).calendar)
        local = from_ns(book.now).astimezone(ZoneInfo(calendar.tz))
        opens, closes, sessions = calendar.session_bounds(np.array([local.date()], "datetime64[D]"))
        if self._between is not None:
            first, last = self._between
            inside = first <= local.time() <= last
        else:
            inside = int(opens[0]) <= book.now <= int(closes[0])
        if inside and (sessions[0] or calendar.always_open):
            return None
        reason = f"{local:%a %H:%M} ({calendar.code}) is outside {self.hours} of a session"
        return self.veto(intent, reason, hours=self.hours, local=f"{local:%Y-%m-%dT%H:%M:%S%z}")


def _is_same(one: Intent | WorkingOrder, other: Intent) -> bool:
    return (
        one.size == other.size
        and one.side == other.side
        and one.type == other.type
        and one.limit == other.limit
        and one.stop == other.stop
    )


def _between(text: object) -> tuple[time, time]:
    try:
        first, last = (time.fromisoformat(part.strip()) for part in str(text).split("-"))
    except ValueError:
        first = last = time()
    if not first < last:
        raise ConfigError(
            f"[risk.trading_hours] hours must be 'regular' or from-to such as 09:35-15:55, not {text!r}"
        )
    return first, last
