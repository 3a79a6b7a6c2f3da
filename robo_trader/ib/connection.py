"""The line to a gateway: the library's event loop in a thread of its own, messages out, requests in.

Only that thread touches the library. What it hears is handed to `deliver` as immutable messages; a request
is a function of the ``IB`` object that runs there. A line that breaks, or falls silent while the socket looks
open, is told as `Lost` and tried again with growing pauses until `close`.

Failure contract: `open` raises `BrokerError` with the cause in plain words. `call` raises `LineDownError` at
once while the line is down and when it breaks, `BrokerError` when time runs out and when the broker
refuses. Nothing is queued for later: what was asked while the line was down was not sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from robo_trader import clock
from robo_trader.errors import BrokerError, UsageError
from robo_trader.ib.diagnosis import account_not_found, why_not
from robo_trader.ib.library import Library, load, tap
from robo_trader.ib.messages import Failed, Lost, Message, Opened, Problem

T = TypeVar("T")


class LineDownError(BrokerError):
    """The line is down or broke; it is tried again, and `Opened` tells when it is up."""


#: How the project's own gateway ends its farm messages; what was traded there is no evidence.
SIMULATED = "robo_trader simulated gateway"
_DOWN = "the line to the broker is down"
_WAIT = "it is tried again by itself; see 'Lost' and 'Failed' for the reason"


@dataclass(frozen=True, slots=True)
class Line:
    """Where and how to connect. Times in seconds.

    `account` must belong to the login where it is given. `watch_only` asks for no orders at the start, for a
    client that only reads. `timeout` bounds the start and each request; a line that told nothing for
    `heartbeat` is asked for the time, and lost when no answer comes for as long again. Pauses between
    tries double from `retry_first` to `retry_most`. The library keeps to the broker's limit of messages per
    second unless the line is `unthrottled`, for a gateway that has none.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    account: str = ""
    watch_only: bool = False
    timeout: float = 10.0
    heartbeat: float = 10.0
    retry_first: float = 0.5
    retry_most: float = 30.0
    unthrottled: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.port < 65_536:
            raise UsageError(f"{self.port} is no port", hint="IB Gateway's is 4002 for paper, 4001 for live")
        for name in ("timeout", "heartbeat", "retry_first", "retry_most"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0, not {getattr(self, name)!r}")


class Connection:
    """A line that is opened once, mends itself, and is closed once. Usable in a ``with`` block.

    `deliver` is called in the line's thread and must not block; `queue.SimpleQueue().put` is made for it.
    """

    def __init__(self, line: Line, deliver: Callable[[Message], None] = lambda message: None) -> None:
        self.line = line
        self._deliver = deliver
        self._opened: Future[Opened] = Future()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: list[Problem] = []
        self._overhear: list[Callable[[Message], None]] = []
        self._attempt = 0
        self._up = False
        self._thread = threading.Thread(target=self._run, name="ib line", daemon=True)

    def __enter__(self) -> Connection:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def up(self) -> bool:
        """True while requests can be made."""
        return self._up

    @property
    def attempt(self) -> int:
        """How often a connection was tried; it changes with each break."""
        return self._attempt

    @property
    def opened(self) -> Opened:
        """What the gateway told of itself when the line was first opened."""
        return self._opened.result(0)

    @property
    def library(self) -> Library:
        """The library in use."""
        return load()

    def open(self) -> Opened:
        """Connect, and return what the gateway told of itself; raise `BrokerError` with the cause."""
        self._thread.start()
        try:
            return self._opened.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the line and its thread; may be called twice."""
        self._closing = True
        if self._thread.ident is None:
            return
        with contextlib.suppress(RuntimeError):  # The loop has ended by itself.
            if self._loop is not None:
                self._loop.call_soon_threadsafe(lambda: self._stir.set())
        self._thread.join()

    def call(self, ask: Callable[[Any], Awaitable[T]], timeout: float | None = None) -> T:
        """Run ``ask(ib)`` in the line's thread and return its result. Not for the line's own thread."""
        if not self._up or self._loop is None:
            raise LineDownError(_DOWN, hint=_WAIT)
        wait = timeout or self.line.timeout
        asking = self._ask(ask, wait)
        try:
            future = asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError:  # Somebody closed the line since it was seen to be up.
            asking.close()
            raise LineDownError(_DOWN, hint=_WAIT) from None
        try:
            return future.result(wait + 5)
        except (CancelledError, TimeoutError):
            raise LineDownError(_DOWN, hint=_WAIT) from None

    def time(self, timeout: float | None = None) -> datetime:
        """Return the gateway's time, in whole seconds; what it sent before that has been heard by then."""
        return self.call(lambda ib: self._time(), timeout)

    async def ask_time(self) -> datetime:
        """As `time`, for requests that run in the line's thread."""
        return await self._time()

    # --- in the line's thread

    async def _time(self) -> datetime:
        # The library keeps one answer for all who ask: those who ask at once would wait for ever.
        async with self._asking_time:
            theirs: datetime = await self._ib.reqCurrentTimeAsync()
        return theirs

    @contextlib.contextmanager
    def overheard(self, take: Callable[[Message], None]) -> Iterator[None]:
        """Hand every message to `take` too while the block runs: for what is asked by `call`."""
        self._overhear.append(take)
        try:
            yield
        finally:
            self._overhear.remove(take)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stir = asyncio.Event()
        self._asking_time = asyncio.Lock()
        self._ib = load().new()
        if self.line.unthrottled:
            self._ib.client.MaxRequests = 0
        tap(self._ib, self._hear)
        self._ib.client.apiError += self._broke
        self._ib.disconnectedEvent += self._broke
        try:
            self._opened.set_result(await self._connect())
            while not self._closing:
                reason = await self._watch()
                self._up = False
                if self._closing:
                    break
                await self._hang_up()
                self._deliver(Lost(reason))
                await self._again()
        finally:
            self._up = False
            await self._hang_up()

    async def _hang_up(self) -> None:
        self._ib.disconnect()
        for _ in range(
            3
        ):  # A transport closes in the next turns of the loop, and must not meet the next try.
            await asyncio.sleep(0)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Problem) and message.id == -1:
            self._told.append(message)
            del self._told[:-100]
        for take in self._overhear:
            take(message)
        self._deliver(message)

    def _broke(self, *_: Any) -> None:
        self._stir.set()

    async def _connect(self) -> Opened:
        """Connect once or raise `BrokerError`, at once where the library would wait until time is over."""
        line = self.line
        self._attempt += 1
        self._told.clear()
        self._stir.clear()
        trying = asyncio.ensure_future(
            self._ib.connectAsync(
                line.host, line.port, clientId=line.client_id, timeout=line.timeout, readonly=line.watch_only
            )
        )
        broken = asyncio.ensure_future(self._stir.wait())
        await asyncio.wait({trying, broken}, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        trying.cancel()
        error = (await asyncio.gather(trying, return_exceptions=True))[0]
        if isinstance(error, BaseException):
            self._ib.disconnect()
            raise await why_not(
                line.host, line.port, line.client_id, error, list(self._told), min(line.timeout, 2.0)
            )
        return await self._greet()

    async def _greet(self) -> Opened:
        line, ib = self.line, self._ib
        accounts = tuple(ib.client.getAccounts())
        if line.account and line.account not in accounts:
            raise account_not_found(line.account, accounts)
        try:
            async with asyncio.timeout(line.timeout):
                theirs = await self._time()
        except (TimeoutError, ConnectionError) as error:
            ib.disconnect()
            raise BrokerError(
                f"the gateway at {line.host}:{line.port} went silent after the start", hint="try again"
            ) from error
        if line.account and len(accounts) > 1:
            ib.client.reqAccountUpdates(True, line.account)
        opened = Opened(
            accounts=accounts,
            server_version=ib.client.serverVersion(),
            # The answer is cut to whole seconds.
            skew=theirs.timestamp() + 0.5 - clock.now().timestamp(),
            simulated=any(problem.text.endswith(SIMULATED) for problem in self._told),
            attempt=self._attempt,
        )
        self._up = True
        self._deliver(opened)
        return opened

    async def _watch(self) -> str:
        """Return why the line is down, when it is, or when it is to be closed."""
        beat = self.line.heartbeat
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(beat):
                    await self._stir.wait()
                return "the gateway closed the connection"
            try:
                async with asyncio.timeout(beat):
                    await self._time()
            except TimeoutError:
                return f"the gateway has not answered for {beat:g} s"
            except ConnectionError:
                return "the gateway closed the connection"

    async def _again(self) -> None:
        """Try until it succeeds or the line is closed."""
        pause = self.line.retry_first
        while not self._closing:
            try:
                await self._connect()
                return
            except BrokerError as error:
                if self._closing:
                    return
                self._deliver(Failed(str(error), pause))
            self._stir.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    while not self._closing:
                        await self._stir.wait()
                        self._stir.clear()
            pause = min(2 * pause, self.line.retry_most)

    async def _ask(self, ask: Callable[[Any], Awaitable[T]], wait: float) -> T:
        if not self._up:
            raise LineDownError(_DOWN, hint=_WAIT)
        asking = asyncio.ensure_future(ask(self._ib))
        broken = asyncio.ensure_future(self._stir.wait())
        await asyncio.wait({asking, broken}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        cut = broken.done()
        broken.cancel()
        if not asking.done():
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if not cut:
                raise BrokerError(
                    f"the broker did not answer within {wait:g} s", hint="is the gateway logged in?"
                )
        try:
            return asking.result()
        except (ConnectionError, asyncio.CancelledError):
            raise LineDownError("the line broke before the broker answered", hint=_WAIT) from None
        except load().request_error as error:
            raise BrokerError(
                f"the broker refused the request: error {error.code}, {error.message}"
            ) from None
