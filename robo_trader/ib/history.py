"""The broker's history as a bar source: ``--bars ib``.

Periods are fetched in pieces whose bounds depend on the calendar alone, so that they can be kept and found
again. The limits of pacing are kept before they are broken. Prices of trades know later splits; kept pieces
are compared with what the broker says today and dropped when a split has changed them.

Failure contract: no line is a `BrokerError`, a contract that is none a `UsageError`, no bars a `DataError`
with the broker's reason. A bar that is still growing is never returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from robo_trader import clock
from robo_trader.bars.build import build
from robo_trader.bars.frame import BarFrame, Origin
from robo_trader.bars.raw import RawColumns
from robo_trader.bars.settings import BarSettings
from robo_trader.bars.source import BarSource
from robo_trader.bars.timeframes import Timeframe, parse
from robo_trader.calendars import get_calendar
from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND, to_ns
from robo_trader.errors import BrokerError, DataError, UsageError, did_you_mean
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.contracts import ContractName, Qualified, qualify
from robo_trader.ib.history_cache import COLUMNS, HistoryCache, Piece
from robo_trader.ib.messages import PriceBar
from robo_trader.ib.pacing import Pace, Pacer

#: The broker's bar sizes, the finest first. Longer bars are made of these: where they are cut is then ours.
SIZES = {
    **{f"{n}m": "1 min" if n == 1 else f"{n} mins" for n in (1, 2, 3, 5, 10, 15, 20, 30)},
    "1h": "1 hour",
    "1d": "1 day",
}
PRICES = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST")
_NO_DATA = "no data"
_PACING = "pacing violation"
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Series:
    """What is fetched: one contract at one size. `regular` leaves out what traded outside regular hours."""

    contract: Qualified
    size: Timeframe
    what: str
    regular: bool

    @property
    def key(self) -> str:
        """A name for it that is fit for a file."""
        hours = "regular" if self.regular else "all"
        return f"{self.contract.name.con_id}-{self.what}-{self.size.code}-{hours}".lower()


class IBBars(BarSource):
    """Bars of Interactive Brokers, by way of a gateway at `host`:`port`.

    `what` is the kind of price (``TRADES``, ``MIDPOINT``, ``BID``, ``ASK``, ``BID_ASK``,
    ``ADJUSTED_LAST``); currency pairs have no trades and get ``MIDPOINT``. `regular` keeps regular hours
    only. `cache` is the folder of what was fetched before, False for none; by default the user's cache, and
    none for the simulated gateway, whose history is whatever it replays. `timeout` bounds each request, in
    seconds.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 4002,
        client_id: int = 91,
        what: str = "TRADES",
        regular: bool = True,
        cache: str | bool = True,
        timeout: float = 60.0,
        pace: Pace | None = None,
    ) -> None:
        if what not in PRICES:
            raise UsageError(f"unknown kind of price {what!r}", hint=did_you_mean(what.upper(), PRICES))
        self._line = Line(host, port, client_id, watch_only=True)
        self._what, self._regular, self._cache = what, regular, cache
        self._pacer, self._timeout = Pacer(pace), timeout

    def load(self, symbol: str, start: date | None, end: date | None, timeframe: str | None) -> BarFrame:
        """Return the bars of `symbol` (``AAPL`` or ``AAPL-STK-SMART-USD``); see `BarSource.load`.

        Without `start` daily bars begin where the broker's do; shorter ones need it.
        """
        name, size = ContractName.parse(symbol), native(timeframe or "1d")
        if start is None and not size.is_daily_or_longer:
            raise UsageError(
                f"{symbol}: bars of {size.code} need a first day",
                hint="say --start; the broker gives years of them, a few days with each request",
            )
        with Connection(self._line) as connection:
            contract = qualify(connection, name)
            what = "MIDPOINT" if name.kind == "CASH" and self._what == "TRADES" else self._what
            series = Series(contract, size, what, self._regular)
            kept = self._kept(connection, series)
            piece = _Fetch(connection, series, self._pacer, kept, self._timeout).all(start, end)
        return _frame(piece, symbol, series)

    def _kept(self, connection: Connection, series: Series) -> HistoryCache:
        if self._cache is False or (self._cache is True and connection.opened.simulated):
            return HistoryCache(None)
        if self._cache is not True:
            return HistoryCache(Path(self._cache).expanduser() / series.key)
        from platformdirs import user_cache_path

        return HistoryCache(user_cache_path("robo_trader") / "ib" / series.key)


def native(timeframe: str) -> Timeframe:
    """Return the longest of the broker's sizes of which bars of `timeframe` can be made.

    >>> native("4h").code, native("45m").code, native("1w").code
    ('1h', '15m', '1d')
    """
    wanted = parse(timeframe)
    if wanted.is_daily_or_longer:
        return parse("1d")
    fits = [parse(code) for code in SIZES if code != "1d" and wanted.ns % parse(code).ns == 0]
    if not fits:
        raise UsageError(f"bars of {wanted.code} are not fetched", hint="1m is the shortest")
    return max(fits)


def periods(size: Timeframe, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield the periods that cover `first` to `last`, as (first day, day after the last).

    Half years of days, months of bars from five minutes on, weeks from Monday of shorter ones.
    """
    day = first - timedelta(first.weekday()) if size.ns < 300 * NS_PER_SECOND else first.replace(day=1)
    if size.is_daily_or_longer:
        day = day.replace(month=1 if day.month < 7 else 7)
    while day <= last:
        if size.is_daily_or_longer:
            after = date(day.year, 7, 1) if day.month < 7 else date(day.year + 1, 1, 1)
        elif size.ns < 300 * NS_PER_SECOND:
            after = day + timedelta(7)
        else:
            after = (day + timedelta(31)).replace(day=1)
        yield day, after
        day = after


class _Fetch:
    """Fetches one series over an open line."""

    def __init__(
        self, connection: Connection, series: Series, pacer: Pacer, cache: HistoryCache, timeout: float
    ) -> None:
        self._connection, self._series, self._pacer, self._cache = connection, series, pacer, cache
        # A request may first have to wait for its turn.
        self._patience = timeout + pacer.pace.window
        self._contract = connection.library.contract(**series.contract.name.fields())
        # The gateway's clock, not ours: a replay lives in another year.
        self._now = connection.time()

    def all(self, start: date | None, end: date | None) -> Piece:
        last = min(end or date.max, self._now.date())
        wanted = list(periods(self._series.size, start or self._begin(), last))
        kept = {first: piece for first, _ in wanted if (piece := self._cache.get(first)) is not None}
        if kept and not self._still_true(wanted, kept):
            self._cache.clear()
            kept = {}
        pieces = [kept.get(first) or self._piece(first, after) for first, after in wanted]
        at = np.concatenate([np.empty(0, np.int64), *(p.at for p in pieces)])
        values = np.concatenate([np.empty((0, len(COLUMNS))), *(p.values for p in pieces)])
        # Sessions may begin on the evening before and end after midnight in UTC: the host cuts by session.
        days, slack = (at, 0) if self._series.size.is_daily_or_longer else (at // NS_PER_DAY, 1)
        keep = np.ones(len(at), dtype=bool)
        if start is not None:
            keep &= days >= _day(start) - slack
        if end is not None:
            keep &= days <= _day(end) + slack
        return Piece(at[keep], values[keep], to_ns(clock.now()))

    def _begin(self) -> date:
        series = self._series
        head = self._connection.call(
            lambda ib: ib.reqHeadTimeStampAsync(self._contract, series.what, series.regular, 2)
        )
        return head.date() if isinstance(head, datetime) else self._now.date() - timedelta(365)

    def _still_true(self, wanted: list[tuple[date, date]], kept: dict[date, Piece]) -> bool:
        """Tell whether the broker still says what the piece that was fetched first says.

        A split changes every price before it, so of the pieces in use the one that was fetched first shows
        every split that any of them missed.
        """
        full = [(kept[first], after) for first, after in wanted if first in kept and len(kept[first])]
        if not full:
            return True
        piece, after = min(full, key=lambda one: one[0].fetched)
        if to_ns(clock.now()) - piece.fetched < NS_PER_DAY:
            return True
        # A few days are enough, at the end of the piece.
        fresh = self._ask(after, 10)
        _, here, there = np.intersect1d(piece.at, fresh.at, return_indices=True)
        return bool(
            len(here) and np.allclose(piece.values[here, :4], fresh.values[there, :4], rtol=1e-6, atol=0)
        )

    def _piece(self, first: date, after: date) -> Piece:
        piece = self._ask(after, (after - first).days)
        unit = 1 if self._series.size.is_daily_or_longer else NS_PER_DAY
        keep = (piece.at >= _day(first) * unit) & (piece.at < _day(after) * unit)
        keep &= self._over(piece.at)
        piece = Piece(piece.at[keep], piece.values[keep], piece.fetched)
        if after + timedelta(1) < self._now.date():
            self._cache.put(first, piece)
        return piece

    def _over(self, at: Any) -> Any:
        """Tell which bars have ended by the gateway's clock."""
        size, now = self._series.size, to_ns(self._now)
        if not size.is_daily_or_longer:
            return at + size.ns <= now
        code = self._series.contract.instrument("").calendar
        return get_calendar(code).session_bounds(at.astype("datetime64[D]"))[1] <= now

    def _ask(self, after: date, days: int) -> Piece:
        """Return the bars of `days` days up to the midnight (UTC) before `after`; more may come."""
        ends = datetime(after.year, after.month, after.day, tzinfo=UTC)
        if ends > self._now:
            days = max(1, days - (ends - self._now).days)
        until = "" if ends > self._now else f"{ends:%Y%m%d-%H:%M:%S}"
        series = self._series
        same = (series.key, until, days)
        weight = 2 if series.what == "BID_ASK" else 1
        alike = (series.contract.name.con_id, series.what)

        async def ask(ib: Any) -> list[Any]:
            while (wait := self._pacer.wait(clock.monotonic(), same, alike, weight)) > 0:
                await asyncio.sleep(wait)
            self._pacer.count(clock.monotonic(), same, alike, weight)
            bars = await ib.reqHistoricalDataAsync(
                self._contract,
                until,
                f"{days} D",
                SIZES[series.size.code],
                series.what,
                series.regular,
                formatDate=2,
                timeout=0,
            )
            return list(bars)

        async def rest(_ib: Any) -> None:
            await asyncio.sleep(self._pacer.pace.after_violation)

        for attempt in range(_TRIES):
            try:
                return _piece_of(self._connection.call(ask, timeout=self._patience), series.size)
            except BrokerError as error:
                text = error.message.lower()
                if _NO_DATA in text:
                    return _piece_of([], series.size)
                if _PACING not in text or attempt == _TRIES - 1:
                    raise
            self._connection.call(rest, timeout=self._patience)
        raise AssertionError("the last try returns or raises")


def _day(day: date) -> int:
    """Return a date as days since 1970."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def at_of(when: Any, size: Timeframe) -> int:
    """Return what a bar of the library is stamped with as `Piece.at` has it."""
    return _day(when) if size.is_daily_or_longer else to_ns(when)


def _piece_of(bars: list[Any], size: Timeframe) -> Piece:
    stamps = [at_of(bar.date, size) for bar in bars]
    values = [[getattr(bar, column) for column in COLUMNS] for bar in bars]
    table = np.array(values, dtype=np.float64).reshape(len(bars), len(COLUMNS))
    table[:, 4] = np.maximum(table[:, 4], 0.0)  # -1 where a kind of price has no volume
    return Piece(np.array(stamps, dtype=np.int64), table, to_ns(clock.now()))


def frame_of(bars: Sequence[PriceBar], symbol: str, series: Series) -> BarFrame:
    """Return finished bars, in time order, as the frame that a backtest would have of them."""
    values = [[bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in bars]
    at = np.array([bar.at for bar in bars], dtype=np.int64)
    table = np.array(values, dtype=np.float64).reshape(len(bars), len(COLUMNS))
    return _frame(Piece(at, table, 0), symbol, series)


def _frame(piece: Piece, symbol: str, series: Series) -> BarFrame:
    if not len(piece):
        raise DataError(
            f"{symbol}: the broker has no bars of {series.size.code} for this period",
            hint="try other dates, another kind of price, or look whether the account may see this data",
        )
    daily = series.size.is_daily_or_longer
    wall = piece.at * NS_PER_DAY if daily else piece.at
    adjusted = series.what in ("TRADES", "ADJUSTED_LAST") and series.contract.name.kind == "STK"
    open_, high, low, close, volume = (piece.values[:, i].copy() for i in range(len(COLUMNS)))
    raw = RawColumns(
        symbol=symbol,
        wall=wall,
        utc=None if daily else wall,
        dates_only=daily,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        rows=np.arange(1, len(piece) + 1),
        origin=Origin(f"Interactive Brokers, {series.contract.name.notation} {series.what}", "", len(piece)),
    )
    settings = BarSettings(
        stamps="date" if daily else "start", session="regular" if series.regular else "all", adjusted=adjusted
    )
    frame = build(raw, settings, instrument=series.contract.instrument(symbol), timeframe=series.size.code)
    note = (
        f"{symbol}: prices know later splits, not dividends" if series.what == "TRADES" and adjusted else ""
    )
    return replace(frame, notes=(*frame.notes, *([note] if note else [])))
