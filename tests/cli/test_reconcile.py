"""`robo reconcile` over a real journal and the simulated gateway: what a crash and others left."""

from __future__ import annotations

import json
import os
import queue
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from robo_trader import clock
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.executions import split_id
from robo_trader.ib.messages import Commission, Execution, Message, OpenOrder, OrderStatus
from robo_trader.journal.live import RunJournal, open_journal
from robo_trader.journal.reading import read_journal
from robo_trader.live.books.acceptance import Acceptance, accepted, leave, take
from robo_trader.records import Decision, Fill, Intent
from robo_trader.state import open_state

ACCOUNT, APPLE = "DU1234567", 265598
RUN = "20261120T150000Z-turns-abc123"


class Trading:
    """A run in the journal and a line to the gateway; what is heard is booked only when told to."""

    def __init__(self, simulated: EmbeddedGateway, *, client_id: int = 1) -> None:
        self.simulated = simulated
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.line = Connection(Line(port=simulated.port, client_id=client_id, timeout=60.0), self.inbox.put)
        self.line.open()
        self.journal = open_journal()
        self.run: RunJournal | None = None

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.simulated.port}"

    def begin(self, simulated: bool = True) -> None:
        self.run = self.journal.begin(
            RUN, mode="paper", strategy="turns", account=ACCOUNT, starting_cash=100_000.0
        )
        contracts = {"AAPL": {"notation": "AAPL-STK-SMART-USD", "con_id": APPLE}}
        self.run.session(
            account=ACCOUNT, place=self.place, simulated=simulated, send=True, contracts=contracts
        )

    def decide(self, side: Any, size: float, type: str = "Market", limit: float | None = None) -> str:
        assert self.run is not None
        number = self.run.next_order_id
        intent = Intent(
            order_id=number, time=clock.now(), symbol="AAPL", side=side, size=size, type=type, limit=limit
        )
        references = self.run.decide([Decision(intent=intent)])
        assert references is not None
        return references[0]

    def send(self, ref: str, side: str, size: float, **more: Any) -> int:
        async def place(ib: Any) -> int:
            number: int = ib.client.getReqId()
            fields = dict(
                orderId=number, action=side, totalQuantity=size, orderType="MKT", orderRef=ref, tif="GTC"
            )
            contract = self.line.library.contract(
                conId=APPLE, symbol="AAPL", secType="STK", exchange="SMART", currency="USD"
            )
            ib.placeOrder(contract, self.line.library.order(**{**fields, **more}))
            return number

        return self.line.call(place)

    def hear(self, kind: type[Any], **wanted: Any) -> Any:
        while True:
            message = self.inbox.get(timeout=60)
            if isinstance(message, kind) and all(getattr(message, k) == v for k, v in wanted.items()):
                return message

    def market(self, side: str, size: float, *, book: bool = True) -> Execution:
        """Trade at the market; the journal learns of it or, as after a crash, does not."""
        ref = self.decide(side, size)
        self.send(ref, side, size)
        execution: Execution = self.hear(Execution)
        cost = self.hear(Commission)
        if book:
            self.book(execution, float(cost.amount))
            assert self.run is not None
            self.run.order_state(int(ref.rpartition("-")[2]), "Completed", filled=size)
        return execution

    def book(self, execution: Execution, cost: float, corrects: str | None = None) -> None:
        assert self.run is not None
        number = int(execution.ref.rpartition("-")[2])
        fill = Fill(
            time=execution.time, symbol="AAPL", side=execution.side, size=float(execution.size),
            price=float(execution.price), commission=cost, order_id=number,
        )  # fmt: skip
        assert self.run.fill(fill, execution.exec_id, corrects=corrects)

    def crash(self) -> None:
        """Leave the journal as a killed process does: what is written is written, no end is."""
        assert self.run is not None and self.run.flush()
        self.run._writer.close(60)
        self.line.close()

    def rows(self) -> list[tuple[list[str], bool, str]]:
        with read_journal() as reader:
            found = reader.rows("reconciliations", order="number")
            return [(row["differences"], row["accepted"], row["why"]) for row in found]


@pytest.fixture
def trading(home: Path) -> Iterator[Any]:
    made: list[Trading] = []
    gateways: list[EmbeddedGateway] = []

    def start(begin: bool = True, **settings: Any) -> Trading:
        more = GatewaySettings(port=0, control_port=0, **settings)
        gateways.append(EmbeddedGateway(lambda: demo_gateway(more)).__enter__())
        made.append(Trading(gateways[-1]))
        if begin:
            made[-1].begin()
        return made[-1]

    yield start
    for one in made:
        one.line.close()
        if one.run is not None:
            one.run._writer.close(60)
        one.journal.close()
    for simulated in gateways:
        simulated.close()


def test_a_journal_that_knows_all(robo: Any, trading: Any) -> None:
    one = trading()
    one.market("BUY", 100)
    one.market("SELL", 40)
    one.crash()
    answer = robo("reconcile", "--ib", one.place)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"turns (paper), run {RUN}: no differences\n"
    assert one.rows() == [([], False, "")]
    found = json.loads(robo("reconcile", "turns", "--ib", one.place, "--json").out)
    assert (found["account"], found["simulated"], found["place"]) == (ACCOUNT, True, one.place)
    assert found["runs"][0]["clean"] and not found["runs"][0]["fills_missed"]
    assert Decimal(found["net_liquidation"]) > 900_000


def test_runs_stand_apart(robo: Any, trading: Any) -> None:
    one = trading()
    assert one.run.flush()
    other = one.journal.begin(
        "20261120T150000Z-other-ffffff", mode="paper", strategy="other", account=ACCOUNT
    )
    other.session(account=ACCOUNT, place=one.place, simulated=True, send=True)
    assert other.flush()
    blocks = robo("reconcile", "--ib", one.place).out.split("\n\n")
    assert len(blocks) == 2 and all("no differences" in block for block in blocks)


def test_what_a_crash_left_is_told_and_is_no_difference(robo: Any, trading: Any, tmp_path: Path) -> None:
    one = trading(books=str(tmp_path / "books.sqlite"))
    one.simulated.control("set", dup_exec=True, no_filled_status=True)
    booked = one.market("BUY", 100)
    lost = one.market("BUY", 20, book=False)
    corrected = one.simulated.control("correct", execId=booked.exec_id, price=180.25)["execId"]
    held = one.decide("SELL", 30, "Limit", 900.004)
    one.send(held, "SELL", 30, orderType="LMT", lmtPrice=900.0)
    one.hear(OpenOrder, ref=held)
    gone = one.decide("SELL", 50, "Limit", 800.0)
    number = one.send(gone, "SELL", 50, orderType="LMT", lmtPrice=800.0)
    one.hear(OpenOrder, ref=gone)
    one.line.call(_cancel(number))
    one.hear(OrderStatus, status="Cancelled")
    late = one.simulated.control("fill", orderId=number, qty=5, price=800.0)["execId"]
    unsent = one.decide("BUY", 7)
    one.crash()
    one.simulated.control("drop")
    answer = robo("reconcile", "--ib", one.place, "--json")
    (found,) = json.loads(answer.out)["runs"]
    assert answer.code == 0 and found["clean"] and not found["running"]
    missed = {m["execution"]: m for m in found["fills_missed"]}
    assert set(missed) == {lost.exec_id, corrected, late}
    assert split_id(corrected)[0] == split_id(booked.exec_id)[0]
    assert (missed[corrected]["corrects"], Decimal(missed[corrected]["price"])) == (
        booked.exec_id,
        Decimal("180.25"),
    )
    assert Decimal(missed[lost.exec_id]["commission"]) > 0 and missed[late]["ref"] == gone
    assert [o["ref"] for o in found["orders_held"]] == [held]
    ends = {o["ref"]: (o["status"], o["filled"]) for o in found["orders_gone"]}
    assert ends == {lost.ref: ("Completed", "20"), gone: ("Canceled", "5")}
    assert found["never_sent"] == [unsent]
    shown = robo("reconcile", "--ib", one.place).out
    for word in (lost.exec_id, held, unsent, "never seen", "the session books it", "the session follows it"):
        assert word in shown


def _cancel(number: int) -> Any:
    async def cancel(ib: Any) -> None:
        ib.client.cancelOrder(number, "")

    return cancel


def test_what_others_did_blocks_until_it_is_accepted(robo: Any, trading: Any) -> None:
    one = trading()
    one.market("BUY", 100)
    other = Trading(one.simulated, client_id=9)
    other.send("", "BUY", 50)
    other.hear(Commission)
    other.send("", "SELL", 5, orderType="LMT", lmtPrice=999.0)
    other.hear(OpenOrder)
    one.run.flush()
    answer = robo("reconcile", "--ib", one.place)
    assert answer.code == 3 and "turns (paper)" in answer.out and "2 differences" in answer.out
    assert "an order of others" not in answer.out and "SELL 5 LMT, limit 999" in answer.out
    assert "executions of others add up to +50" in answer.err and "new orders are blocked" in answer.err
    assert (
        robo("reconcile", "--ib", one.place, "--accept")
        .one_error_line(2)
        .startswith("--accept needs a reason")
    )
    assert robo("reconcile", "--ib", one.place, "--why", "x").code == 2
    taken = robo("reconcile", "--ib", one.place, "--accept", "--why", "my own order")
    assert taken.code == 0 and "2 differences, accepted" in taken.out
    texts, yes, why = one.rows()[-1]
    assert yes and why == "my own order" and f"AAPL (265598): {ACCOUNT} holds 50 more" in texts[1]
    # It stays accepted while we trade, and no longer when it changes.
    one.market("SELL", 30)
    one.run.flush()
    again = robo("reconcile", "--ib", one.place)
    assert again.code == 0 and "accepted before" in again.out and "no differences" in again.out
    other.send("", "SELL", 10)
    other.hear(Commission)
    changed = json.loads(robo("reconcile", "--ib", one.place, "--json").out)["runs"][0]
    assert [d["text"] for d in changed["differences"]] == [
        f"AAPL (265598): {ACCOUNT} holds 40 more than our executions explain"
    ]
    assert len(changed["lapsed"]) == 1
    with read_journal() as reader:
        assert len(accepted(reader, RUN)) == 1, "the position of 50 is accepted no more"
        assert accepted(reader, "no such run") == ()
    other.line.close()
    other.journal.close()


def test_a_session_that_runs_writes_its_journal_itself(robo: Any, trading: Any) -> None:
    one = trading()
    one.market("BUY", 100, book=True)
    with open_state() as state:
        about = dict(pid=os.getpid(), host=socket.gethostname(), run=RUN, phase="trading")
        state.heartbeat(f"session/{RUN}", **{k: v for k, v in about.items() if k != "host"})
        assert take(state, RUN) is None
        other = Trading(one.simulated, client_id=9)
        other.send("", "SELL", 50)
        other.hear(Commission)
        assert one.run.flush()
        answer = robo("reconcile", "--ib", one.place, "--accept", "--why", "mine")
        assert answer.code == 0 and "takes the acceptance over" in answer.err
        assert one.rows() == []
        left = take(state, RUN)
        assert left is not None and left.why == "mine" and "@" in left.who
        assert left.differences == (f"AAPL (265598): {ACCOUNT} holds 50 less than our executions explain",)
        assert take(state, RUN) is None
        state.put(f"reconcile/{RUN}", "nonsense")
        assert take(state, RUN) is None and state.get(f"reconcile/{RUN}") is None
        leave(state, RUN, Acceptance(("a",), "me", "first"))
        leave(state, RUN, Acceptance(("b",), "me", "second"))
        assert take(state, RUN) == Acceptance(("b",), "me", "second")
    other.line.close()
    other.journal.close()


def test_words_that_cannot_be_followed(robo: Any, trading: Any, home: Path) -> None:
    assert "no gateway is named" in robo("reconcile").one_error_line(2)
    assert "no HOST:PORT" in robo("reconcile", "--ib", "localhost").one_error_line(2)
    assert "is no port" in robo("reconcile", "--ib", "99999").one_error_line(2)
    assert "there is no such journal" in robo("reconcile", "--ib", "127.0.0.1:9").one_error_line(1)
    one = trading()
    assert one.run.flush()
    assert "127.0.0.1:9" in robo("reconcile", "--ib", "127.0.0.1:9").one_error_line(1)
    said = robo("reconcile", "turn", "--ib", one.place).one_error_line(2)
    assert "no run of 'turn'" in said and "did you mean 'turns'?" in said
    assert "DU7" in robo("reconcile", "--ib", one.place, "--account", "DU7").one_error_line(1)
    (home / "robo.toml").write_text(f'[live]\nib = "{one.place}"\naccount = "{ACCOUNT}"\n')
    assert robo("reconcile", RUN).code == 0
    assert robo("reconcile", "--ib", str(one.simulated.port)).code == 0


def test_a_rehearsal_says_nothing_of_a_real_account(robo: Any, trading: Any) -> None:
    one = trading(begin=False)
    one.begin(simulated=False)
    assert one.run.flush()
    answer = robo("reconcile", "--ib", one.place)
    assert answer.code == 0 and "left out" in answer.err and "nothing to compare" in answer.err
    assert "traded at a real gateway" in robo("reconcile", "turns", "--ib", one.place).one_error_line(2)
    assert one.rows() == []
