"""What a session writes into its journal, in the order in which it happened."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from robo_trader.errors import JournalError
from robo_trader.journal.live import RunJournal
from robo_trader.journal.standing import Heard
from robo_trader.live.news.grounds import Ground
from robo_trader.records import Event, Fill, Intent, Signal, View

#: What a signal says of itself when it is given as a reason.
_SPOKEN = re.compile(r"(?P<role>[\w-]+) [+-]\d\.\d\d \(confidence \d\.\d\d\)")
#: Reasons name one of the latest events.
_LATEST = 50


class Notes:
    """The journal of one session; also the broker's witness. `alert` hears of troubles.

    `earlier` is what sessions of the same run wrote before this one: nothing of it is written twice.
    """

    def __init__(
        self, journal: RunJournal, alert: Callable[[str], None], earlier: Heard | None = None
    ) -> None:
        self.journal = journal
        self._alert = alert
        self._hex = journal.id.rpartition("-")[2]
        self._earlier = earlier
        signals = {} if earlier is None else earlier.signals
        self._signals = {key: number for key, (number, _) in signals.items()}
        self._events = {} if earlier is None else dict(earlier.events)
        self._views = {} if earlier is None else dict(earlier.views)
        self._titles = deque(() if earlier is None else earlier.titles, maxlen=_LATEST)
        self.fills: list[tuple[Fill, str]] = []

    def is_ours(self, ref: str) -> bool:
        """Tell whether a reference is of this run."""
        return ref.startswith(f"{self._hex}-")

    # -- what was known ----------------------------------------------------------------------------------

    def missed(self, what: Event | Signal) -> bool:
        """Tell whether an earlier session of this run should have heard of `what` and did not write it."""
        if self._earlier is None:
            return False
        if isinstance(what, Event):
            known = what.known_at or what.published_at
            return known >= self._earlier.started and what.id not in self._earlier.events
        _, last = self._earlier.signals.get((what.symbol, what.name), (0, self._earlier.started))
        return what.at > last

    def event(self, event: Event) -> int:
        """Write an event once, and return its number."""
        known = self._events.get(event.id or "")
        if known is None:
            known = self._events[event.id or ""] = self.journal.event(event)
            if event.title:
                self._titles.append((event.title, known))
        return known

    def signal(self, signal: Signal, grounds: Sequence[Ground] = ()) -> int:
        """Write a signal with the events and views behind it, and return its number."""
        evidence: list[tuple[int | None, int | None]] = []
        for ground in grounds:
            event = self.event(ground.event)
            views = [self._view(view, event) for view in ground.views]
            evidence += [(event, view) for view in views or (None,)]
        if not grounds:
            evidence = [(self._events[id], None) for id in signal.evidence if id in self._events]
        number = self.journal.signal(signal, evidence)
        self._signals[signal.symbol, signal.name] = number
        return number

    def _view(self, view: View, event: int) -> int:
        """Write a view once, and return its number."""
        key = (event, view.analyst or "", view.symbol)
        if key not in self._views:
            self._views[key] = self.journal.view(
                view, event=event, at=view.at, model=view.model, prompt_hash=view.prompt_hash
            )
        return self._views[key]

    def link(self, intent: Intent) -> tuple[int | None, int | None]:
        """Return the numbers of the signal and the event that an intent names as its reason."""
        if not intent.because:
            return None, None
        for name in dict.fromkeys((intent.symbol, intent.symbol.partition("@")[0])):
            for words in _SPOKEN.finditer(intent.because):
                number = self._signals.get((name, words["role"]))
                if number is not None:
                    return number, None
        for title, number in reversed(self._titles):
            if title in intent.because:
                return None, number
        return None, None

    # -- what became of orders -----------------------------------------------------------------------------

    def state(self, order_id: int, status: str, filled: float, reason: str) -> None:
        """Write what became of an order."""
        self.journal.order_state(order_id, status, filled=filled, reason=reason)

    def asked(self, order_id: int) -> int:
        """Return the number of an order's latest change."""
        return self.journal.asked(order_id)

    def modified(
        self, order_id: int, number: int, size: float, limit: float | None, stop: float | None
    ) -> None:
        """Write that a change of an order holds."""
        self.journal.modified(order_id, number, size, limit, stop)

    def not_modified(self, order_id: int, number: int, reason: str) -> None:
        """Write that a change of an order came to nothing."""
        self.journal.not_modified(order_id, number, reason)

    def fill(self, fill: Fill, execution: str, corrects: str | None) -> None:
        """Write an execution."""
        try:
            self.journal.fill(fill, execution, corrects=corrects)
        except JournalError as error:
            self._alert(str(error))
        self.fills.append((fill, execution))

    def charge(self, execution: str, amount: Decimal, currency: str) -> None:
        """Write what an execution cost."""
        self.journal.commission(execution, amount, currency)

    def trouble(self, text: str) -> None:
        """Tell of a trouble with an order."""
        self._alert(text)

    # -- the account ---------------------------------------------------------------------------------------

    def marked(self, mark: tuple[int, Any, float, float, float]) -> None:
        """Write the account at the end of a session."""
        _, session, value, cash, _ = mark
        day = session.item() if hasattr(session, "item") else session
        self.journal.equity(day, float(value), float(cash))
