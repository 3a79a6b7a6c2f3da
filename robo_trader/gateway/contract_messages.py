"""Contracts on the wire: details, option chains, symbol search, market rules, exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND
from robo_trader.gateway.contracts import Contract, Spec
from robo_trader.gateway.orderwire import read_contract_tail
from robo_trader.gateway.times import date_text, local_time
from robo_trader.gateway.versions import BOND_ISSUER, FRACTIONAL_SIZES, SIZE_RULES
from robo_trader.gateway.wire import tags, words

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields

_HOURS_DAYS = 5


def details(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqContractDetails: every contract that fits, then the end; none is error 200."""
    fields.integer()
    request = fields.request()
    wanted = Contract.read(fields)
    read_contract_tail(fields, session.version)
    fields.done()
    if "secdef" in gateway.broken_farms:
        session.error(request, 200, "No security definition has been found for the request")
        return
    found = gateway.universe.find(wanted)
    if not found:
        session.error(request, 200, "No security definition has been found for the request")
        return
    for spec in found:
        session.send(*contract_data(gateway, spec, request, session.version, wanted.exchange))
    session.send(52, 1, request)


def contract_data(gateway: Gateway, spec: Spec, request: int, version: int, asked: str = "") -> list[Any]:
    """Return a contractData message."""
    contract = spec.routed(asked)
    hours = trading_hours(gateway, spec)
    rules = rule_of(spec.min_tick)
    under = gateway.universe.get(spec.under_con_id)
    head = [] if version >= SIZE_RULES else [8]
    multiplier_of_size = [] if version >= SIZE_RULES else [1 if version >= FRACTIONAL_SIZES else 100]
    if version >= SIZE_RULES:
        sizes: list[Any] = [spec.lot, spec.lot, 100]
    else:
        sizes = [100] if version == FRACTIONAL_SIZES else []
    return [
        *(10, *head, request, contract.symbol, contract.sec_type, contract.expiry, contract.strike),
        *(contract.right, contract.exchange, contract.currency, contract.local_symbol),
        *(
            contract.trading_class,
            contract.trading_class,
            contract.con_id,
            spec.min_tick,
            *multiplier_of_size,
        ),
        *(contract.multiplier, spec.order_types, ",".join(spec.exchanges), 1, spec.under_con_id),
        *(words(spec.long_name), contract.primary_exchange, contract.expiry[:6], *spec.industry, spec.zone),
        *(hours, hours, "", "", *tags([]), 1),
        *(under.symbol if under else "", under.sec_type if under else ""),
        *(",".join([str(rules)] * len(spec.exchanges)), contract.expiry, spec.stock_type, *sizes),
    ]


def trading_hours(gateway: Gateway, spec: Spec) -> str:
    """Return the sessions of today and the days after, in the contract's zone."""
    import numpy as np

    from robo_trader.calendars import get_calendar

    today = gateway.clock.now() // NS_PER_DAY
    if spec.calendar == "24/7":
        days = [date_text(today + i) for i in range(_HOURS_DAYS)]
        return ";".join(f"{day}:0000-{day}:2359" for day in days)
    dates = np.arange(today, today + _HOURS_DAYS).astype("datetime64[D]")
    opens, closes, known = get_calendar(spec.calendar).session_bounds(dates)
    parts = []
    for day, begin, end, is_session in zip(
        range(today, today + _HOURS_DAYS), opens, closes, known, strict=True
    ):
        if is_session:
            parts.append(f"{_minute(int(begin), spec.zone)}-{_minute(int(end), spec.zone)}")
        else:
            parts.append(f"{date_text(day)}:CLOSED")
    return ";".join(parts)


def _minute(ns: int, zone: str) -> str:
    text = local_time(ns, zone)
    return f"{text[:8]}:{text[9:11]}{text[12:14]}"


def rule_of(tick: float) -> int:
    """Return the number of the market rule with one price step."""
    return 26 if tick == 0.01 else 1_000_000 + round(tick * 1e8) % 1_000_000


def chain(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqSecDefOptParams: one message for each exchange, then the end."""
    request = fields.request()
    symbol, _, kind = fields.text(), fields.text(), fields.text()
    under = gateway.universe.get(fields.integer())
    fields.done()
    if under is not None and under.symbol == symbol and under.sec_type == kind:
        options = gateway.universe.options_of(under.con_id)
        groups = {(s.contract.trading_class, s.contract.multiplier) for s in options}
        for trading_class, multiplier in sorted(groups):
            mine = [s for s in options if s.contract.trading_class == trading_class]
            expiries = sorted({s.contract.expiry for s in mine})
            strikes = sorted({s.contract.strike for s in mine})
            for exchange in mine[0].exchanges:
                session.send(
                    *(75, request, exchange, under.con_id, trading_class, multiplier),
                    *(len(expiries), *expiries, len(strikes), *strikes),
                )
    session.send(76, request)


def symbols(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqMatchingSymbols."""
    request, pattern = fields.request(), fields.text()
    fields.done()
    found = gateway.universe.search(pattern)[:16]
    out: list[Any] = [79, request, len(found)]
    for spec in found:
        kinds = ["OPT"] if gateway.universe.options_of(spec.con_id) else []
        contract = spec.contract
        out += [spec.con_id, spec.symbol, spec.sec_type, contract.primary_exchange, contract.currency]
        out += [len(kinds), *kinds]
        if session.version >= BOND_ISSUER:
            out += [words(spec.long_name), ""]
    session.send(*out)


def depth_exchanges(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqMktDepthExchanges."""
    fields.done()
    pairs = sorted({(name, s.sec_type) for s in gateway.universe for name in s.exchanges if name != "SMART"})
    session.send(80, len(pairs), *(part for name, kind in pairs for part in (name, kind, "", "Deep2", 1)))


def smart_components(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqSmartComponents."""
    request = fields.request()
    fields.text()
    fields.done()
    names = sorted({s.contract.primary_exchange for s in gateway.universe} - {""})
    session.send(82, request, len(names), *(p for i, n in enumerate(names) for p in (i, n, chr(65 + i % 26))))


def market_rule(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqMarketRule: one price step from zero on."""
    number = fields.integer()
    fields.done()
    steps = [spec.min_tick for spec in gateway.universe if rule_of(spec.min_tick) == number]
    if steps:
        session.send(93, number, 1, 0.0, steps[0])
    else:
        session.error(-1, 321, f"Error validating request.-'bZ' : cause - Invalid market rule id {number}")


def current_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqCurrentTime with the gateway's own clock."""
    fields.integer()
    fields.done()
    session.send(49, 1, gateway.clock.stamp() // NS_PER_SECOND)


def user_info(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqUserInfo."""
    request = fields.request()
    fields.done()
    session.send(107, request, "")


def ignored(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take a request that has no answer."""


HANDLERS: dict[int, Handler] = {
    9: details,
    14: ignored,  # setServerLogLevel
    49: current_time,
    78: chain,
    81: symbols,
    82: depth_exchanges,
    83: smart_components,
    91: market_rule,
    104: user_info,
}
