"""Backtrader's broker behind the project's seam, and what both sets of fill rules share.

`RecordingBroker` adds to `BackBroker`: `because=` on every order, the gate in front of it and the
record of what happened. `StockBroker` fills exactly as Backtrader does.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from backtrader.brokers import BackBroker

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns
from robo_trader.engine.book import BrokerBook
from robo_trader.engine.modifying import Modifying
from robo_trader.engine.recorder import Recorder, order_prices
from robo_trader.errors import StrategyError
from robo_trader.feeds.bars import to_backtrader_days
from robo_trader.matching import Bar, Slippage, Terms, at_open
from robo_trader.records import Decision, Intent, Signal
from robo_trader.risk.exposure import exit_size
from robo_trader.risk.gate import AllowAll, Gate, settle


def because_text(because: Any) -> str:
    """Return `because` as text: a signal says it in its own words, anything else by `str`.

    Of several reasons in a tuple or list each speaks for itself.
    """
    if because is None:
        return ""
    if isinstance(because, tuple | list):
        return "; ".join(because_text(part) for part in because)
    if isinstance(because, Signal):
        return f"{because.name} {because.value:+.2f} (confidence {because.confidence:.2f})"
    speak = getattr(because, "because_text", None)
    text = str(speak() if callable(speak) else because)
    # A headline cut in the middle of a character must not cost a run its report.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class RecordingBroker(Modifying, BackBroker):
    """A `BackBroker` whose orders pass a gate, can be changed and are written down.

    The engine sets `now` (ns UTC) before anything of the strategy runs.
    """

    #: Whether a bracket's exits shrink when one of them is filled in part; Backtrader leaves them.
    scales_exits = True

    def __init__(self, recorder: Recorder, gate: Gate | None = None) -> None:
        super().__init__()
        self.recorder = recorder
        self.gate: Gate = gate or AllowAll()
        self.now = 0
        self.trading_from = 0
        self._now_as = (0, from_ns(0))
        self._fill_time: int | None = None
        self._submitted_at: dict[int, int] = {}
        self._was_triggered = False

    def start(self) -> None:
        super().start()
        self.book = BrokerBook(self, self.recorder)

    def forget(self) -> None:
        """Let go of the orders, once the run is over and written down."""
        self.orders.clear()

    # -- what a strategy sets ----------------------------------------------------------------

    def setcommission(self, *args: Any, **kwargs: Any) -> None:
        super().setcommission(*args, **kwargs)
        self._prefer(kwargs.get("name"))

    def addcommissioninfo(self, comminfo: Any, name: str | None = None) -> None:
        super().addcommissioninfo(comminfo, name=name)
        self._prefer(name)

    def _prefer(self, name: str | None) -> None:
        """Let a scheme that a strategy sets for every feed replace those that the run set for each."""
        if name is None:
            self.comminfo: dict[str | None, Any] = {None: self.comminfo[None]}

    # -- orders come in ----------------------------------------------------------------------

    def buy(self, owner: Any, data: Any, size: float, *args: Any, **kwargs: Any) -> Any:
        return super().buy(owner, data, size, *args, **self._prepare(data, kwargs))

    def sell(self, owner: Any, data: Any, size: float, *args: Any, **kwargs: Any) -> Any:
        return super().sell(owner, data, size, *args, **self._prepare(data, kwargs))

    def _prepare(self, data: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        if "because" in kwargs:
            kwargs["because"] = because_text(kwargs["because"])
        return kwargs

    def submit(self, order: Any, check: bool = True) -> Any:
        return super().submit(order, check) if self._receive(order) else order

    def _receive(self, order: Any) -> bool:
        """Write an order down and let the gate decide; True where it goes on to the market."""
        if not math.isfinite(order.created.size):
            raise StrategyError(
                f"an order for {order.data._name} has the size {order.created.size}",
                hint="look at what it was computed from: indicators are NaN until they have enough bars",
            )
        if order.ref in self._submitted_at:
            raise StrategyError(
                f"an order for {order.data._name} was submitted twice, or a copy of it was",
                hint="make a new order with buy() or sell()",
            )
        leader = self._ocos.get(order.ref)
        oco = leader if leader is not None and leader != order.ref else None
        now = self._submitted_at[order.ref] = self.now
        self.book.know(order.data)
        self.recorder.order(order, now, oco)
        if now < self.trading_from:
            self._refuse(order, "the run is still warming up")
            return False
        if not order.transmit:
            return True
        waiting = self._pchildren.get(self._parent_ref(order), ())
        return self._pass_gate([*(o for o in waiting if o.status == o.Created), order])

    @staticmethod
    def _parent_ref(order: Any) -> int:
        return int(getattr(order.parent, "ref", order.ref))

    def _pass_gate(self, family: list[Any]) -> bool:
        """Let the gate decide about a whole family; False when its last order does not go on."""
        intents = [self._intent(order) for order in family]
        decisions = self.gate.decide(intents, self.book)
        if len(decisions) != len(family):
            raise StrategyError(f"the gate answered {len(decisions)} of {len(family)} orders")
        if len(family) == 1 and decisions[0].action == "allow":
            self.recorder.decision(decisions[0])
            self.book.took(family)
            return True
        decisions = settle(decisions)
        passed = []
        for order, decision in zip(family, decisions, strict=True):
            self.recorder.decision(decision)
            if decision.action == "veto":
                self._refuse(order, "; ".join(decision.reasons))
                continue
            passed.append(order)
            if decision.action == "resize":
                self._resize(order, decision)
        waiting = self._pchildren.get(self._parent_ref(family[-1]))
        if waiting is not None and len(passed) < len(family):
            gone = {order.ref for order in family} - {order.ref for order in passed}
            for order in [o for o in waiting if o.ref in gone]:
                waiting.remove(order)
            if not passed and all(o.status == o.Rejected for o in waiting):
                self._pchildren.pop(self._parent_ref(family[-1]), None)
        self.book.took(passed)
        if passed and passed[-1] is not family[-1]:
            # An exit was left out, and it was the one that would have sent the others on their way.
            for order in passed:
                self.transmit(order)
            return False
        return bool(passed)

    def _intent(self, order: Any) -> Intent:
        limit, stop = order_prices(order)
        leader = self._ocos.get(order.ref)
        ids = self.recorder.order_id
        return Intent(
            order_id=ids(order.ref),
            time=self._time(),
            symbol=order.data._name,
            side="BUY" if order.isbuy() else "SELL",
            size=abs(float(order.created.size)),
            type=order.getordername(),
            limit=limit,
            stop=stop,
            parent=ids(order.parent.ref) if order.parent is not None else None,
            oco=ids(leader) if leader is not None and leader != order.ref else None,
            because=self.recorder.because(order),
        )

    def _time(self) -> datetime:
        """Return `now` as a datetime, the same one for all orders of a moment."""
        if self._now_as[0] != self.now:
            self._now_as = (self.now, from_ns(self.now))
        return self._now_as[1]

    def _refuse(self, order: Any, reason: str) -> None:
        """Answer an order with `Rejected`; it never reaches the book."""
        order.reject(self)
        self._set_reason(order, reason)
        self.orders.append(order)
        self.notify(order)
        # It leaves its group; the others may be protecting a position.
        group = self._ocol.get(self._ocos.get(order.ref), [])
        if order.ref in group:
            group.remove(order.ref)

    def _resize(self, order: Any, decision: Decision) -> None:
        size = decision.size
        if size is None or not 0 < size <= abs(order.created.size):
            raise StrategyError(f"the gate resized order {decision.intent.order_id} to {size!r}")
        signed = size if order.isbuy() else -size
        order.size = order.created.size = signed
        order.created.remsize = order.executed.remsize = signed
        self._set_reason(order, "; ".join(decision.reasons))

    def _reason_in_words(self, because: Any) -> str:
        return because_text(because)

    def _set_reason(self, order: Any, reason: str) -> None:
        self.recorder.reason(order, reason)

    def notify(self, order: Any) -> None:
        if order.status > order.Accepted:
            self.book.touch(order)
        super().notify(order)

    # -- fills go out ------------------------------------------------------------------------

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        if ago is None:
            return super()._execute(order, ago, price, cash, position, dtcoc)
        time = self._fill_time
        if time is None:
            time = _stock_fill_time(order, ago, dtcoc, self._was_triggered)
        bits = len(order.executed.exbits)
        result = super()._execute(order, ago, price, cash, position, dtcoc)
        for bit in list(order.executed.exbits)[bits:]:
            self.recorder.fill(order, time, bit.size, bit.price, bit.closedcomm + bit.openedcomm)
        if self.scales_exits and order.parent is not None and order.executed.exbits and order.alive():
            self._shrink_exits(order)
        return result

    def _shrink_exits(self, filled: Any) -> None:
        """Take what one exit of a bracket has closed off the others, which would close it again."""
        family = [o for o in self._pchildren.get(filled.parent.ref, ()) if o.ref != filled.parent.ref]
        entered = abs(filled.parent.executed.size)
        exited = sum(abs(o.executed.size) for o in {o.ref: o for o in (*family, filled)}.values())
        for other in family:
            if other.ref == filled.ref or not other.alive() or other.isbuy() != filled.isbuy():
                continue
            left = exit_size(entered, exited, abs(other.executed.remsize))
            if left <= 0:
                self.cancel(other, bracket=True)
                continue
            part = getattr(other, "own_executed", lambda o=other: o.executed)()
            part.remsize = left if other.isbuy() else -left

    # -- the end of a bar ----------------------------------------------------------------------

    def _charge_interest(self) -> None:
        """Take what borrowing cost since the last bar, as Backtrader's `next` does."""
        credit = 0.0
        for data, position in self.positions.items():
            if position:
                now = data.datetime.datetime()
                charge = self.getcommissioninfo(data).get_credit_interest(data, position, now)
                self.d_credit[data] += charge
                credit += charge
                position.datetime = now
        self.cash -= credit


class StockBroker(RecordingBroker):
    """Backtrader's own fill rules, unchanged: the oracle for tests and for comparison."""

    scales_exits = False

    def set_coc(self, coc: bool) -> None:
        self._cheat("cheat-on-close", coc)
        super().set_coc(coc)

    def set_coo(self, coo: bool) -> None:
        self._cheat("cheat-on-open", coo)
        super().set_coo(coo)

    def _try_exec(self, order: Any) -> None:
        self._was_triggered = order.triggered
        super()._try_exec(order)

    def _cheat(self, name: str, on: bool) -> None:
        if on and name not in self.recorder.cheats:
            self.recorder.cheats.append(name)


def terms_of(order: Any) -> Terms:
    """Return what a Backtrader order asks for now, its trailing stop as it stands."""
    limit, stop = order_prices(order)
    return Terms(order.getordername(), order.isbuy(), limit, stop, order.triggered)


def bar_of(frame: BarFrame, i: int) -> Bar:
    """Return bar `i` of `frame` for matching; the last bar of all ends its session."""
    last = i + 1 >= len(frame) or bool(frame.session[i + 1] != frame.session[i])
    return Bar(float(frame.open[i]), float(frame.high[i]), float(frame.low[i]), float(frame.close[i]), last)


def _stock_fill_time(order: Any, ago: int, dtcoc: float | None, triggered: bool) -> int:
    """When a fill of the stock rules happened: the bar's start where its open decided, else its end.

    `triggered` says whether a stop-limit's stop had been reached before this bar.
    """
    frame = order.data.frame
    if dtcoc is not None:
        return int(frame.end[np.searchsorted(to_backtrader_days(frame.end), dtcoc)])
    i = len(order.data) - 1 + ago
    terms = replace(terms_of(order), triggered=triggered)
    price, _ = at_open(terms, bar_of(frame, i), Slippage())
    return int(frame.end[i] if price is None else frame.start[i])
