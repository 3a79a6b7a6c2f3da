"""Whatever a client sends, the gateway answers or closes: no message makes it fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from gwclient import AAPL, place_order
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.server import GatewayServer
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.gateway.subscriptions import Subscriptions
from robo_trader.gateway.wire import Fields, WireError

_ODD = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1", "Infinite", "nan", "1e308", "-1e308", "9" * 25, "AAPL", "STK", "a b c d"]
    ),
    st.sampled_from(
        ["265598", "700000001", "SMART", "20261120 10:00:00 US/Eastern", "1 min", "1 D", "TRADES"]
    ),
    st.sampled_from(
        ["99999999 Y", "1 month", "20000101-00:00:00", "00010101-00:00:00", "99991231 23:59:59 UTC"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
)


class Quiet:
    """A session without a socket: it keeps nothing of what it is told."""

    def __init__(self, version: int) -> None:
        self.client, self.version, self.data_type = 1, version, 1
        self.subs = Subscriptions()

    def send(self, *fields: Any) -> None:
        """Take a message."""

    def error(self, *fields: Any) -> None:
        """Take an error."""


@pytest.fixture(scope="module")
def server() -> Iterator[GatewayServer]:
    """One gateway for all the garbage of this module; it opens no port."""
    made = demo_gateway(GatewaySettings(port=0, control_port=0))
    yield made
    asyncio.run(made.stop())


async def _serve(server: GatewayServer, message: list[str], version: int) -> None:
    session: Any = Quiet(version)
    fields = Fields([str(field) for field in message])
    handler = server.gateway.handlers[fields.integer()]
    try:
        handler(server.gateway, session, fields)
    except WireError:
        return


#: One well-formed message of every kind, at version 178.
_GOOD: list[list[Any]] = [
    [1, 11, 1, *AAPL, 0, "233,292,100,101,106", 0, 0, ""],
    [2, 2, 1],
    place_order(7, AAPL, 178, orderType="LMT", lmtPrice=150.0, parentId=3),
    place_order(8, AAPL, 178, orderType="TRAIL", auxPrice=1.0, trailStopPrice=150.0, tif="GTD", whatIf=1),
    [4, 1, 7, ""],
    [5, 1],
    [6, 2, 1, "DU1234567"],
    [7, 3, 1, 0, "DU1234567", "20260101-00:00:00", "AAPL", "STK", "SMART", "BUY"],
    [8, 1, 1],
    [9, 8, 1, *AAPL, 0, "ISIN", "US0378331005", ""],
    [10, 5, 1, *AAPL, 5, 1, ""],
    [11, 1, 1, 0],
    [12, 1, 1],
    [13, 1],
    [14, 1, 5],
    [15, 1, 1],
    [16, 1],
    [17, 1],
    [20, 8, *AAPL, 0, "", "1 min", "1800 S", 0, "TRADES", 1, 0, ""],
    [20, 9, *AAPL, 0, "20261101-15:00:00", "1 day", "1 M", 0, "SCHEDULE", 2, 1, ""],
    [25, 1, 8],
    [49, 1],
    [50, 3, 1, *AAPL, 5, "TRADES", 0, ""],
    [51, 1, 1],
    [58, 1],
    [59, 1, 3],
    [61, 1],
    [62, 1, 1, "All", "NetLiquidation,$LEDGER:ALL"],
    [63, 1, 1],
    [64, 1],
    [76, 1, 1, "DU1234567", "", 1],
    [77, 1, 1],
    [78, 1, "AAPL", "", "STK", 265598],
    [81, 1, "AAP"],
    [82],
    [83, 1, "a60001"],
    [84, 1, "BRFG", "BRFG$00", ""],
    [85],
    [86, 1, 265598, "BRFG+DJ-N", "2026-01-01 00:00:00.0", "20261120-00:00:00", 10, ""],
    [87, 1, *AAPL, 0, 0, "TRADES", 1],
    [90, 1],
    [91, 26],
    [92, 1, "DU1234567", ""],
    [93, 1],
    [94, 1, "DU1234567", "", 265598],
    [95, 1],
    [96, 1, *AAPL, 0, "20261101-15:00:00", "20261101-15:10:00", 10, "BID_ASK", 0, 0, ""],
    [97, 1, *AAPL, "BidAsk", 0, 0],
    [98, 1],
    [99, 0],
    [104, 1],
]


def test_every_request_is_among_them(server: GatewayServer) -> None:
    assert sorted(server.gateway.handlers) == sorted({message[0] for message in _GOOD})


@pytest.mark.parametrize("good", _GOOD, ids=lambda m: str(m[0]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.integers(1, 150), _ODD), min_size=1, max_size=2), cut=st.integers(0, 400)
)
def test_odd_fields_and_cut_messages(
    server: GatewayServer, good: list[Any], changes: list[tuple[int, str]], cut: int
) -> None:
    message = [str(int(field) if isinstance(field, bool) else field) for field in good]
    for at, odd in changes if len(message) > 1 else ():
        message[1 + at % (len(message) - 1)] = odd
    if cut <= len(message):
        message = message[: max(1, cut)]
    asyncio.run(_serve(server, message, 178))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(2, 120), odd=_ODD, kind=st.sampled_from(["LMT", "TRAIL", "STP LMT", "TRAIL LIMIT"]))
def test_orders_with_one_odd_field(server: GatewayServer, at: int, odd: str, kind: str) -> None:
    prices = {"lmtPrice": 150.0, "auxPrice": 150.0, "lmtPriceOffset": 0.5, "tif": "GTC"}
    message = [str(field) for field in place_order(7, AAPL, 178, orderType=kind, **prices)]
    message[1 + at % (len(message) - 1)] = odd
    asyncio.run(_serve(server, message, 178))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    end=st.one_of(_ODD, st.just("")),
    size=st.sampled_from(["1 secs", "30 mins", "1 day", "1 week", "1 month", "1 M"]),
    span=st.sampled_from(["9999999 S", "9999999 D", "9999999 Y", "1 W", "1 M", "1 Y"]),
    what=st.sampled_from(["TRADES", "SCHEDULE", "BID_ASK", "HISTORICAL_VOLATILITY"]),
)
def test_history_without_measure(server: GatewayServer, end: str, size: str, span: str, what: str) -> None:
    message = [20, 8, *AAPL, 0, end, size, span, 0, what, 1, 0, ""]
    asyncio.run(_serve(server, [str(field) for field in message], 178))


def test_a_failure_of_the_gateway_itself_is_an_answer_and_a_line(
    demo: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = demo()
    client = connect(gateway)
    gateway.server.gateway.handlers[49] = lambda *args: 1 / 0
    with caplog.at_level(logging.ERROR):
        client.send(49, 1)
        assert client.error(-1)[0] == 320
    client.send(17, 1)
    client.expect(15)
    assert "could not be served" in caplog.text
