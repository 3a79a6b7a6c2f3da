"""How a gateway is set up: the account, the ports, the limits of pacing. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robo_trader.errors import UsageError
from robo_trader.gateway import assumptions
from robo_trader.gateway.versions import MAX_VERSION, MIN_VERSION

Matching = Literal["bars", "quotes"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of pacing and size. The numbers are Interactive Brokers' published ones; sizes are ours.

    `message_rate` counts a client's messages per second. Historical requests: `history_requests` in
    `history_window` seconds, the same request once in `history_repeat` seconds, `history_burst` for one
    contract in `history_burst_window` seconds, `history_open` at a time; they are kept where `pace_history`
    is set, and so is `tick_by_tick_repeat`, the seconds between two tick-by-tick requests for one contract.
    `lag_seconds` is how long a replay waits for a client that has stopped to read. Bytes: `frame` is the
    largest message taken from a client, `unsent` the most that waits for a slow one.
    """

    message_rate: float = 50.0
    history_requests: int = 60
    history_window: float = 600.0
    history_repeat: float = 15.0
    history_burst: int = 6
    history_burst_window: float = 2.0
    history_open: int = 50
    pace_history: bool = False
    market_data_lines: int = 100
    depth_lines: int = 3
    tick_by_tick_lines: int = 5
    tick_by_tick_repeat: float = 15.0
    clients: int = 32
    lag_seconds: float = 30.0
    frame: int = 1_000_000
    unsent: int = 32_000_000
    control_line: int = 65_536
    handshake_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What a gateway is told when it is made.

    `port` and `control_port` 0 take a free one. `matching` is ``bars`` (the backtest's own rules, bar
    by bar) or ``quotes`` (spread, partial fills by volume, `latency` in seconds of wall time before an order
    reaches the market). `spread` is the relative distance of bid and ask in a replay; `slippage` a fraction
    of the price under ``bars``. `commission` is a fraction of value; None charges the published schedule.
    `margin` False asks for no margin, `ticks` False takes prices between two ticks, `warn_closed` False sends
    no error 399 for orders outside the session. `books` names the file that keeps orders, executions and
    positions. `zone` is the login zone.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    control_port: int = 4102
    account: str = "DU1234567"
    cash: float = 1_000_000.0
    matching: Matching = "quotes"
    max_version: int = MAX_VERSION
    speed: str = "1x"
    books: str | None = None
    seed: int = 0
    spread: float = 0.0002
    latency: float = 0.0
    slippage: float = 0.0
    commission: float | None = None
    margin: bool = True
    ticks: bool = True
    warn_closed: bool = True
    zone: str = "US/Eastern"
    execution_days: float = assumptions.EXECUTION_DAYS
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise UsageError(
                f"the gateway listens on loopback only, not on {self.host!r}", hint="use 127.0.0.1"
            )
        if not MIN_VERSION <= self.max_version <= MAX_VERSION:
            raise UsageError(
                f"max version {self.max_version} is not spoken here",
                hint=f"choose one from {MIN_VERSION} to {MAX_VERSION}",
            )
        if self.matching not in ("bars", "quotes"):
            raise UsageError(f"unknown matching {self.matching!r}", hint="use bars or quotes")
        for name in ("port", "control_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise UsageError(f"{name} {getattr(self, name)} is no port", hint="use 0 to 65535")
        if not 0 < self.cash < 1e15:
            raise UsageError(f"cash must be above 0, not {self.cash!r}")
        for name in ("spread", "latency", "slippage"):
            if not 0 <= getattr(self, name) < 60:
                raise UsageError(f"{name} must be 0 or more and small, not {getattr(self, name)!r}")
