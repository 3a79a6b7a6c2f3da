"""The honest fill rules: no order is filled at a price printed before the order existed.

A bar is matched in two steps, by `robo_trader.matching`: at its start what its open decides, at its
end the rest. An order sees only bars of its own instrument whose start is not before its
submission; market-on-close may use the bar in progress; bracket children become eligible on the
bar after their parent's fill; an order whose validity ends inside a bar is not matched in it.

With one clock both steps happen when the bar is delivered (`next`), so that strategies see what
they see in Backtrader. With several, or with events, the engine calls `match_opens` at the bars'
starts and `match_rest` at their ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import backtrader as bt

from robo_trader.engine.broker import RecordingBroker, bar_of, terms_of
from robo_trader.engine.modifying import Values
from robo_trader.engine.recorder import Recorder
from robo_trader.engine.validity import deadline, is_over
from robo_trader.errors import StrategyError
from robo_trader.feeds.bars import BarsFeed, to_backtrader_days
from robo_trader.matching import Match, Slippage, at_open, in_bar, trail
from robo_trader.risk.gate import Gate

_NEVER = -1
_TRAILING = (bt.Order.StopTrail, bt.Order.StopTrailLimit)
Matcher = Callable[[Any, BarsFeed, int], None]


class HonestBroker(RecordingBroker):
    """Backtrader's books with fills that respect when prices were printed."""

    def __init__(self, recorder: Recorder, gate: Gate | None = None) -> None:
        super().__init__(recorder, gate)
        self._entered: dict[int, int] = {}
        self._triggered_in: dict[int, int] = {}
        self._days: dict[Any, Any] = {}
        self._peeking = False

    def start(self) -> None:
        super().start()
        self._read_slippage()

    def set_slippage_perc(self, *args: Any, **kwargs: Any) -> None:
        super().set_slippage_perc(*args, **kwargs)
        self._read_slippage()

    def set_slippage_fixed(self, *args: Any, **kwargs: Any) -> None:
        super().set_slippage_fixed(*args, **kwargs)
        self._read_slippage()

    def _read_slippage(self) -> None:
        p = self.p
        self._slippage = Slippage(
            p.slip_perc, p.slip_fixed, p.slip_open, p.slip_match, p.slip_limit, p.slip_out
        )

    # -- settings that contradict the rules ----------------------------------------------------

    def set_coc(self, coc: bool) -> None:
        self._refuse_cheat("cheat-on-close", coc)

    def set_coo(self, coo: bool) -> None:
        self._refuse_cheat("cheat-on-open", coo)

    @staticmethod
    def _refuse_cheat(name: str, on: bool) -> None:
        if on:
            raise StrategyError(f"the honest fill rules do not allow {name}", hint="use --fill-rules stock")

    def _prepare(self, data: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        valid = kwargs.get("valid")
        if isinstance(valid, dt.timedelta):
            kwargs["valid"] = deadline(valid, self.now, data)
        return super()._prepare(data, kwargs)

    # -- orders on their way ----------------------------------------------------------------------

    def cancel(self, order: Any, bracket: bool = False) -> bool:
        """Cancel an order that was accepted, or that was submitted at an earlier moment.

        Backtrader ignores the cancellation of an order that the broker has not looked at yet, and
        looks at the next bar only; an order made by an event could not be taken back by the next.
        Made and cancelled in one moment, the order still goes out, as in Backtrader.
        """
        if order not in self.submitted or self._submitted_at[order.ref] >= self.now:
            return bool(super().cancel(order, bracket))
        self.submitted.remove(order)
        order.cancel()
        self.notify(order)
        self._ococheck(order)
        if not bracket:
            self._bracketize(order, cancel=True)
        return True

    def _modified(self, order: Any, before: Values, after: Values) -> None:
        """A bar in progress has printed its prices: it is not for an order that was changed since."""
        if order not in self.submitted:
            self._submitted_at[order.ref] = max(self._submitted_at[order.ref], self.now)
            self._entered.pop(order.ref, None)
        super()._modified(order, before, after)

    def transmit(self, order: Any, check: bool = True) -> Any:
        """Send an order once; Backtrader sends a parent again with each child that comes later."""
        return super().transmit(order, check) if order.status == bt.Order.Created else order

    def _ococheck(self, order: Any) -> None:
        """Cancel the rest of the order's group, members that the broker has not looked at yet as well."""
        group = set(self._ocol.get(self._ocos.get(self._ocos[order.ref]), ()))
        super()._ococheck(order)
        for other in [o for o in self.submitted if o.ref in group and o.ref != order.ref]:
            self.submitted.remove(other)
            other.cancel()
            self.notify(other)

    # -- one clock: both steps when the bars are delivered ---------------------------------------

    def next(self) -> None:
        """Match the bars that have just been delivered, as Backtrader's loop asks."""
        self._begin()
        self._charge_interest()
        delivered = {
            feed for feed in self._feeds() if len(feed) and feed.frame.end[len(feed) - 1] == self.now
        }
        self._enter(delivered, len_offset=0)
        self._match(delivered, self._try_open, len_offset=0)
        self._match(delivered, self._try_rest, len_offset=0)
        self._finish()

    # -- several clocks: each step at its time ---------------------------------------------------

    def match_opens(self, feeds: Iterable[BarsFeed]) -> None:
        """Match what the opens of `feeds`' next bars decide; the strategy has not seen those bars."""
        starting = set(feeds)
        self._begin()
        if not self.pending:
            return
        self._enter(starting, len_offset=1)
        touched = {order.data for order in self.pending if order.data in starting}
        for feed in touched:
            feed.peek()
        self._peeking = True
        try:
            self._match(touched, self._try_open, len_offset=0)
        finally:
            self._peeking = False
            for feed in touched:
                feed.unpeek()
        self._get_value()

    def match_rest(self, feeds: Iterable[BarsFeed]) -> None:
        """Match the rest of the bars of `feeds` that have just been delivered."""
        self._begin()
        self._charge_interest()
        if self.pending:
            self._match(set(feeds), self._try_rest, len_offset=0)
        self._finish()

    # -- steps -----------------------------------------------------------------------------------

    def _feeds(self) -> Iterable[BarsFeed]:
        return {order.data for order in self.pending}

    def _begin(self) -> None:
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit and self.submitted:
            self.check_submitted()

    def _enter(self, feeds: set[BarsFeed], *, len_offset: int) -> None:
        """Note which orders take part in the bars of `feeds` that start now."""
        for order in self.pending:
            feed = order.data
            if feed not in feeds or not order.active():
                continue
            i = len(feed) - 1 + len_offset
            if self._submitted_at[order.ref] <= feed.frame.start[i]:
                self._entered[order.ref] = i

    def _match(self, feeds: set[BarsFeed], matcher: Matcher, *, len_offset: int) -> None:
        """Go once through the pending orders of `feeds`, in the order of their submission.

        Backtrader's cancellations (groups, brackets) take orders out of the queue while it is being
        walked, so the walk goes by a sentinel, as Backtrader's own does.
        """
        pending = self.pending
        pending.append(None)
        while (order := pending.popleft()) is not None:
            feed = order.data
            if feed in feeds and order.active():
                i = len(feed) - 1 + len_offset
                if self._expired(order, feed, i):
                    continue
                matcher(order, feed, i)
            if order.alive():
                pending.append(order)
            elif order.status == bt.Order.Completed:
                self._after_fill(order, feed)

    def _expired(self, order: Any, feed: BarsFeed, i: int) -> bool:
        if order.p.valid is None or order.exectype == bt.Order.Market:
            return False
        days = self._days.get(feed)
        if days is None:
            days = self._days[feed] = to_backtrader_days(feed.frame.end)
        if not is_over(order, feed, i, float(days[i])):
            return False
        order.status = bt.Order.Expired
        order.executed.dt = float(days[i])
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=True)
        return True

    def _try_open(self, order: Any, feed: BarsFeed, i: int) -> None:
        if self._entered.get(order.ref, _NEVER) == i:
            self._apply(order, feed, i, at_open(terms_of(order), bar_of(feed.frame, i), self._slippage), True)

    def _try_rest(self, order: Any, feed: BarsFeed, i: int) -> None:
        frame = feed.frame
        if order.exectype == bt.Order.Close:
            closed = frame.end if frame.closed is None else frame.closed
            if self._submitted_at[order.ref] < closed[i]:
                self._apply(order, feed, i, in_bar(terms_of(order), bar_of(frame, i), self._slippage), False)
            return
        if self._entered.get(order.ref, _NEVER) != i:
            return
        bar = bar_of(frame, i)
        self._apply(order, feed, i, in_bar(terms_of(order), bar, self._slippage), False)
        # A stop-limit that triggered on an earlier bar is a limit order now and trails no more.
        if order.alive() and order.exectype in _TRAILING and self._triggered_in.get(order.ref, i) == i:
            self._trail(order, bar.close)

    def _apply(self, order: Any, feed: BarsFeed, i: int, match: Match, opening: bool) -> None:
        price, triggered = match
        if triggered and not order.triggered:
            order.triggered = True
            self._triggered_in[order.ref] = i
        if price is None:
            return
        frame = feed.frame
        self._fill_time = int(frame.start[i] if opening else frame.end[i])
        # `order.executed.dt` is when the strategy hears of it; for fills told with the bar, its end.
        early = float(to_backtrader_days(frame.start[i : i + 1])[0]) if self._peeking else None
        self._drop_dust(order)
        try:
            self._execute(order, ago=0, price=price, dtcoc=early)
        finally:
            self._fill_time = None

    def _drop_dust(self, order: Any) -> None:
        """Let a reversal ask for what Backtrader can book: a closing and an opening part.

        Their sum may miss a fractional size by a rounding error, and that rest would stay in the
        market as a partial fill.
        """
        size, held = order.executed.remsize, self.positions[order.data].size
        opened = held + size
        if held * opened < 0:
            order.executed.remsize = opened - held

    @staticmethod
    def _trail(order: Any, close: float) -> None:
        created = order.created
        stop = trail(created.price, close, order.isbuy(), order.trailamount, order.trailpercent)
        if stop != created.price:
            created.price = stop
            if order.exectype == bt.Order.StopTrailLimit:
                created.pricelimit = stop - order._limitoffset

    def _after_fill(self, order: Any, feed: BarsFeed) -> None:
        """Children of a bracket may trade from the bar after their parent's."""
        children = [o for o in self._pchildren.get(order.ref, ()) if o.ref != order.ref]
        after = self._bar_end(feed)
        for child in children:
            self._submitted_at[child.ref] = max(self._submitted_at[child.ref], after)
        self._bracketize(order)

    def _bar_end(self, feed: BarsFeed) -> int:
        return int(feed.frame.end[len(feed) - 1])

    def _finish(self) -> None:
        """What Backtrader does at the end of a bar: interest, futures' cash, the account's value."""
        positions = [(data, pos) for data, pos in self.positions.items() if pos]
        for data, pos in positions:
            comminfo = self.getcommissioninfo(data)
            if not comminfo.stocklike:
                close = data.close[0]
                self.cash += comminfo.cashadjust(pos.size, pos.adjbase, close)
                pos.adjbase = close
        self._get_value()

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        """Value the account as Backtrader does, but never read a feed that has no bar yet."""
        if datas is not None or self._fundhist:
            return float(super()._get_value(datas, lever))
        while self._cash_addition:
            added = self._cash_addition.popleft()
            self._fundshares += added / self._fundval
            self.cash += added
        value = unlevered = unrealized = 0.0
        for data, position in self.positions.items():
            if not position.size:
                continue
            comminfo, close = self.getcommissioninfo(data), data.close[0]
            if self.p.shortcash:
                worth = comminfo.getvaluesize(position.size, close)
            else:
                worth = abs(comminfo.getvalue(position, close))
            gain = comminfo.profitandloss(position.size, position.price, close)
            value += worth
            unrealized += gain
            # Summed in Backtrader's order of operations, so that the last bit agrees.
            if worth > 0:
                unlevered += (worth - gain) / comminfo.get_leverage()
                unlevered += gain
            else:
                unlevered += worth
        return self._summed(value, unlevered, unrealized, lever)

    def _summed(self, value: float, unlevered: float, unrealized: float, lever: bool) -> float:
        """Keep the sums over all positions, and return the account's value."""
        self._value = self.cash + unlevered
        self._fundval: float = self._value / self._fundshares
        self._valuemkt, self._valuemktlever = unlevered, value
        self._valuelever = self.cash + value
        self._leverage = value / (unlevered or 1.0)
        self._unrealized = unrealized
        return float(self._valuelever if lever else self._value)
