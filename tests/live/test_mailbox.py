"""The mailbox between the pipeline and a session: in order, without waiting, within bounds."""

from __future__ import annotations

import threading

from live_bench import NOON

from robo_trader.live.news.log import Numbered
from robo_trader.live.news.mailbox import Mailbox
from robo_trader.records import Signal


def numbered(number: int, symbol: str = "AAPL") -> Numbered:
    return Numbered(number, Signal(at=NOON, symbol=symbol, name="news", value=0.1))


def test_what_one_thread_gives_another_takes_in_order() -> None:
    box, taken = Mailbox(), list[int]()

    def taker() -> None:
        while len(taken) < 500:
            taken.extend(one.number for one in box.take(None))

    thread = threading.Thread(target=taker)
    thread.start()
    for number in range(500):
        box(numbered(number))
    thread.join(60)
    assert taken == list(range(500)) and len(box) == 0


def test_a_full_mailbox_keeps_the_newest_of_each_symbol() -> None:
    box = Mailbox(size=10)
    for number in range(25):
        box(numbered(number, "AAPL" if number % 5 else "MSFT"))
    left = box.take()
    assert len(left) <= 10 and box.replaced + len(left) == 25
    assert [one.number for one in left] == sorted(one.number for one in left)
    assert {one.signal.symbol: one.number for one in left} == {"MSFT": 20, "AAPL": 24}


def test_closing_wakes_whoever_waits() -> None:
    box = Mailbox()
    waiting = threading.Thread(target=lambda: box.take(None))
    waiting.start()
    box.close()
    waiting.join(60)
    assert not waiting.is_alive()
    box(numbered(1))
    assert box.take() == []
