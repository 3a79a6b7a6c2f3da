"""Contracts: how they are written on the wire, what is known of each, and which one a client means.

A client describes a contract by any of its fields. One match is what it means; none is error 200, and
so are several where one is needed. A universe answers from plain lists: it is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from robo_trader.gateway.wire import Fields


@dataclass(frozen=True, slots=True)
class Contract:
    """The twelve fields that describe a contract in most messages. `strike` is 0 where there is none."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""

    @classmethod
    def read(cls, fields: Fields, *, primary: bool = True) -> Contract:
        """Take a contract of twelve fields, or of eleven without the primary exchange."""
        return cls(
            con_id=fields.integer(),
            symbol=fields.text(),
            sec_type=fields.text().upper(),
            expiry=fields.text(),
            strike=fields.real(),
            right=_right(fields.text()),
            multiplier=fields.text(),
            exchange=fields.text(),
            primary_exchange=fields.text() if primary else "",
            currency=fields.text().upper(),
            local_symbol=fields.text(),
            trading_class=fields.text(),
        )

    def eleven(self, exchange: str | None = None) -> list[Any]:
        """Return the block of eleven fields, with `exchange` in its place where one is given."""
        return [
            self.con_id,
            self.symbol,
            self.sec_type,
            self.expiry,
            self.strike,
            self.right or ("?" if self.sec_type == "OPT" else ""),
            self.multiplier,
            self.exchange if exchange is None else exchange,
            self.currency,
            self.local_symbol,
            self.trading_class,
        ]

    @property
    def factor(self) -> float:
        """The multiplier as a number."""
        return float(self.multiplier or 1)


def _same_number(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _right(text: str) -> str:
    return {"CALL": "C", "PUT": "P", "?": "", "0": ""}.get(text.upper(), text.upper())


@dataclass(frozen=True, slots=True)
class Spec:
    """A contract of the universe and what `contractData` says of it.

    `base` is the price around which synthetic prices move, in the contract's currency. `calendar` is an
    exchange calendar's code, `zone` the IANA name of its time zone.
    """

    contract: Contract
    long_name: str = ""
    min_tick: float = 0.01
    base: float = 0.0
    calendar: str = "24/7"
    zone: str = "US/Eastern"
    exchanges: tuple[str, ...] = ("SMART",)
    under_con_id: int = 0
    stock_type: str = "COMMON"
    lot: float = 1.0
    industry: tuple[str, str, str] = ("", "", "")
    order_types: str = field(
        default="ACTIVETIM,ALERT,GTC,GTD,IOC,FOK,LMT,LOC,MKT,MOC,OCA,STP,STPLMT,TRAIL,WHATIF"
    )

    @property
    def con_id(self) -> int:
        """The contract's id."""
        return self.contract.con_id

    @property
    def symbol(self) -> str:
        """The contract's symbol."""
        return self.contract.symbol

    @property
    def sec_type(self) -> str:
        """STK, IND, FUT, OPT or CASH."""
        return self.contract.sec_type

    def routed(self, asked: str) -> Contract:
        """Return the contract with the exchange that a client named, where it trades there."""
        return replace(self.contract, exchange=asked) if asked in self.exchanges else self.contract

    def matches(self, wanted: Contract) -> bool:
        """Tell whether `wanted` describes this contract."""
        own = self.contract
        if wanted.con_id:
            return wanted.con_id == own.con_id and self._traded_at(wanted.exchange)
        if wanted.local_symbol and wanted.local_symbol.replace(" ", "") != own.local_symbol.replace(" ", ""):
            return False
        if not (wanted.symbol or wanted.local_symbol):
            return False
        return (
            wanted.symbol in ("", own.symbol)
            and wanted.sec_type in ("", own.sec_type)
            and wanted.currency in ("", own.currency)
            and own.expiry.startswith(wanted.expiry.partition(" ")[0])
            and (not wanted.strike or wanted.strike == own.strike)
            and wanted.right in ("", own.right)
            and (not wanted.multiplier or _same_number(wanted.multiplier, own.factor))
            and wanted.primary_exchange in ("", own.primary_exchange)
            and wanted.trading_class in ("", own.trading_class)
            and self._traded_at(wanted.exchange)
        )

    def _traded_at(self, exchange: str) -> bool:
        return exchange == "" or exchange in self.exchanges or exchange == self.contract.primary_exchange


class Universe:
    """The contracts that a gateway knows."""

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._specs = {spec.con_id: spec for spec in specs}

    def __iter__(self) -> Iterator[Spec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def get(self, con_id: int) -> Spec | None:
        """Return the contract of an id, None where there is none."""
        return self._specs.get(con_id)

    def find(self, wanted: Contract) -> list[Spec]:
        """Return every contract that `wanted` describes."""
        if wanted.con_id:
            spec = self._specs.get(wanted.con_id)
            return [spec] if spec is not None and spec.matches(wanted) else []
        return [spec for spec in self if spec.matches(wanted)]

    def one(self, wanted: Contract) -> Spec | str:
        """Return the contract that `wanted` means, or the text of error 200."""
        found = self.find(wanted)
        if len(found) == 1:
            return found[0]
        if not found:
            return "No security definition has been found for the request"
        return (
            f"The contract description specified for {wanted.symbol or wanted.local_symbol} is ambiguous; "
            "you must specify the multiplier or currency."
        )

    def search(self, pattern: str) -> list[Spec]:
        """Return the contracts without expiry whose symbol begins with `pattern` or whose name holds it."""
        text = pattern.upper()
        plain = [s for s in self if s.sec_type not in ("OPT", "FUT")]
        return [s for s in plain if text and (s.symbol.startswith(text) or text in s.long_name.upper())]

    def options_of(self, con_id: int) -> list[Spec]:
        """Return the options on an underlying, by expiry, strike and right."""
        found = [s for s in self if s.sec_type == "OPT" and s.under_con_id == con_id]
        return sorted(found, key=lambda s: (s.contract.expiry, s.contract.strike, s.contract.right))
