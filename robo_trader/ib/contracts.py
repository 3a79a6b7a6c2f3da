"""Names of contracts: from ``AAPL-STK-SMART-USD`` to what the broker calls it, and back.

| text | what |
|---|---|
| ``AAPL`` or ``AAPL-STK-SMART-USD`` | a stock or fund; without an exchange SMART, without a currency USD |
| ``VIX-IND-CBOE-USD`` | an index |
| ``ES-FUT-CME-USD-202612`` or ``…-20261218`` | a future: its month or last day |
| ``AAPL-OPT-SMART-USD-20261218-190-C`` | an option: last day, strike, C or P |
| ``EUR.USD`` or ``EUR.USD-CASH-IDEALPRO`` | a pair of currencies |

A multiplier may stand last, behind ``x``: ``ES-FUT-CME-USD-202612-x50``. The listing exchange may stand
behind the exchange: ``DUAL-STK-SMART:NYSE-USD``.

Failure contract: text in another form is a `UsageError`; a contract that the broker does not know or
knows more than once is a `BrokerError` that lists the candidates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from robo_trader.bars.defaults import default_instrument
from robo_trader.errors import BrokerError, UsageError, did_you_mean
from robo_trader.ib.connection import Connection
from robo_trader.instruments import Instrument

Kind = Literal["STK", "IND", "FUT", "OPT", "CASH", "CRYPTO", "CFD"]
KINDS: tuple[str, ...] = get_args(Kind)
_FORM = "write it as AAPL-STK-SMART-USD, ES-FUT-CME-USD-202612 or AAPL-OPT-SMART-USD-20261218-190-C"
_PAIR = re.compile(r"([A-Z]{3})\.([A-Z]{3})")
_EXPIRY = re.compile(r"\d{6}(\d\d)?")
_STRIKE = re.compile(r"\d+(\.\d+)?")
_MULTIPLIER = re.compile(r"x(\d+(?:\.\d+)?)")
_ELSEWHERE = {"CASH": "IDEALPRO", "CRYPTO": "PAXOS"}
#: The broker's names of zones and primary exchanges, as calendars.
_CALENDARS = {
    **dict.fromkeys(("NYSE", "NASDAQ", "ARCA", "AMEX", "BATS", "ISLAND", "IEX"), "XNYS"),
    **dict.fromkeys(("CME", "CBOT", "NYMEX", "COMEX", "GLOBEX"), "CMES"),
    "TSE": "XTSE",
    "LSE": "XLON",
    "IBIS": "XETR",
    "CBOE": "XCBO",
    "PAXOS": "24/7",
    "IDEALPRO": "24/5",
}
_MOST_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class ContractName:
    """What identifies a contract; `con_id` and what the broker adds are 0 or empty until it is qualified.

    `strike` and `multiplier` are texts as the notation has them, so that both ways agree exactly.
    """

    symbol: str
    kind: str = "STK"
    exchange: str = "SMART"
    currency: str = "USD"
    expiry: str = ""
    strike: str = ""
    right: str = ""
    multiplier: str = ""
    primary: str = ""
    con_id: int = 0

    @classmethod
    def parse(cls, text: str) -> ContractName:
        """Return what `text` names.

        >>> ContractName.parse("EUR.USD").notation
        'EUR.USD-CASH-IDEALPRO-USD'
        """
        parts = text.strip().split("-")
        if len(parts) == 1:
            return cls._bare(parts[0])
        symbol, kind, *more = parts
        if kind not in KINDS:
            near = did_you_mean(kind.upper(), KINDS)
            raise UsageError(f"{text!r} names no kind of contract: {kind!r}", hint=near or _FORM)
        exchange = more.pop(0) if more else _ELSEWHERE.get(kind, "SMART")
        exchange, _, primary = exchange.partition(":")
        pair = _PAIR.fullmatch(symbol)
        currency = more.pop(0) if more else pair[2] if pair else "USD"
        multiplier = _MULTIPLIER.fullmatch(more[-1]) if more else None
        if multiplier:
            more.pop()
        wanted = {"FUT": (_EXPIRY,), "OPT": (_EXPIRY, _STRIKE, re.compile("[CP]"))}.get(kind, ())
        fits = len(more) == len(wanted) and all(w.fullmatch(m) for w, m in zip(wanted, more, strict=True))
        if not symbol or not exchange or not currency or not fits or (kind == "CASH" and not pair):
            raise UsageError(f"{text!r} is no contract", hint=_FORM)
        if pair and kind == "CASH" and pair[2] != currency:
            raise UsageError(f"{text!r} is no contract: {pair[2]} is not {currency}", hint="leave one out")
        expiry, strike, right = [*more, "", "", ""][:3]
        return cls(
            symbol,
            kind,
            exchange,
            currency,
            expiry,
            strike,
            right,
            multiplier[1] if multiplier else "",
            primary,
        )

    @classmethod
    def _bare(cls, symbol: str) -> ContractName:
        if not symbol:
            raise UsageError("an empty text names no contract", hint=_FORM)
        if pair := _PAIR.fullmatch(symbol):
            return cls(symbol, "CASH", "IDEALPRO", pair[2])
        thing = default_instrument(symbol)
        return cls(symbol, thing.sec_type, thing.exchange, thing.currency)

    @property
    def notation(self) -> str:
        """The text that `parse` reads back."""
        exchange = f"{self.exchange}:{self.primary}" if self.primary else self.exchange
        more = [self.expiry, self.strike, self.right, f"x{self.multiplier}" if self.multiplier else ""]
        return "-".join([self.symbol, self.kind, exchange, self.currency, *(m for m in more if m)])

    def fields(self) -> dict[str, Any]:
        """Return the fields of the broker's contract."""
        fields: dict[str, Any] = dict(
            conId=self.con_id,
            symbol=self.symbol.partition(".")[0] if self.kind == "CASH" else self.symbol,
            secType=self.kind,
            exchange=self.exchange,
            currency=self.currency,
            lastTradeDateOrContractMonth=self.expiry,
            right=self.right,
            multiplier=self.multiplier,
            primaryExchange=self.primary,
        )
        return {k: v for k, v in fields.items() if v} | (
            {"strike": float(self.strike)} if self.strike else {}
        )

    @classmethod
    def of(cls, contract: Any) -> ContractName:
        """Return the name of the broker's contract."""
        kind = contract.secType
        return cls(
            f"{contract.symbol}.{contract.currency}" if kind == "CASH" else contract.symbol,
            kind,
            # Positions come without an exchange.
            contract.exchange or _ELSEWHERE.get(kind, "SMART"),
            contract.currency,
            contract.lastTradeDateOrContractMonth.partition(" ")[0],
            f"{contract.strike:.12g}" if contract.strike else "",
            contract.right[:1] if contract.right[:1] in ("C", "P") else "",
            contract.multiplier if contract.multiplier not in ("1", "") else "",
            contract.primaryExchange,
            contract.conId,
        )


@dataclass(frozen=True, slots=True)
class Qualified:
    """A contract that the broker knows. `tick` is the smallest price step, `zone` the broker's zone name.

    `known` is the instrument that it is, where somebody knows: the bars that a rehearsal plays say so.
    """

    name: ContractName
    long_name: str
    tick: float
    zone: str
    known: Instrument | None = None

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument under the name that the user gave it."""
        if self.known is not None:
            return replace(self.known, symbol=symbol)
        name = self.name
        known = _CALENDARS.get(name.primary) or _CALENDARS.get(name.exchange)
        return Instrument(
            symbol,
            calendar=known or default_instrument(name.symbol).calendar,
            currency=name.currency,
            tick=self.tick or 0.01,
            multiplier=float(name.multiplier or 1),
            sec_type=name.kind,
            exchange=name.exchange,
        )


def qualify(connection: Connection, name: ContractName) -> Qualified:
    """Ask the broker which contract `name` means; raise `BrokerError` unless it is exactly one."""
    library = connection.library

    async def ask(ib: Any) -> list[Any]:
        try:
            return list(await ib.reqContractDetailsAsync(library.contract(**name.fields())))
        except library.request_error as error:
            if error.code == 200:
                return []
            raise

    async def search(ib: Any) -> list[Any]:
        return [d.contract for d in await ib.reqMatchingSymbolsAsync(name.symbol.partition(".")[0]) or ()]

    found = [_qualified(details, name) for details in connection.call(ask)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = [f"{f.name.notation} ({f.long_name or f.name.con_id})" for f in found]
        more = f" and {len(listed) - _MOST_CANDIDATES} more" if len(listed) > _MOST_CANDIDATES else ""
        raise BrokerError(
            f"{name.notation} is ambiguous: {', '.join(listed[:_MOST_CANDIDATES])}{more}",
            hint="write the one that you mean in full",
        )
    near = list(
        dict.fromkeys(replace(ContractName.of(c), con_id=0).notation for c in connection.call(search))
    )
    raise BrokerError(
        f"the broker knows no contract {name.notation}",
        hint=f"it knows {', '.join(near[:_MOST_CANDIDATES])}" if near else _FORM,
    )


def _qualified(details: Any, asked: ContractName) -> Qualified:
    name = ContractName.of(details.contract)
    if asked.kind in ("STK", "OPT", "CASH"):
        # The broker may answer with one of many exchanges; what was asked for decides the route.
        name = replace(name, exchange=asked.exchange)
    return Qualified(name, details.longName, float(details.minTick), details.timeZoneId)
