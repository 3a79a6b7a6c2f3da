"""What an order would take, and whether the API takes any."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from robo_trader.errors import BrokerError
from robo_trader.ib.contracts import ContractName, qualify
from robo_trader.ib.preview import preview


def test_an_order_is_previewed_and_not_sent(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    apple = qualify(one.line, ContractName.parse("AAPL"))
    small, large = preview(one.line, apple, "BUY", 10), preview(one.line, apple, "BUY", 1000)
    assert Decimal(500) < small.initial < Decimal(2000) and small.maintenance < small.initial
    assert large.initial > 90 * small.initial and large.commission >= small.commission
    simulated.control("reject", code=399)
    assert preview(one.line, apple, "BUY", 10).initial > 0
    state = simulated.control("state")
    assert (state["orders"], state["execs"]) == ([], 0)


def test_what_would_be_refused_is_told(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    apple = qualify(one.line, ContractName.parse("AAPL"))
    simulated.control("reject", code=201)
    with pytest.raises(BrokerError, match="BUY 10 AAPL-STK-SMART:NASDAQ-USD would be refused: error 201"):
        preview(one.line, apple, "BUY", 10)
    simulated.control("set", readonly=True)
    with pytest.raises(BrokerError, match="its API is read-only .*switch off 'Read-Only API'"):
        preview(one.line, apple, "BUY", 10)
