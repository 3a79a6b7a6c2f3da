"""Commission and contract size of one instrument, for Backtrader's cash arithmetic."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt

from robo_trader.instruments import Instrument


class Commission(bt.CommInfoBase):
    """A commission that is a fraction of value, for instruments with a multiplier and lots.

    With a multiplier and a lot of 1 every number is Backtrader's own. With another multiplier,
    value is size times price times multiplier (Backtrader's stock-like scheme forgets it there),
    and sizes computed from cash are whole lots, or any number where `fractional` is set.
    """

    params = (
        ("percabs", True),
        ("stocklike", True),
        ("commtype", bt.CommInfoBase.COMM_PERC),
        ("lot", 1.0),
        ("fractional", False),
    )

    def getsize(self, price: float, cash: float) -> float:
        """Return the size that `cash` buys at `price`, rounded down to whole lots."""
        value = self.p.leverage * cash / (price * self.p.mult)
        if self.p.fractional:
            return float(value)
        if self.p.lot == 1.0 and self.p.mult == 1.0:
            return int(super().getsize(price, cash))
        return float(math.floor(value / self.p.lot) * self.p.lot)

    def getoperationcost(self, size: float, price: float) -> float:
        return float(super().getoperationcost(size, price) * self.p.mult)

    def getvaluesize(self, size: float, price: float) -> float:
        return float(super().getvaluesize(size, price) * self.p.mult)

    def getvalue(self, position: Any, price: float) -> float:
        return float(super().getvalue(position, price) * self.p.mult)

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return float(super()._getcommission(size, price, pseudoexec) * self.p.mult)


def commission_for(instrument: Instrument, fraction: float, *, fractional: bool) -> Commission:
    """Return the commission scheme of `instrument` at `fraction` of the traded value."""
    return Commission(
        commission=fraction, mult=instrument.multiplier, lot=instrument.lot, fractional=fractional
    )
