"""Rules that stop all openings while the account loses too much: daily loss and drawdown.

Both measure at the moment of an order, and once more at the end of each session. In a backtest
nobody is there to resume: the daily-loss halt lifts with the next session, the drawdown brake after
`lift_after` sessions, and the peak is then measured anew. With `lifts` False (live) they stay until
`reset`. `lifted` counts how often that happened, `changes` says when each halt began and ended.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from robo_trader.records import Decision, Intent
from robo_trader.risk.limits import count, number, percent
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.usage import Usage, ratio
from robo_trader.risk.view import View


class Change(NamedTuple):
    """A brake that stops openings from `at` on (ns UTC), or lets go of them, and why."""

    at: int
    stops: bool
    why: str


class _Brake(RiskRule):
    brake = True
    lifts = True

    def __init__(self, name: str, limit: float) -> None:
        self.limit = number(name, "limit", limit, most=1.0)
        self.lifted = 0
        self.changes: list[Change] = []
        self._why = ""
        self._lost = 0.0
        self._stamp = -1

    def label(self) -> str:
        """Return the limit as a percentage."""
        return percent(self.limit)

    def reset(self, book: View) -> None:
        """Forget the breach, as an operator's resume asks."""
        self._why, self._stamp = "", -1

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` while the limit is broken."""
        if book.stamp != self._stamp:
            self._stamp = book.stamp
            self.state(book)
        return self.veto(intent, self._why, limit=self.limit, seen=self._lost) if self._why else None

    def unasked(self, book: View) -> float:
        """Return infinity while the limit is not broken."""
        return 0.0 if self.state(book) else math.inf

    def state(self, book: View) -> str:
        """Return why openings are stopped now, or an empty text."""
        raise NotImplementedError

    def settle(self, book: View) -> None:
        """See the sessions that have ended since somebody asked last."""
        raise NotImplementedError

    def _stop(self, at: int, lost: float, why: str) -> None:
        self._why, self._lost = why, lost
        self.changes.append(Change(at, True, why))

    def _lift(self, at: int, why: str) -> None:
        self._why = ""
        self.lifted += 1
        self.changes.append(Change(at, False, why))


class DailyLoss(_Brake):
    """The loss since the session's opening, as a fraction of the account's value at that moment."""

    def __init__(self, limit: float = 0.03) -> None:
        super().__init__("daily_loss", limit)
        self._sessions = 0
        self._floor = 0.0
        self._base = 0.0

    def state(self, book: View) -> str:
        """Return why openings are stopped now, or an empty text."""
        self.settle(book)
        if not self._why and book.value <= self._floor:
            lost = ratio(self._base - book.value, self._base)
            opening = f"its opening {self._base:,.2f}"
            why = f"the session has lost {percent(lost)} of {opening}, limit {self.label()}"
            self._stop(book.now, lost, why)
        return self._why

    def settle(self, book: View) -> None:
        """Begin a new session, if one has begun since."""
        values = book.session_values
        if len(values) == self._sessions:
            return
        if self._why and self.lifts:
            # It held for the session in which it began, whenever somebody asks again.
            self._lift(book.session_end(self._sessions), "the session is over")
        self._sessions, self._base = len(values), values[-1]
        self._floor = self._base * (1 - self.limit)

    def reset(self, book: View) -> None:
        """Forget the breach; the session's loss counts from now on."""
        super().reset(book)
        self._sessions, self._base = len(book.session_values), book.value
        self._floor = self._base * (1 - self.limit)

    def usage(self, book: View) -> list[Usage]:
        """Return the session's loss so far."""
        base = book.session_values[-1]
        return [Usage("session", max(0.0, ratio(base - book.value, base)), self.limit)]


class Drawdown(_Brake):
    """The loss from the highest value so far, at the ends of sessions and now."""

    def __init__(self, limit: float = 0.15, lift_after: int = 20) -> None:
        super().__init__("drawdown", limit)
        self.lift_after = count("drawdown", "lift_after", lift_after)
        self._seen = 0
        self._since = 0
        self._peak = 0.0

    def state(self, book: View) -> str:
        """Return why openings are stopped now, or an empty text."""
        self.settle(book)
        if not self._why:
            self._measure(book.value, book.now)
        return self._why

    def settle(self, book: View) -> None:
        """Measure at the ends of the sessions since."""
        values = book.session_values
        while self._seen < len(values):
            self._end_session(values[self._seen], book)

    def reset(self, book: View) -> None:
        """Forget the breach and measure from the present value on."""
        super().reset(book)
        self._seen, self._peak = len(book.session_values), book.value

    def usage(self, book: View) -> list[Usage]:
        """Return the drawdown now."""
        self.state(book)
        peak = max(self._peak, book.value)
        return [Usage("portfolio", max(0.0, ratio(peak - book.value, peak)), self.limit)]

    def _end_session(self, value: float, book: View) -> None:
        ended = self._seen
        self._seen += 1
        if self._why and self.lifts and self._seen - self._since >= self.lift_after:
            self._peak = value
            sessions = f"{self.lift_after} sessions are over"
            self._lift(book.session_end(ended), f"{sessions}; the peak is measured anew from {value:,.2f}")
        if not self._why:
            self._measure(value, book.session_end(ended))

    def _measure(self, value: float, at: int) -> None:
        self._peak = max(self._peak, value)
        if value <= self._peak * (1 - self.limit):
            lost = ratio(self._peak - value, self._peak)
            below = f"{percent(lost)} below its peak of {self._peak:,.2f}"
            self._stop(at, lost, f"the account is {below}, limit {self.label()}")
            self._since = self._seen
