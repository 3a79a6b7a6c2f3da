"""One order as the gateway keeps it: what the client asked for, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robo_trader.clock import to_ns
from robo_trader.gateway.contracts import Contract
from robo_trader.gateway.orderwire import Placed
from robo_trader.gateway.wire import as_real

ALIVE = frozenset({"PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})
TYPES = frozenset({"MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MOC", "LOC"})
STOPS = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRAILING = frozenset({"TRAIL", "TRAIL LIMIT"})
LIMITED = frozenset({"LMT", "STP LMT", "TRAIL LIMIT", "LOC"})
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "GTD", "IOC", "FOK", "OPG"})
DUST = 1e-9
#: The smallest size of an order, far above what counts as nothing, and what sizes and prices stay below.
LEAST_SIZE, MOST = 1e-6, 1e12
_NUMBERS = (
    "lmtPrice",
    "auxPrice",
    "trailStopPrice",
    "trailingPercent",
    "lmtPriceOffset",
    "parentId",
    "ocaType",
)
_LATEST = to_ns(datetime(2200, 1, 1, tzinfo=UTC))


class OrderError(Exception):
    """An order that is refused: the error's code and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(slots=True)
class Order:
    """An order. Times are ns UTC; sizes are shares or contracts; `values` and `groups` are wire text.

    `stop` is the stop price in force, which trails for trailing orders. `eligible_at` is the earliest
    start of a bar that it takes part in; `charged` is the commission so far; `waiting` holds it until it
    or a relative is transmitted, `stuck` until a planned partial fill is taken back.
    """

    client: int
    order_id: int
    perm_id: int
    contract: Contract
    values: dict[str, str]
    groups: dict[str, list[str]]
    status: str = "PendingSubmit"
    quantity: float = 0.0
    filled: float = 0.0
    value: float = 0.0
    last_price: float = 0.0
    stop: float | None = None
    triggered: bool = False
    submitted_at: int = 0
    eligible_at: int = 0
    good_until: int | None = None
    completed_at: int = 0
    reason: str = ""
    group: str = ""
    executions: int = 0
    charged: float = 0.0
    waiting: bool = False
    stuck: bool = False

    @classmethod
    def of(cls, client: int, perm_id: int, contract: Contract, placed: Placed) -> Order:
        """Return the order of a message; raise `OrderError` for what no gateway would take."""
        order = cls(client, placed.order_id, perm_id, contract, placed.values, placed.groups)
        order.read()
        return order

    def read(self) -> None:
        """Take size and prices from the wire fields and check them."""
        text = self.values
        for name in _NUMBERS:
            if not abs(as_real(text[name])) < MOST:
                raise OrderError(321, f"Error validating request.-'bW' : cause - Invalid {name}.")
        if self.action not in ("BUY", "SELL", "SSHORT"):
            raise OrderError(
                321, f"Error validating request.-'bW' : cause - Invalid action: {self.action[:20]!r}"
            )
        self.quantity = as_real(text["totalQuantity"])
        if not LEAST_SIZE <= self.quantity < MOST:
            raise OrderError(321, "Error validating request.-'bW' : cause - Order size must be above zero.")
        if self.kind not in TYPES:
            raise OrderError(
                387, f"Unsupported order type for this exchange and security type: {self.kind[:20]!r}"
            )
        if self.tif not in TIMES_IN_FORCE:
            raise OrderError(321, f"Error validating request.-'bW' : cause - Invalid TIF: {self.tif[:20]!r}")
        if self.kind in ("LMT", "STP LMT", "LOC") and self._price("lmtPrice") is None:
            raise OrderError(
                321, "Error validating request.-'bW' : cause - A limit price above zero is missing."
            )
        if self.kind in ("STP", "STP LMT"):
            self.stop = self._price("auxPrice")
            if self.stop is None:
                raise OrderError(321, "Error validating request.-'bW' : cause - A stop price is missing.")
        if self.kind in TRAILING:
            self.stop = self._price("trailStopPrice")
            amount, fraction = self.trail_amount, self.trail_fraction
            if min(amount, fraction) < 0 or not (amount or fraction) or fraction >= 1:
                raise OrderError(
                    321,
                    "Error validating request.-'bW' : cause - A trailing amount above zero, or a percentage "
                    "between 0 and 100, is missing.",
                )
        if self.tif == "GTD":
            self.good_until = read_time(text["goodTillDate"])
            if self.good_until is None:
                raise OrderError(321, "Error validating request.-'bW' : cause - Invalid good till date.")
        self.group = text["ocaGroup"]

    def _price(self, name: str) -> float | None:
        text = self.values[name]
        return as_real(text) if text and as_real(text) > 0 else None

    @property
    def key(self) -> tuple[int, int]:
        """(client id, order id): order ids are counted per client."""
        return self.client, self.order_id

    @property
    def action(self) -> str:
        """BUY or SELL."""
        return self.values["action"]

    @property
    def buy(self) -> bool:
        """True for a purchase."""
        return self.action == "BUY"

    @property
    def sign(self) -> float:
        """1 for a purchase, -1 for a sale."""
        return 1.0 if self.buy else -1.0

    @property
    def kind(self) -> str:
        """The order's type in the protocol's spelling."""
        return self.values["orderType"].replace("STPLMT", "STP LMT").replace("TRAILLMT", "TRAIL LIMIT")

    @property
    def tif(self) -> str:
        """The time in force; DAY unless told."""
        return self.values["tif"] or "DAY"

    @property
    def limit(self) -> float | None:
        """The limit price; a trailing limit's follows its stop."""
        if self.kind == "TRAIL LIMIT":
            return None if self.stop is None else self.stop + self.sign * self._offset()
        text = self.values["lmtPrice"]
        return as_real(text) if text and self.kind in LIMITED else None

    def _offset(self) -> float:
        """Return how far a trailing limit lies beyond its stop: as told, or as the first limit does."""
        told, limit, stop = (self.values[n] for n in ("lmtPriceOffset", "lmtPrice", "trailStopPrice"))
        if told or not limit or not stop:
            return as_real(told)
        return self.sign * (as_real(limit) - as_real(stop))

    @property
    def trail_amount(self) -> float:
        """The trailing distance in price units, 0 where it is a percentage."""
        return as_real(self.values["auxPrice"]) if self.kind in TRAILING else 0.0

    @property
    def trail_fraction(self) -> float:
        """The trailing distance as a fraction of the price."""
        return as_real(self.values["trailingPercent"]) / 100.0 if self.kind in TRAILING else 0.0

    @property
    def parent_id(self) -> int:
        """The order id of the bracket's parent, 0 without one."""
        return int(as_real(self.values["parentId"]))

    @property
    def oca_type(self) -> int:
        """1 cancels the others of the group, 2 and 3 shrink them."""
        return int(as_real(self.values["ocaType"])) or 1

    @property
    def transmit(self) -> bool:
        """False holds the order until a relative is transmitted."""
        return self.values["transmit"] not in ("0", "")

    @property
    def what_if(self) -> bool:
        """True asks for the margin only."""
        return self.values["whatIf"] not in ("0", "")

    @property
    def remaining(self) -> float:
        """What is not filled yet."""
        left = self.quantity - self.filled
        return left if left > DUST else 0.0

    @property
    def average(self) -> float:
        """The average price of its fills."""
        return self.value / self.filled if self.filled else 0.0

    @property
    def alive(self) -> bool:
        """True until it is filled, cancelled or inactive."""
        return self.status in ALIVE

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return _plain(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Order:
        """Return the order that `as_dict` made plain."""
        return cls(**{**values, "contract": Contract(**values["contract"])})


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. `commission` is in the contract's currency, `realized` None for an opening fill."""

    exec_id: str
    perm_id: int
    client: int
    order_id: int
    contract: Contract
    time: int
    side: str
    shares: float
    price: float
    cumulative: float
    average: float
    ref: str
    account: str
    commission: float
    realized: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return _plain(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Execution:
        """Return the execution that `as_dict` made plain."""
        return cls(**{**values, "contract": Contract(**values["contract"])})


def _plain(record: Order | Execution) -> dict[str, Any]:
    """Return a record's fields; `asdict` would copy every wire field at every change of an order."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {**values, "contract": asdict(record.contract)}


def read_time(text: str, zone: str = "US/Eastern") -> int | None:
    """Return ns UTC of ``20261120 15:00:00 US/Eastern``, ``20261120-15:00:00`` (UTC) or a bare date.

    A time without a zone is in `zone`; None for anything else. Years before 1970 and after 2200 are
    brought to those bounds, so that a time fits 64 bits.
    """
    words = text.strip().split()
    if not words:
        return None
    try:
        if len(words) == 1 and "-" in text:
            return _bounded(datetime.strptime(words[0], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC))
        place = ZoneInfo(words[2] if len(words) > 2 else zone)
        form, joined = ("%Y%m%d %H:%M:%S", " ".join(words[:2])) if len(words) > 1 else ("%Y%m%d", words[0])
        return _bounded(datetime.strptime(joined, form).replace(tzinfo=place))
    except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
        return None


def _bounded(moment: datetime) -> int:
    return min(max(to_ns(moment), 0), _LATEST)
