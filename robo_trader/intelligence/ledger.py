"""What was spent on models, day by day, in the state store: it survives restarts and crashes.

A day is a UTC date. Before a process calls, what the call may cost at worst is set aside in the day's
account; to spare the store it sets a little more aside (`SHARE` of the cap) and spends from that. What
calls did cost is written down when that is used up, every few seconds, and at the end. Where a process
dies, all that it had set aside counts as spent. Several processes may spend from one day's budget: each
change is a compare-and-set of the store. `reserve` and `flush` block on the store, `take` and `settle`
never do; a store that fails raises `StateError`, and then nothing is asked. Safe to use from threads.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from robo_trader import clock
from robo_trader.errors import StateError
from robo_trader.intelligence.reply import Usage
from robo_trader.state import State

_PREFIX = "models/spend/"
#: What a process sets aside at once, as a share of the day's cap.
SHARE = Decimal("0.01")
#: After so many seconds what was spent is written down.
_FLUSH_AFTER = 5.0
_NOTHING = (0, 0, 0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Spent:
    """One model's account of one day; `cost` in dollars."""

    model: str
    calls: int
    input: int
    output: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Day:
    """One day's account: what is settled, what open calls may still cost, and each model's share."""

    date: str
    settled: Decimal
    reserved: Decimal
    models: tuple[Spent, ...]


@dataclass(slots=True)
class _Book:
    """What this process has set aside for one day, and what it did with that."""

    set_aside: Decimal = Decimal(0)
    #: The worst case of open calls.
    open: Decimal = Decimal(0)
    #: Model to calls, tokens in, tokens out and cost, not yet written down.
    pending: dict[str, tuple[int, int, int, Decimal]] = field(default_factory=dict)

    @property
    def spent(self) -> Decimal:
        return sum((row[3] for row in self.pending.values()), Decimal(0))

    @property
    def free(self) -> Decimal:
        return self.set_aside - self.open - self.spent


class Ledger:
    """The account in a state store; `cap` is the most that a day may cost, in dollars, None for no cap."""

    def __init__(self, state: State, cap: Decimal | None = None) -> None:
        self.state = state
        self.cap = cap
        self._process = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._books: dict[str, _Book] = {}
        self._lock = threading.Lock()
        self._store_lock = threading.Lock()
        self._flushed = clock.monotonic()

    def take(self, worst: Decimal) -> str | None:
        """Take `worst` dollars from what is set aside already; return the day, or None to `reserve`."""
        day = clock.now().date().isoformat()
        with self._lock:
            book = self._book(day)
            if self.cap is not None and book.free < worst:
                return None
            book.open += worst
        return day

    def reserve(self, worst: Decimal, keep: Callable[[str], bool] = lambda day: True) -> str | None:
        """Set `worst` dollars aside for a call; return the day, or None if it lacks them.

        ``keep(day)`` tells whether anybody still wants them; if not, they are given back before the next
        one is served, so that nobody is refused for money that nobody spends.
        """
        with self._store_lock:
            day = self.take(worst)
            if day is None and self.cap is not None:
                self._write(clock.now().date().isoformat(), worst)
                day = self.take(worst)
            if day is not None and not keep(day):
                self.give_back(day, worst)
                return None
            return day

    def give_back(self, day: str, worst: Decimal) -> None:
        """Undo a reservation of which nobody made use."""
        with self._lock:
            self._book(day).open -= worst

    def settle(self, day: str, worst: Decimal, model: str, usage: Usage | None, cost: Decimal) -> bool:
        """Replace a reservation by what the call cost; return whether it is time to `flush`."""
        with self._lock:
            book = self._book(day)
            calls, sent, got, before = book.pending.get(model, (0, 0, 0, Decimal(0)))
            if usage is not None:
                sent, got = sent + usage.prompt, got + usage.output
            book.pending[model] = (calls + 1, sent, got, before + cost)
            book.open -= worst
        return clock.monotonic() - self._flushed > _FLUSH_AFTER

    def flush(self) -> None:
        """Write down what was spent, and give back what is set aside and not in use."""
        with self._store_lock:
            for day in list(self._books):
                self._write(day)
            self._flushed = clock.monotonic()

    def _write(self, day: str, wanted: Decimal | None = None) -> None:
        """Bring a day's account up to date; with `wanted` try to have so much set aside and free."""
        with self._lock:
            book = self._book(day)
            pending, spent = dict(book.pending), book.spent
            before = book.set_aside
            if wanted is None:
                # Given back here first, so that nobody takes it while the store is being told.
                book.set_aside = spent + book.open
            held = book.set_aside
            short = Decimal(0) if wanted is None else max(Decimal(0), wanted - book.free)
        least = held - spent
        if not pending and before == held and not short:
            return
        kept = least

        def change(value: Any) -> dict[str, Any]:
            nonlocal kept
            account = _account(day, value)
            account["settled"] = str(Decimal(account["settled"]) + spent)
            account["open"].pop(self._process, None)
            for model, row in pending.items():
                account["models"][model] = _added(account["models"].get(model), row)
            taken = Decimal(account["settled"]) + sum(map(Decimal, account["open"].values()))
            kept = least
            for more in (max(short, (self.cap or 0) * SHARE), short) if short else ():
                if self.cap is not None and taken + least + more <= self.cap:
                    kept = least + more
                    break
            if kept:
                account["open"][self._process] = str(kept)
            return account

        self.state.update(_PREFIX + day, change)
        with self._lock:
            for model, row in pending.items():
                calls, sent, got, cost = book.pending[model]
                left = (calls - row[0], sent - row[1], got - row[2], cost - row[3])
                if left[0]:
                    book.pending[model] = left
                else:
                    del book.pending[model]
            book.set_aside += kept - held
            if not (book.set_aside or book.open or book.pending):
                del self._books[day]
            if not self._books:
                _holding.discard(self)

    def _book(self, day: str) -> _Book:
        _holding.add(self)
        return self._books.setdefault(day, _Book())

    def days(self) -> list[Day]:
        """Return every day's account, the oldest first."""
        found = []
        for key in self.state.keys(_PREFIX):
            stored = self.state.get(key)
            if stored is not None:
                day = key.removeprefix(_PREFIX)
                found.append(_day(day, _account(day, stored.value)))
        return found


def _added(before: Mapping[str, Any] | None, row: tuple[int, int, int, Decimal]) -> dict[str, Any]:
    """Return a model's stored row with one process's calls added."""
    before = before or {"calls": 0, "input": 0, "output": 0, "cost": "0"}
    return {
        "calls": before["calls"] + row[0],
        "input": before["input"] + row[1],
        "output": before["output"] + row[2],
        "cost": str(Decimal(before["cost"]) + row[3]),
    }


#: Ledgers that have something to write down, which outlive those who spent by them.
_holding: set[Ledger] = set()


@atexit.register
def _at_exit() -> None:
    for ledger in list(_holding):
        # Nobody is left to be told; what is not written down stays set aside.
        with contextlib.suppress(StateError):
            ledger.flush()


def _account(day: str, value: Any) -> dict[str, Any]:
    """Return a copy of a stored account that may be changed, an empty one where there is none.

    One that nobody can read is a `StateError`: what is spent must be known before more is.
    """
    try:
        value = {} if value is None else value
        account = {
            "settled": value.get("settled", "0"),
            "open": dict(value.get("open", {})),
            "models": {name: _added(row, _NOTHING) for name, row in value.get("models", {}).items()},
        }
        amounts = [account["settled"], *account["open"].values()]
        amounts += [row["cost"] for row in account["models"].values()]
        if not all(0 <= Decimal(amount) < Decimal("Infinity") for amount in amounts):
            raise ValueError("an amount below 0")
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise StateError(
            f"the account of {day} is damaged: {type(error).__name__} in state {_PREFIX + day!r}",
            hint="move it out of the state store; what it held then counts as not spent",
        ) from error
    return account


def _day(date: str, account: Mapping[str, Any]) -> Day:
    models = tuple(
        Spent(name, row["calls"], row["input"], row["output"], Decimal(row["cost"]))
        for name, row in sorted(account["models"].items())
    )
    reserved = sum(map(Decimal, account["open"].values()), Decimal(0))
    return Day(date, Decimal(account["settled"]), reserved, models)
