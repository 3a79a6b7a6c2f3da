"""placeOrder at every version is read to its last field, with every optional group."""

from __future__ import annotations

from typing import Any

import pytest
from gwclient import AAPL, packed, place_order
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.gateway.orderwire import completed_order, open_order, read_order
from robo_trader.gateway.wire import Fields, WireError

VERSIONS = range(157, 179)
BAG = (0, "SPY", "BAG", "", 0.0, "", "", "SMART", "", "USD", "", "")
_PRICE = (1, "a", 1, 190.0, 265598, "SMART", 0)
_TIME = (3, "o", 1, "20261120 10:00:00 US/Eastern")
_MARGIN = (4, "a", 0, 30)
_EXECUTION = (5, "a", "STK", "SMART", "AAPL")
_VOLUME = (6, "a", 1, 1000, 265598, "SMART")
_PERCENT = (7, "a", 1, 1.5, 265598, "SMART")


def _read(message: list[Any], version: int) -> Any:
    fields = Fields.of(packed(*message)[4:])
    assert fields.integer() == 3
    return read_order(fields, version)


@given(
    version=st.sampled_from(list(VERSIONS)),
    bag=st.booleans(),
    neutral=st.booleans(),
    scale=st.booleans(),
    hedge=st.booleans(),
    contract_neutral=st.booleans(),
    algo=st.integers(0, 3),
    conditions=st.lists(st.sampled_from([_PRICE, _TIME, _MARGIN, _EXECUTION, _VOLUME, _PERCENT]), max_size=4),
    kind=st.sampled_from(["MKT", "PEG BENCH", "PEG MID", "PEG BEST"]),
)
def test_nothing_is_left_over(
    version: int, bag: bool, neutral: bool, scale: bool, hedge: bool, contract_neutral: bool, algo: int,
    conditions: list[tuple[Any, ...]], kind: str,
) -> None:  # fmt: skip
    offsets: tuple[Any, ...] = ()
    if kind == "PEG MID":
        offsets = ("0.01", "0.02")
    elif kind == "PEG BEST":
        offsets = (10, "Infinite", "0.01", "0.02")
    message = place_order(
        7,
        BAG if bag else AAPL,
        version,
        orderType=kind,
        orderRef="ref",
        legs=((1, 1, "BUY", "SMART", 0, 0, "", -1), (2, 1, "SELL", "SMART", 0, 0, "", -1)),
        deltaNeutral=("MKT", *"12345678") if neutral else (),
        scale=(0.5, *"1234567") if scale else (),
        hedge="1" if hedge else "",
        contractDeltaNeutral=(1, 0.5, 100) if contract_neutral else (),
        algo=("Adaptive", *(("tag", str(i)) for i in range(algo))) if algo else (),
        conditions=conditions,
        pegBench=(1, 0, 0.1, 0.2, "SMART") if kind == "PEG BENCH" else (),
        pegOffsets=offsets,
    )
    placed = _read(message, version)
    assert (placed.order_id, placed.values["orderRef"], placed.values["orderType"]) == (7, "ref", kind)
    assert placed.groups["conditions"][0] == str(len(conditions))
    assert ("legs" in placed.groups) is bag


@pytest.mark.parametrize("version", VERSIONS)
def test_one_field_too_many_or_too_few_is_refused(version: int) -> None:
    message = place_order(7, AAPL, version)
    _read(message, version)
    with pytest.raises(WireError, match="left over"):
        _read([*message, "extra"], version)
    with pytest.raises(WireError, match="one more was expected"):
        _read(message[:-1], version)


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(WireError, match="condition of type 2"):
        _read(place_order(7, AAPL, 178, conditions=((2, "a", 1),)), 178)


#: Fields of a plain order's openOrder, counted in the description of the protocol.
_OPEN_FIELDS = {157: 148, 158: 149, 160: 150, 162: 151, 170: 156, 177: 155}


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_grow_only_where_the_protocol_does(version: int) -> None:
    placed = _read(place_order(7, AAPL, version), version)
    opened = open_order(7, placed.contract, version, placed.values, placed.groups)
    base = max(v for v in _OPEN_FIELDS if v <= version)
    first = open_order(7, placed.contract, 157, placed.values, placed.groups)
    assert len(opened) - len(first) == _OPEN_FIELDS[base] - _OPEN_FIELDS[157]
    done = completed_order(placed.contract, version, placed.values, placed.groups)
    done_first = completed_order(placed.contract, 157, placed.values, placed.groups)
    assert len(done) - len(done_first) == (5 if version >= 170 else 0) - (1 if version >= 177 else 0)
