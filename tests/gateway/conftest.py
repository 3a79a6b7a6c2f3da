"""Gateways on free ports, and clients that are closed at the end of a test.

The helpers lie beside the tests; `--import-mode=importlib` does not find them by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gwclient import Client, Control

from robo_trader.bars.frame import BarFrame
from robo_trader.events.tape import EventTape
from robo_trader.gateway.build import demo_gateway, replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings

Make = Callable[..., EmbeddedGateway]


@pytest.fixture
def running() -> Iterator[Callable[[Callable[[], Any]], EmbeddedGateway]]:
    """Start gateways and stop them after the test."""
    started: list[EmbeddedGateway] = []

    def start(make: Callable[[], Any]) -> EmbeddedGateway:
        gateway = EmbeddedGateway(make)
        gateway.__enter__()
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        gateway.close()


@pytest.fixture
def demo(running: Any) -> Make:
    """Start a gateway with the demo universe."""

    def make(**more: Any) -> EmbeddedGateway:
        settings = GatewaySettings(port=0, control_port=0, **more)
        gateway: EmbeddedGateway = running(lambda: demo_gateway(settings))
        return gateway

    return make


@pytest.fixture
def replay(running: Any) -> Make:
    """Start a gateway that replays frames in lockstep with the backtest's matching, unless told."""

    def make(
        frames: list[BarFrame], events: EventTape | None = None, start: str | None = None, **more: Any
    ) -> EmbeddedGateway:
        more = {"speed": "lockstep", "matching": "bars", **more}
        settings = GatewaySettings(port=0, control_port=0, **more)
        gateway: EmbeddedGateway = running(lambda: replay_gateway(settings, frames, events, start))
        return gateway

    return make


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Connect clients and close them after the test."""
    made: list[Client] = []

    def call(gateway: EmbeddedGateway, client: int = 1, version: int = 178, **more: Any) -> Client:
        made.append(Client(gateway.port, client, version, **more))
        return made[-1]

    yield call
    for client in made:
        client.close()


@pytest.fixture
def commands() -> Iterator[Callable[..., Control]]:
    """Connect to control ports and close the connections after the test."""
    made: list[Control] = []

    def call(gateway: EmbeddedGateway) -> Control:
        made.append(Control(gateway.control_port))
        return made[-1]

    yield call
    for control in made:
        control.close()
