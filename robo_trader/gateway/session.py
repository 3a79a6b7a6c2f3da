"""One client's connection: handshake, reading with limits, dispatch, writing that never blocks.

Failure contract: whatever arrives, the gateway lives on. A wrong preamble, an oversize frame or a client
that does not read closes this connection with one line in the log; an unreadable message is answered
with error 320 and the connection stays. No more is kept for a client than `Limits.unsent` bytes.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway import unserved
from robo_trader.gateway.times import local_time
from robo_trader.gateway.versions import ADVANCED_REJECT, negotiated, proposal
from robo_trader.gateway.wire import Fields, WireError, encode, read_frame, words

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway
    from robo_trader.gateway.subscriptions import Subscriptions

log = logging.getLogger("robo_trader.gateway")

START_API = 71
#: Messages of market data, which a gap holds back and a broken line stops.
MARKET_DATA = frozenset({1, 2, 12, 13, 21, 45, 46, 50, 84, 90, 99})
NAME = "robo_trader simulated gateway"
#: Answers of so many bytes end a client's turn.
_TURN = 16_384


@dataclass(slots=True, eq=False)
class Session:
    """A connection. `client` is -1 and `version` 0 until the handshake is done."""

    gateway: Gateway
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    subs: Subscriptions
    client: int = -1
    version: int = 0
    data_type: int = 1
    breaches: int = 0
    breached: float = -math.inf
    lag: tuple[float, int] | None = None
    closed: bool = False
    moments: deque[float] = field(default_factory=deque)
    unsent: list[bytes] = field(default_factory=list)
    unsent_bytes: int = 0
    held: list[bytes] = field(default_factory=list)
    held_bytes: int = 0
    held_status: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def peer(self) -> str:
        """Who it is, for the log."""
        address = self.writer.get_extra_info("peername")
        where = f"{address[0]}:{address[1]}" if address else "a closed socket"
        return f"client {self.client} at {where}" if self.client >= 0 else where

    # -- writing -----------------------------------------------------------------------------------

    def send(self, *fields: Any) -> None:
        """Send a message, unless a fault keeps it back; never waits."""
        gateway = self.gateway
        if self.closed or self.writer.transport.is_closing() or fields[0] in gateway.faults.mute:
            return
        data = encode(*fields)
        if gateway.stalled or (gateway.gap and fields[0] in MARKET_DATA):
            self._hold(data)
            return
        self._write(data)

    def error(self, request: int, code: int, text: str, advanced: str = "") -> None:
        """Send an error; `request` is -1 for what concerns no request."""
        tail = [advanced] if self.version >= ADVANCED_REJECT else []
        self.send(4, 2, request, code, words(text), *tail)

    def _write(self, data: bytes) -> None:
        """Send what one turn of the loop has to say in one piece: a replay says much at once."""
        if not self.unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self.unsent.append(data)
        self.unsent_bytes += len(data)
        self._check(self.unsent_bytes + self.writer.transport.get_write_buffer_size())

    def _flush(self) -> None:
        data, self.unsent, self.unsent_bytes = b"".join(self.unsent), [], 0
        if data and not self.writer.transport.is_closing():
            self.writer.write(data)

    def _hold(self, data: bytes) -> None:
        self.held.append(data)
        self.held_bytes += len(data)
        self._check(self.held_bytes)

    def _check(self, waiting: int) -> None:
        if waiting > self.gateway.settings.limits.unsent:
            log.warning("%s does not read: %d bytes wait for it; closed", self.peer, waiting)
            self.abort()

    def release(self) -> None:
        """Send what was held back, in its order."""
        held, self.held, self.held_bytes = self.held, [], 0
        for data in held:
            if not self.closed:
                self._write(data)

    def lags(self, most: int) -> bool:
        """Tell whether more than `most` bytes wait for it; close it where none was taken for too long."""
        waiting = self.writer.transport.get_write_buffer_size()
        if waiting <= most:
            self.lag = None
            return False
        now = clock.monotonic()
        if self.lag is None or waiting < self.lag[1]:
            self.lag = now, waiting
        elif now - self.lag[0] > self.gateway.settings.limits.lag_seconds:
            log.warning("%s has stopped to read, and the replay waits for it; closed", self.peer)
            self.abort()
        return not self.closed

    def abort(self) -> None:
        """Close at once, and forget it; what is unsent is lost."""
        self.closed = True
        self.held, self.unsent = [], []
        self.writer.transport.abort()
        self.gateway.leave(self)

    # -- reading -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the connection until it ends."""
        limits = self.gateway.settings.limits
        try:
            await self.gateway.awake.wait()
            async with asyncio.timeout(limits.handshake_seconds):
                accepted = await self._handshake()
            if accepted:
                await self._serve()
        except TimeoutError:
            log.warning(
                "%s said nothing that makes a connection in %g s; closed", self.peer, limits.handshake_seconds
            )
        except WireError as error:
            log.warning("%s sent %s; closed", self.peer, error.message)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            log.info("%s went away", self.peer)
        except Exception:  # one connection's failure is not the others'
            log.exception("%s: the connection failed", self.peer)
        finally:
            self.abort()

    async def _handshake(self) -> bool:
        preamble = await self.reader.readexactly(4)
        if preamble != b"API\0":
            what = (
                "a web browser or another HTTP client"
                if preamble.isalpha() or preamble[:3] == b"GET"
                else "no API client"
            )
            log.warning("%s begins with %r: this is %s; closed", self.peer, preamble, what)
            return False
        text = (await read_frame(self.reader, 256)).decode("ascii", "replace")
        asked = proposal(text)
        if asked is None:
            log.warning("%s proposes %r, which is no range of versions; closed", self.peer, text[:60])
            return False
        version = negotiated(*asked, self.gateway.settings.max_version)
        if version is None:
            most = self.gateway.settings.max_version
            log.warning(
                "%s speaks versions %d to %d; this gateway ends at %d; closed", self.peer, *asked, most
            )
            return False
        self.version = version
        now = local_time(self.gateway.clock.stamp(), self.gateway.settings.zone)
        self._write(encode(version, f"{now} {self.gateway.settings.zone}"))
        fields = Fields.of(await read_frame(self.reader, self.gateway.settings.limits.frame))
        if (kind := fields.integer()) != START_API:
            log.warning("%s sent message %d before startApi; closed", self.peer, kind)
            return False
        fields.integer()
        client = fields.integer(-1)
        if not 0 <= client < 2**31:
            raise WireError(f"the client id {client}")
        return await self._start(client)

    async def _start(self, client: int) -> bool:
        if not self.gateway.enter(self, client):
            log.warning("%s asks for client id %d, which is in use; closed", self.peer, client)
            self.error(
                -1,
                326,
                "Unable to connect as the client id is already in use. Retry with a unique client id.",
            )
            await asyncio.sleep(assumed.SECONDS_FROM_326_TO_CLOSE)
            return False
        log.info("%s connected, version %d", self.peer, self.version)
        gateway = self.gateway
        self.send(15, 1, gateway.settings.account)
        self.send(9, 1, gateway.next_order_id(client))
        for code, kind in ((2104, "Market data farm"), (2106, "HMDS data farm"), (2158, "Sec-def data farm")):
            self.error(-1, code, f"{kind} connection is OK:{NAME}")
        if not gateway.desk.connected:
            self.error(-1, 1100, LOST)
        return True

    async def _serve(self) -> None:
        limits = self.gateway.settings.limits
        while not self.closed:
            payload = await read_frame(self.reader, limits.frame)
            await self.gateway.awake.wait()
            if self.closed or self._too_fast():
                continue
            self._take(payload)
            if self.unsent_bytes > _TURN:
                await asyncio.sleep(0)  # It leaves, and the others have their turn.
            if self.writer.transport.get_write_buffer_size() > limits.unsent // 4:
                await self.writer.drain()

    def _take(self, payload: bytes) -> None:
        fields = Fields([])
        try:
            fields = Fields.of(payload)
            kind = fields.integer(-1)
            handler = self.gateway.handlers.get(kind)
            if handler is None:
                log.warning("%s sent message %d, which is not served", self.peer, kind)
                if (answer := unserved.answer(kind, fields)) is not None:
                    self.error(*answer)
                return
            handler(self.gateway, self, fields)
        except WireError as error:
            log.warning("%s sent an unreadable message %r: %s", self.peer, payload[:24], error.message)
            self.error(fields.subject, 320, f"Error reading request: {error.message}")
        except Exception:  # whatever a client sends, the others are served on
            log.exception("%s: message %r could not be served", self.peer, payload[:24])
            self.error(
                fields.subject, 320, "Error reading request: the simulated gateway failed; see its log"
            )

    def _too_fast(self) -> bool:
        """Count a message against the rate; tell, drop and in the end close."""
        rate = self.gateway.faults.max_rate or self.gateway.settings.limits.message_rate
        now = clock.monotonic()
        moments = self.moments
        while moments and now - moments[0] >= 1.0:
            moments.popleft()
        # What came while the gateway itself did not read is no fault of the client's.
        if len(moments) < rate * (1.0 + self.gateway.lateness(now)):
            moments.append(now)
            return False
        if now - self.breached >= 1.0:
            # One breach is one second above the rate, however many messages it holds.
            self.breached = now
            self.breaches += 1
            self.error(-1, 100, "Max rate of messages per second has been exceeded")
            log.warning("%s sends more than %g messages a second", self.peer, rate)
            if self.breaches >= assumed.RATE_BREACHES_BEFORE_CLOSE:
                log.warning("%s broke the message rate %d times; closed", self.peer, self.breaches)
                self.abort()
        return assumed.RATE_BREACH_DROPS_MESSAGE


LOST = "Connectivity between IBKR and Trader Workstation has been lost."
