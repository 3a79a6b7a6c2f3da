"""The server: opens the ports, hands connections to sessions, lets the market run, and stops in order.

Failure contract: a port that is taken is a `GatewayError` before anything else happens. Stopping closes
the ports, then the clients, then the books; it may be called twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from robo_trader import clock
from robo_trader.errors import GatewayError
from robo_trader.gateway.books import Books
from robo_trader.gateway.control import ControlPort
from robo_trader.gateway.core import PULSE, Gateway
from robo_trader.gateway.market import Market
from robo_trader.gateway.news import NewsRoom
from robo_trader.gateway.session import Session
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.gateway.subscriptions import Subscriptions

log = logging.getLogger("robo_trader.gateway")

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class GatewayServer:
    """A gateway with its sockets."""

    def __init__(self, settings: GatewaySettings, market: Market, news: NewsRoom, books: Books) -> None:
        self.settings = settings
        self.books = books
        self.gateway = Gateway(settings, market, self.books, news)
        self.port = settings.port
        self.control_port = settings.control_port
        self.ended = asyncio.Event()
        self.control = ControlPort(self)
        self._listener: asyncio.Server | None = None
        self._control_listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: dict[Session, None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopped = False
        self._stalled = 0.0

    async def start(self) -> None:
        """Open both ports and let the market run."""
        try:
            self._listener, self.port = await self._open(self.port, self._client)
            limit = self.settings.limits.control_line
            self._control_listener, self.control_port = await self._open(
                self.control_port, self.control.client, limit=limit
            )
        except BaseException:
            await self.stop()
            raise
        self._spawn(self._market())
        self._pulse()

    def _pulse(self) -> None:
        """Look whether this loop runs late: what clients sent meanwhile arrives all at once."""
        now = clock.monotonic()
        if now - self.gateway.pulse_due > PULSE:
            self.gateway.late(now - self.gateway.pulse_due)
        self.gateway.pulse_due = now + PULSE
        self._after("pulse", PULSE, self._pulse)

    async def _open(self, port: int, client: Client, limit: int = 65_536) -> tuple[asyncio.Server, int]:
        host = "127.0.0.1" if self.settings.host == "localhost" else self.settings.host
        try:
            server = await asyncio.start_server(client, host, port, limit=limit)
        except OSError as error:
            raise GatewayError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint="another gateway or TWS may be running; choose other ports with --port and --control",
            ) from None
        return server, int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close ports, clients and books, in this order."""
        if self._stopped:
            return
        self._stopped = True
        for listener in (self._listener, self._control_listener):
            if listener is not None:
                listener.close()
        for timer in self._timers.values():
            timer.cancel()
        self.gateway.reports.close()
        self.drop()
        self.control.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.books.remember("time", self.gateway.clock.now())
        self.books.close()
        self.ended.set()

    async def _market(self) -> None:
        await self.gateway.market.run()
        log.info("the replay has come to its end; clients stay connected")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the gateway failed", exc_info=error)

    # -- clients -----------------------------------------------------------------------------------

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        if peer is not None:
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(self.gateway, reader, writer, Subscriptions())
        if len(self._clients) >= 2 * self.settings.limits.clients and not self._make_room():
            log.warning("%s: too many connections; closed", session.peer)
            session.abort()
            return
        self._clients[session] = None
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await session.run()
        except asyncio.CancelledError:
            session.abort()
        finally:
            self._clients.pop(session, None)
            self._tasks.discard(task)

    def _make_room(self) -> bool:
        """Close the connection that has said nothing for longest; False where all are clients."""
        silent = next((s for s in self._clients if s.client < 0), None)
        if silent is None:
            return False
        log.warning("%s has said nothing, and there are too many connections; closed", silent.peer)
        self._clients.pop(silent)
        silent.abort()
        return True

    # -- faults of the line ---------------------------------------------------------------------------

    def drop(self) -> None:
        """Close every client's socket at once."""
        for session in list(self._clients):
            session.abort()

    def restart(self, seconds: float) -> None:
        """Close every socket and refuse new ones for a while; the books stay as they are.

        Of two restarts, stalls or gaps at a time the later one says when it ends.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.drop()
        self._after("restart", seconds, lambda: self._spawn(self._reopen()))

    async def _reopen(self) -> None:
        while self._listener is None:
            try:
                self._listener, _ = await self._open(self.port, self._client)
            except GatewayError as error:
                log.warning("%s; trying again", error)
                await asyncio.sleep(0.1)

    def stall(self, seconds: float) -> None:
        """Read and send nothing for a while; the sockets stay open."""
        if not self.gateway.stalled:
            self._stalled = clock.monotonic()
        self.gateway.awake.clear()
        self._after("stall", seconds, self._end_stall)

    def _end_stall(self) -> None:
        self.gateway.late(clock.monotonic() - self._stalled)
        self.gateway.awake.set()
        self._release()

    def hold_data(self, seconds: float) -> None:
        """Keep market data back for a while and then send all of it in one burst."""
        self.gateway.gap = True
        self._after("gap", seconds, self._end_gap)

    def _end_gap(self) -> None:
        self.gateway.gap = False
        self._release()

    def _release(self) -> None:
        if not self.gateway.stalled and not self.gateway.gap:
            for session in list(self.gateway.sessions):
                session.release()

    def _after(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        if (before := self._timers.get(name)) is not None:
            before.cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, action)
