"""Quotes and single ticks of contracts as they happen, live where subscribed and delayed where not.

The two libraries keep tickers of their own, and differently (one writes over empty prices, one swallows
repeated ones). So requests are made past them: the frames of our requests are read as they were
decoded and go no further. The owner hands every message that the line tells to `Quotes.take`, which
subscribes again what a break has ended and says in plain words what is wrong with the data.

Failure contract: `follow` raises `LineDownError` while the line is down; what was asked for is then
remembered, and subscribed with the next `Opened`. What the broker refuses is told by `take`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from robo_trader import clock
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.library import exact
from robo_trader.ib.messages import Message, Opened, Problem, Quote, Tick
from robo_trader.ib.stream import ends_subscriptions

Kind = Literal["Quote", "Last", "AllLast", "BidAsk"]
#: Live data where they are subscribed, else delayed ones.
_DELAYED_TOO = 3
_PRICES = {1: "bid", 66: "bid", 2: "ask", 67: "ask", 4: "last", 68: "last"}
_SIZES = {0: "bid_size", 69: "bid_size", 3: "ask_size", 70: "ask_size", 5: "last_size", 71: "last_size"}
_TRADED_AT, _HALTED = (45, 88), 49
_DELAYED_TICKS = range(66, 77)
#: Between two tick-by-tick requests for one contract, in seconds: the broker's rule.
TICK_PAUSE = 15.0
#: What a cancelled request may still be answered with.
_GONE = 300

_WORDS = {
    101: "{symbol}: too many lines of market data are open; fewer symbols, or a larger subscription",
    200: "{symbol}: the broker does not know this contract: {text}",
    354: "{symbol}: market data are not subscribed, and the broker offers no delayed ones",
    10167: "{symbol}: market data are not subscribed; its quotes are delayed",
    10189: "{symbol}: the broker gives no single ticks: {text}",
    10190: "{symbol}: too many contracts are followed tick by tick; follow fewer",
    10197: "{symbol}: no market data while the same login is used elsewhere (TWS, phone or browser)",
}


def trouble_of(problem: Problem, symbol: str) -> str:
    """Return what an error about the market data of `symbol` means, in plain words; empty for nothing."""
    if problem.code == _GONE:
        return ""
    words = _WORDS.get(problem.code, "{symbol}: error {code} about its market data: {text}")
    return words.format(symbol=symbol, code=problem.code, text=problem.text)


@dataclass(slots=True)
class _Line:
    """A request at the broker: of what, and the quote as it stands."""

    contract: Qualified
    kind: Kind
    quote: Quote
    changed: bool = False


class Quotes:
    """Follows contracts over `connection`; `deliver` gets `Quote` and `Tick`, in the line's thread.

    All that came in one packet of the network makes one `Quote`. The methods are for one thread, not the
    line's.
    """

    def __init__(self, connection: Connection, deliver: Callable[[Message], None]) -> None:
        self._connection, self._deliver = connection, deliver
        self._wanted: dict[tuple[int, Kind], Qualified] = {}
        # What follows belongs to the line's thread; others only look requests up.
        self._lines: dict[int, _Line] = {}
        self._tapped = False
        self._asked: dict[int, float] = {}
        self._waiting: dict[tuple[int, Kind], asyncio.TimerHandle] = {}

    def follow(self, contract: Qualified, kind: Kind = "Quote") -> None:
        """Subscribe to quotes of `contract`, or to its trades or quotes tick by tick."""
        self._wanted[contract.name.con_id, kind] = contract
        self._again(forced=False)

    def leave(self, contract: Qualified) -> None:
        """End every subscription to `contract`; nothing is sent while the line is down."""
        keys = [key for key in self._wanted if key[0] == contract.name.con_id]
        for key in keys:
            del self._wanted[key]

        async def ask(ib: Any) -> None:
            self._cancel(
                ib, {(line.contract.name.con_id, line.kind) for line in self._lines.values()} & {*keys}
            )

        if keys and self._connection.up:
            with suppress(LineDownError):
                self._connection.call(ask)

    def take(self, message: Message) -> str:
        """Do what `message` asks for, and return the trouble that it tells of, or an empty text."""
        if isinstance(message, Opened) or (isinstance(message, Problem) and ends_subscriptions(message)):
            with suppress(LineDownError):  # Another Opened will come.
                self._again(forced=isinstance(message, Problem))
        elif isinstance(message, Problem):
            line = self._lines.get(message.id)
            if line is not None:
                return trouble_of(message, line.quote.symbol)
        return ""

    def _again(self, *, forced: bool) -> None:
        """Subscribe what is wanted and not subscribed; all of it where it is `forced`."""
        if not self._wanted:
            return
        wanted = dict(self._wanted)

        async def ask(ib: Any) -> None:
            self._tap(ib)
            if forced:
                self._cancel(ib, set(wanted))
            there = {(line.contract.name.con_id, line.kind) for line in self._lines.values()}
            ib.client.reqMarketDataType(_DELAYED_TOO)
            for key, contract in wanted.items():
                if key not in there:
                    self._request(ib, contract, key[1])

        self._connection.call(ask)

    # --- in the line's thread

    def _request(self, ib: Any, contract: Qualified, kind: Kind) -> None:
        if kind != "Quote" and self._postponed(ib, contract, kind):
            return
        name = contract.name
        number = ib.client.getReqId()
        empty = Quote(con_id=name.con_id, symbol=name.symbol, at=clock.now())
        self._lines[number] = _Line(contract, kind, empty)
        theirs = self._connection.library.contract(**name.fields())
        if kind == "Quote":
            ib.client.reqMktData(number, theirs, "", False, False, [])
        else:
            ib.client.reqTickByTickData(number, theirs, kind, 0, False)

    def _postponed(self, ib: Any, contract: Qualified, kind: Kind) -> bool:
        """Tell whether the broker would find the request too early; it is then made when it may be."""
        loop = asyncio.get_running_loop()
        con_id = contract.name.con_id
        wait = self._asked.get(con_id, float("-inf")) + TICK_PAUSE - loop.time()
        if wait <= 0:
            self._asked[con_id] = loop.time()
            return False
        if (con_id, kind) not in self._waiting:
            self._waiting[con_id, kind] = loop.call_later(wait, self._later, ib, contract, kind)
        return True

    def _later(self, ib: Any, contract: Qualified, kind: Kind) -> None:
        del self._waiting[contract.name.con_id, kind]
        if (contract.name.con_id, kind) in self._wanted and ib.client.isConnected():
            self._request(ib, contract, kind)

    def _cancel(self, ib: Any, keys: set[tuple[int, Kind]]) -> None:
        for number, line in list(self._lines.items()):
            if (line.contract.name.con_id, line.kind) in keys:
                del self._lines[number]
                cancel = ib.client.cancelMktData if line.kind == "Quote" else ib.client.cancelTickByTickData
                cancel(number)

    def _tap(self, ib: Any) -> None:
        """Take the frames of our requests before the library does, once for each connection."""
        if self._tapped:
            return
        self._tapped = True
        takers: dict[str, Callable[..., None]] = {
            "priceSizeTick": self._price,
            "tickSize": self._size,
            "tickString": self._text,
            "tickGeneric": self._generic,
            "marketDataType": self._data_type,
            "tickByTickAllLast": self._trade,
            "tickByTickBidAsk": self._bid_ask,
            "tickReqParams": lambda *_: None,
        }
        for name, take in takers.items():
            setattr(ib.wrapper, name, self._taker(getattr(ib.wrapper, name), take))
        ib.updateEvent += self._flush
        # Numbers of requests begin again with each connection: old ones must not meet their namesakes.
        ib.disconnectedEvent += self._lines.clear

    def _taker(self, theirs: Callable[..., Any], take: Callable[..., None]) -> Callable[..., Any]:
        def heard(number: int, *rest: Any) -> Any:
            line = self._lines.get(number)
            return theirs(number, *rest) if line is None else take(line, *rest)

        return heard

    def _price(self, line: _Line, tick: int, price: float, size: float) -> None:
        name = _PRICES.get(tick)
        if name is None:
            return
        # A side that nobody quotes is told as -1 with a size of 0; a spread may well cost -1.
        none = price == -1 and not size
        found: dict[str, Any] = {name: None if none else price}
        if size or none:
            found[f"{name}_size"] = exact(size)
        self._set(line, delayed=line.quote.delayed or tick in _DELAYED_TICKS, **found)

    def _size(self, line: _Line, tick: int, size: float) -> None:
        if tick in _SIZES:
            self._set(line, **{_SIZES[tick]: exact(size)})

    def _text(self, line: _Line, tick: int, value: str) -> None:
        if tick in _TRADED_AT and value.isdigit():
            self._set(line, traded_at=datetime.fromtimestamp(int(value), UTC))

    def _generic(self, line: _Line, tick: int, value: float) -> None:
        if tick == _HALTED:
            self._set(line, halted=value > 0)

    def _data_type(self, line: _Line, kind: int) -> None:
        self._set(line, delayed=kind >= _DELAYED_TOO)

    def _set(self, line: _Line, **found: Any) -> None:
        line.quote = replace(line.quote, **found)
        line.changed = True

    def _flush(self) -> None:
        for line in self._lines.values():
            if line.changed:
                line.changed = False
                self._deliver(replace(line.quote, at=clock.now()))

    def _trade(self, line: _Line, _type: int, time: int, price: float, size: float, *_: Any) -> None:
        self._tick(line, time, price=price, size=exact(size))

    def _bid_ask(
        self, line: _Line, time: int, bid: float, ask: float, bid_size: float, ask_size: float, *_: Any
    ) -> None:
        self._tick(line, time, bid=bid, ask=ask, bid_size=exact(bid_size), ask_size=exact(ask_size))

    def _tick(self, line: _Line, time: int, **found: Any) -> None:
        name, at = line.quote, datetime.fromtimestamp(time, UTC)
        if line.kind != "Quote":
            self._deliver(Tick(con_id=name.con_id, symbol=name.symbol, kind=line.kind, at=at, **found))
