"""What a session is wired to, its own parts and the broker's."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robo_trader.ib.connection import Connection
from robo_trader.ib.desk import OrderDesk
from robo_trader.ib.executions import Orders
from robo_trader.ib.messages import Message
from robo_trader.ib.series import LiveSeries
from robo_trader.ib.stream import BarStream
from robo_trader.live.cerebro import LiveCerebro
from robo_trader.live.halts.obeying import Obeying
from robo_trader.live.journalled import JournalledGate
from robo_trader.live.news.hearing import Hearing
from robo_trader.live.notes import Notes
from robo_trader.records import Alert
from robo_trader.risk.guard import Guard


@dataclass(slots=True)
class Wires:
    """The parts of one session; `desk` is None in a preview."""

    cerebro: LiveCerebro
    connection: Connection
    inbox: queue.SimpleQueue[Message]
    orders: Orders
    desk: OrderDesk | None
    series: Sequence[LiveSeries]
    streams: Sequence[BarStream]
    gate: JournalledGate
    guard: Guard | None
    halts: Obeying
    news: Hearing
    notes: Notes
    reconcile: Callable[[], Sequence[str]]
    tell: Callable[[Alert], None]
