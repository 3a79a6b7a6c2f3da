"""The account: cash, positions, margin and commissions, in dollars unless said otherwise.

A position's average cost is per contract, the multiplier included, as the protocol has it. Realised
profit is after nothing but the trade; commissions leave cash on their own. Formulas are plain
bookkeeping; margin rates and commissions stand in `assumptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robo_trader.gateway import assumptions as assumed
from robo_trader.gateway.contracts import Contract

if TYPE_CHECKING:
    from robo_trader.gateway.orders import Execution

Price = Callable[[int], float | None]


@dataclass(slots=True)
class Position:
    """A holding: size (negative when short) and average cost per contract, in its currency."""

    contract: Contract
    size: float = 0.0
    cost: float = 0.0
    realized: float = 0.0


@dataclass(frozen=True, slots=True)
class Margin:
    """What an account must hold, in dollars."""

    initial: float
    maintenance: float
    equity: float


@dataclass(slots=True)
class Account:
    """Cash and positions of one account; `price` gives a contract's price now, None where unknown."""

    name: str
    cash: float
    price: Price
    commission_fraction: float | None = None
    positions: dict[int, Position] = field(default_factory=dict)
    realized: float = 0.0
    opening_equity: float = 0.0

    def apply(self, contract: Contract, signed: float, price: float) -> float | None:
        """Book a fill of `signed` contracts; return the profit realised in its currency, None if it opens."""
        position = self.positions.setdefault(contract.con_id, Position(contract))
        each = price * contract.factor
        rate = dollars(contract.currency)
        realized = None
        closing = min(abs(signed), abs(position.size)) if position.size * signed < 0 else 0.0
        if closing:
            direction = 1.0 if position.size > 0 else -1.0
            realized = closing * direction * (each - position.cost)
            position.realized += realized
            self.realized += realized * rate
        opening = abs(signed) - closing
        after = position.size + signed
        if opening:
            held = abs(position.size) if not closing else 0.0
            position.cost = (held * position.cost + opening * each) / (held + opening)
        position.size = 0.0 if abs(after) < 1e-9 else after
        if not position.size:
            position.cost = 0.0
        # A future costs nothing to enter: only what it gained or lost is paid, here at each close of it.
        self.cash += (realized or 0.0) * rate if contract.sec_type == "FUT" else -signed * each * rate
        return realized

    def replayed(self, executions: Iterable[Execution]) -> tuple[Account, dict[str, float | None]]:
        """Return an account that began with nothing and saw these executions, and what each realised.

        Commissions are left out.
        """
        fresh = Account(self.name, 0.0, self.price)
        found = {}
        for e in executions:
            found[e.exec_id] = fresh.apply(e.contract, e.shares if e.side == "BOT" else -e.shares, e.price)
        return fresh, found

    def commission(self, contract: Contract, size: float, price: float, charged: float = 0.0) -> float:
        """Return what a fill costs; `charged` is what its order paid before, which counts for minimums."""
        value = size * price * contract.factor
        if self.commission_fraction is not None:
            return value * self.commission_fraction
        kind = contract.sec_type
        if kind == "OPT":
            due, least = size * assumed.OPTION_PER_CONTRACT, assumed.OPTION_MINIMUM
        elif kind == "FUT":
            due, least = size * assumed.FUTURE_PER_CONTRACT, 0.0
        elif kind == "CASH":
            due, least = value * assumed.FX_FRACTION, assumed.FX_MINIMUM
        else:
            due = min(size * assumed.STOCK_PER_SHARE, value * assumed.STOCK_MAXIMUM_FRACTION)
            least = min(assumed.STOCK_MINIMUM, value * assumed.STOCK_MAXIMUM_FRACTION)
        return round(due if charged >= least else max(due, least - charged), 6)

    def pay(self, amount: float, currency: str) -> None:
        """Take a commission out of the cash."""
        self.cash -= amount * dollars(currency)

    def value_of(self, position: Position) -> tuple[float, float, float]:
        """Return (price, value, unrealised profit) of a position, in its currency."""
        price = self.price(position.contract.con_id)
        if price is None:
            price = position.cost / position.contract.factor
        value = position.size * price * position.contract.factor
        return price, value, value - position.size * position.cost

    @property
    def unrealized(self) -> float:
        """Profit of the open positions."""
        profits = (self.value_of(p)[2] * dollars(p.contract.currency) for p in self.positions.values())
        return sum(profits, 0.0)

    @property
    def equity(self) -> float:
        """Cash and what the positions are worth; of futures only the open profit counts."""
        total = self.cash
        for position in self.positions.values():
            _, value, profit = self.value_of(position)
            total += (profit if position.contract.sec_type == "FUT" else value) * dollars(
                position.contract.currency
            )
        return total

    def margin(self, extra: tuple[Contract, float, float] | None = None) -> Margin:
        """Return what must be held, with `extra` (contract, signed size, price) added where given."""
        sizes = {
            p.contract.con_id: (p.contract, p.size, self.value_of(p)[0]) for p in self.positions.values()
        }
        if extra is not None:
            contract, size, price = extra
            held = sizes.get(contract.con_id, (contract, 0.0, price))[1]
            sizes[contract.con_id] = (contract, held + size, price)
        initial = maintenance = 0.0
        for contract, size, price in sizes.values():
            first, second = assumed.MARGIN.get(contract.sec_type, assumed.MARGIN["STK"])
            value = abs(size) * price * contract.factor * dollars(contract.currency)
            initial, maintenance = initial + first * value, maintenance + second * value
        return Margin(initial, maintenance, self.equity)

    def gross(self) -> float:
        """Return the positions' absolute value."""
        values = (abs(self.value_of(p)[1]) * dollars(p.contract.currency) for p in self.positions.values())
        return sum(values, 0.0)

    def summary(self) -> list[tuple[str, str, str]]:
        """Return (key, value, currency) of everything that account messages carry."""
        margin, equity = self.margin(), self.equity
        free = equity - margin.initial
        amounts = {
            "NetLiquidation": equity,
            "EquityWithLoanValue": equity,
            "TotalCashValue": self.cash,
            "SettledCash": self.cash,
            "AvailableFunds": free,
            "ExcessLiquidity": equity - margin.maintenance,
            "BuyingPower": max(0.0, free / assumed.MARGIN["STK"][0]),
            "InitMarginReq": margin.initial,
            "MaintMarginReq": margin.maintenance,
            "FullInitMarginReq": margin.initial,
            "FullMaintMarginReq": margin.maintenance,
            "GrossPositionValue": self.gross(),
            "Cushion": (equity - margin.maintenance) / equity if equity else 0.0,
        }
        rows = [
            ("AccountReady", "true", ""),
            ("AccountType", "INDIVIDUAL", ""),
            ("AccountCode", self.name, ""),
        ]
        rows += [(key, f"{value:.2f}", "USD") for key, value in amounts.items() if key != "Cushion"]
        rows.append(("Cushion", f"{amounts['Cushion']:.6f}", ""))
        for currency in ("BASE", "USD"):
            rows += [
                ("CashBalance", f"{self.cash:.2f}", currency),
                ("TotalCashBalance", f"{self.cash:.2f}", currency),
                ("NetLiquidationByCurrency", f"{equity:.2f}", currency),
                ("UnrealizedPnL", f"{self.unrealized:.2f}", currency),
                ("RealizedPnL", f"{self.realized:.2f}", currency),
                ("ExchangeRate", "1.00", currency),
            ]
        return rows


def dollars(currency: str) -> float:
    """Return what one unit of a currency is worth."""
    return assumed.DOLLARS.get(currency, 1.0)
