"""A bracket that reached the broker in part, because the line broke in its midst: nothing of it stays."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
from fault_bench import QUICK, Simulated, eventually, session_arguments

from robo_trader.ib.connection import Line
from robo_trader.ib.desk import OrderDesk
from robo_trader.live.trading import trade


class Bracket(bt.Strategy):  # type: ignore[misc]
    """Sends one bracket; tells how its orders ended."""

    params = (("ended", None),)

    def __init__(self) -> None:
        self.sent = False

    def next(self) -> None:
        if not self.sent:
            self.sent = True
            price = self.data.close[0]
            self.buy_bracket(size=1, price=price * 0.5, stopprice=price * 0.4, limitprice=price * 1.5)

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.p.ended(order.getstatusname())


def bracket_ends(folder: Path) -> list[str]:
    """Let a session send a bracket; return how its orders ended, once what got there is cancelled."""
    stop, seen = threading.Event(), list[str]()
    with Simulated(folder, 1) as simulated:
        words = session_arguments(folder, simulated.embedded.port)
        session = threading.Thread(
            target=lambda: trade(Bracket, params={"ended": seen.append}, stop=stop, **words)
        )
        session.start()

        def there() -> list[str]:
            return [order["status"] for order in simulated.control("state")["orders"]]

        try:
            over = eventually(lambda: len(seen) == 3 and there() == ["Cancelled"] * 2, 120)
            assert over, (seen, there())
        finally:
            stop.set()
            session.join(120)
    return seen


def test_what_the_line_swallowed_in_part_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, placed = OrderDesk._place, []

    def cut(desk: Any, ib: Any, number: int, symbol: str, fields: Any) -> None:
        placed.append(number)
        if len(placed) < 3:
            keeping = ib.client.conn.__dict__.pop("sendMsg")  # A family leaves in one write, but for this.
            place(desk, ib, number, symbol, fields)
            ib.client.conn.sendMsg = keeping
        else:
            ib.client.conn.transport.close()  # What is written already still arrives.

    monkeypatch.setattr(OrderDesk, "_place", cut)
    monkeypatch.setattr("robo_trader.live.trading.Line", partial(Line, **QUICK))
    assert bracket_ends(tmp_path) == ["Rejected"] * 3


@pytest.mark.parametrize("refused", [2, 3])
def test_an_entry_goes_with_an_exit_that_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: int
) -> None:
    place, placed = OrderDesk._place, []

    def spoil(desk: Any, ib: Any, number: int, symbol: str, fields: Any) -> None:
        placed.append(number)
        off_tick = {"auxPrice": 100.123} if fields["orderType"] == "STP" else {"lmtPrice": 900.123}
        place(desk, ib, number, symbol, fields | off_tick if len(placed) == refused else fields)

    monkeypatch.setattr(OrderDesk, "_place", spoil)
    assert sorted(bracket_ends(tmp_path)) == ["Canceled", "Canceled", "Rejected"]
