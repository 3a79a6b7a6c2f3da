"""Orders on the wire: reading placeOrder, writing openOrder and completedOrder, at every version.

A message is a line of names. A name alone is one field; ``<177:faProfile`` and ``>=158:duration`` exist
at some versions; ``@legs`` is a group whose length depends on what came before; ``-`` is an empty
field. Names are the protocol's own. After placeOrder is read nothing may be left over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from robo_trader.gateway.contracts import Contract
from robo_trader.gateway.versions import BOND_ISSUER, PEG_OFFSETS
from robo_trader.gateway.wire import UNSET_DOUBLE, Fields, WireError, as_real

_PLACE = """
secIdType secId action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin
orderRef transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden @bag -
discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage <177:faProfile modelCode
shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty percentOffset
eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice delta stockRangeLower
stockRangeUpper overridePercentageConstraints volatility volatilityType deltaNeutralOrderType
deltaNeutralAuxPrice @deltaNeutralOrder continuousUpdate referencePriceType trailStopPrice trailingPercent
scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement @scale scaleTable activeStartTime activeStopTime
hedgeType @hedge optOutSmartRouting clearingAccount clearingIntent notHeld @deltaNeutralContract
algoStrategy @algo algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice @pegBench
@conditions adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
adjustedTrailingAmount adjustableTrailingUnit extOperator softDollarName softDollarValue cashQty
mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge
isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo >=158:duration >=160:postToAts
>=162:autoCancelParent >=166:advancedErrorOverride >=169:manualOrderTime @pegOffsets
"""
_OPEN = """
action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef clientId
permId outsideRth hidden discretionaryAmt goodAfterTime - faGroup faMethod faPercentage <177:faProfile
modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode
auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize blockOrder
sweepToFill allOrNone minQty ocaType eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility
volatilityType deltaNeutralOrderType deltaNeutralAuxPrice @deltaNeutralOrder continuousUpdate
referencePriceType trailStopPrice trailingPercent basisPoints basisPointsType comboLegsDescrip @bagAlways
scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement @scale hedgeType @hedge optOutSmartRouting
clearingAccount clearingIntent notHeld @deltaNeutralContract algoStrategy @algo solicited whatIf status
initMarginBefore maintMarginBefore equityWithLoanBefore initMarginChange maintMarginChange
equityWithLoanChange initMarginAfter maintMarginAfter equityWithLoanAfter commission minCommission
maxCommission commissionCurrency warningText randomizeSize randomizePrice @pegBench @conditions
adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
adjustedTrailingAmount adjustableTrailingUnit softDollarName softDollarValue softDollarDisplayName cashQty
dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo >=158:duration
>=160:postToAts >=162:autoCancelParent >=170:minTradeQty >=170:minCompeteSize >=170:competeAgainstBestOffset
>=170:midOffsetAtWhole >=170:midOffsetAtHalf
"""
_COMPLETED = """
action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef permId
outsideRth hidden discretionaryAmt goodAfterTime faGroup faMethod faPercentage <177:faProfile modelCode
goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode startingPrice
stockRefPrice delta stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone minQty ocaType
triggerMethod volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice @deltaNeutralShort
continuousUpdate referencePriceType trailStopPrice trailingPercent comboLegsDescrip @bagAlways
scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement @scale hedgeType @hedge clearingAccount
clearingIntent notHeld @deltaNeutralContract algoStrategy @algo solicited status randomizeSize
randomizePrice @pegBench @conditions trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge
isOmsContainer autoCancelDate filledQuantity refFuturesConId autoCancelParent shareholder imbalanceOnly
routeMarketableToBbo parentPermId completedTime completedStatus >=170:minTradeQty >=170:minCompeteSize
>=170:competeAgainstBestOffset >=170:midOffsetAtWhole >=170:midOffsetAtHalf
"""
#: What follows a condition's type (price, time, margin, execution, volume, percent change): t a text,
#: n a number, i an integer.
_CONDITION = {1: "tiniti", 3: "tit", 4: "tin", 5: "tttt", 6: "tiiit", 7: "tinit"}
_MOST_LEGS = 100
#: The highest order id: the libraries of other languages hold it in 32 bits.
MOST_ID = 2**31 - 1
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_WORDS = frozenset({"true", "false", "True", "False"})
#: What a field holds that the client left empty and that the libraries read as a number.
_EMPTY = {
    "exemptCode": "-1",
    "origin": "0",
    "parentId": "0",
    "ocaType": "0",
    "triggerMethod": "0",
    "shortSaleSlot": "0",
    "displaySize": "0",
    "discretionaryAmt": "0.0",
    "volatilityType": "0",
    "auctionStrategy": "0",
    "referencePriceType": "0",
    "refFuturesConId": "0",
    "parentPermId": "0",
    "filledQuantity": "0",
    "adjustableTrailingUnit": "0",
    "deltaNeutralOrderType": "None",
}
_FLAG_NAMES = """
outsideRth hidden blockOrder sweepToFill allOrNone eTradeOnly firmQuoteOnly continuousUpdate
optOutSmartRouting notHeld solicited whatIf randomizeSize randomizePrice dontUseAutoPriceForHedge
isOmsContainer
discretionaryUpToLimitPrice usePriceMgmtAlgo autoCancelParent imbalanceOnly routeMarketableToBbo
"""
_FLAGS = frozenset(_FLAG_NAMES.split())
#: What other clients read as a number: a text in its place would end the reader of everybody who hears of it.
_INTEGER_NAMES = """
origin parentId transmit displaySize triggerMethod shortSaleSlot exemptCode ocaType minQty auctionStrategy
overridePercentageConstraints volatilityType referencePriceType scaleInitLevelSize scaleSubsLevelSize
adjustableTrailingUnit duration postToAts minTradeQty minCompeteSize
"""
_NUMBER_NAMES = """
totalQuantity lmtPrice auxPrice discretionaryAmt percentOffset nbboPriceCap startingPrice stockRefPrice delta
stockRangeLower stockRangeUpper volatility deltaNeutralAuxPrice trailStopPrice trailingPercent
scalePriceIncrement triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
adjustedTrailingAmount cashQty competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf
"""
_INTEGERS = frozenset(_INTEGER_NAMES.split())
_REALS = frozenset(_NUMBER_NAMES.split())
MARGINS = (
    *("initMarginBefore", "maintMarginBefore", "equityWithLoanBefore"),
    *("initMarginChange", "maintMarginChange", "equityWithLoanChange"),
    *("initMarginAfter", "maintMarginAfter", "equityWithLoanAfter"),
)


@dataclass(slots=True)
class Placed:
    """What a placeOrder message said: the order's id, its contract, its fields and its groups as text."""

    order_id: int
    contract: Contract
    values: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)


@cache
def _names(layout: str, version: int) -> tuple[str, ...]:
    """Return the names of a layout that exist at a version."""
    kept = []
    for word in layout.split():
        bound, colon, name = word.rpartition(":")
        if not colon:
            kept.append(word)
        elif version < int(bound[1:]) if bound.startswith("<") else version >= int(bound[2:]):
            kept.append(name)
    return tuple(kept)


def read_order(fields: Fields, version: int) -> Placed:
    """Take a placeOrder message, its id already taken; raise `WireError` where it does not fit."""
    number = fields.request()
    if not 0 <= number <= MOST_ID:
        raise WireError(f"the order id {number}; 0 to {MOST_ID} are allowed")
    placed = Placed(number, Contract.read(fields))
    for name in _names(_PLACE, version):
        if name == "-":
            fields.text()
        elif name.startswith("@"):
            _READ[name](fields, placed, version)
        else:
            placed.values[name] = _field(name, fields)
    fields.done()
    return placed


def _field(name: str, fields: Fields) -> str:
    """Take a field as text; what is no number where a number belongs is refused."""
    if name in _FLAGS:
        text = fields.unset()
        return {"true": "1", "false": "0"}.get(text.lower(), text) if text in _WORDS else _whole(fields, text)
    if name in _INTEGERS:
        return _whole(fields, fields.unset())
    return _real(fields) if name in _REALS else fields.unset()


def _whole(fields: Fields, text: str) -> str:
    if text and not _WHOLE.fullmatch(text):
        raise WireError(f"field {fields.at} holds {text[:40]!r}, not an integer")
    return text


def _real(fields: Fields) -> str:
    text = fields.unset()
    as_real(text, 0.0, fields.at)
    return text


def _take_as(fields: Fields, kinds: str) -> list[str]:
    """Take one field for each letter of `kinds`: t a text, n a number, i an integer."""
    take: dict[str, Callable[[Fields], str]] = {
        "t": Fields.unset,
        "n": _real,
        "i": lambda f: _whole(f, f.unset()),
    }
    return [take[kind](fields) for kind in kinds]


def open_order(
    order_id: int, contract: Contract, version: int, values: Mapping[str, Any], groups: Any
) -> list[Any]:
    """Return an openOrder message's fields, its id included."""
    return [5, order_id, *contract.eleven(), *_write(_OPEN, version, values, groups)]


def completed_order(contract: Contract, version: int, values: Mapping[str, Any], groups: Any) -> list[Any]:
    """Return a completedOrder message's fields, its id included."""
    return [101, *contract.eleven(), *_write(_COMPLETED, version, values, groups)]


def _write(
    layout: str, version: int, values: Mapping[str, Any], groups: Mapping[str, list[str]]
) -> Iterator[Any]:
    for name in _names(layout, version):
        if name == "-":
            yield ""
        elif name.startswith("@"):
            yield from _WRITE[name](values, groups)
        else:
            yield _value(name, values)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    value = values.get(name, "")
    if value not in ("", None):
        return value
    if name in MARGINS or name in ("commission", "minCommission", "maxCommission"):
        return UNSET_DOUBLE
    return "0" if name in _FLAGS else _EMPTY.get(name, "")


# -- groups: read ------------------------------------------------------------------------------------


def _take(fields: Fields, count: int) -> list[str]:
    return [fields.unset() for _ in range(count)]


def _read_bag(fields: Fields, placed: Placed, version: int) -> None:
    if placed.contract.sec_type != "BAG":
        return
    placed.groups["legs"] = _take_as(fields, "iittiiti" * fields.count(_MOST_LEGS))
    placed.groups["legPrices"] = _take_as(fields, "n" * fields.count(_MOST_LEGS))
    placed.groups["routing"] = _take(fields, 2 * fields.count(_MOST_LEGS))


def _read_if(name: str, group: str, kinds: str) -> Callable[[Fields, Placed, int], None]:
    def read(fields: Fields, placed: Placed, version: int) -> None:
        if placed.values[name]:
            placed.groups[group] = _take_as(fields, kinds)

    return read


def _read_scale(fields: Fields, placed: Placed, version: int) -> None:
    if as_real(placed.values["scalePriceIncrement"]) > 0:
        placed.groups["scale"] = _take_as(fields, "niniiii")


def _read_delta_neutral(fields: Fields, placed: Placed, version: int) -> None:
    if fields.flag():
        placed.groups["deltaNeutral"] = _take_as(fields, "inn")


def _read_algo(fields: Fields, placed: Placed, version: int) -> None:
    if placed.values["algoStrategy"]:
        placed.groups["algo"] = _take(fields, 2 * fields.count(_MOST_LEGS))


def _read_peg_bench(fields: Fields, placed: Placed, version: int) -> None:
    if placed.values["orderType"] == "PEG BENCH":
        placed.groups["pegBench"] = _take_as(fields, "iinnt")


def _read_conditions(fields: Fields, placed: Placed, version: int) -> None:
    count = fields.count(_MOST_LEGS)
    taken = [str(count)]
    for _ in range(count):
        kind = fields.integer()
        if kind not in _CONDITION:
            raise WireError(f"an order condition of type {kind}; there are {sorted(_CONDITION)}")
        taken += [str(kind), *_take_as(fields, _CONDITION[kind])]
    if count:
        taken += _take_as(fields, "ii")
    placed.groups["conditions"] = taken


def _read_peg_offsets(fields: Fields, placed: Placed, version: int) -> None:
    """The last fields, which depend on exchange and type; before 170 there are none."""
    if version < PEG_OFFSETS:
        return
    values, kind = placed.values, placed.values["orderType"]
    if placed.contract.exchange == "IBKRATS":
        values["minTradeQty"] = _field("minTradeQty", fields)
    offsets = kind == "PEG MID"
    if kind == "PEG BEST":
        values["minCompeteSize"] = _field("minCompeteSize", fields)
        values["competeAgainstBestOffset"] = _field("competeAgainstBestOffset", fields)
        offsets = values["competeAgainstBestOffset"] == "Infinite"
    if offsets:
        values["midOffsetAtWhole"] = _field("midOffsetAtWhole", fields)
        values["midOffsetAtHalf"] = _field("midOffsetAtHalf", fields)


_READ: dict[str, Callable[[Fields, Placed, int], None]] = {
    "@bag": _read_bag,
    "@deltaNeutralOrder": _read_if("deltaNeutralOrderType", "deltaNeutralOrder", "ittttiit"),
    "@scale": _read_scale,
    "@hedge": _read_if("hedgeType", "hedge", "t"),
    "@deltaNeutralContract": _read_delta_neutral,
    "@algo": _read_algo,
    "@pegBench": _read_peg_bench,
    "@conditions": _read_conditions,
    "@pegOffsets": _read_peg_offsets,
}


# -- groups: write -----------------------------------------------------------------------------------

Values = Mapping[str, Any]
Groups = Mapping[str, list[str]]


def _write_bag(values: Values, groups: Groups) -> list[Any]:
    legs, prices = groups.get("legs", []), groups.get("legPrices", [])
    routing = groups.get("routing", [])
    return [len(legs) // 8, *legs, len(prices), *prices, len(routing) // 2, *routing]


def _write_delta_neutral_order(values: Values, groups: Groups) -> list[Any]:
    # An empty type goes out as the word None, as real gateways send it, and None has the eight fields.
    return groups.get("deltaNeutralOrder") or ["0", "", "", "", "?", "0", "0", ""]


def _write_delta_neutral_short(values: Values, groups: Groups) -> list[Any]:
    eight = _write_delta_neutral_order(values, groups)
    return [eight[0], *eight[5:]]


def _write_optional(group: str) -> Callable[[Values, Groups], list[Any]]:
    return lambda values, groups: list(groups.get(group, ()))


def _write_flagged(values: Values, groups: Groups) -> list[Any]:
    found = groups.get("deltaNeutral")
    return ["1", *found] if found else ["0"]


def _write_algo(values: Values, groups: Groups) -> list[Any]:
    found = groups.get("algo")
    return [] if found is None else [len(found) // 2, *found]


_WRITE: dict[str, Callable[[Values, Groups], list[Any]]] = {
    "@bagAlways": _write_bag,
    "@deltaNeutralOrder": _write_delta_neutral_order,
    "@deltaNeutralShort": _write_delta_neutral_short,
    "@scale": _write_optional("scale"),
    "@hedge": _write_optional("hedge"),
    "@deltaNeutralContract": _write_flagged,
    "@algo": _write_algo,
    "@pegBench": _write_optional("pegBench"),
    "@conditions": lambda values, groups: list(groups.get("conditions") or ["0"]),
}


def read_contract_tail(fields: Fields, version: int) -> None:
    """Take what reqContractDetails has after its contract: expired, id type, id, and the issuer."""
    fields.skip(4 if version >= BOND_ISSUER else 3)
