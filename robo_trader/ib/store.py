"""`IBStore`: a session's line to Interactive Brokers, with its contracts, history and live bars.

Failure contract: what cannot be traded or seen is a `RoboError` that says why, before anything is written.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.timeframes import parse
from robo_trader.errors import BrokerError, UsageError
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.contracts import ContractName, Qualified, qualify
from robo_trader.ib.data import IBFeed
from robo_trader.ib.desk import OrderDesk
from robo_trader.ib.executions import Orders
from robo_trader.ib.history import SIZES, Series
from robo_trader.ib.messages import Bars, Message
from robo_trader.ib.series import LiveSeries
from robo_trader.ib.stream import BarStream
from robo_trader.instruments import Instrument

#: Seconds to wait for the first bars of a series.
_PATIENCE = 60.0
#: Trading days in a week, and bars of a regular session in a day, for how much history to ask for.
_SESSION_HOURS = 6.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A feed that a strategy wants: its name, the contract's notation, and the size of its bars.

    `instrument` is what the bars of a rehearsal say of it; its contract is then the one that is played.
    """

    name: str
    contract: str
    timeframe: str
    instrument: Instrument | None = None

    @property
    def contract_name(self) -> ContractName:
        """What to ask the broker for."""
        if self.instrument is None:
            return ContractName.parse(self.contract)
        thing = self.instrument
        return ContractName(thing.symbol, thing.sec_type, thing.exchange, thing.currency)


class IBStore:
    """The line of one session with what it trades: contracts, series of bars, their streams and histories.

    Usable in a ``with`` block, which opens and closes the line. `inbox` holds everything that the line tells,
    for the one thread that takes it. After `begin` there are `contracts` by feed, and `series`, `streams` and
    `frames` (the histories) in the order of what was wanted; `feeds` makes Backtrader's data of them, and
    `broker.IBBroker` is its broker.
    """

    def __init__(self, line: Line) -> None:
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.connection = Connection(line, self.inbox.put)
        self.contracts: dict[str, Qualified] = {}
        self.series: list[LiveSeries] = []
        self.streams: list[BarStream] = []
        self.frames: list[BarFrame] = []

    def __enter__(self) -> IBStore:
        self.connection.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def begin(
        self, wanted: Sequence[Wanted], *, what: str, regular: bool, history: int, now: Callable[[], int]
    ) -> int:
        """Ask for contracts and history and subscribe to what comes; return when the histories ended.

        `what` is the kind of price, `regular` leaves out what trades outside regular hours, `history` bounds
        the bars before the first live one; `now` tells market time (ns UTC).
        """
        self.contracts = _qualified(self.connection, wanted)
        self.series = _series_of(wanted, self.contracts, what, regular, history)
        self.streams = [BarStream(self.connection, one.series, self.inbox.put) for one in self.series]
        began = now()
        self._first_bars(history)
        for one in self.series:
            one.finish(began)
            self.frames.append(one.begin())
        return began

    def feeds(self, tz: str | None) -> list[IBFeed]:
        """Return a feed of each history; `tz` is the zone in which strategies read its times."""
        made = []
        for one, frame in zip(self.series, self.frames, strict=True):
            one.feed = IBFeed(dataname=frame, tz=tz)  # type: ignore[call-arg]  # Backtrader's metaclass
            made.append(one.feed)
        return made

    def desk(self, orders: Orders, account: str) -> OrderDesk:
        """Return what sends orders to `account`."""
        return OrderDesk(self.connection, orders, self.contracts, account)

    def _first_bars(self, history: int) -> None:
        """Subscribe to every series and wait for its history; other messages stay in the inbox."""
        others: list[Message] = []
        for one, stream in zip(self.series, self.streams, strict=True):
            stream.subscribe(days=_days(one, history))
            until = clock.monotonic() + _PATIENCE
            there = False
            while not there:
                try:
                    message = self.inbox.get(timeout=max(0.0, until - clock.monotonic()))
                except queue.Empty:
                    raise BrokerError(
                        f"{one.symbol}: the broker sent no bars within {_PATIENCE:g} s", hint="try again"
                    ) from None
                if not isinstance(message, Bars):
                    others.append(message)
                    continue
                for each in self.series:
                    if each.series.key == message.key:
                        each.take(message)
                there = message.key == one.series.key and message.snapshot
        for message in others:
            self.inbox.put(message)


def _qualified(connection: Connection, wanted: Sequence[Wanted]) -> dict[str, Qualified]:
    """Return the broker's contract of each feed."""
    found: dict[str, Qualified] = {}
    asked: dict[str, Qualified] = {}
    for one in wanted:
        if one.contract not in asked:
            contract = qualify(connection, one.contract_name)
            asked[one.contract] = replace(contract, known=one.instrument)
        found[one.name] = asked[one.contract]
    return found


def _series_of(
    wanted: Sequence[Wanted],
    contracts: Mapping[str, Qualified],
    what: str,
    regular: bool,
    history: int,
) -> list[LiveSeries]:
    """Return the series of each feed."""
    made: list[LiveSeries] = []
    for one in wanted:
        code = parse(one.timeframe).code
        if code not in SIZES:
            raise UsageError(
                f"{one.name}: live bars of {code} are not built", hint=f"use one of {', '.join(SIZES)}"
            )
        contract = contracts[one.name]
        kind = "MIDPOINT" if contract.name.kind == "CASH" and what == "TRADES" else what
        series = Series(contract, parse(code), kind, regular)
        same = next((other.symbol for other in made if other.series.key == series.key), None)
        if same is not None:
            raise UsageError(f"{same} and {one.name} are the same bars", hint="name each contract once")
        made.append(LiveSeries(series, one.name, history))
    daily = [
        one.series.contract.instrument(one.symbol).calendar
        for one in made
        if one.series.size.is_daily_or_longer
    ]
    for live in made:
        live.calendars = tuple(dict.fromkeys(daily))
    return made


def _days(one: LiveSeries, history: int) -> int:
    """Return how many days to ask for, so that `history` bars are among them."""
    size = one.series.size
    if size.is_daily_or_longer:
        return max(2, history + 2)
    if one.series.contract.name.kind == "STK" and one.series.regular:
        per_day = _SESSION_HOURS * 3600e9 / size.ns
    else:
        per_day = 24 * 3600e9 / size.ns
    return max(2, int(history / max(per_day, 1e-9)) + 2)
