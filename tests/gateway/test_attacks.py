"""What a hostile or clumsy client, or a careless command, must not be able to do."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from typing import Any

import pytest
from gwbars import minutely
from gwclient import AAPL, ES, SPY, TIMEOUT, Client, Closed, eventually, packed, pause, place_order

from robo_trader.gateway.orderwire import read_order
from robo_trader.gateway.settings import Limits
from robo_trader.gateway.wire import Fields, WireError

#: What a client may fill with words, after the protocol's description.
_TEXTS = """
account action activeStartTime activeStopTime adjustedOrderType advancedErrorOverride algoId
clearingAccount clearingIntent conditions2 conditions6 conditions9 conditions11 deltaNeutralOrder1
deltaNeutralOrder2
deltaNeutralOrder3 deltaNeutralOrder4 deltaNeutralOrder7 deltaNeutralOrderType designatedLocation extOperator
faGroup faMethod faPercentage goodAfterTime goodTillDate legs2 legs3 legs6 manualOrderTime
mifid2DecisionAlgo mifid2DecisionMaker mifid2ExecutionAlgo mifid2ExecutionTrader modelCode ocaGroup openClose
orderMiscOptions orderRef orderType rule80A scaleTable secId secIdType settlingFirm softDollarName
softDollarValue tif
"""


def _data(client: Client) -> list[list[str]]:
    """Return the frames of market data that have come, and forget all."""
    client.sync()
    found = [f for f in client.frames if f[0] in ("1", "2", "12", "13", "45", "46", "99")]
    client.frames.clear()
    return found


def test_silent_connections_make_room_for_clients(demo: Any, connect: Any) -> None:
    gateway = demo(limits=Limits(clients=3))
    first = connect(gateway, 1)
    silent = [Client(gateway.port, start=False) for _ in range(50)]
    second = connect(gateway, 2)
    first.sync()
    second.sync()
    with pytest.raises(Closed):
        silent[0].read()
    for client in silent:
        client.close()


def test_a_text_where_a_number_belongs_never_reaches_others() -> None:
    """Whatever is accepted is sent to client 0 and to whoever asks: it must read as the protocol says."""
    full = place_order(
        7,
        (0, "AAPL", "BAG", "", 0.0, "", "", "SMART", "", "USD", "", ""),
        178,
        orderType="LMT",
        lmtPrice=150.0,
        legs=[(1, 1, "BUY", "SMART", 0, 0, "", -1)],
        conditions=[(1, "a", 1, 190.0, 265598, "SMART", 0), (3, "a", 1, "20261120 10:00:00 US/Eastern")],
        deltaNeutral=("MKT", 265598, "", "", "", "", 0, 0, ""),
        scale=(0.5, 0.1, 3, 0.5, 0, 0, 0, 0),
        contractDeltaNeutral=(265598, 0.5, 190.0),
    )
    texts = [str(int(field) if isinstance(field, bool) else field) for field in full[1:]]
    read_order(Fields(list(texts)), 178)
    accepted: set[str] = set()
    for at in range(len(texts)):
        try:
            placed = read_order(Fields([*texts[:at], "x y", *texts[at + 1 :]]), 178)
        except WireError:
            continue
        accepted |= {name for name, value in placed.values.items() if value == "x y"}
        accepted |= {f"{g}{i}" for g, row in placed.groups.items() for i, v in enumerate(row) if v == "x y"}
    assert accepted == set(_TEXTS.split())


def test_request_ids_in_use_are_error_322(demo: Any, connect: Any) -> None:
    client = connect(demo())
    for message in (
        (1, 11, 7, *AAPL, 0, "", 0, 0, ""),
        (97, 7, *AAPL, "BidAsk", 0, 0),
        (10, 5, 7, *AAPL, 5, 1, ""),
        (50, 3, 7, *AAPL, 5, "TRADES", 0, ""),
        (20, 7, *AAPL, 0, "", "1 min", "600 S", 0, "TRADES", 1, 1, ""),
    ):
        client.send(*message)
        client.send(*message)
        assert client.error(7)[0] == 322


def test_bad_requests_are_named_by_their_code(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(1, 11, 7, *AAPL, 0, "233,lots", 0, 0, "")
    assert client.error(7)[0] == 321
    client.send(59, 1, 9)
    assert client.error(-1)[0] == 321
    client.send(6, 2, 1, "DU999")
    assert client.error(-1) == (321, "Error validating request.-'bv' : cause - Invalid account code 'DU999'.")
    for message in ((92, 8, "DU999", ""), (94, 8, "DU999", "", 265598)):
        client.send(*message)
        assert client.error(8)[0] == 321


@pytest.mark.parametrize(
    "message",
    [
        (22, 8, "10"),
        (52, 2, 8, *AAPL, "ReportSnapshot", ""),
        (54, 3, 8, *AAPL, 5.0, 190.0, ""),
        (74, 1, 8, "DU1234567", ""),
        (88, 8, *AAPL, 0, 1, "3 days"),
    ],
    ids=lambda m: str(m[0]),
)
def test_what_is_not_served_says_so_to_its_request(demo: Any, connect: Any, message: Any) -> None:
    client = connect(demo())
    client.send(*message)
    code, text = client.error(8)
    assert code == 321 and text.endswith("is not served here")
    client.send(23, 1, 8)
    client.sync()
    assert not [f for f in client.take(4) if f[3] == "505"]


def test_sizes_come_with_their_prices_and_on_their_own(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    client.send(1, 11, 7, *AAPL, 0, "", 0, 0, "")
    for price, size in ((1, 0), (2, 3), (4, 5)):
        assert client.expect(1, 6, 7, price)[5] == client.expect(2, 6, 7, size)[4]
    control("set", delayed=True)
    client.send(1, 11, 8, *AAPL, 0, "", 0, 0, "")
    for price, size in ((66, 69), (67, 70), (68, 71)):
        assert client.expect(1, 6, 8, price)[5] == client.expect(2, 6, 8, size)[4]


@pytest.mark.parametrize("fault", ["lost", "farm"])
def test_no_tick_goes_out_while_the_line_is_broken(
    demo: Any, connect: Any, commands: Any, fault: str
) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("lost") if fault == "lost" else control("farm", which="market", up=False)
    client.send(1, 11, 7, *AAPL, 0, "233", 0, 0, "")
    client.send(97, 8, *AAPL, "BidAsk", 0, 0)
    client.send(10, 5, 9, *AAPL, 5, 1, "")
    assert _data(client) == []
    control("restored") if fault == "lost" else control("farm", which="market", up=True)
    client.expect(1, 6, 7)
    client.expect(99, 8)
    client.expect(13, 1, 9)


def test_a_rate_need_not_be_whole(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    commands(gateway)("set", max_rate=2.5)
    client.sock.sendall(packed(17, 1) * 9)
    client.expect(4, 2, -1, 100)


def test_a_stall_holds_newcomers_too(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    control = commands(gateway)
    control("stall", secs=60)
    client = Client(gateway.port, 3, start=False)
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.hello("v157..178")
    client.sock.settimeout(TIMEOUT)
    control("stall", secs=0)
    assert client.read()[0] == "178"
    client.close()


def test_what_was_sent_during_a_stall_is_not_too_fast(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", max_rate=40)
    control("stall", secs=0.5)
    client.sock.sendall(packed(49, 1) * 55)
    for _ in range(55):
        client.expect(49)
    assert not [f for f in client.frames if f[:4] == ["4", "2", "-1", "100"]]
    client.sock.sendall(packed(49, 1) * 200)
    client.expect(4, 2, -1, 100)


def test_a_gateway_that_was_late_forgives_what_came_meanwhile(demo: Any, connect: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    loop = gateway._loop
    loop.call_soon_threadsafe(pause, 1.0)  # as a busy machine does
    client.sock.sendall(packed(49, 1) * 90)
    for _ in range(90):
        client.expect(49)
    assert not [f for f in client.frames if f[:4] == ["4", "2", "-1", "100"]]


def test_a_client_that_was_dropped_in_a_stall_may_come_again(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway, 1), commands(gateway)
    client.send(17, 1)
    control("stall", secs=60)
    pause(0.05)
    client.send(17, 1)
    control("drop")
    assert control("state")["sessions"] == []
    control("stall", secs=0)
    again = eventually(lambda: Client(gateway.port, 1), (OSError, Closed))
    again.sync()
    again.close()


def test_the_later_restart_says_when_the_port_opens(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    connect(gateway)
    control = commands(gateway)
    control("restart", secs=60)
    control("restart", secs=0.05)
    again = eventually(lambda: Client(gateway.port, 1), (OSError, Closed))
    again.sync()
    again.close()


def test_a_clock_that_is_far_off_ends_no_connection(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    control = commands(gateway)
    for seconds in (1e9, -1e9):
        control("skew", secs=seconds)
        client = connect(gateway, 5)
        client.send(6, 2, 1, "")
        client.expect(54)
        client.order(ES, totalQuantity=1)
        client.expect(11)
        client.close()
        eventually(lambda: 1 / (control("state")["sessions"] == []), ZeroDivisionError)


def test_a_replay_does_not_wait_for_ever_for_who_does_not_read(
    replay: Any, connect: Any, commands: Any, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [minutely("SPY", [100.0 + i % 7 for i in range(390)])]
    gateway = replay(frames, limits=Limits(lag_seconds=0.1, message_rate=1e6))
    reader, deaf, control = connect(gateway, 1), connect(gateway, 2), commands(gateway)
    control("advance", steps=770)
    # The deaf one asks for much and reads nothing, so that what it is sent piles up, not in the system.
    for session in gateway.server.gateway.sessions:
        session.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for i in range(60):
        deaf.send(20, i, *SPY, 0, "", "1 min", "1 D", 0, "TRADES", 1, 0, "")
    eventually(lambda: 1 / gateway.server.gateway.congested(), ZeroDivisionError)
    with caplog.at_level(logging.WARNING, "robo_trader.gateway"):
        assert control("advance", steps=5)["ok"]
    assert "has stopped to read" in caplog.text and control("state")["sessions"] == [1]
    reader.sync()


def test_many_steps_at_once_leave_clients_their_turn(replay: Any, connect: Any, commands: Any) -> None:
    closes = [100.0 + i % 9 for i in range(300)]
    gateway = replay([minutely("SPY", closes)], limits=Limits(unsent=20_000, message_rate=1e6))
    client, control = connect(gateway), commands(gateway)
    client.send(1, 11, 7, *SPY, 0, "233", 0, 0, "")
    client.send(50, 3, 8, *SPY, 5, "TRADES", 0, "")
    client.sync()
    control.sock.sendall(b'{"cmd": "advance", "steps": 600}\n')
    while not client.take(50) or control("state")["time"] < "2024-01-02T19:29":
        client.sync()


def test_many_requests_at_once_are_answered_to_who_reads(replay: Any, connect: Any, commands: Any) -> None:
    """All the answers are more than may wait for a client, and each of them is less."""
    closes = [100.0 + i % 9 for i in range(300)]
    gateway = replay([minutely("SPY", closes)], limits=Limits(unsent=100_000, message_rate=1e6))
    client, control = connect(gateway), commands(gateway)
    control("advance", steps=600)
    asked = [packed(20, i, *SPY, 0, "", "1 min", "1 D", 0, "TRADES", 1, 0, "") for i in range(50)]
    client.sock.sendall(b"".join(asked))
    for number in range(50):
        assert client.expect(17)[1] == str(number)


@pytest.mark.parametrize(("kind", "name"), [("STK", "DUAL in CAD"), ("FUT", "ES"), ("STK", "AAPL")])
def test_a_correction_changes_the_books_as_if_it_had_been_so(
    demo: Any, connect: Any, commands: Any, kind: str, name: str
) -> None:
    block = {
        "DUAL in CAD": (36285628, "", "", "", 0.0, "", "", "TSE", "", "", "", ""),
        "ES": ES,
        "AAPL": AAPL,
    }[name]
    base = {"DUAL in CAD": 25.0, "ES": 5000.0, "AAPL": 190.0}[name]

    def trade(gateway: Any, client: Client, control: Any, prices: list[float]) -> list[list[str]]:
        for side, price in zip(("BUY", "SELL"), prices, strict=True):
            away = base * (0.5 if side == "BUY" else 1.5)
            size = 10 if side == "BUY" else 4
            number = client.order(block, orderType="LMT", lmtPrice=away, action=side, totalQuantity=size)
            client.expect(3, number)
            control("fill", orderId=number, price=price)
        return [client.expect(11), client.expect(11)]

    def books(gateway: Any) -> tuple[float, ...]:
        def read() -> tuple[float, ...]:
            account = gateway.server.gateway.account
            (position,) = account.positions.values()
            return account.cash, account.realized, position.size, position.cost, position.realized

        return read()

    straight = demo()
    trade(straight, connect(straight), commands(straight), [base + 1, base + 3])
    mended = demo()
    client, control = connect(mended), commands(mended)
    bought, sold = trade(mended, client, control, [base - 2, base + 8])
    control("correct", execId=bought[14], price=base + 1)
    control("correct", execId=sold[14], price=base + 3)
    assert books(mended) == pytest.approx(books(straight))
    report = client.expect(59, 1, sold[14][:-2] + "02")
    assert float(report[5]) == pytest.approx(2.0 * 4 * (50 if kind == "FUT" else 1) - float(report[3]))


def test_the_latest_headline_is_the_first_article(demo: Any, connect: Any) -> None:
    client = connect(demo())
    client.send(86, 1, 265598, "BRFG", "", "", 10, "")
    client.expect(87)
    assert [f[4] for f in client.take(86)] == ["BRFG$00", "BRFG$01"]


def test_tick_by_tick_is_paced_with_history(demo: Any, connect: Any) -> None:
    client = connect(demo(limits=Limits(pace_history=True)))
    client.send(97, 1, *AAPL, "BidAsk", 0, 0)
    client.expect(99, 1)
    client.send(98, 1)
    client.send(97, 2, *AAPL, "Last", 0, 0)
    assert client.error(2)[0] == 10190
    client.send(97, 3, *SPY, "Last", 0, 0)
    client.expect(99, 3)


def test_frames_of_every_length_are_answered_or_closed(demo: Any, connect: Any) -> None:
    gateway = demo()
    other = connect(gateway, 1)
    for length, payload in ((0, b""), (2**32 - 1, b"x" * 100), (1, b"\0"), (3, b"\xff\xfe\0"), (2**31, b"")):
        client = connect(gateway, 2, version=157)
        client.sock.sendall(struct.pack(">I", length) + payload)
        client.sock.sendall(packed(49, 1))
        with contextlib.suppress(Closed, OSError):
            client.expect(49)
        client.close()
        eventually(lambda: 1 / (gateway.control("state")["sessions"] == [1]), ZeroDivisionError)
    other.sync()


def test_a_web_page_cannot_send_commands(demo: Any, commands: Any) -> None:
    gateway = demo()
    control = commands(gateway)
    body = b'{"cmd": "lost"}\n'
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
    answer = control.raw(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer == {"ok": False, "error": "this port takes JSON lines, not HTTP"}
    with pytest.raises((Closed, OSError)):
        control("state")
    assert commands(gateway)("state")["connected"] is True


def test_what_never_went_to_the_market_is_not_filled_by_hand(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("reject", code="inactive")
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Inactive")
    answer = control.raw(b'{"cmd": "fill", "orderId": %d}' % number)
    assert answer["error"] == f"order {number} never went to the market: it is Inactive"


def test_a_quote_is_worked_out_once_for_all_lines(demo: Any) -> None:
    market = demo().server.gateway.market
    spec = market.universe.get(700_000_001)
    quote = market._quote(spec, market.clock.now())
    assert market.computations(spec, quote) is market.computations(spec, quote)
    assert any(market.quote(spec) is market.quote(spec) for _ in range(100))
