"""What was spent on models, day by day, in the state store: it survives restarts and crashes.

A day is a UTC date. What a call may cost at worst stands there before the call, and is replaced by
what it did cost afterwards; where a process died in between, the worst case stays. Several processes
may spend from one day's budget: each change is a compare-and-set of the store. Blocking: callers in an
event loop use a thread. A store that fails raises `StateError`, and then nothing is asked.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from robo_trader import clock
from robo_trader.intelligence.reply import Usage
from robo_trader.state import State

_PREFIX = "models/spend/"


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


class Ledger:
    """The account in a state store; `cap` is the most that a day may cost, in dollars, None for no cap."""

    def __init__(self, state: State, cap: Decimal | None = None) -> None:
        self.state = state
        self.cap = cap
        self._process = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._number = 0

    def reserve(self, worst: Decimal) -> str | None:
        """Set `worst` dollars aside and return the reservation's name, or None if the day lacks them."""
        self._number += 1
        # The day goes into the name: a call may end on the next one.
        day = clock.now().date().isoformat()
        name = f"{day}/{self._process}-{self._number}"
        refused = False

        def change(value: Any) -> dict[str, Any]:
            nonlocal refused
            account = _account(value)
            total = Decimal(account["settled"]) + sum(map(Decimal, account["open"].values()))
            refused = self.cap is not None and total + worst > self.cap
            if not refused:
                account["open"][name] = str(worst)
            return account

        self.state.update(_PREFIX + day, change)
        return None if refused else name

    def settle(self, name: str, model: str, usage: Usage | None, cost: Decimal) -> None:
        """Replace a reservation by what the call cost."""

        def change(value: Any) -> dict[str, Any]:
            account = _account(value)
            account["open"].pop(name, None)
            account["settled"] = str(Decimal(account["settled"]) + cost)
            before = account["models"].get(model, {})
            account["models"][model] = {
                "calls": before.get("calls", 0) + 1,
                "input": before.get("input", 0) + (usage.prompt if usage else 0),
                "output": before.get("output", 0) + (usage.output if usage else 0),
                "cost": str(Decimal(before.get("cost", "0")) + cost),
            }
            return account

        self.state.update(_PREFIX + name.partition("/")[0], change)

    def days(self) -> list[Day]:
        """Return every day's account, the oldest first."""
        found = []
        for key in self.state.keys(_PREFIX):
            stored = self.state.get(key)
            if stored is not None:
                found.append(_day(key.removeprefix(_PREFIX), _account(stored.value)))
        return found


def _account(value: Any) -> dict[str, Any]:
    """Return a copy of a stored account that may be changed, an empty one where there is none."""
    value = value or {}
    return {
        "settled": value.get("settled", "0"),
        "open": dict(value.get("open", {})),
        "models": dict(value.get("models", {})),
    }


def _day(date: str, account: Mapping[str, Any]) -> Day:
    models = tuple(
        Spent(name, row["calls"], row["input"], row["output"], Decimal(row["cost"]))
        for name, row in sorted(account["models"].items())
    )
    reserved = sum(map(Decimal, account["open"].values()), Decimal(0))
    return Day(date, Decimal(account["settled"]), reserved, models)
