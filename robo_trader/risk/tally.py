"""What the guard did in a run, counted: for the summary, the report and `run.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robo_trader.records import Decision


@dataclass(slots=True)
class Tally:
    """Orders by what became of them; each of a bracket counts.

    `shrunk_by` and `vetoed_by` count every rule that took part, so they may add up to more than
    `shrunk` and `vetoed`. `lifted` counts how often a brake let go by itself.
    """

    allowed: int = 0
    shrunk: int = 0
    vetoed: int = 0
    shrunk_by: Counter[str] = field(default_factory=Counter)
    vetoed_by: Counter[str] = field(default_factory=Counter)
    lifted: Counter[str] = field(default_factory=Counter)

    def count(self, decision: Decision) -> None:
        """Count a decision, and the rules that took part in it."""
        action = decision.action
        if action == "allow":
            self.allowed += 1
            return
        by = [answer.rule for answer in decision.answers]
        # What no rule said (an exit that is left out, a family that was vetoed) is the bracket's doing.
        rules = dict.fromkeys(by or ["bracket"])
        if action == "resize":
            self.shrunk += 1
            self.shrunk_by.update(rules.keys())
        else:
            self.vetoed += 1
            self.vetoed_by.update(rules.keys())

    @property
    def orders(self) -> int:
        """All orders that were judged."""
        return self.allowed + self.shrunk + self.vetoed

    @property
    def changed(self) -> bool:
        """Tell whether any order was made smaller or refused."""
        return bool(self.shrunk or self.vetoed)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return {
            "orders": self.orders,
            "allowed": self.allowed,
            "shrunk": self.shrunk,
            "vetoed": self.vetoed,
            "shrunk_by": dict(sorted(self.shrunk_by.items())),
            "vetoed_by": dict(sorted(self.vetoed_by.items())),
            "lifted": dict(sorted(self.lifted.items())),
        }

    def line(self, labels: Mapping[str, str]) -> str:
        """Return one line that says what the guard did; `labels` are the rules' limits as text."""
        if not self.orders:
            return "risk: no order reached the guard"
        if not self.changed:
            return f"risk: all {self.orders} orders passed as they were"
        parts: list[str] = []
        for word, n, by in (
            ("shrunk", self.shrunk, self.shrunk_by),
            ("vetoed", self.vetoed, self.vetoed_by),
        ):
            if n:
                names = [name for name, _ in by.most_common()]
                named = ", ".join(f"{_said(name)} {labels.get(name, '')}".rstrip() for name in names)
                of = f" of {self.orders} orders" if not parts else ""
                parts.append(f"{n}{of} {word} ({named})")
        text = f"risk: {', '.join(parts)}"
        if self.lifted:
            times = ", ".join(f"{_said(name)} {n} times" for name, n in sorted(self.lifted.items()))
            text += f"; lifted by itself: {times}"
        return f"{text}; compare with --risk off"


def _said(name: str) -> str:
    return name.replace("_", " ")
