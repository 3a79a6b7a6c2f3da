"""History on the wire: bars of the past, kept up to date where asked, head time, schedule, ticks.

What cannot be answered is error 162, as a real gateway has it: no data, a pacing violation, trades of
a currency pair. Limits of pacing apply where `Limits.pace_history` or the fault ``"rules"`` asks for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.clock import NS_PER_DAY
from robo_trader.gateway.contracts import Contract, Spec
from robo_trader.gateway.data_messages import duplicate, resolve
from robo_trader.gateway.market import BarSize, PastBar, Span, bar_size, span
from robo_trader.gateway.orders import read_time
from robo_trader.gateway.settings import Limits
from robo_trader.gateway.subscriptions import KeepUp
from robo_trader.gateway.times import date_text, epoch, local_time, zoned_time
from robo_trader.gateway.versions import HISTORICAL_SCHEDULE
from robo_trader.gateway.wire import size

if TYPE_CHECKING:
    from robo_trader.gateway.core import Gateway, Handler
    from robo_trader.gateway.session import Session
    from robo_trader.gateway.wire import Fields

_TRADES = ("TRADES", "ADJUSTED_LAST", "AGGTRADES")
_QUOTES = ("MIDPOINT", "BID", "ASK", "BID_ASK")
_PREFIX = "Historical Market Data Service error message:"
_PACING = f"{_PREFIX}Historical data request pacing violation"


class Pace:
    """Counts historical requests of all clients together, as a gateway does."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._recent: deque[tuple[float, int, Any, Any]] = deque()

    def violated(self, same: Any, contract: Any, weight: int) -> bool:
        """Count a request; tell whether it comes too often. `same` and `contract` are keys."""
        limits, now = self._limits, clock.monotonic()
        while self._recent and now - self._recent[0][0] > limits.history_window:
            self._recent.popleft()
        recent = self._recent
        total = sum(w for _, w, _, _ in recent) + weight
        repeated = any(s == same and now - t < limits.history_repeat for t, _, s, _ in recent)
        burst = sum(c == contract and now - t < limits.history_burst_window for t, _, _, c in recent) + 1
        recent.append((now, weight, same, contract))
        return total > limits.history_requests or repeated or burst >= limits.history_burst


class Repeats:
    """Remembers what was asked for lately."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at: dict[Any, float] = {}

    def repeated(self, key: Any) -> bool:
        """Tell whether `key` was asked for less than so many seconds ago; remember it where it was not."""
        now = clock.monotonic()
        self._at = {k: t for k, t in self._at.items() if now - t < self._seconds}
        return key in self._at or self._at.setdefault(key, now) != now


def history(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqHistoricalData."""
    request = fields.request()
    wanted = Contract.read(fields)
    fields.flag()
    end_text, size_text, duration_text = fields.text(), fields.text(), fields.text()
    fields.flag()
    what, form = fields.text().upper(), fields.integer(1)
    if wanted.sec_type == "BAG":
        fields.skip(4 * fields.count(100))
    keep_up = fields.flag()
    fields.text()
    fields.done()
    if keep_up and duplicate(session, request, session.subs.keep_up):
        return
    spec = resolve(gateway, session, request, wanted)
    if spec is None or _refused(gateway, session, request, spec, what, (end_text, size_text, duration_text)):
        return
    bars_of, duration = bar_size(size_text), span(duration_text)
    end = _end(gateway, session, request, end_text, keep_up)
    if end is None:
        return
    if duration is None or (bars_of is None and what != "SCHEDULE"):
        bad = f"duration {duration_text[:20]!r}" if duration is None else f"bar size {size_text[:20]!r}"
        session.error(request, 321, f"Error validating request.-'bH' : cause - Invalid {bad}")
        return
    if what == "SCHEDULE":
        _send_schedule(gateway, session, request, spec, end, duration)
        return
    assert bars_of is not None
    bars = gateway.market.history(spec, bars_of, end, duration)
    if not bars:
        name = f"{spec.symbol}@{spec.contract.exchange}"
        session.error(request, 162, f"{_PREFIX}HMDS query returned no data: {name} {what.capitalize()}")
        return
    _send_bars(gateway, session, request, spec, bars, what, form)
    if keep_up:
        session.subs.keep_up[request] = KeepUp(request, spec, bars_of, what, form, bars[-1])


def _refused(
    gateway: Gateway, session: Session, request: int, spec: Spec, what: str, form: tuple[str, ...]
) -> bool:
    """Send the error of a request that gets no bars; False where it does."""
    limits, rules, paced = gateway.settings.limits, gateway.faults.hist_pacing, gateway.paced
    if what not in (*_TRADES, *_QUOTES, "SCHEDULE", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"):
        session.error(
            request, 321, f"Error validating request.-'bH' : cause - Invalid whatToShow {what[:20]!r}"
        )
        return True
    same = (spec.con_id, what, *form)
    violated = paced and gateway.history_pace.violated(
        same, (spec.con_id, what), 2 if what == "BID_ASK" else 1
    )
    if rules is True or violated:
        session.error(request, 162, _PACING)
    elif "history" in gateway.broken_farms:
        session.error(request, 162, f"{_PREFIX}HMDS data farm is not connected")
    elif len(session.subs.keep_up) >= limits.history_open:
        session.error(request, 162, _PACING)
    elif spec.sec_type == "CASH" and what in _TRADES:
        session.error(
            request, 162, f"{_PREFIX}No historical market data for {spec.symbol}/CASH@FXSUBPIP Last"
        )
    elif gateway.faults.nosub:
        session.error(request, 162, f"{_PREFIX}No market data permissions for {spec.contract.exchange}")
    elif "VOLATILITY" in what and spec.sec_type not in ("STK", "IND"):
        session.error(request, 162, f"{_PREFIX}No historical market data for {spec.symbol}: {what}")
    else:
        return False
    return True


def _end(gateway: Gateway, session: Session, request: int, text: str, keep_up: bool) -> int | None:
    if not text:
        return gateway.clock.now() + 1
    if keep_up:
        session.error(
            request, 321, "Error validating request.-'bH' : cause - End date not supported with keepUpToDate"
        )
        return None
    if text.endswith("GMT"):
        end = None
    else:
        end = read_time(text, gateway.settings.zone)
    if end is None:
        session.error(
            request,
            10314,
            "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd "
            "hh:mm:ss xx/xxxx where yyyymmdd and xx/xxxx are optional.",
        )
    return end


def shown(bar: PastBar, what: str, spec: Spec) -> tuple[float, float, float, float]:
    """Return open, high, low and close of a bar as trades, bid, ask or middle; quotes lie half a tick off."""
    half = spec.min_tick / 2.0
    o, h, l, c = bar.open, bar.high, bar.low, bar.close  # noqa: E741 - the field's letters
    if what == "BID":
        return _rounded(o - half, h - half, l - half, c - half)
    if what == "ASK":
        return _rounded(o + half, h + half, l + half, c + half)
    if what == "BID_ASK":
        return _rounded(o - half, h + half, l - half, c + half)
    if "VOLATILITY" in what:
        return 0.23, 0.23, 0.23, 0.23
    return o, h, l, c


def _rounded(*prices: float) -> tuple[float, float, float, float]:
    o, h, l, c = (round(p, 8) for p in prices)  # noqa: E741
    return o, h, l, c


def _date(gateway: Gateway, session: Session, spec: Spec, bar: PastBar, form: int) -> str:
    if bar.day is not None:
        return date_text(bar.day)
    if form == 2:
        return str(epoch(bar.start))
    return zoned_time(bar.start, session.version, spec.zone, gateway.settings.zone)


def _amounts(session: Session, bar: PastBar, what: str) -> tuple[Any, Any, Any]:
    """Return volume, average and number of trades; -1 where they mean nothing."""
    if what not in _TRADES:
        return -1, -1, -1
    return size(bar.volume, session.version), round(bar.average, 6), bar.trades


def _send_bars(
    gateway: Gateway, session: Session, request: int, spec: Spec, bars: list[PastBar], what: str, form: int
) -> None:
    out: list[Any] = []
    for bar in bars:
        out.append(_date(gateway, session, spec, bar, form))
        out += shown(bar, what, spec)
        out += _amounts(session, bar, what)
    zone = gateway.settings.zone
    first = zoned_time(bars[0].start, session.version, zone, zone)
    last = zoned_time(bars[-1].end, session.version, zone, zone)
    session.send(17, request, first, last, len(bars), *out)


def push(gateway: Gateway, con_ids: Iterable[int]) -> None:
    """Send the bar in progress, and the end of the one before, to requests that are kept up to date."""
    wanted = set(con_ids)
    for session in list(gateway.sessions):
        for sub in list(session.subs.keep_up.values()):
            if sub.spec.con_id in wanted:
                _push_one(gateway, session, sub)


def _push_one(gateway: Gateway, session: Session, sub: KeepUp) -> None:
    bars = gateway.market.history(sub.spec, sub.size, gateway.clock.now() + 1, _last_two(sub.size))
    for bar in bars[-2:]:
        if bar == sub.sent or (sub.sent is not None and bar.start < sub.sent.start):
            continue
        sub.sent = bar
        o, h, l, c = shown(bar, sub.what, sub.spec)  # noqa: E741
        volume, average, count = _amounts(session, bar, sub.what)
        date = _date(gateway, session, sub.spec, bar, sub.format)
        session.send(90, sub.request, count, date, o, c, h, l, average, volume)


def _last_two(bars_of: BarSize) -> Span:
    if bars_of.daily:
        return Span(2 * max(1, bars_of.ns // NS_PER_DAY), "D")
    return Span(2 * bars_of.ns // 1_000_000_000, "S")


def cancel_history(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelHistoricalData."""
    fields.integer()
    request = fields.request()
    fields.done()
    if session.subs.keep_up.pop(request, None) is None:
        session.error(request, 162, f"{_PREFIX}API historical data query cancelled: {request}")


def head_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqHeadTimeStamp."""
    request = fields.request()
    wanted = Contract.read(fields)
    fields.skip(2)
    what, form = fields.text().upper(), fields.integer(1)
    fields.done()
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    first = gateway.market.first_time(spec)
    if first is None or (spec.sec_type == "CASH" and what in _TRADES):
        session.error(request, 162, f"{_PREFIX}No head time stamp")
        return
    session.send(88, request, str(epoch(first)) if form == 2 else local_time(first, "UTC").replace(" ", "-"))


def cancel_head_time(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Take cancelHeadTimeStamp; the answer has long been sent."""


def _send_schedule(
    gateway: Gateway, session: Session, request: int, spec: Spec, end: int, wanted: Span
) -> None:
    """Send the trading sessions of a period (message 106), from version 165 on."""
    if session.version < HISTORICAL_SCHEDULE:
        session.error(request, 321, "Error validating request.-'bH' : cause - Invalid whatToShow 'SCHEDULE'")
        return
    bars = gateway.market.history(spec, BarSize("1d", NS_PER_DAY), end, wanted)
    if not bars:
        session.error(request, 162, f"{_PREFIX}HMDS query returned no data: {spec.symbol} schedule")
        return
    rows: list[Any] = []
    for bar in bars:
        begin, finish = (local_time(ns, spec.zone).replace(" ", "-") for ns in (bar.start, bar.end))
        rows += [begin, finish, date_text(bar.day if bar.day is not None else bar.start // NS_PER_DAY)]
    session.send(106, request, rows[0], rows[-2], spec.zone, len(bars), *rows)


def historical_ticks(gateway: Gateway, session: Session, fields: Fields) -> None:
    """Answer reqHistoricalTicks from the bars' opens: one tick a second at the most."""
    request = fields.request()
    wanted = Contract.read(fields)
    fields.flag()
    start_text, end_text = fields.text(), fields.text()
    count, what = fields.integer(), fields.text().upper()
    fields.skip(2)
    fields.text()
    fields.done()
    spec = resolve(gateway, session, request, wanted)
    if spec is None:
        return
    count = min(max(count, 1), 1000)
    end = read_time(end_text) if end_text else None
    if end is None:
        begin = read_time(start_text)
        end = gateway.clock.now() if begin is None else begin + count * 1_000_000_000
    bars = gateway.market.history(spec, BarSize("1s", 1_000_000_000), end, Span(count, "S"))
    number = {"MIDPOINT": 96, "BID_ASK": 97, "TRADES": 98}.get(what)
    if number is None or not bars:
        session.error(request, 162, f"{_PREFIX}no ticks of {spec.symbol} {what[:20]}")
        return
    rows: list[Any] = []
    for bar in bars:
        price, when = round(bar.open, 8), epoch(bar.start)
        amount = size(max(1.0, bar.volume), session.version)
        if number == 96:
            rows += [when, 0, price, 0]
        elif number == 97:
            rows += [when, 0, price, round(price + spec.min_tick, 8), amount, amount]
        else:
            rows += [when, 0, price, amount, spec.contract.primary_exchange, ""]
    session.send(number, request, len(bars), *rows, True)


HANDLERS: dict[int, Handler] = {
    20: history,
    25: cancel_history,
    87: head_time,
    90: cancel_head_time,
    96: historical_ticks,
}
