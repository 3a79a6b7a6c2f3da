"""A gateway inside another program: its event loop in a thread of its own, its commands as calls."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from robo_trader.errors import GatewayError
from robo_trader.gateway.server import GatewayServer


class EmbeddedGateway:
    """Runs the server that `make` returns, between ``with`` and the end of the block.

    `make` is called in the gateway's own thread. `port` and `control_port` are those it listens on.
    What `make` or the start raises is raised by ``with``.
    """

    def __init__(self, make: Callable[[], GatewayServer]) -> None:
        self._make = make
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: GatewayServer | None = None
        self._thread = threading.Thread(target=self._run, name="simulated gateway", daemon=True)

    def __enter__(self) -> EmbeddedGateway:
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._server = self._make()
            await self._server.start()
        except BaseException as error:  # noqa: BLE001 - raised again where the gateway was asked for
            self._failed = error
            return
        finally:
            self._ready.set()
        await self._server.ended.wait()

    @property
    def server(self) -> GatewayServer:
        """The server; touch it in its own thread only."""
        if self._server is None:
            raise GatewayError("the gateway does not run", hint="use it in a 'with' block")
        return self._server

    @property
    def port(self) -> int:
        """The port for clients."""
        return self.server.port

    @property
    def control_port(self) -> int:
        """The port for commands."""
        return self.server.control_port

    def control(self, cmd: str, **more: Any) -> dict[str, Any]:
        """Carry out a command of the control port and return its answer; raise `GatewayError` if refused."""
        line = json.dumps({"cmd": cmd, **more}).encode()
        server, loop = self.server, self._loop
        assert loop is not None
        answer = asyncio.run_coroutine_threadsafe(server.control.answer(line), loop).result()
        if not answer["ok"]:
            raise GatewayError(f"the gateway refused {cmd}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Stop the gateway and wait for it; may be called twice."""
        if self._server is not None and self._loop is not None and self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        if self._thread.ident is not None:
            self._thread.join()
