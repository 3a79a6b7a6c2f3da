"""A session in a process of its own that trades and then does not listen: the patient of `robo halt`.

    python tests/live/stubborn.py '{"port": 4002, "client": 7, "folder": ".robo", "then": "regex"}'

It buys 100 AAPL at the market and leaves at the broker: a stop for them (a protective exit), a limit to buy
more, a limit to sell MSFT short, and a bracket whose exits sleep. Orders are journalled before they are sent,
fills after. It then names its orders on stdout and does what `then` says: ``regex`` and ``loop`` hang with
the interpreter's lock, ``stop`` stops its process as Ctrl-Z does, ``die`` ends without a word, ``obey`` does
what a session should, ``wait`` lives and sees nothing.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.messages import Execution, Message, OpenOrder
from robo_trader.journal.live import open_journal
from robo_trader.live.halts.choosing import HaltFollower, Resting, to_cancel
from robo_trader.live.halts.processes import started
from robo_trader.records import Decision, Fill, Intent
from robo_trader.risk.halt import HaltStore
from robo_trader.state import open_state

AAPL, MSFT = 265598, 272093
NAMES = {"AAPL": AAPL, "MSFT": MSFT}
RUN = "20261120T100000Z-stubborn-ab12cd"


class Session:
    """The little that a session needs here."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.run_id = str(told.get("run", RUN))
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.state = open_state(folder=told["folder"])
        self.journal = open_journal(folder=told["folder"])
        self.book = self.journal.begin(self.run_id, mode="paper", strategy="stubborn", starting_cash=1e5)
        self.number = self.book.session(
            send=True,
            simulated=told.get("simulated", True),
            contracts={name: {"notation": name, "con_id": con} for name, con in NAMES.items()},
        )
        line = Line(port=told["port"], client_id=told["client"], account="DU1234567")
        self.line = Connection(line, self.inbox.put)
        self.line.open()
        self.refs: dict[str, int] = {}

    def place(self, *orders: dict[str, Any]) -> list[str]:
        """Journal and send a family; the first is the parent of the others."""
        first = self.book.next_order_id
        family = [
            Decision(
                intent=Intent(
                    order_id=first + i, time=clock.now(), symbol=o["symbol"], side=o["side"], size=o["size"],
                    type=o["type"], parent=first if i else None,
                )
            )
            for i, o in enumerate(orders)
        ]  # fmt: skip
        refs = self.book.decide(family)
        assert refs is not None
        library = self.line.library
        wire = {"Market": "MKT", "Limit": "LMT", "Stop": "STP"}

        async def put(ib: Any) -> None:
            parent = 0
            for i, (ref, o) in enumerate(zip(refs, orders, strict=True)):
                number = ib.client.getReqId()
                self.refs[ref] = number
                price = {"LMT": "lmtPrice", "STP": "auxPrice"}.get(wire[o["type"]])
                fields = {} if price is None else {price: o["price"]}
                order = library.order(
                    action=o["side"], totalQuantity=o["size"], orderType=wire[o["type"]], orderRef=ref,
                    account="DU1234567", tif="GTC", parentId=parent if i else 0,
                    transmit=i + 1 == len(orders), ocaGroup=o.get("group", ""), **fields,
                )  # fmt: skip
                contract = library.contract(conId=NAMES[o["symbol"]], exchange="SMART")
                ib.client.placeOrder(number, contract, order)
                parent = parent or number

        self.line.call(put)
        return refs

    def until_open(self, refs: list[str]) -> None:
        """Wait until the broker holds these orders."""
        missing = set(refs)
        while missing:
            message = self.inbox.get(timeout=60)
            if isinstance(message, OpenOrder) and message.status in ("PreSubmitted", "Submitted"):
                missing.discard(message.ref)

    def buy(self, *, journalled: bool = True) -> None:
        """Buy 100 AAPL, and wait for the fill."""
        (ref,) = self.place({"symbol": "AAPL", "side": "BUY", "size": 100, "type": "Market"})
        got = 0.0
        while got < 100:
            message = self.inbox.get(timeout=60)
            if isinstance(message, Execution) and message.ref == ref:
                got += float(message.size)
                if journalled:
                    fill = Fill(
                        time=message.time, symbol="AAPL", side="BUY", size=float(message.size),
                        price=float(message.price), commission=0.0, order_id=int(ref.rpartition("-")[2]),
                    )  # fmt: skip
                    self.book.fill(fill, message.exec_id)
        assert self.book.flush(60)

    def beat(self, **more: Any) -> None:
        """Give a sign of life."""
        about = {
            "mode": "paper", "strategy": "stubborn", "run": self.run_id, "session": self.number,
            "account": "DU1234567", "ib": f"127.0.0.1:{self.told['port']}", "client_id": self.told["client"],
            "send": True, "halted_at": None, "phase": "trading", "line": "up", "started": started(),
            "host": socket.gethostname(), **more, **self.told.get("about", {}),
        }  # fmt: skip
        self.state.heartbeat(f"session/{self.run_id}", **about)

    def trade(self) -> None:
        """Leave what the module says at the broker."""
        self.buy(journalled=self.told.get("journalled", True))
        exits = self.place({"symbol": "AAPL", "side": "SELL", "size": 100, "type": "Stop", "price": 150.0})
        more = self.place({"symbol": "AAPL", "side": "BUY", "size": 50, "type": "Limit", "price": 120.0})
        short = self.place({"symbol": "MSFT", "side": "SELL", "size": 10, "type": "Limit", "price": 700.0})
        bracket = self.place(
            {"symbol": "MSFT", "side": "BUY", "size": 20, "type": "Limit", "price": 200.0},
            {"symbol": "MSFT", "side": "SELL", "size": 20, "type": "Stop", "price": 150.0},
            {"symbol": "MSFT", "side": "SELL", "size": 20, "type": "Limit", "price": 600.0},
        )
        self.until_open([*exits, *more, *short, *bracket])
        self.orders = {"exit": exits[0], "more": more[0], "short": short[0], "bracket": bracket[0]}

    def obey(self) -> None:
        """Do what a session does: follow the state, cancel, answer, stop."""
        halts = HaltFollower(HaltStore(self.state, Path(self.told["folder"]) / "HALT"))
        while (change := halts.follow(at_once=True)) is None:
            self.inbox_wait()
        resting = [
            Resting(ref=self.orders["exit"], instrument="AAPL", side="SELL", remaining=100, type="Stop"),
            Resting(ref=self.orders["more"], instrument="AAPL", side="BUY", remaining=50, type="Limit"),
            Resting(ref=self.orders["short"], instrument="MSFT", side="SELL", remaining=10, type="Limit"),
            Resting(ref=self.orders["bracket"], instrument="MSFT", side="BUY", remaining=20, type="Limit"),
        ]
        numbers = [self.refs[ref] for ref in to_cancel(resting, {"AAPL": 100})]

        async def cancel(ib: Any) -> None:
            for number in numbers:
                ib.client.cancelOrder(number)
            await ib.reqCurrentTimeAsync()  # What came before is done when this is answered.

        self.line.call(cancel)
        halts.obeyed(change)
        self.beat(halted_at=halts.halted_at)

    def inbox_wait(self) -> None:
        try:
            self.inbox.get(timeout=0.05)
        except queue.Empty:
            return


def hang(how: str) -> None:
    """Never come back."""
    if how == "regex":
        re.match(r"(a+)+$", "a" * 64 + "b")
    if how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "loop":
        sys.setswitchinterval(1e9)
        while True:
            pass
    sys.stdin.read()


def main() -> None:
    told = json.loads(sys.argv[1])
    session = Session(told)
    session.trade()
    session.beat()
    sys.stdout.write(json.dumps(session.orders) + "\n")
    sys.stdout.flush()
    if told["then"] == "die":
        os._exit(3)
    if told["then"] == "obey":
        session.obey()
    hang(told["then"])


if __name__ == "__main__":
    main()
