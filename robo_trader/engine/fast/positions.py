"""Positions in which Backtrader's notes of every bar are found although nobody made them.

Its broker writes the time and the close of each bar into every open position. Here that is worked
out when somebody asks, as long as the broker does not work on every bar anyway.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from backtrader.position import Position


class NotedPosition(Position):
    """A feed's position in the books; `adjbase` and `datetime` are what Backtrader's would be."""

    def __init__(self, books: Any, data: Any) -> None:
        self._books, self._feed = books, data
        self._base: float | None = None
        self._base_step = -1
        super().__init__()

    #: Absent until the first fill, as Backtrader has it.
    _looked_at: dt.datetime

    def __bool__(self) -> bool:
        return bool(self.size)

    @property
    def adjbase(self) -> float | None:
        """The price at which Backtrader last settled the position."""
        if self.size and self._books.notes_are_due:
            close: float = self._feed.close[0]
            return close
        return self._base

    @adjbase.setter
    def adjbase(self, price: float | None) -> None:
        self._base, self._base_step = price, self._books.steps.i

    @property
    def datetime(self) -> dt.datetime:
        """The time of the bar at which the broker last looked at the position (naive)."""
        if self.size and self._books.notes_are_due:
            now: dt.datetime = self._feed.datetime.datetime()
            return now
        return self._looked_at

    @datetime.setter
    def datetime(self, now: dt.datetime) -> None:
        self._looked_at = now

    def note(self) -> None:
        """Write down what would be answered now."""
        if self.size:
            self._base, self._looked_at = self.adjbase, self.datetime

    def note_before(self, ago: int) -> None:
        """Write down the close before a fill that comes now; it is `ago` bars back."""
        if self.size and self._base_step != self._books.steps.i:
            self._base = self._feed.close[ago]


class Positions(dict[Any, Any]):
    """The books' positions by feed, made when first asked for."""

    def __init__(self, books: Any) -> None:
        super().__init__()
        self._books = books

    def __missing__(self, data: Any) -> NotedPosition:
        position = self[data] = NotedPosition(self._books, data)
        return position
