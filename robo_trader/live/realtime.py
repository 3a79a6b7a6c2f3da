"""Time as it passes: a session on a gateway elsewhere, whose clock may run as it likes.

A bar is over when the gateway's own clock says so, asked over the same line that brings the bars: its answer
comes after everything that was sent before it. A real gateway's clock is ours and an offset, and it tells
the last update of a bar a little late: `grace` waits for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from robo_trader import clock
from robo_trader.clock import NS_PER_SECOND, to_ns
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection
from robo_trader.live.session import TradingSession

#: How long the loop waits at most for a message (seconds): halts, heartbeats and Ctrl-C are looked at then.
LONGEST_WAIT = 0.2
#: How often a simulated gateway, whose clock may run at any speed, is asked for its time (seconds).
ASK_EVERY = 0.05
#: Seconds between this machine's clock and the time that passed, from which on the gateway is asked again.
_JUMP = 2.0
#: A gateway tells whole seconds: less than this apart, its clock is ours.
_SAME = 1.0


class MarketClock:
    """The gateway's time, ns UTC.

    For a real gateway it is this machine's clock and the offset that was measured at the start, and again
    when the clock has jumped; a simulated one is asked.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asks = connection.opened.simulated
        self._set(connection.opened.skew)
        self._last = 0
        self._asked = float("-inf")

    def now(self) -> int:
        """Return the time; where the gateway cannot be asked, the last that it told."""
        if not self._asks:
            return self._ours()
        if clock.monotonic() - self._asked >= ASK_EVERY:
            self._asked = clock.monotonic()
            try:
                self._last = max(self._last, to_ns(self._connection.time()))
            except BrokerError:
                # The line says by itself that it is down; time stands until it is back.
                return self._last
        return self._last

    def _set(self, skew: float) -> None:
        """Take the gateway's clock to be `skew` seconds ahead of this machine's."""
        self._skew = int(skew * NS_PER_SECOND) if abs(skew) > _SAME else 0
        self._anchor = to_ns(clock.now()) + self._skew, clock.monotonic()

    def _ours(self) -> int:
        """Return this machine's time with the offset; a clock that was set must not end a bar early."""
        told, (began, mark) = to_ns(clock.now()) + self._skew, self._anchor
        steady = began + int((clock.monotonic() - mark) * NS_PER_SECOND)
        if abs(told - steady) <= _JUMP * NS_PER_SECOND:
            return told
        if clock.monotonic() - self._asked < _JUMP:
            return steady
        self._asked = clock.monotonic()
        try:
            theirs = self._connection.time()
        except BrokerError:
            return steady  # The line says by itself that it is down.
        self._set((theirs - clock.now()).total_seconds() + 0.5)
        return self._anchor[0]


class RealTime:
    """Drives a session until `stop`; `beat` is called in every round."""

    def __init__(
        self,
        session: TradingSession,
        market: MarketClock,
        grace: float,
        stop: threading.Event,
        beat: Callable[[], None],
    ) -> None:
        self._session, self._market, self._stop, self._beat = session, market, stop, beat
        opened = session.w.connection.opened
        # A replay has its own time, and tells a bar's last update before its end.
        replays = opened.simulated and abs(opened.skew) > _SAME
        self._grace = 0 if replays else int(grace * NS_PER_SECOND)

    def drive(self) -> None:
        """Run until `stop`, or until the strategy stops Cerebro."""
        while not self._stop.is_set() and not self._session.w.cerebro.stopped:
            now = self._market.now()
            self._session.turn(now - self._grace if self._late(now) else now)
            self._beat()
            self._session.wait(LONGEST_WAIT if not self._session.w.connection.opened.simulated else ASK_EVERY)

    def _late(self, now: int) -> bool:
        """Tell whether a bar has just ended whose last update may still be on its way."""
        end = self._session.next_end()
        return end is not None and end <= now < end + self._grace
