"""Bars as they happen: history first, then live, joined without a gap or a double.

A subscription begins with history up to the bar in progress, so that the same way serves the start and every
break: the series is subscribed again from its last finished bar on, and what overlaps falls away in
`BarJoin`. The owner of a stream subscribes again after each `Opened`, and after a problem that
`ends_subscriptions`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from robo_trader.clock import NS_PER_DAY, from_ns
from robo_trader.errors import BrokerError
from robo_trader.ib.connection import Connection
from robo_trader.ib.history import SIZES, Series, at_of
from robo_trader.ib.messages import Bars, Message, PriceBar, Problem

#: The broker has its own line again, but dropped every subscription to data.
_DATA_LOST = 1101
#: So many days more than seem needed are asked for: the broker counts days of trading.
_MARGIN = timedelta(days=2)


def ends_subscriptions(problem: Problem) -> bool:
    """Tell whether market data has to be subscribed again, although the line stayed up."""
    return problem.code == _DATA_LOST


class BarJoin:
    """Finished bars, each once and in order, from snapshots and updates. Pure; not for several threads.

    `last` is the stamp of the latest finished bar. `holes` holds (last bar before, first bar after) for
    each snapshot that did not reach back to what was known, so that bars may be missing between. `changed`
    holds stamps of bars whose prices changed after they were finished. While it is `held` none is finished.
    """

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.holes: list[tuple[int, int]] = []
        self.changed: list[int] = []
        self.held = False
        self._open: dict[int, PriceBar] = {}
        self._latest: PriceBar | None = None

    def hold(self) -> None:
        """Finish nothing before the next snapshot: what happens meanwhile may not be told."""
        self.held = True

    @property
    def growing(self) -> int | None:
        """The stamp of the bar in the making, None where nothing is known of one."""
        return max(self._open, default=None)

    def take(self, told: Bars) -> tuple[PriceBar, ...]:
        """Return the bars that are finished now: all that are known but the latest, which may grow."""
        known = self.last
        if told.snapshot:
            self.held = False
        if told.snapshot and told.bars and known is not None and told.bars[0].at > known:
            self.holes.append((known, told.bars[0].at))
        for bar in told.bars:
            if known is None or bar.at > known:
                self._open[bar.at] = bar
            elif self._latest is not None and bar.at == known and _prices(bar) != _prices(self._latest):
                self.changed.append(bar.at)
                self._latest = bar
        return self.finish(max(self._open, default=0))

    def finish(self, before: int) -> tuple[PriceBar, ...]:
        """Return the open bars stamped before `before`, because a clock says that they are over."""
        if self.held:
            return ()
        done = tuple(self._open.pop(at) for at in sorted(self._open) if at < before)
        if done:
            self._latest = done[-1]
            self.last = self._latest.at
        return done


def _prices(bar: PriceBar) -> tuple[float, ...]:
    return bar.open, bar.high, bar.low, bar.close


class BarStream:
    """A subscription to one series, kept up to date by the broker; `deliver` gets its `Bars`.

    `deliver` is called in the line's thread, as the connection's own is.
    """

    def __init__(self, connection: Connection, series: Series, deliver: Callable[[Message], None]) -> None:
        self.key = series.key
        self._connection, self._series, self._deliver = connection, series, deliver
        self._bars: Any = None

    def subscribe(self, since: int | None = None, days: int = 10) -> None:
        """Subscribe, or subscribe again: a snapshot from before the bar stamped `since` on, then updates.

        Without `since` the snapshot holds about `days` days. Raises `LineDownError` where the line broke
        meanwhile (an `Opened` will follow), else `BrokerError`.
        """
        series = self._series
        contract = self._connection.library.contract(**series.contract.name.fields())

        async def ask(ib: Any) -> None:
            self._forget(ib)
            now = await self._connection.ask_time()
            asked = days if since is None else max(1, (now - self._time(since) + _MARGIN).days)
            try:
                bars = await ib.reqHistoricalDataAsync(
                    contract,
                    "",
                    f"{asked} D",
                    SIZES[series.size.code],
                    series.what,
                    series.regular,
                    formatDate=2,
                    keepUpToDate=True,
                    timeout=0,
                )
            except self._connection.library.request_error as error:
                raise _refused(series, error) from None
            bars.updateEvent += self._updated
            self._bars = bars
            # What was updated since the answer came is in it already.
            self._tell(bars, snapshot=True)

        self._connection.call(ask)

    def cancel(self) -> None:
        """End the subscription; nothing happens where there is none, or while the line is down."""

        async def ask(ib: Any) -> None:
            self._forget(ib)

        if self._connection.up:
            self._connection.call(ask)

    def _forget(self, ib: Any) -> None:
        old, self._bars = self._bars, None
        if old is not None:
            old.updateEvent -= self._updated
            # After a break the library has forgotten it, and the broker too.
            if ib.wrapper.reqId2Subscriber.get(old.reqId) is old:
                ib.cancelHistoricalData(old)

    def _updated(self, bars: Any, _new: bool) -> None:
        # The one before as well: its last change may have come with the new bar.
        self._tell(bars[-2:], snapshot=False)

    def _tell(self, bars: Any, *, snapshot: bool) -> None:
        size = self._series.size
        told = tuple(
            PriceBar(at_of(b.date, size), b.open, b.high, b.low, b.close, max(float(b.volume), 0.0))
            for b in bars
        )
        self._deliver(Bars(self.key, told, snapshot))

    def _time(self, at: int) -> datetime:
        return from_ns(at * NS_PER_DAY if self._series.size.is_daily_or_longer else at)


def _refused(series: Series, error: Any) -> BrokerError:
    """Return what to say where the broker gives no bars of `series`."""
    reason = str(error.message).rpartition("error message:")[2].strip()
    if "permission" in reason or "subscri" in reason:
        hint = "subscribe to its market data in Client Portal, and share them with the paper account"
    elif "pacing" in reason:
        hint = "wait ten minutes: the broker answers only so many requests in that time"
    else:
        hint = "try another --timeframe or another kind of price, [live] prices"
    return BrokerError(
        f"{series.contract.name.symbol}: the broker gives no {series.what} bars of {series.size.code}:"
        f" error {error.code}, {reason}",
        hint=hint,
    )
