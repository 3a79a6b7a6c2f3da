"""Time by command: the embedded gateway plays one moment, the session answers, and so on.

So a rehearsal is the same every time, however fast the machine is; `speed` only paces it. Between two
moments of the market time stands still at every event and signal, so that an order goes out then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from robo_trader import clock
from robo_trader.clock import NS_PER_SECOND
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.simclock import Speed
from robo_trader.ib.connection import LineDownError
from robo_trader.live.session import TradingSession

#: No pause between two moments is longer than this (seconds), whatever the market does in between.
LONGEST_PAUSE = 1.0


class Lockstep:
    """Drives a session through everything that the gateway has to play.

    `beat` is called in every round; `progress` gets market time and whether it is over. `stop` ends it
    after the round in progress.
    """

    def __init__(
        self,
        gateway: EmbeddedGateway,
        session: TradingSession,
        speed: Speed,
        stop: threading.Event,
        beat: Callable[[], None],
        progress: Callable[[int], None] = lambda now: None,
    ) -> None:
        self._gateway, self._session = gateway, session
        self._speed, self._stop, self._beat, self._progress = speed, stop, beat, progress

    def drive(self) -> None:
        """Play to the end, or until `stop`."""
        before: int | None = None
        over = False
        while not over and not self._stop.is_set():
            until = self._session.w.news.next()
            answer = self._gateway.control("advance", **({} if until is None else {"until": until}))
            now = int(answer["ns"])
            over = bool(answer["over"])
            self.settle(now)
            self._beat()
            self._progress(now)
            if before is not None:
                self._pause(now - before)
            before = now
            over = over or self._session.w.cerebro.stopped
        if over:
            self._hear_out()

    def _hear_out(self) -> None:
        """Tell of what becomes known after the last bar: a backtest tells of it as well."""
        while not (self._stop.is_set() or self._session.w.cerebro.stopped):
            later = self._session.w.news.next()
            if later is None:
                return
            self.settle(later)
            self._beat()

    def settle(self, now: int) -> None:
        """Let the session answer until neither side has anything more to say about this moment."""
        while True:
            reached = self._barrier()
            heard = self._session.turn(now)
            if reached and not heard:
                cerebro = self._session.w.cerebro
                if not cerebro.broker.notifs or cerebro.holds_back:
                    return
                # What a comparison of books has ended, nobody was told yet.
                self._session.order_news(())
            if not reached:
                self._beat()
                if self._stop.is_set():
                    return

    def _barrier(self) -> bool:
        """Wait until the gateway has read what was sent, and what it had sent was read.

        False while the line is down: market time waits until it is mended.
        """
        try:
            self._session.w.connection.time()
        except LineDownError:
            # The messages about the mending wake the session.
            self._session.wait(0.25)
            return False
        return True

    def _pause(self, passed: int) -> None:
        if self._speed.stands or passed <= 0:
            return
        until = clock.monotonic() + min(LONGEST_PAUSE, passed / NS_PER_SECOND / self._speed.factor)
        while (left := until - clock.monotonic()) > 0 and not self._stop.is_set():
            self._session.wait(min(left, 0.1))
            self._session.turn(self._session.now)
            self._beat()
