"""`Mailbox`: signals handed from the pipeline's thread to a trading session's, in order.

Giving never waits, so that a session that is slow stops nobody. A full mailbox lets go of signals that a
newer one of the same role and symbol has replaced, which is what a signal means anyway, and counts them;
so it holds at most `size`, or one signal for each role and symbol.
"""

from __future__ import annotations

import threading
from collections import deque

from robo_trader.live.news.log import Numbered


class Mailbox:
    """Signals in the order of their numbers, for one or several takers. Usable from several threads."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._waiting: deque[Numbered] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.replaced = 0

    def __call__(self, one: Numbered) -> None:
        """Put a signal in; what is given after `close` is left out."""
        with self._changed:
            if self._closed:
                return
            self._waiting.append(one)
            if len(self._waiting) > self._size:
                self._compact()
            self._changed.notify()

    def take(self, timeout: float | None = 0.0) -> list[Numbered]:
        """Return all that wait, waiting up to `timeout` seconds (None: as long as it takes) for one."""
        with self._changed:
            if not self._waiting and timeout != 0.0:
                self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            taken = list(self._waiting)
            self._waiting.clear()
            return taken

    def close(self) -> None:
        """Take no more, and wake whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._waiting)

    def _compact(self) -> None:
        newest = {(one.signal.name, one.signal.symbol): one.number for one in self._waiting}
        kept = [one for one in self._waiting if newest[one.signal.name, one.signal.symbol] == one.number]
        self.replaced += len(self._waiting) - len(kept)
        self._waiting = deque(kept)
