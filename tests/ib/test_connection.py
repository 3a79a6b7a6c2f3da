"""The line over a real socket: it opens, tells, mends itself, and says why it cannot."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
from decimal import Decimal
from typing import Any

import pytest

from robo_trader.errors import BrokerError, UsageError
from robo_trader.ib import library
from robo_trader.ib.connection import Line
from robo_trader.ib.diagnosis import read_only
from robo_trader.ib.library import choose, exact
from robo_trader.ib.messages import (
    AccountValue,
    Commission,
    Execution,
    Failed,
    Lost,
    Opened,
    OpenOrder,
    Position,
    Problem,
)

APPLE = dict(conId=265598, symbol="AAPL", secType="STK", exchange="SMART", currency="USD")


def buy(line: Any, size: float = 100, ref: str = "r1", **more: Any) -> int:
    async def send(ib: Any) -> int:
        order = line.library.order(
            action="BUY", totalQuantity=size, orderType="MKT", orderRef=ref, tif="DAY", **more
        )
        number: int = ib.placeOrder(line.library.contract(**APPLE), order).order.orderId
        return number

    number: int = line.call(send)
    return number


def test_it_opens_and_tells_what_the_gateway_is(gateway: Any, heard: Any) -> None:
    one = heard(gateway().port, account="DU1234567")
    opened = one.open()
    assert opened.accounts == ("DU1234567",)
    assert opened.simulated and opened.attempt == 1 and opened.server_version in (176, 178)
    assert abs(opened.skew) < 60
    assert one.line.up
    assert one.expect(Opened) == opened
    values = {m.key: m.value for m in one.all if isinstance(m, AccountValue)}
    assert float(values["NetLiquidation"]) == 1_000_000
    one.line.close()
    one.line.close()
    with pytest.raises(BrokerError, match="the line to the broker is down"):
        buy(one.line)
    one.line._up = True  # Seen just before another thread closed the line.
    with pytest.raises(BrokerError, match="the line to the broker is down"):
        buy(one.line)


def test_an_order_is_told_from_the_wire(gateway: Any, heard: Any) -> None:
    one = heard(gateway().port)
    one.open()
    number = buy(one.line)
    order = one.expect(OpenOrder)
    assert (order.order_id, order.ref, order.size, order.side) == (number, "r1", Decimal(100), "BUY")
    fill = one.expect(Execution)
    cost = one.expect(Commission)
    assert (fill.order_id, fill.ref, fill.con_id, fill.account) == (number, "r1", 265598, "DU1234567")
    assert fill.time.utcoffset() is not None and fill.price == exact(float(fill.price))
    assert cost.exec_id == fill.exec_id and cost.amount > 0 and cost.currency == "USD"
    held = one.expect(Position, lambda p: p.size == 100)
    assert held.con_id == 265598


def test_after_a_drop_it_connects_again_and_repeats_what_is_known(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    buy(one.line)
    first = [one.expect(Commission).exec_id]
    simulated.control("drop")
    assert one.expect(Lost).reason == "the gateway closed the connection"
    again = one.expect(Execution)
    assert again.exec_id == first[0]
    assert one.expect(Opened).attempt >= 2
    buy(one.line, ref="r2")
    assert one.expect(Execution, lambda m: m.ref == "r2")


def test_an_execution_that_came_while_the_line_was_down_is_told(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port, retry_first=0.2)
    one.open()
    simulated.control("set", fill_delay=60)
    number = buy(one.line)
    one.expect(OpenOrder, lambda m: m.status in ("Submitted", "PreSubmitted"))
    simulated.control("drop")
    one.expect(Lost)
    simulated.control("fill", orderId=number, qty=100, price=190.5)
    assert one.expect(Execution).price == Decimal("190.5")


def test_a_restart_is_waited_for(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    one.expect(Opened)
    simulated.control("restart", secs=600)
    one.expect(Lost)
    failed = one.expect(Failed)
    assert "nothing listens at 127.0.0.1:" in failed.reason and failed.retry_in == 0.02
    assert one.expect(Failed).retry_in == 0.04
    simulated.control("restart", secs=0)
    assert one.expect(Opened).attempt > 2


def test_a_silent_peer_is_found_out(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port, heartbeat=0.15)
    one.open()
    simulated.control("stall", secs=600)
    assert one.expect(Lost).reason == "the gateway has not answered for 0.15 s"
    simulated.control("stall", secs=0)
    assert one.expect(Opened, lambda m: m.attempt > 1)


def test_a_request_ends_when_the_line_breaks(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    simulated.control("set", mute=[10, 52])
    asked = threading.Event()
    failed: list[BaseException] = []

    def ask() -> None:
        async def details(ib: Any) -> Any:
            asking = ib.reqContractDetailsAsync(one.line.library.contract(**APPLE))
            asked.set()
            return await asking

        try:
            one.line.call(details)
        except BrokerError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(60)
    simulated.control("drop")
    thread.join(60)
    assert "the line broke before the broker answered" in str(failed[0])


def test_a_request_has_a_deadline_and_a_refusal_is_told(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()

    async def nothing(ib: Any) -> Any:
        return await ib.reqContractDetailsAsync(one.line.library.contract(symbol="NOPE", secType="STK"))

    with pytest.raises(BrokerError, match="error 200"):
        one.line.call(nothing)
    assert one.expect(Problem, lambda m: m.code == 200).request
    simulated.control("set", mute=[10, 52, 4])
    with pytest.raises(BrokerError, match="did not answer within 0.1 s"):
        one.line.call(nothing, timeout=0.1)


# --- why it cannot


def test_nothing_listens(heard: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BrokerError, match=f"nothing listens at 127.0.0.1:{port} .start TWS or IB Gateway"):
        heard(port).open()


def test_a_web_server_answers(heard: Any) -> None:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(BrokerError, match="a web server answers"):
                heard(server.server_address[1], timeout=2).open()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-other\r\n", "something else than TWS or IB Gateway"),
        (b"\0\0\0\x1a100\0" + b"20261120 10:00:00 UTC\0", "speaks version 100"),
        (b"", "does not answer"),
    ],
)
def test_something_else_listens(heard: Any, answer: bytes, said: str) -> None:
    class Speak(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(100)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speak) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(BrokerError, match=said):
                heard(server.server_address[1], timeout=2).open()
        finally:
            server.shutdown()
            thread.join()


def test_the_client_id_is_in_use(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    heard(simulated.port, client_id=7).open()
    with pytest.raises(BrokerError, match="client id 7 is in use"):
        heard(simulated.port, client_id=7).open()


def test_the_account_is_mistyped(gateway: Any, heard: Any) -> None:
    with pytest.raises(BrokerError, match="account 'DU1234576' .* .did you mean 'DU1234567'"):
        heard(gateway().port, account="DU1234576").open()


def test_a_read_only_gateway_is_recognised(gateway: Any, heard: Any) -> None:
    simulated = gateway()
    one = heard(simulated.port)
    one.open()
    simulated.control("set", readonly=True)
    number = buy(one.line)
    refused = one.expect(Problem, lambda m: m.id == number)
    assert refused.code == 321 and read_only(refused) and not refused.request
    assert not read_only(Problem(id=1, code=321, text="another reason"))


@pytest.mark.parametrize("bad", [dict(port=0), dict(port=70_000), dict(heartbeat=0.0)])
def test_a_line_is_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Line(**bad)


# --- which library


def test_one_library_and_no_more() -> None:
    assert choose(name for name in ["ib_insync"]) == "ib_insync"
    assert choose(["ib_async"]) == "ib_async"
    with pytest.raises(UsageError, match="both installed.*pip uninstall"):
        choose(["ib_async", "ib_insync"])
    with pytest.raises(UsageError, match="no library.*pip install"):
        choose([])
    assert library.load().name in library.LIBRARIES
