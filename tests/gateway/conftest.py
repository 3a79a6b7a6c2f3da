"""Gateways on free ports, and clients that are closed at the end of a test.

The helpers lie beside the tests; `--import-mode=importlib` does not find them by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gwclient import Client, Control

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.calendars import get_calendar
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


def daily(symbol: str, closes: list[float], first: str = "2024-01-02", volume: float = 1e6) -> BarFrame:
    """Return daily bars of New York's sessions: each opens at the close before."""
    thing = BarSettings().instrument(symbol)
    calendar = get_calendar(thing.calendar)
    session = calendar.sessions(first, "2024-12-31")[: len(closes)]
    start, end, _ = calendar.session_bounds(session)
    close = np.array(closes, dtype=float)
    before = np.concatenate([[close[0]], close[:-1]])
    return BarFrame(
        symbol=symbol,
        timeframe="1d",
        start=start,
        end=end,
        session=session,
        open=before,
        high=np.maximum(before, close) + 0.5,
        low=np.minimum(before, close) - 0.5,
        close=close,
        volume=np.full(len(close), volume),
        instrument=thing,
    )


def minutely(symbol: str, closes: list[float], day: str = "2024-01-02") -> BarFrame:
    """Return minute bars from New York's open of a day on."""
    thing = BarSettings().instrument(symbol)
    calendar = get_calendar(thing.calendar)
    date = np.array([day], dtype="datetime64[D]")
    opens = int(calendar.session_bounds(date)[0][0])
    n = len(closes)
    start = opens + np.arange(n) * 60_000_000_000
    close = np.array(closes, dtype=float)
    before = np.concatenate([[close[0]], close[:-1]])
    return BarFrame(
        symbol=symbol,
        timeframe="1m",
        start=start,
        end=start + 60_000_000_000,
        session=np.repeat(date, n),
        open=before,
        high=np.maximum(before, close) + 0.25,
        low=np.minimum(before, close) - 0.25,
        close=close,
        volume=np.full(n, 4000.0),
        instrument=thing,
    )
