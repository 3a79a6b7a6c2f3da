"""After a break: what a session still owes, and tries until it is done.

Bars are held back from the moment a line is lost until they are subscribed again, so that none is told before
its last change was heard. Books are compared before anything new opens. What the broker refuses is asked for
again, with pauses that double.

Failure contract: nothing is raised for what the line or the broker does; it is told once, and tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robo_trader import clock
from robo_trader.errors import BrokerError, RoboError
from robo_trader.ib.connection import LineDownError
from robo_trader.live.wires import Wires

#: Pauses between two tries, and between two looks at differences that block: first and longest, in seconds.
_FIRST, _LONGEST = 0.5, 30.0
_LOOK_FIRST, _LOOK_LONGEST = 2.0, 300.0
#: After so many seconds without an execution, a commission or an answer that must exist they are asked for.
_OVERDUE = 1.0
_ASK_FIRST, _ASK_LONGEST = 2.0, 120.0


class _Tries:
    """When something may be tried again."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self.done()

    def done(self) -> None:
        """Forget earlier tries."""
        self._pause, self._next = self._first, float("-inf")

    @property
    def due(self) -> bool:
        """True when the pause is over."""
        return clock.monotonic() >= self._next

    @property
    def failed_before(self) -> bool:
        """True after a first failure."""
        return self._next > float("-inf")

    def failed(self) -> None:
        """Wait before the next try, each time twice as long."""
        self._next = clock.monotonic() + self._pause
        self._pause = min(2 * self._pause, self._longest)


class Mender:
    """Brings data and books of a session up to date; `block` stops what opens, `trouble` tells."""

    def __init__(
        self, wires: Wires, trouble: Callable[[Any, str, str], None], block: Callable[[str], None]
    ) -> None:
        self.w, self._trouble, self._block = wires, trouble, block
        self._unsubscribed: set[int] = set()
        self._compare = False
        self._subscribing = _Tries(_FIRST, _LONGEST)
        self._comparing = _Tries(_FIRST, _LONGEST)
        self._looking = _Tries(_LOOK_FIRST, _LOOK_LONGEST)
        self._asking = _Tries(_ASK_FIRST, _ASK_LONGEST)
        self._answering = _Tries(_ASK_FIRST, _ASK_LONGEST)
        self._missing_since: dict[str, float] = {}
        self._unanswered_since: dict[int, float] = {}
        self._parked: dict[str, float] = {}
        self._looked_at: set[str] = set()

    # -- what is owed ----------------------------------------------------------------------------------

    def lost(self) -> None:
        """The broker tells nothing: no bar is over until its end was heard."""
        for one in self.w.series:
            one.join.hold()

    def back(self) -> None:
        """The broker tells again; what happened meanwhile it did not tell."""
        self.lost()
        self._unsubscribed = set(range(len(self.w.series)))
        self._compare = True
        self._subscribing.done()
        self._comparing.done()

    def doubt(self) -> None:
        """The broker says something of an order that does not go with what is known: compare books."""
        self._compare = True

    def turn(self, told: bool) -> None:
        """Do what is due; `told` says whether anything was heard of orders."""
        if not self.w.connection.up:
            return
        self._unsubscribed |= {i for i, one in enumerate(self.w.series) if one.jumped}
        if self._unsubscribed and self._subscribing.due:
            self._subscribe()
        if self._compare and self._comparing.due:
            self._mend_books()
        elif self.w.gate.blocked and self._looking.due:
            self._looking.failed()
            self._mend_books()
        self._ask_for_missing(told)
        self._ask_for_answers()
        self._look_at_parked()

    # -- data --------------------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        """Subscribe again, from the last finished bar on."""
        for i in sorted(self._unsubscribed):
            one, stream = self.w.series[i], self.w.streams[i]
            try:
                stream.subscribe(one.join.last)
            except LineDownError:
                return  # `Opened` will ask for everything again.
            except BrokerError as error:
                if not self._subscribing.failed_before:
                    self._trouble("critical", f"{one.symbol}: no bars; they are asked for again", str(error))
                self._subscribing.failed()
                return
            one.jumped = False
            self._unsubscribed.discard(i)
        if self._subscribing.failed_before:
            self._trouble("info", "bars are subscribed again", "")
        self._subscribing.done()

    # -- books -------------------------------------------------------------------------------------------

    def _mend_books(self) -> None:
        try:
            self.compare_books()
            self._cancel_wanted()
            self.w.halts.again()
        except LineDownError:
            self._compare = True
        except RoboError as error:
            # The journal may be away as well as the broker.
            self._compare = True
            self._comparing.failed()
            self._block(f"the broker's books could not be compared: {error}")

    def look_again(self) -> None:
        """Compare the books with the next turn."""
        self._compare = True
        self._comparing.done()

    def compare_books(self) -> None:
        """Compare journal and broker; differences block what opens until they are resolved."""
        differences = self.w.reconcile()
        self._compare = False
        self._comparing.done()
        if differences:
            counted = f"{len(differences)} difference{'' if len(differences) == 1 else 's'}"
            self._block(f"{counted} from the broker's books: {'; '.join(differences[:3])}")
        elif self.w.gate.blocked:
            self.w.gate.blocked = ""
            self._trouble("info", "journal and broker agree again", "")
        if not differences:
            self._looking.done()

    def _cancel_wanted(self) -> None:
        broker = self.w.cerebro.broker
        if self.w.desk is not None and broker.wanted_gone:
            self.w.desk.cancel(sorted(broker.wanted_gone))
            broker.wanted_gone.clear()

    def _look_at_parked(self) -> None:
        """Look once whether the broker still holds an order that it parked: one it dropped is over."""
        parked, now = self.w.orders.parked(), clock.monotonic()
        self._parked = {ref: self._parked.get(ref, now) for ref in parked}
        late = {ref for ref, since in self._parked.items() if now - since >= _OVERDUE}
        if late - self._looked_at:
            self._looked_at |= late
            self._compare = True

    def _ask_for_answers(self) -> None:
        """Look into the books for changes of orders whose answer is overdue."""
        asked, now = self.w.cerebro.broker.unanswered(), clock.monotonic()
        self._unanswered_since = {ref: self._unanswered_since.get(ref, now) for ref in asked}
        if not asked:
            self._answering.done()
        elif now - min(self._unanswered_since.values()) >= _OVERDUE and self._answering.due:
            self._answering.failed()
            self._compare = True

    def _ask_for_missing(self, told: bool) -> None:
        """Ask for executions that statuses have told of, and for commissions, that are overdue."""
        if self.w.desk is None or not (told or self._missing_since):
            return
        now = clock.monotonic()
        self._missing_since = {ref: self._missing_since.get(ref, now) for ref in self.w.orders.owed()}
        if not self._missing_since:
            self._asking.done()
        elif now - min(self._missing_since.values()) >= _OVERDUE and self._asking.due:
            self._asking.failed()
            try:
                self.w.desk.ask_executions()
            except BrokerError as error:
                self._trouble("info", "executions could not be asked for", str(error))
