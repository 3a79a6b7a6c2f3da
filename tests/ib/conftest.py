"""Gateways on free ports, and lines to them; everything is closed at the end of a test."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.server import GatewayServer
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.messages import Message, Opened

M = TypeVar("M")

#: Seconds that a test waits for what must come: as good as for ever, on the slowest machine too.
PATIENCE = 60.0


class Heard:
    """A line and what it told; `expect` waits for a message, so that no test sleeps."""

    def __init__(self, line: Line) -> None:
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.line = Connection(line, self.inbox.put)
        self.all: list[Message] = []

    def open(self) -> Opened:
        return self.line.open()

    def expect(self, kind: type[M], accept: Callable[[M], bool] = lambda m: True) -> M:
        while True:
            message = self.inbox.get(timeout=PATIENCE)
            self.all.append(message)
            if isinstance(message, kind) and accept(message):
                return message


@pytest.fixture
def gateway() -> Iterator[Callable[..., EmbeddedGateway]]:
    """Start gateways: the demo universe, or whatever `make` returns for the settings."""
    started: list[EmbeddedGateway] = []

    def start(
        make: Callable[[GatewaySettings], GatewayServer] = demo_gateway, **more: Any
    ) -> EmbeddedGateway:
        settings = GatewaySettings(**{"port": 0, "control_port": 0, **more})
        started.append(EmbeddedGateway(lambda: make(settings)).__enter__())
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def heard() -> Iterator[Callable[..., Heard]]:
    """Make lines to a port."""
    made: list[Heard] = []

    def make(port: int, **more: Any) -> Heard:
        more = {"timeout": PATIENCE, "retry_first": 0.02, "retry_most": 0.1, **more}
        made.append(Heard(Line(port=port, **more)))
        return made[-1]

    yield make
    for one in made:
        one.line.close()
