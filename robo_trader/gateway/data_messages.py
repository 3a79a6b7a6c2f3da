"""Market data on the wire: ticks, tick by tick, depth of book, five-second bars.

A line sends everything once and then what changed. Without a subscription (`nosub`) a live request is
error 354; after reqMarketDataType 3 it is 10167 and delayed data. While a contract is halted its
line stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from robo_trader.gateway import news_messages
from robo_trader.gateway.contracts import Contract, Spec
from robo_trader.gateway.market import PastBar, Quote, ladder
from robo_trader.gateway.subscriptions import Depth, Line, RealTime, TickByTick
from robo_trader.gateway.times import epoch
from robo_trader.gateway.wire import size

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields

BID_SIZE, BID, ASK, ASK_SIZE, LAST, LAST_SIZE, HIGH, LOW, VOLUME, CLOSE, OPEN = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    14,
)
LAST_TIME, RT_VOLUME, HALTED = 45, 48, 49
CALL_INTEREST, PUT_INTEREST, CALL_VOLUME, PUT_VOLUME, OPTION_VOLATILITY = 27, 28, 29, 30, 24
DELAYED = {BID: 66, ASK: 67, LAST: 68, HIGH: 72, LOW: 73, CLOSE: 75, OPEN: 76, VOLUME: 74, LAST_TIME: 88}
DELAYED |= {BID_SIZE: 69, ASK_SIZE: 70, LAST_SIZE: 71}
DELAYED |= {10: 80, 11: 81, 12: 82, 13: 83}
_NOT_SUBSCRIBED = "Requested market data is not subscribed. Check API status by selecting the Account menu."
_DELAYED_INSTEAD = "Requested market data is not subscribed. Displaying delayed market data."


def resolve(gateway: Gateway, session: Session, request: int, wanted: Contract) -> Spec | None:
    """Return the one contract that is meant; error 200 and None otherwise."""
    spec = gateway.universe.one(wanted)
    if isinstance(spec, str):
        session.error(request, 200, spec)
        return None
    return spec


def allowed(gateway: Gateway, session: Session, request: int) -> int | None:
    """Return the kind of data that a request gets (1 live, 3 delayed …), None where it gets none."""
    faults, wanted = gateway.faults, session.data_type
    if faults.nosub or faults.delayed:
        if wanted in (3, 4) or faults.delayed:
            session.error(request, 10167, _DELAYED_INSTEAD)
            return 4 if wanted == 4 else 3
        session.error(request, 354, _NOT_SUBSCRIBED)
        return None
    return 1


def market_data(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqMktData: a snapshot, or a line until it is cancelled."""
    fields.integer()
    request = fields.request()
    wanted = Contract.read(fields)
    if wanted.sec_type == "BAG":
        fields.skip(4 * fields.count(100))
    if fields.flag():
        fields.skip(3)
    generic = _generic(fields.text())
    snapshot = fields.flag()
    fields.skip(2)
    fields.done()
    if generic is None:
        session.error(request, 321, "Error validating request.-'bA' : cause - Incorrect generic tick list")
        return
    if duplicate(session, request, {**session.subs.lines, **session.subs.news}):
        return
    if len(session.subs.lines) + len(session.subs.news) >= gateway.settings.limits.market_data_lines:
        session.error(request, 101, "Max number of tickers has been reached.")
        return
    if wanted.sec_type == "NEWS":
        news_messages.listen(gateway, session, request, wanted)
        return
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    kind = allowed(gateway, session, request)
    if kind is None:
        return
    if kind == 1 and session.data_type in (2, 4) and not gateway.market.is_open(spec):
        kind = 2
    line = Line(request, spec, generic, kind)
    session.send(58, 1, request, kind)
    session.send(81, request, spec.min_tick, "a60001", 3)
    if gateway.flowing:
        _send_line(gateway, session, line)
    if snapshot:
        session.send(57, 1, request)
    else:
        session.subs.lines[request] = line
        if news_messages.NEWS_TICKS in generic:
            news_messages.greet(gateway, session, request, spec)


def duplicate(session: Session, request: int, table: Mapping[int, Any]) -> bool:
    """Tell whether a request id is in use already, and say so: error 322."""
    if request in table:
        session.error(request, 322, "Error processing request.-'bA' : cause - Duplicate ticker id")
    return request in table


def _generic(text: str) -> frozenset[int] | None:
    """Return the generic tick types of ``233,mdoff,292:BRFG``; None for what is no such list."""
    found = set()
    for word in text.split(","):
        number = word.partition(":")[0].strip()
        if number.isdigit() and len(number) < 6:
            found.add(int(number))
        elif number not in ("", "mdoff"):
            return None
    return frozenset(found)


def _send_line(gateway: Gateway, session: Session, line: Line) -> None:
    """Send what of a line has changed since it was last sent."""
    spec, quote = line.spec, gateway.market.quote(line.spec)
    halted = spec.con_id in gateway.faults.halted
    if spec.sec_type != "CASH" and line.sent.get(HALTED) != halted:
        line.sent[HALTED] = halted
        session.send(45, 6, line.request, HALTED, int(halted))
    if quote is None:
        return
    version = session.version
    tick = _Ticks(session, line)
    traded = spec.sec_type != "CASH"
    tick.quote(BID, quote.bid, BID_SIZE, size(quote.bid_size, version))
    tick.quote(ASK, quote.ask, ASK_SIZE, size(quote.ask_size, version))
    if traded:
        _send_trade(gateway, tick, quote, version)
    tick.price(HIGH, quote.high)
    tick.price(LOW, quote.low)
    tick.price(OPEN, quote.open)
    tick.price(CLOSE, quote.close)
    if spec.sec_type == "OPT":
        _send_greeks(gateway, tick, spec, quote)
    if line.generic & {100, 101, 106}:
        _send_option_totals(gateway, tick, spec, version)


def _send_trade(gateway: Gateway, tick: _Ticks, quote: Quote, version: int) -> None:
    """Send the last trade: price, time, volume, and the three in one text for generic tick 233."""
    new = tick.quote(LAST, quote.last, LAST_SIZE, size(quote.last_size, version))
    tick.size(VOLUME, size(quote.volume, version))
    if new:
        tick.text(LAST_TIME, str(epoch(quote.time + gateway.clock.skew_ns)))
    if 233 in tick.line.generic and tick.new(RT_VOLUME, (quote.last, quote.volume)):
        parts = (quote.last, size(quote.last_size, 163), quote.time // 1_000_000, size(quote.volume, 163))
        session, request = tick.session, tick.line.request
        session.send(46, 6, request, RT_VOLUME, ";".join(map(str, (*parts, round(quote.mid, 6), "true"))))


def _send_greeks(gateway: Gateway, tick: _Ticks, spec: Spec, quote: Quote) -> None:
    """Send bid, ask, last and model computations of an option."""
    for kind, row in gateway.market.computations(spec, quote):
        if tick.new(kind, row):
            tick.session.send(21, tick.line.request, tick.kind(kind), 0, *row)


def _send_option_totals(gateway: Gateway, tick: _Ticks, spec: Spec, version: int) -> None:
    """Send open interest (101), option volume (100) and volatility (106) of an underlying or an option."""
    options = [spec] if spec.sec_type == "OPT" else gateway.universe.options_of(spec.con_id)
    for right, interest, volume in (("C", CALL_INTEREST, CALL_VOLUME), ("P", PUT_INTEREST, PUT_VOLUME)):
        mine = [s for s in options if s.contract.right == right]
        if 101 in tick.line.generic and mine:
            tick.size(interest, size(sum(open_interest(s) for s in mine), version))
        if 100 in tick.line.generic and mine:
            quotes = [q for q in map(gateway.market.quote, mine) if q is not None]
            tick.size(volume, size(sum(q.volume for q in quotes), version))
    if 106 in tick.line.generic and options:
        model = gateway.market.option_model(options[0])
        if model is not None and tick.new(OPTION_VOLATILITY, model[1]):
            tick.session.send(45, 6, tick.line.request, OPTION_VOLATILITY, model[1])


def open_interest(spec: Spec) -> float:
    """Return an option's open interest: made up, and the same at every request."""
    return float(1000 + spec.con_id * 7919 % 9000)


class _Ticks:
    """Sends a line's ticks where they changed, under delayed numbers where the line is delayed."""

    def __init__(self, session: Session, line: Line) -> None:
        self.session, self.line = session, line

    def kind(self, kind: int) -> int:
        """Return the number of a tick type on this line."""
        return DELAYED.get(kind, kind) if self.line.data_type in (3, 4) else kind

    def new(self, kind: int, value: Any) -> bool:
        """Tell whether a value differs from the one last sent, and remember it."""
        if self.line.sent.get(kind) == value:
            return False
        self.line.sent[kind] = value
        return True

    def price(self, kind: int, value: float, of: str = "0") -> bool:
        """Send a price with the size that stands at it."""
        if not self.new(kind, (value, of)):
            return False
        mask = 1 if kind in (BID, ASK) else 0
        self.session.send(1, 6, self.line.request, self.kind(kind), value, of, mask)
        return True

    def quote(self, kind: int, value: float, size_kind: int, of: str) -> bool:
        """Send a price with its size, and the size on its own after it, as a gateway does."""
        new = self.price(kind, value, of)
        self.size(size_kind, of)
        return new

    def size(self, kind: int, value: str) -> None:
        """Send a size."""
        if self.new(kind, value):
            self.session.send(2, 6, self.line.request, self.kind(kind), value)

    def text(self, kind: int, value: str) -> None:
        """Send a text."""
        if self.new(kind, value):
            self.session.send(46, 6, self.line.request, self.kind(kind), value)


def cancel_market_data(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelMktData."""
    fields.integer()
    request = fields.integer()
    fields.done()
    session.subs.lines.pop(request, None)
    session.subs.news.pop(request, None)


def data_type(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqMarketDataType: it counts for lines asked for later."""
    fields.integer()
    kind = fields.integer()
    fields.done()
    if kind not in (1, 2, 3, 4):
        session.error(-1, 321, "Error validating request.-'bJ' : cause - Invalid market data type")
    else:
        session.data_type = kind


# -- tick by tick ------------------------------------------------------------------------------------


def tick_by_tick(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqTickByTickData."""
    request = fields.request()
    wanted = Contract.read(fields)
    kind = fields.text()
    fields.skip(2)
    fields.done()
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    if kind not in ("Last", "AllLast", "BidAsk", "MidPoint"):
        session.error(request, 321, "Error validating request.-'cd' : cause - Invalid tick-by-tick type")
    elif duplicate(session, request, session.subs.ticks):
        return
    elif len(session.subs.ticks) >= gateway.settings.limits.tick_by_tick_lines:
        session.error(request, 10190, "Max number of tick-by-tick requests has been reached.")
    elif kind in ("Last", "AllLast") and spec.sec_type == "CASH":
        session.error(request, 10189, "Failed to request tick-by-tick data: no trades for this contract")
    elif gateway.faults.nosub:
        session.error(request, 10189, "Failed to request tick-by-tick data: no market data permissions")
    elif gateway.paced and gateway.tick_pace.repeated((session.client, spec.con_id)):
        session.error(request, 10190, "Max number of tick-by-tick requests has been reached.")
    else:
        sub = session.subs.ticks[request] = TickByTick(request, spec, kind)
        if gateway.flowing:
            _send_tick(gateway, session, sub)


def _send_tick(gateway: Gateway, session: Session, sub: TickByTick) -> None:
    quote = gateway.market.quote(sub.spec)
    if quote is None:
        return
    version, when = session.version, epoch(quote.time + gateway.clock.skew_ns)
    row: tuple[Any, ...]
    if sub.kind == "BidAsk":
        row = (3, quote.bid, quote.ask, size(quote.bid_size, version), size(quote.ask_size, version), 0)
    elif sub.kind == "MidPoint":
        row = (4, round(quote.mid, 8))
    else:
        number = 1 if sub.kind == "Last" else 2
        row = (number, quote.last, size(quote.last_size, version), 0, sub.spec.contract.primary_exchange, "")
    mark = (row, quote.volume) if row[0] in (1, 2) else row
    if mark != sub.sent:
        sub.sent = mark
        session.send(99, sub.request, row[0], when, *row[1:])


def cancel_tick_by_tick(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelTickByTickData."""
    session.subs.ticks.pop(fields.integer(), None)
    fields.done()


# -- depth -------------------------------------------------------------------------------------------


def depth(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqMktDepth."""
    fields.integer()
    request = fields.request()
    wanted = Contract.read(fields)
    rows, smart = fields.integer(5), fields.flag()
    fields.text()
    fields.done()
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    if duplicate(session, request, session.subs.depth):
        return
    if len(session.subs.depth) >= gateway.settings.limits.depth_lines:
        session.error(request, 309, "Max number (3) of market depth requests has been reached")
    elif gateway.faults.nosub:
        session.error(request, 354, _NOT_SUBSCRIBED)
    else:
        sub = session.subs.depth[request] = Depth(request, spec, min(max(rows, 1), 20), smart)
        if gateway.flowing:
            _send_depth(gateway, session, sub)


def _send_depth(gateway: Gateway, session: Session, sub: Depth) -> None:
    quote = gateway.market.quote(sub.spec)
    if quote is None:
        return
    for side, buy in ((0, True), (1, False)):
        for row, level in enumerate(ladder(quote, sub.spec, buy, sub.rows)):
            before = sub.sent.get((side, row))
            if before == level:
                continue
            sub.sent[side, row] = level
            operation = 0 if before is None else 1
            price, amount = level[0], size(level[1], session.version)
            if sub.smart:
                session.send(13, 1, sub.request, row, "SMART", operation, side, price, amount, 1)
            else:
                session.send(12, 1, sub.request, row, operation, side, price, amount)


def cancel_depth(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelMktDepth."""
    fields.integer()
    session.subs.depth.pop(fields.integer(), None)
    fields.flag()
    fields.done()


# -- five-second bars --------------------------------------------------------------------------------


def real_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take reqRealTimeBars."""
    fields.integer()
    request = fields.request()
    wanted = Contract.read(fields)
    fields.integer()
    what = fields.text().upper()
    fields.skip(2)
    fields.done()
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    if duplicate(session, request, session.subs.real_time):
        return
    if len(session.subs.real_time) >= gateway.settings.limits.market_data_lines:
        session.error(request, 101, "Max number of tickers has been reached.")
    elif what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
        session.error(request, 321, "Error validating request.-'bR' : cause - Invalid whatToShow")
    elif gateway.faults.nosub or (what == "TRADES" and spec.sec_type == "CASH"):
        session.error(request, 420, "Invalid Real-time Query:No market data permissions for this contract")
    else:
        session.subs.real_time[request] = RealTime(request, spec, what)


def cancel_real_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelRealTimeBars."""
    fields.integer()
    session.subs.real_time.pop(fields.integer(), None)
    fields.done()


def push_real_time(gateway: Gateway, bars: dict[int, PastBar]) -> None:
    """Send a five-second bar to whoever listens."""
    from robo_trader.gateway.history_messages import shown

    for session in list(gateway.sessions):
        for sub in list(session.subs.real_time.values()):
            bar = bars.get(sub.spec.con_id)
            if bar is None or sub.spec.con_id in gateway.faults.halted:
                continue
            prices = shown(bar, sub.what, sub.spec)
            trades = sub.what == "TRADES"
            volume = size(bar.volume, session.version) if trades else -1
            average, count = (round(bar.average, 6), bar.trades) if trades else (-1, -1)
            when = epoch(bar.start + gateway.clock.skew_ns)
            session.send(50, 3, sub.request, when, *prices, volume, average, count)


def push(gateway: Gateway, con_ids: Iterable[int]) -> None:
    """Send what has changed in the market of `con_ids` to whoever listens."""
    wanted = set(con_ids)
    for session in list(gateway.sessions):
        subs = session.subs
        for line in list(subs.lines.values()):
            if line.spec.con_id in wanted or line.spec.under_con_id in wanted:
                _send_line(gateway, session, line)
        for tick in list(subs.ticks.values()):
            if tick.spec.con_id in wanted:
                _send_tick(gateway, session, tick)
        for book in list(subs.depth.values()):
            if book.spec.con_id in wanted:
                _send_depth(gateway, session, book)


def tell_halts(gateway: Gateway) -> None:
    """Send the halted tick of every line whose contract was halted or released."""
    for session in gateway.sessions:
        for line in session.subs.lines.values():
            halted = line.spec.con_id in gateway.faults.halted
            if line.spec.sec_type != "CASH" and line.sent.get(HALTED) != halted:
                line.sent[HALTED] = halted
                session.send(45, 6, line.request, HALTED, int(halted))


HANDLERS: dict[int, Handler] = {
    1: market_data,
    2: cancel_market_data,
    10: depth,
    11: cancel_depth,
    50: real_time,
    51: cancel_real_time,
    59: data_type,
    97: tick_by_tick,
    98: cancel_tick_by_tick,
}
