"""Contracts by name: both ways, and what the gateway makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import BrokerError, UsageError
from robo_trader.ib.contracts import ContractName, qualify

CODE = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
WORD = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ", min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def names(draw: st.DrawFn) -> ContractName:
    kind = draw(st.sampled_from(["STK", "IND", "FUT", "OPT", "CASH", "CRYPTO", "CFD"]))
    currency = draw(CODE)
    return ContractName(
        f"{draw(CODE)}.{currency}" if kind == "CASH" else draw(WORD),
        kind,
        draw(WORD),
        currency,
        draw(st.sampled_from(["202612", "20261218"])) if kind in ("FUT", "OPT") else "",
        draw(st.sampled_from(["190", "7.5", "0.25"])) if kind == "OPT" else "",
        draw(st.sampled_from("CP")) if kind == "OPT" else "",
        draw(st.sampled_from(["", "50", "0.1"])),
        draw(st.sampled_from(["", "NYSE"])),
    )


@given(names())
def test_the_notation_reads_back(name: ContractName) -> None:
    assert ContractName.parse(name.notation) == name


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("AAPL", "AAPL-STK-SMART-USD"),
        ("AAPL-STK", "AAPL-STK-SMART-USD"),
        ("BRK B-STK-SMART", "BRK B-STK-SMART-USD"),
        ("VIX", "VIX-IND-CBOE-USD"),
        ("EUR.USD-CASH", "EUR.USD-CASH-IDEALPRO-USD"),
        ("BTC", "BTC-CRYPTO-PAXOS-USD"),
    ],
)
def test_what_is_left_out(text: str, full: str) -> None:
    assert ContractName.parse(text).notation == full


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty text"),
        ("AAPL-STOCK-SMART-USD", "no kind of contract: 'STOCK'"),
        ("AAPL-stk", "did you mean 'STK'"),
        ("ES-FUT-CME-USD", "is no contract"),
        ("ES-FUT-CME-USD-2026", "is no contract"),
        ("AAPL-OPT-SMART-USD-20261218-190", "is no contract"),
        ("AAPL-OPT-SMART-USD-20261218-190-X", "is no contract"),
        ("AAPL-STK-SMART-USD-190", "is no contract"),
        ("EURUSD-CASH-IDEALPRO", "is no contract"),
        ("EUR.USD-CASH-IDEALPRO-CHF", "USD is not CHF"),
        ("AAPL-STK--USD", "is no contract"),
    ],
)
def test_what_is_no_contract(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ContractName.parse(text)


def test_the_broker_says_which_contract_is_meant(gateway: Any, heard: Any) -> None:
    one = heard(gateway().port)
    one.open()
    for text, con_id, tick in [
        ("AAPL", 265598, 0.01),
        ("DUAL-STK-SMART-CAD", 36285628, 0.01),
        ("EUR.USD", 12087792, 0.00005),
        ("ES-FUT-CME-USD-202612", 495512552, 0.25),
        ("AAPL-OPT-SMART-USD-20261218-190-C", 700000001, 0.01),
    ]:
        found = qualify(one.line, ContractName.parse(text))
        assert (found.name.con_id, found.tick) == (con_id, tick), text
    future = qualify(one.line, ContractName.parse("ES-FUT-CME-USD-20261218")).instrument("ES")
    assert (future.multiplier, future.sec_type, future.calendar) == (50.0, "FUT", "CMES")
    stock = qualify(one.line, ContractName.parse("AAPL")).instrument("apple")
    assert (stock.symbol, stock.notation, stock.calendar) == ("apple", "apple-STK-SMART-USD", "XNYS")


def test_ambiguous_and_unknown_contracts_list_candidates(gateway: Any, heard: Any) -> None:
    one = heard(gateway().port)
    one.open()
    with pytest.raises(
        BrokerError, match="is ambiguous: AAPL-OPT-SMART-USD-20261218-180-C-x100 .APPLE INC., "
    ):
        qualify(one.line, ContractName("AAPL", "OPT", "SMART", "USD", "20261218"))
    with pytest.raises(BrokerError, match="knows no contract AAPL-STK-SMART-EUR .it knows AAPL-STK"):
        qualify(one.line, ContractName.parse("AAPL-STK-SMART-EUR"))
    with pytest.raises(BrokerError, match="knows no contract NOPE-STK-SMART-USD .write it as"):
        qualify(one.line, ContractName.parse("NOPE"))
