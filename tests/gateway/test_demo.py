"""The demo universe in every detail that is agreed, asked for over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from gwclient import AAPL, ES, EURUSD, SPY, Client, contract

from robo_trader.gateway.settings import Limits


def _details(client: Client, block: tuple[Any, ...], request: int = 1) -> list[list[str]]:
    client.send(9, 8, request, *block, 0, "", "", "")
    client.expect(52, 1, request)
    return client.take(10)


def _stock(symbol: str, **more: str) -> tuple[Any, ...]:
    return (
        *(0, symbol, "STK", "", 0.0, "", "", more.get("exchange", "SMART"), more.get("primary", "")),
        *(more.get("currency", ""), "", ""),
    )


def test_contracts_are_the_agreed_ones(demo: Any, connect: Any) -> None:
    client = connect(demo())
    wanted = {
        _stock("AAPL"): (265598, "APPLE INC", "0.01"),
        _stock("MSFT"): (272093, "MICROSOFT CORP", "0.01"),
        _stock("SPY"): (756733, "SPDR S&P 500 ETF TRUST", "0.01"),
        ES: (495512552, "E-mini S&P 500", "0.25"),
        EURUSD: (12087792, "European Monetary Union Euro", "5e-05"),
    }
    for block, (con_id, name, tick) in wanted.items():
        (found,) = _details(client, block)
        assert (found[12], found[13]) == (str(con_id), tick)
        assert name in found
    two = _details(client, _stock("DUAL"))
    assert {f[12] for f in two} == {"36285627", "36285628"}
    assert len(_details(client, _stock("DUAL", currency="CAD"))) == 1
    assert len(_details(client, _stock("DUAL", primary="NYSE"))) == 1
    assert len(_details(client, contract(700_000_005))) == 1
    options = _details(client, (0, "AAPL", "OPT", "202612", 0.0, "C", "", "", "", "", "", ""))
    assert [f[12] for f in options] == ["700000000", "700000001", "700000002"]


@pytest.mark.parametrize(
    "block", [_stock("NONE"), contract(1), (0, *[""] * 11), _stock("AAPL", exchange="LSE")]
)
def test_unknown_contracts_are_error_200(demo: Any, connect: Any, block: tuple[Any, ...]) -> None:
    client = connect(demo())
    client.send(9, 8, 4, *block, 0, "", "", "")
    assert client.error(4)[0] == 200


def test_an_ambiguous_contract_is_named_for_data_and_history(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(1, 11, 5, *_stock("DUAL"), 0, "", 0, 0, "")
    code, text = client.error(5)
    assert code == 200 and "DUAL is ambiguous" in text


def test_chain_symbols_rules_and_exchanges(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(78, 3, "AAPL", "", "STK", 265598)
    found = client.expect(75, 3)
    assert found[2:] == ["SMART", "265598", "AAPL", "100", "1", "20261218", "3", "180.0", "190.0", "200.0"]
    client.expect(76, 3)
    client.send(81, 4, "soft")
    assert client.expect(79, 4)[2:5] == ["1", "272093", "MSFT"]
    client.send(91, 26)
    assert client.expect(93, 26) == ["93", "26", "1", "0.0", "0.01"]
    client.send(91, 5)
    assert client.error(-1)[0] == 321
    client.send(82)
    assert int(client.expect(80)[1]) > 3
    client.send(83, 6, "a60001")
    client.expect(82, 6)
    client.send(104, 7)
    client.expect(107, 7)
    client.send(17, 1)
    client.expect(15, 1, "DU1234567")
    client.send(8, 1, 1)
    client.expect(9, 1, 1)
    client.send(14, 1, 5)
    client.sync()


def _ask(client: Client, block: tuple[Any, ...], **more: Any) -> None:
    client.send(
        *(20, 8, *block, 0, more.get("end", ""), more.get("size", "1 min"), more.get("span", "1800 S")),
        *(0, more.get("what", "TRADES"), more.get("form", 2), more.get("keep", 0), ""),
    )


def _history(client: Client, block: tuple[Any, ...], **more: Any) -> list[list[str]]:
    """Return bars of (date, open, high, low, close, volume, average, count)."""
    _ask(client, block, **more)
    found = client.expect(17, 8)
    values = found[5:]
    assert len(values) == 8 * int(found[4])
    return [values[i : i + 8] for i in range(0, len(values), 8)]


@pytest.mark.parametrize(
    ("size", "span", "count"),
    [
        ("1 secs", "60 S", 60),
        ("5 secs", "300 S", 60),
        ("1 min", "1800 S", 30),
        ("5 mins", "1 D", 288),
        ("1 hour", "2 D", 48),
        ("8 hours", "1 W", 21),
        ("1 day", "10 D", 10),
        ("1 week", "28 D", 5),
        ("1 month", "1 Y", 13),
    ],
)
def test_history_of_every_size(demo: Any, connect: Any, size: str, span: str, count: int) -> None:
    bars = _history(connect(demo()), AAPL, size=size, span=span)
    assert abs(len(bars) - count) <= (1 if "week" in size or "month" in size else 0)
    for bar in bars:
        open_, high, low, close = map(float, bar[1:5])
        assert 150 < low <= min(open_, close) <= max(open_, close) <= high < 230
        assert int(bar[5]) > 0
    dates = [bar[0] for bar in bars]
    assert dates == sorted(set(dates))
    assert all(len(date) == (8 if size in ("1 day", "1 week", "1 month") else 10) for date in dates)


def test_history_repeats_to_the_digit_and_ends_where_asked(demo: Any, connect: Any) -> None:
    client = connect(demo())
    first = _history(client, AAPL, end="20261101 10:00:00 US/Eastern", form=1)
    assert first == _history(client, AAPL, end="20261101-15:00:00", form=1)
    assert first[-1][0] == "20261101 09:59:00 US/Eastern"
    assert _history(client, AAPL, what="MIDPOINT")[0][5:] == ["-1", "-1", "-1"]
    ask, bid = (_history(client, AAPL, end="20261101-15:00:00", what=w) for w in ("ASK", "BID"))
    assert all(float(a[1]) > float(b[1]) for a, b in zip(ask, bid, strict=True))


def test_dates_before_174_are_in_the_login_zone(demo: Any, connect: Any) -> None:
    client = connect(demo(max_version=173))
    bars = _history(client, AAPL, end="20261101-15:00:00", form=1)
    assert bars[-1][0] == "20261101  09:59:00"


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"block": EURUSD}, 162, "No historical market data"),
        ({"size": "7 mins"}, 321, "bar size"),
        ({"span": "1800"}, 321, "duration"),
        ({"span": "0 D"}, 321, "duration"),
        ({"what": "GOSSIP"}, 321, "whatToShow"),
        ({"end": "20261101 10:00:00 GMT"}, 10314, "time-zone"),
        ({"end": "yesterday"}, 10314, "time-zone"),
        ({"end": "20261101-15:00:00", "keep": 1}, 321, "keepUpToDate"),
    ],
)
def test_history_that_is_refused(demo: Any, connect: Any, fields: Any, code: int, said: str) -> None:
    client = connect(demo())
    block = fields.pop("block", AAPL)
    _ask(client, block, **fields)
    found = client.error(8)
    assert found[0] == code and said in found[1]
    client.sync()
    assert client.take(17) == []


def test_head_time_ticks_and_schedule(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(87, 3, *AAPL, 0, 0, "TRADES", 2)
    assert client.expect(88, 3)[2] == "946684800"
    client.send(96, 4, *AAPL, 0, "", "20261101 10:00:00 US/Eastern", 5, "TRADES", 0, 0, "")
    found = client.expect(98, 4)
    assert found[2] == "5" and found[-1] == "1" and len(found) == 3 + 5 * 6 + 1
    client.send(20, 5, *AAPL, 0, "", "1 day", "3 D", 1, "SCHEDULE", 1, 0, "")
    found = client.expect(106, 5)
    assert found[5] == "3" and len(found) == 6 + 9


def test_history_is_kept_up_to_date(demo: Any, connect: Any) -> None:
    client = connect(demo())
    assert len(_history(client, AAPL, size="5 secs", span="60 S", keep=1)) == 12
    update = client.expect(90, 8)
    open_, close, high, low = map(float, update[4:8])
    assert low <= min(open_, close) <= max(open_, close) <= high
    client.send(25, 1, 8)
    client.sync()


def test_lines_send_everything_once_and_then_changes(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(1, 11, 7, *AAPL, 0, "233,292,mdoff", 0, 0, "")
    client.expect(58, 1, 7, 1)
    assert client.expect(81, 7)[2] == "0.01"
    assert client.expect(45, 6, 7, 49)[4] == "0"
    kinds = {client.expect(1, 6, 7, kind)[3] for kind in (1, 2, 4, 6, 7, 9, 14)}
    assert len(kinds) == 7
    client.expect(2, 6, 7, 8)
    client.expect(46, 6, 7, 45)
    parts = client.expect(46, 6, 7, 48)[4].split(";")
    assert len(parts) == 6 and parts[-1] == "true"
    client.expect(46, 6, 7, 48)  # another trade, a quarter of a second later at the earliest
    client.send(1, 11, 7, *AAPL, 0, "", 0, 0, "")
    assert client.error(7)[0] == 322
    client.send(2, 2, 7)
    client.sync()


def test_options_stream_their_greeks_and_totals(demo: Any, connect: Any) -> None:
    client = connect(demo())
    for request, con_id, sign in ((1, 700_000_001, 1), (2, 700_000_004, -1)):
        client.send(1, 11, request, *contract(con_id), 0, "100,101,106", 0, 0, "")
        for kind in (10, 11, 12, 13):
            found = client.expect(21, request, kind)
            assert len(found) == 12
        vol, delta, price = map(float, found[4:7])
        assert 0 < sign * delta < 1 and 0.1 < vol < 0.5 and 0 < price < 190
        client.expect(2, 6, request, 27 if sign > 0 else 28)
        client.expect(2, 6, request, 29 if sign > 0 else 30)
        client.expect(45, 6, request, 24)
    client.send(1, 11, 3, *AAPL, 0, "101", 0, 0, "")
    client.expect(2, 6, 3, 27)
    client.expect(2, 6, 3, 28)


def test_depth_is_ordered_on_both_sides(demo: Any, connect: Any) -> None:
    client = connect(demo())
    for request, smart in ((1, 0), (2, 1)):
        client.send(10, 5, request, *AAPL, 4, smart, "")
        kind, price_at = (13, 7) if smart else (12, 6)
        asks = [float(client.expect(kind, 1, request, row)[price_at]) for row in range(4)]
        bids = [float(client.expect(kind, 1, request, row)[price_at]) for row in range(4)]
        assert asks == sorted(asks) and bids == sorted(bids, reverse=True) and bids[0] < asks[0]
        client.send(11, 1, request, smart)
    client.sync()


@pytest.mark.parametrize(("kind", "number"), [("Last", 1), ("AllLast", 2), ("BidAsk", 3), ("MidPoint", 4)])
def test_tick_by_tick(demo: Any, connect: Any, kind: str, number: int) -> None:
    client = connect(demo())
    client.send(97, 6, *AAPL, kind, 0, 0)
    client.expect(99, 6, number)
    client.send(98, 6)
    client.sync()


def test_limits_of_lines_are_told(demo: Any, connect: Any) -> None:
    client = connect(demo(limits=Limits(market_data_lines=1, depth_lines=1, tick_by_tick_lines=1)))
    for request in (1, 2):
        client.send(1, 11, request, *AAPL, 0, "", 0, 0, "")
        client.send(10, 5, request + 10, *SPY, 5, 0, "")
        client.send(97, request + 20, *AAPL, "BidAsk", 0, 0)
    assert [client.error(r)[0] for r in (2, 12, 22)] == [101, 309, 10190]


def test_real_time_bars_and_what_has_none(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(50, 3, 1, *EURUSD, 5, "TRADES", 0, "")
    assert client.error(1)[0] == 420
    client.send(50, 3, 2, *AAPL, 5, "TRADES", 0, "")
    client.send(50, 3, 3, *EURUSD, 5, "MIDPOINT", 0, "")
    bar = client.expect(50, 3, 2)
    assert int(bar[3]) % 5 == 0 and float(bar[6]) <= float(bar[4]) <= float(bar[5])
    assert client.expect(50, 3, 3)[8:] == ["-1", "-1", "-1"]


def test_news(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(85)
    assert client.expect(85)[1:4:2] == ["2", "Briefing.com General Market Columns"]
    client.send(86, 1, 265598, "BRFG", "", "", 10, "")
    found = [client.expect(86, 1) for _ in range(2)]
    assert {f[4] for f in found} == {"BRFG$00", "BRFG$01"} and found[0][2] > found[1][2]
    assert client.expect(87, 1)[2] == "0"
    client.send(86, 2, 265598, "DJ-N+BRFG", "2030-01-01 00:00:00.0", "", 10, "")
    assert client.expect(87, 2)[2] == "0" and client.take(86) == []
    client.send(84, 3, "BRFG", "BRFG$00", "")
    assert "Synthetic" in client.expect(83, 3, 0)[3]
    client.send(84, 4, "BRFG", "BRFG$99", "")
    assert client.error(4)[0] == 10172
    client.send(12, 1, 1)
    assert "synthetic prices" in client.expect(14, 1, 1, 1)[4]
    client.send(13, 1)
    client.sync()


def test_headlines_come_as_ticks(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    client.send(1, 11, 5, *AAPL, 0, "mdoff,292:BRFG", 0, 0, "")
    for article, title in (("BRFG$01", "Apple raises its dividend"), ("BRFG$00", "Apple cuts its forecast")):
        assert client.expect(84, 5)[3:] == ["BRFG", article, title, ""]
    everything = (0, "BRFG:BRFG_ALL", "NEWS", "", 0.0, "", "", "BRFG", "", "", "", "")
    client.send(1, 11, 6, *everything, 0, "mdoff,292", 0, 0, "")
    assert [client.expect(84, 6)[4] for _ in range(2)] == ["BRFG$01", "BRFG$00"]
    client.send(1, 11, 6, *everything, 0, "mdoff,292", 0, 0, "")
    assert client.error(6)[0] == 322
    client.send(2, 2, 6)
    nobody = (0, "NONE:NONE_ALL", "NEWS", "", 0.0, "", "", "NONE", "", "", "", "")
    client.send(1, 11, 6, *nobody, 0, "mdoff,292", 0, 0, "")
    assert client.error(6)[0] == 200


def test_the_account(demo: Any, connect: Any) -> None:
    client = connect(demo(cash=50_000.0))
    client.send(6, 2, 1, "DU1234567")
    client.expect(54, 1, "DU1234567")
    keys = {(f[2], f[4]) for f in client.take(6)}
    for key in ("NetLiquidation", "BuyingPower", "AvailableFunds", "InitMarginReq", "GrossPositionValue"):
        assert (key, "USD") in keys
    assert {("TotalCashBalance", "BASE"), ("AccountReady", "")} <= keys
    client.send(62, 1, 3, "All", "NetLiquidation,BuyingPower")
    client.expect(64, 1, 3)
    assert {(f[4], f[5]) for f in client.take(63)} == {
        ("NetLiquidation", "50000.00"),
        ("BuyingPower", "100000.00"),
    }
    client.send(76, 1, 4, "DU1234567", "", 1)
    client.expect(74, 1, 4)
    assert all(len(f) == 8 for f in client.take(73))
    client.send(92, 5, "DU1234567", "")
    assert client.expect(94, 5)[2:] == ["0.0", "0.0", "0.0"]
    client.send(94, 6, "DU1234567", "", 265598)
    client.expect(95, 6, 0)
    number = client.order()
    client.status(number, "Filled")
    assert float(client.expect(95, 6, where=lambda f: float(f[2]) == 100)[6]) > 10_000
    assert float(client.expect(94, 5, where=lambda f: f[2] != "0.0")[2]) < 0
    client.expect(63, 1, 3)
    client.expect(73, 1, 4)
    for message in ((63, 1, 3), (77, 1, 4), (93, 5), (95, 6), (64, 1), (6, 2, 0, "")):
        client.send(*message)
    client.sync()
