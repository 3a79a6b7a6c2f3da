"""The account of the fast books: cash, positions and value, worked out when somebody asks.

What changes it is noted by bar step, so that its history can be worked out after the run
(`valuation`); where that cannot be done the account is noted session by session (`eager`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backtrader.comminfo import CommInfoBase, CommissionInfo

from robo_trader.engine.broker import RecordingBroker
from robo_trader.engine.commission import Commission
from robo_trader.engine.fast.cursor import Cursor
from robo_trader.engine.fast.moment import FastContext
from robo_trader.engine.fast.positions import Positions
from robo_trader.engine.fast.valuation import Holding, State
from robo_trader.risk.gate import AllowAll

_ORDINARY = (Commission, CommInfoBase, CommissionInfo)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # Backtrader's times are naive


class Family(list[Any]):
    """A parent and its children; a list is a tenth of the memory of Backtrader's deque."""

    __slots__ = ()

    def popleft(self) -> Any:
        return self.pop(0)


#: The family of an order without children; most are.
ALONE = Family()


class _Families(dict[int, Any]):
    def __missing__(self, ref: int) -> Any:
        family = self[ref] = Family()
        return family


def is_ordinary(scheme: Any) -> bool:
    """Return True for a stock-like scheme of percentages that is Backtrader's or ours, without interest."""
    return (
        type(scheme) in _ORDINARY
        and scheme._stocklike
        and scheme._commtype == CommInfoBase.COMM_PERC
        and not scheme.p.interest
    )


def is_quiet(scheme: Any) -> bool:
    """Return True where a scheme changes nothing between fills: no interest, no daily settlement."""
    cls = type(scheme)
    return bool(
        scheme._stocklike
        and cls.cashadjust is CommInfoBase.cashadjust
        and cls.get_credit_interest is CommInfoBase.get_credit_interest
        and cls._get_credit_interest is CommInfoBase._get_credit_interest
        and not scheme.p.interest
    )


def scheme_terms(scheme: Any) -> tuple[float, float, bool]:
    """Return a scheme's multiplier and leverage, and whether it scales values by the multiplier."""
    return scheme.p.mult, scheme.p.leverage, type(scheme) is Commission


class FastAccount(RecordingBroker):
    """The part of the books that knows what the account holds and is worth.

    `steps` counts the bar steps done; the loop advances it. `nudge` is not empty when the broker
    has to work on the next step although no order waits. `changed` are the feeds whose positions
    changed and were not noted yet. `_twice` says that an order was sent to the market a second time, with a
    late child of its family. `unheard` says that no strategy has ears for
    orders or trades.
    """

    #: Whether the plain broker notes every bar's close and time in each open position.
    notes_bars = False
    #: Clocks that have a new bar while the broker works.
    clocks: tuple[Cursor, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.steps = Cursor()
        self.history: list[State] = []
        self.noted: dict[int, tuple[float, float, float]] = {}
        self.nudge: list[str] = []
        self.busy = self.eager = self.between = self._apart = self._frozen = False
        self.moment = FastContext()
        self.unheard = self._twice = False
        self.why: list[str] = []
        self._working = True
        self._valued = -1
        self._touched = False
        self._ordinary: dict[Any, bool] = {}
        self._all_ordinary = False
        self._datas: list[Any] = []
        self.changed: list[Any] = []
        self._times: Any = ()
        self._moment = (-1, EPOCH)
        super().__init__(*args, **kwargs)
        self._free = type(self.gate) is AllowAll and not self.recorder.watched

    def init(self) -> None:
        super().init()
        self._pchildren = _Families()
        self.positions = Positions(self)

    # -- the run begins and ends -------------------------------------------------------------------

    def open_books(self, datas: list[Any], times: Sequence[int], *, apart: bool) -> None:
        """Begin the run: from now on the account is valued when asked.

        `times` are the bar steps' (ns UTC). `apart` says that strategies are called before the broker's
        work on a bar too.
        """
        self._datas, self._times, self._apart = datas, times, apart
        self._working = False
        self._valued = self.steps.i
        self._note()
        self._study_schemes()
        if self._cash_addition:
            self.nudge.append("cash")

    def close_books(self) -> None:
        """End the run: what is asked afterwards was known at its end."""
        self._settle()
        self._note_positions()
        self._working = True

    def _study_schemes(self) -> None:
        """Find out what the commission schemes make the broker do."""
        schemes = {data: self.getcommissioninfo(data) for data in self._datas}
        self._ordinary = {
            data: is_ordinary(scheme) and bool(self.p.shortcash) for data, scheme in schemes.items()
        }
        self._all_ordinary = all(self._ordinary.values())
        self.why, self.busy = [], False
        if not all(is_quiet(scheme) for scheme in schemes.values()):
            self.why.append("the broker works on every bar: a commission scheme charges interest or settles")
            self.nudge.append("work")
            self.busy = True
        if self._userhist or self._fundhist:
            self.why.append("the broker works on every bar: it has a history of orders or of a fund")
            self.busy = True
            self.nudge.append("work")
        if not self._all_ordinary:
            self.why.append("the account is valued session by session: a commission scheme is not ordinary")
        if self._apart:
            self.why.append("the account is valued session by session: timers or cheat-on-open")
        if self.why and not self.eager:
            self.nudge.append("eager")
        self.eager = bool(self.why)

    def _catch_up(self, data: Any, position: Any) -> None:
        """Note in a position what the broker notes on every bar for schemes that need it."""
        position.datetime = data.datetime.datetime()

    def freeze(self) -> None:
        """Let the account's value stay what it is while the next bar is there but not yet worked on."""
        self._settle()
        self._note_positions()
        self._valued = self.steps.i + 1
        self._frozen = True

    def thaw(self) -> None:
        """Let the account be valued at the new bar."""
        self._valued = -2
        self._frozen = False

    @property
    def notes_are_due(self) -> bool:
        """True where positions hold what Backtrader's broker would have noted in them on this bar."""
        return self.notes_bars and not (self.busy or self._working or self._frozen)

    def _note_positions(self) -> None:
        if self.notes_are_due:
            for position in self.positions.values():
                position.note()

    @property
    def now(self) -> int:
        """The time of the run (ns UTC), as the context tells it."""
        beat = self.moment.beat
        return self._times[self.steps.i] if beat is None else beat

    @now.setter
    def now(self, time: int) -> None:
        pass  # the context tells the time

    # -- settings that change during the run ---------------------------------------------------------

    def setcommission(self, *args: Any, **kwargs: Any) -> None:
        with _Aside(self):
            super().setcommission(*args, **kwargs)

    def addcommissioninfo(self, *args: Any, **kwargs: Any) -> None:
        with _Aside(self):
            super().addcommissioninfo(*args, **kwargs)

    def set_shortcash(self, shortcash: bool) -> None:
        with _Aside(self):
            super().set_shortcash(shortcash)

    def add_order_history(self, *args: Any, **kwargs: Any) -> None:
        with _Aside(self):
            super().add_order_history(*args, **kwargs)

    # -- cash ------------------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        """The account's cash."""
        return self._cash

    @cash.setter
    def cash(self, amount: float) -> None:
        if self._working:
            self._cash = amount
            self._touched = True
            return
        self._settle()  # the value stays what it was until the broker's next bar
        self._cash = amount
        self._note_aside()

    def getcash(self) -> float:
        return self._cash

    get_cash = getcash

    def set_cash(self, cash: float) -> None:
        super().set_cash(cash)
        if not self._working:
            self._note_aside()

    setcash = set_cash

    def add_cash(self, cash: float) -> None:
        if not self._working:
            self._settle()
            self.nudge.append("cash")
        super().add_cash(cash)

    # -- value -----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Work out the account's value, if nobody asked on this bar yet."""
        i = self.steps.i
        if self._valued != i and not self._working:
            self._valued = i
            self._get_value()

    def get_value(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> Any:
        if datas is None:
            self._settle()
        elif len(datas) == 1 and not lever and not self._cash_addition and self._ordinary.get(datas[0]):
            (data,) = datas
            return self.getcommissioninfo(data).getvaluesize(self.positions[data].size, data.close[0])
        return super().get_value(datas, mkt, lever)

    getvalue = get_value

    def get_leverage(self) -> Any:
        self._settle()
        return self._leverage

    def get_fundvalue(self) -> Any:
        self._settle()
        return self._fundval

    fundvalue = property(get_fundvalue)

    # -- what is written down for the account's history ------------------------------------------------

    def _step(self) -> int:
        """The bar step whose session mark sees what happens now."""
        return self.steps.i + 1 if self.between else self.steps.i

    def _note(self) -> None:
        """Note cash from this bar step on, and the positions that changed."""
        changes = tuple([self._holding(data) for data in self.changed])
        self.changed.clear()
        self.history.append((max(self._step(), 0), self._cash, self._fundshares, changes))
        self._touched = False

    def _holding(self, data: Any) -> Holding:
        position = self.positions[data]
        terms = scheme_terms(self.getcommissioninfo(data))
        return data._name, position.size, position.price, *terms

    def _note_aside(self) -> None:
        """Note what changed outside the broker's own work: this bar's value does not know of it yet."""
        self.nudge.append("aside")
        if self.steps.i >= 0 and not self.between:
            self.noted[self.steps.i] = (self._value, self._cash, self._fundval)
        changes = tuple([self._holding(data) for data, position in self.positions.items() if position.size])
        self.history.append((self.steps.i + 1, self._cash, self._fundshares, changes))

    def note_session(self) -> None:
        """Note the account at the end of a session (for `eager` books)."""
        self.noted[self.steps.i] = (self.getvalue(), self._cash, self.fundvalue)

    def work(self) -> None:
        """Do what Backtrader's broker does on a bar, and note what changed."""
        self._working = True
        self.next()
        self._finish_work()

    def _finish_work(self, *, valued: bool = True) -> None:
        """Note what changed. With `valued` Backtrader's broker would have valued the account now."""
        if valued:
            self._valued = -2
            if self._cash_addition:
                self._get_value()
                self._valued = self.steps.i
        self._working = False
        if self._touched:
            self._note()
        self.nudge.clear()
        if self.busy or self._toactivate or self._cash_addition:
            self.nudge.append("work")


class _Aside:
    """Settings that change outside the broker's work: this bar's value is worked out before."""

    def __init__(self, books: FastAccount) -> None:
        self._books = books

    def __enter__(self) -> None:
        books = self._books
        if not books._working:
            books._settle()
            if not books.busy:
                for data, position in books.positions.items():
                    if position.size:
                        books._catch_up(data, position)

    def __exit__(self, *error: object) -> None:
        books = self._books
        if not books._working:
            books._study_schemes()
            books._note_aside()
