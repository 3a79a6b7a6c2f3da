"""What can be traded: one frozen record a symbol, and the notation that Interactive Brokers knows."""

from __future__ import annotations

from dataclasses import dataclass

from robo_trader.errors import UsageError


@dataclass(frozen=True, slots=True)
class Instrument:
    """A tradable thing.

    `tick` is the smallest price step and `lot` the smallest size step, both in the units of the
    price and of one share or contract; `multiplier` turns price times size into money of
    `currency`. `calendar` is an exchange calendar's code (``XNYS``, ``24/7``). `sector` is a
    free name or None where nobody said.
    """

    symbol: str
    calendar: str = "XNYS"
    currency: str = "USD"
    tick: float = 0.01
    multiplier: float = 1.0
    lot: float = 1.0
    sector: str | None = None
    sec_type: str = "STK"
    exchange: str = "SMART"

    def __post_init__(self) -> None:
        for name in ("tick", "multiplier", "lot"):
            value = getattr(self, name)
            if not value > 0:
                raise UsageError(f"{self.symbol}: {name} must be above 0, not {value!r}")

    @property
    def notation(self) -> str:
        """The contract notation, for example ``AAPL-STK-SMART-USD``."""
        return f"{self.symbol}-{self.sec_type}-{self.exchange}-{self.currency}"
