"""Which signal or event the text of a reason names, as far as a run's own record proves it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robo_trader.clock import to_ns
from robo_trader.signals.tape import fade

if TYPE_CHECKING:
    from robo_trader.records import Event, Signal


class Reasons:
    """Finds the signal or event that the text of a reason names."""

    def __init__(self, signals: Sequence[Signal], events: Sequence[Event]) -> None:
        self._signals: dict[tuple[str, str], list[tuple[int, int, Signal]]] = {}
        for i, signal in enumerate(signals, 1):
            own = self._signals.setdefault((signal.symbol, signal.name), [])
            own.append((to_ns(signal.at), i, signal))
        known = sorted(
            (to_ns(event.known_at), i) for i, event in enumerate(events, 1) if event.known_at is not None
        )
        self._known = [at for at, _ in known]
        self._titles = [(events[i - 1].title, i) for _, i in known]
        self._seen: dict[tuple[str, str], tuple[int | None, int | None]] = {}

    def find(self, symbol: str, because: str, at: int) -> tuple[int | None, int | None]:
        """Return the numbers of the signal and the event behind an order at `at` (ns UTC)."""
        if not because:
            return None, None
        for words in _SPOKEN.finditer(because) if self._signals else ():
            number = self._spoken(symbol, words, at)
            if number is not None:
                return number, None
        # The newest events first: a title that recurs means its last occurrence.
        newest = bisect_right(self._known, at)
        for title, number in reversed(self._titles[max(0, newest - 50) : newest]):
            if title and title in because:
                return None, number
        return None, None

    def _spoken(self, symbol: str, words: re.Match[str], at: int) -> int | None:
        """Return the number of the signal in force at `at` if it can have said `words`."""
        # A feed of a second time frame is called SPY@1d; analysts speak of SPY.
        for name in dict.fromkeys((symbol, symbol.partition("@")[0])):
            own = self._signals.get((name, words["role"]))
            if not own:
                continue
            i = bisect_right(own, at, key=lambda row: row[0])
            if i and _can_have_said(own[i - 1][2], float(words["value"]), words["confidence"], at):
                return own[i - 1][1]
        return None


#: What a signal says of itself when it is given as a reason.
_SPOKEN = re.compile(r"(?P<role>[\w-]+) (?P<value>[+-]\d\.\d\d) \(confidence (?P<confidence>\d\.\d\d)\)")


def _can_have_said(signal: Signal, value: float, confidence: str, at: int) -> bool:
    """Tell whether `signal` had this value at some time up to `at`: an analyst's fades, a pack's stays."""
    if f"{signal.confidence:.2f}" != confidence:
        return False
    least, most = sorted((fade(signal, at), signal.value))
    return least - 0.00501 <= value <= most + 0.00501
