"""Every fault of the control port, seen by a client."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from gwclient import AAPL, TIMEOUT, Client, Closed, eventually, packed, pause

from robo_trader.gateway.settings import Limits


def _history(client: Client, request: int, **more: Any) -> None:
    client.send(20, request, *AAPL, 0, "", "1 min", more.get("span", "60 S"), 0, "TRADES", 2, 0, "")


def test_lost_and_restored(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    client.send(1, 11, 7, *AAPL, 0, "", 0, 0, "")
    client.expect(1, 6, 7)
    control("lost")
    assert client.error(-1)[0] == 1100
    number = client.order()
    client.status(number, "PreSubmitted")
    client.sync()
    assert client.take(11) == [] and client.take(3) == []
    late = connect(gateway, 2)
    assert late.error(-1)[0] == 1100
    control("restored", maintained=True)
    assert client.error(-1)[0] == 1102
    client.status(number, "Filled")
    client.expect(1, 6, 7, 1)
    control("lost")
    control("restored", maintained=False)
    client.expect(4, 2, -1, 1101)
    client.send(1, 11, 7, *AAPL, 0, "", 0, 0, "")
    client.expect(58, 1, 7)  # no duplicate: the line was gone


def test_sockets_die_and_the_books_stay(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Submitted")
    control("drop")
    with pytest.raises(Closed):
        while True:
            client.read()
    again = connect(gateway)
    assert again.next_id == number + 1
    control("restart", secs=600)
    with pytest.raises(Closed):
        while True:
            again.read()
    with pytest.raises(OSError):
        Client(gateway.port)
    control("restart", secs=0)
    third = eventually(lambda: connect(gateway))
    third.send(5, 1)
    third.expect(5, number)


def test_a_stalled_peer_says_nothing_and_loses_nothing(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("stall", secs=600)
    client.send(49, 1)
    client.sock.settimeout(0.1)
    with pytest.raises(AssertionError, match="no message"):
        client.expect(49)
    client.sock.settimeout(TIMEOUT)
    control("stall", secs=0)
    client.expect(49)


def test_bars_burst_after_a_gap(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    client.send(97, 6, *AAPL, "Last", 0, 0)
    client.expect(99, 6)
    control("gap", secs=600)
    client.sync()
    client.take(99)
    (session,) = gateway.server.gateway.sessions
    eventually(lambda: session.held[1], IndexError)
    client.sync()
    assert client.take(99) == []
    control("gap", secs=0)
    for _ in range(2):
        client.expect(99, 6)


@pytest.mark.parametrize(
    ("code", "status"),
    [(201, None), (110, None), (321, None), (399, "Filled"), (404, "Filled"), ("inactive", "Inactive")],
)
def test_the_next_order_is_rejected(demo: Any, connect: Any, commands: Any, code: Any, status: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("reject", code=code)
    number = client.order()
    if code != "inactive":
        assert client.error(number)[0] == code
    if status:
        client.status(number, status)
    else:
        client.sync()
        assert client.take(3) == []
    client.status(client.order(), "Filled")


def test_errors_bulletins_skew_and_farms(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("error", code=2110, id=-1)
    assert client.error(-1)[0] == 2110
    client.send(12, 1, 0)
    client.expect(14)
    control("bulletin", text="Exchange läuft")
    assert client.expect(14)[4].encode().decode("unicode-escape") == "Exchange läuft"
    client.send(49, 1)
    before = int(client.expect(49)[2])
    control("skew", secs=-3600)
    client.send(49, 1)
    assert before - int(client.expect(49)[2]) in range(3540, 3601)
    for which, broken, fine in (("market", 2103, 2104), ("history", 2105, 2106), ("secdef", 2157, 2158)):
        control("farm", which=which, up=False)
        client.expect(4, 2, -1, broken)
        if which == "history":
            _history(client, 5)
            assert client.error(5)[0] == 162
        if which == "secdef":
            client.send(9, 8, 6, *AAPL, 0, "", "", "")
            assert client.error(6)[0] == 200
        control("farm", which=which, up=True)
        client.expect(4, 2, -1, fine)


def test_fills_by_hand_and_again(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Submitted")
    control("fill", orderId=number, qty=30, price=149.5)
    first = client.expect(11, -1, number)
    assert (first[19], first[20]) == ("30.0", "149.5")
    client.send(4, 1, number, "")
    client.status(number, "Cancelled")
    control("fill", orderId=number, qty=70)
    second = client.expect(11, -1, number)
    assert second[14] != first[14] and second[19] == "70.0"
    client.status(number, "Filled")
    assert control("resend_execs")["execs"] == 2
    assert {client.expect(11)[14] for _ in range(2)} == {first[14], second[14]}
    assert not control.raw(b'{"cmd":"fill","orderId":%d}' % number)["ok"]


def test_a_corrected_execution_keeps_its_id_and_counts_up(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    number = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(number, "Submitted")
    control("fill", orderId=number, price=150.0)
    old = client.expect(11)
    cash = control("state")["cash"]
    control("correct", price=149.0)
    new = client.expect(11)
    assert (old[14][-3:], new[14]) == (".01", old[14][:-2] + "02") and new[20] == "149.0"
    state = control("state")
    assert state["cash"] == pytest.approx(cash + 100) and state["execs"] == 1
    client.send(61, 1)
    assert float(client.expect(61)[-1]) == 149.0
    client.send(7, 3, 1, 0, "", "", "", "", "", "")
    client.expect(55)
    assert [f[14] for f in client.take(11)] == [new[14]]


@pytest.mark.parametrize("delay", [0, 0.01])
def test_fills_come_in_slices(demo: Any, connect: Any, commands: Any, delay: float) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", partial={"slices": 4, "delay": delay})
    number = client.order()
    client.status(number, "Filled")
    client.sync()
    assert [f[19] for f in client.take(11)] == ["25.0"] * 4
    control("set", partial={"slices": 5, "delay": delay, "stop_after": 2})
    number = client.order()
    client.expect(3, number, "Submitted", 40.0)
    client.sync()
    assert control("state")["orders"][-1]["filled"] == 40
    control("set", partial=None)
    client.status(number, "Filled")


def test_executions_twice_or_first(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", dup_exec=True, exec_first=True)
    number = client.order()
    client.status(number, "Filled")
    client.sync()
    assert len({f[14] for f in client.take(11)}) == 1
    assert control("state")["execs"] == 1


def test_statuses_doubled_backwards_held_and_missing(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)

    def statuses(**faults: Any) -> list[str]:
        control("set", dup_status=False, reorder_status=False, no_filled_status=False, no_status=False)
        control("set", hold_status=False)
        control("set", **faults)
        client.sync()
        client.take(3)
        client.order()
        client.expect(59)
        client.sync()
        return [f[2] for f in client.take(3)]

    assert statuses() == ["PreSubmitted", "Submitted", "Filled"]
    assert statuses(dup_status=True) == ["PreSubmitted"] * 2 + ["Submitted"] * 2 + ["Filled"] * 2
    assert statuses(no_filled_status=True) == ["PreSubmitted", "Submitted"]
    assert statuses(no_status=True) == []
    assert sorted(statuses(reorder_status=True)) == ["Filled", "PreSubmitted", "Submitted"]
    assert statuses(hold_status=True) == []
    control("set", hold_status=False)
    assert [client.expect(3)[2] for _ in range(3)] == ["PreSubmitted", "Submitted", "Filled"]
    control("set", hold_status=0.02)
    number = client.order()
    client.expect(59)
    client.status(number, "Filled")


def test_reordered_statuses_come_backwards(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", reorder_status=True)
    client.order()
    assert [client.expect(3)[2] for _ in range(3)] == ["Filled", "Submitted", "PreSubmitted"]


def test_commissions_late_and_missing(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", comm_delay=600)
    client.order()
    client.expect(11)
    client.sync()
    assert client.take(59) == []
    control("set", comm_delay=0.05)
    client.order()
    client.expect(11)
    client.expect(59)
    control("set", comm_delay=0, no_comm=True)
    client.order()
    client.expect(11)
    client.sync()
    assert client.take(59) == []


def test_fills_that_take_time_can_still_be_cancelled(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", fill_delay=0.05)
    client.status(client.order(), "Filled")
    client.sync()
    client.take(11)
    control("set", fill_delay=600)
    number = client.order()
    client.status(number, "Submitted")
    client.sync()
    assert client.take(11) == []
    client.send(4, 1, number, "")
    client.status(number, "Cancelled")


def test_halts(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    client.send(1, 11, 7, *AAPL, 0, "", 0, 0, "")
    client.expect(45, 6, 7, 49, 0)
    control("set", halted=[265598])
    client.expect(45, 6, 7, 49, 1)
    number = client.order()
    client.status(number, "Submitted")
    client.sync()
    assert client.take(11) == []
    control("set", halted=[])
    client.expect(45, 6, 7, 49, 0)
    client.status(number, "Filled")


def test_read_only(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    resting = client.order(orderType="LMT", lmtPrice=150.0)
    client.status(resting, "Submitted")
    control("set", readonly=True)
    number = client.order()
    code, text = client.error(number)
    assert code == 321 and "Read-Only" in text
    client.send(4, 1, resting, "")
    assert client.error(resting)[0] == 321
    client.send(58, 1)
    client.sync()
    assert control("state")["orders"][0]["status"] == "Submitted"


def test_subscriptions_that_are_missing(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", nosub=True)
    client.send(1, 11, 1, *AAPL, 0, "", 0, 0, "")
    assert client.error(1)[0] == 354
    _history(client, 2)
    assert client.error(2)[0] == 162
    client.send(59, 1, 3)
    client.send(1, 11, 3, *AAPL, 0, "", 0, 0, "")
    assert client.error(3)[0] == 10167
    client.expect(58, 1, 3, 3)
    assert {client.expect(1, 6, 3, kind)[3] for kind in (66, 67, 68)} == {"66", "67", "68"}
    client.expect(46, 6, 3, 88)
    client.send(10, 5, 4, *AAPL, 5, 0, "")
    assert client.error(4)[0] == 354
    client.send(97, 5, *AAPL, "Last", 0, 0)
    assert client.error(5)[0] == 10189
    control("set", nosub=False, delayed=True)
    client.send(59, 1, 1)
    client.send(1, 11, 6, *AAPL, 0, "", 0, 0, "")
    client.expect(58, 1, 6, 3)


def test_history_pacing(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", hist_pacing=True)
    _history(client, 1)
    code, text = client.error(1)
    assert code == 162 and "pacing violation" in text
    control("set", hist_pacing="rules")
    _history(client, 2)
    client.expect(17, 2)
    _history(client, 3)
    assert "pacing violation" in client.error(3)[1]
    for i in range(4, 8):
        _history(client, i, span=f"{60 * i} S")
    assert client.error(7)[0] == 162
    control("set", hist_pacing=False)
    _history(client, 8)
    client.expect(17, 8)


def test_the_published_limits_can_be_switched_on(demo: Any, connect: Any) -> None:
    client = connect(demo(limits=Limits(pace_history=True, history_requests=3, history_burst=100)))
    for i in range(4):
        _history(client, i, span=f"{60 * (i + 1)} S")
    assert client.error(3)[0] == 162


def test_the_third_breach_of_the_message_rate_closes(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client = connect(gateway)
    commands(gateway)("set", max_rate=2)
    with pytest.raises((Closed, ConnectionError)):
        for _ in range(200):
            client.sock.sendall(packed(49, 1) * 5)
            pause()
        while True:
            client.read()
    connect(gateway, 2).sync()


def test_muted_messages_and_ids_in_use(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    control = commands(gateway)
    control("set", mute=[55], taken=[9])
    client = connect(gateway)
    client.send(7, 3, 1, 0, "", "", "", "", "", "")
    client.sync()
    assert client.take(55) == []
    other = connect(gateway, 9, start=False)
    other.hello("v157..178")
    other.send(71, 2, 9, "")
    assert other.error(-1)[0] == 326
    client.order()
    client.sync()
    control("set", resets_ids=True)
    client.send(8, 1, 1)
    assert client.expect(9)[2] == "1"


def test_statuses_are_sent_again(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    number = client.order()
    client.status(number, "Filled")
    client.sync()
    client.frames.clear()
    assert control("resend_status")["orders"] == 1
    client.status(number, "Filled")


def test_latency_comes_before_the_market(demo: Any, connect: Any) -> None:
    client = connect(demo(latency=59))
    client.status(client.order(), "Submitted")
    client.sync()
    assert client.take(11) == []
    client = connect(demo(latency=0.05))
    client.status(client.order(), "Filled")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello", "no JSON object"),
        (b"[1]", "a command is a JSON object"),
        (b"{}", "a command is a JSON object"),
        (b'{"cmd": 3}', "a command is a JSON object"),
        (b'{"cmd": "stat"}', "did you mean 'state'"),
        (b'{"cmd": "set", "halt": []}', "did you mean 'halted'"),
        (b'{"cmd": "set", "halted": 1}', "must be a list of ids"),
        (b'{"cmd": "set", "readonly": "yes"}', "must be true or false"),
        (b'{"cmd": "set", "comm_delay": "x"}', "must be a number"),
        (b'{"cmd": "set", "comm_delay": -1}', "must be a number from 0 to 86400"),
        (b'{"cmd": "set", "max_rate": 0}', "must be a number from 1 to 1000000000"),
        (b'{"cmd": "set", "partial": 3}', "partial must hold"),
        (b'{"cmd": "set", "partial": {"slices": 0}}', "whole number"),
        (b'{"cmd": "reject", "code": 7}', "one of 201"),
        (b'{"cmd": "fill"}', "orderId must be a whole number"),
        (b'{"cmd": "fill", "orderId": 7}', "there is no order 7"),
        (b'{"cmd": "correct"}', "there is no execution"),
        (b'{"cmd": "restored", "maintained": 1}', "true or false"),
        (b'{"cmd": "stall", "secs": "x"}', "must be a number"),
        (b'{"cmd": "error"}', "code must be"),
        (b'{"cmd": "farm", "which": "pig"}', "farm needs"),
        (b'{"cmd": "advance"}', "time runs by itself"),
        (b'{"cmd": "advance", "steps": 0}', "steps must be"),
        (b'{"cmd": "advance", "until": 1000000000000000000000000}', "64 bits"),
        (b'{"cmd": "set", "partial": {"slices": 4, "stop_after": -1}}', "stop_after one from 0 up"),
        (b'{"cmd": "skew", "secs": 1e12}', "from -1e+09 to 1e+09"),
        (b'{"cmd": "skew", "secs": NaN}', "must be a number"),
        (b"\xff\xfe", "no JSON object"),
        (b"[" * 10_000, "no JSON object"),
    ],
)
def test_bad_commands_are_answered(demo: Any, commands: Any, line: bytes, said: str) -> None:
    control = commands(demo())
    answer = control.raw(line)
    assert answer["ok"] is False and said in answer["error"]
    assert control("state")["sessions"] == []


def test_null_puts_a_fault_back(demo: Any, commands: Any) -> None:
    gateway = demo()
    control = commands(gateway)
    before = asdict(gateway.server.gateway.faults)
    control("set", halted=[1], mute=[4], taken=[2], partial={"slices": 3}, readonly=True, comm_delay=2)
    assert asdict(gateway.server.gateway.faults) != before
    control("set", **dict.fromkeys(before))
    assert asdict(gateway.server.gateway.faults) == before


@pytest.mark.parametrize("released", [None, 0, False])
def test_held_statuses_come_however_the_hold_ends(
    demo: Any, connect: Any, commands: Any, released: Any
) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    control("set", hold_status=True)
    number = client.order()
    client.expect(11)
    control("set", hold_status=released)
    client.status(number, "Filled")


def test_an_endless_command_ends_its_connection_only(demo: Any, commands: Any) -> None:
    gateway = demo(limits=Limits(control_line=1000))
    control = commands(gateway)
    assert "more than 1000 bytes" in control.raw(b"x" * 5000)["error"]
    with pytest.raises((Closed, OSError)):
        control("state")
    commands(gateway)("state")


def test_control_connections_are_counted(demo: Any, commands: Any) -> None:
    gateway = demo(limits=Limits(clients=2))
    for _ in range(2):
        commands(gateway)("state")
    with pytest.raises((Closed, OSError)):
        commands(gateway)("state")
