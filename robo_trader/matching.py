"""The fill rules as pure functions: a bar in, a price out.

Nothing here knows of brokers, money or Backtrader; the backtest's broker and the simulated
gateway both call it. A bar is matched in two steps, because its prices are printed at two times:

* `at_open`: what the bar's first price decides, at the bar's *start*;
* `in_bar`: what the rest of the bar decides, at its *end*.

A limit, a stop-limit's too, is never filled worse than its price, slippage included. Where the
path inside a bar matters, the assumptions are Backtrader's (BackBroker, backtrader 1.9.78): a
stop is filled at its own price when the bar touches it, and a stop-limit that triggers inside a
bar is filled in it only if the open and close prove that the limit was reachable afterwards.

Both functions return ``(price or None, triggered)``; `triggered` is remembered by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

MARKET, CLOSE, LIMIT, STOP, STOP_LIMIT = "Market", "Close", "Limit", "Stop", "StopLimit"
STOP_TRAIL, STOP_TRAIL_LIMIT = "StopTrail", "StopTrailLimit"

_STOPS = (STOP, STOP_TRAIL)
_STOP_LIMITS = (STOP_LIMIT, STOP_TRAIL_LIMIT)

Match = tuple[float | None, bool]


@dataclass(frozen=True, slots=True)
class Slippage:
    """How much worse than the quoted price a fill is.

    `fraction` of the price or `fixed` price units, the fraction first. `at_open` applies it to
    prices at the open. The slipped price is kept inside the bar: beyond its high or low the fill
    happens at that edge when `cap` is set, and not at all otherwise; `beyond` lets it leave the bar.
    """

    fraction: float = 0.0
    fixed: float = 0.0
    at_open: bool = True
    cap: bool = True
    cap_limits: bool = True
    beyond: bool = False

    def apply(
        self, price: float, buy: bool, edge: float, *, opening: bool = False, limited: bool = False
    ) -> float | None:
        """Return the slipped price, `edge` being the worst price allowed; None means no fill.

        `limited` says that a limit price bounds the fill: then `edge` holds even with `beyond`.
        """
        if opening and not self.at_open:
            return price
        if self.fraction:
            slipped = price * (1 + self.fraction) if buy else price * (1 - self.fraction)
        elif self.fixed:
            slipped = price + self.fixed if buy else price - self.fixed
        else:
            return price
        if slipped <= edge if buy else slipped >= edge:
            return slipped
        if self.cap or (limited and self.cap_limits):
            return slipped if self.beyond and not limited else edge
        return None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order asks for: `type` in Backtrader's spelling, `limit` and `stop` prices.

    `triggered` is True once a stop-limit's stop was reached.
    """

    type: str
    buy: bool
    limit: float | None = None
    stop: float | None = None
    triggered: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar's prices; `last` is True where the session ends with it."""

    open: float
    high: float
    low: float
    close: float
    last: bool = True


def at_open(terms: Terms, bar: Bar, slippage: Slippage) -> Match:
    """Match what the bar's open decides: market orders, and limits and stops it jumped over."""
    kind = terms.type
    if kind == MARKET:
        edge = bar.high if terms.buy else bar.low
        return slippage.apply(bar.open, terms.buy, edge, opening=True), False
    if kind == LIMIT or (terms.triggered and kind in _STOP_LIMITS):
        return _limit_at_open(terms, bar, slippage), terms.triggered
    if kind in _STOPS and _reached(terms, bar.open):
        edge = bar.high if terms.buy else bar.low
        return slippage.apply(bar.open, terms.buy, edge, opening=True), False
    if kind in _STOP_LIMITS and _reached(terms, bar.open):
        return _limit_at_open(terms, bar, slippage), True
    return None, terms.triggered


def in_bar(terms: Terms, bar: Bar, slippage: Slippage) -> Match:
    """Match what comes after the open, for an order that the open did not fill."""
    kind = terms.type
    if kind == CLOSE:
        return (bar.close if bar.last else None), False
    if kind == LIMIT or (terms.triggered and kind in _STOP_LIMITS):
        return _limit_touched(terms, bar), terms.triggered
    if terms.stop is None or kind not in _STOPS + _STOP_LIMITS:
        return None, terms.triggered
    if _reached(terms, bar.open) or not _reached(terms, bar.high if terms.buy else bar.low):
        return None, terms.triggered
    edge = bar.high if terms.buy else bar.low
    if kind in _STOPS:
        return slippage.apply(terms.stop, terms.buy, edge), False
    return _stop_limit_touched(terms, bar, slippage), True


def trail(stop: float, close: float, buy: bool, amount: float | None, percent: float | None) -> float:
    """Return the trailing stop after a bar's close: it follows the price and never steps back.

    `amount` is in price units, `percent` a fraction of the close; the amount goes first.
    """
    distance = amount or (close * percent if percent else 0.0)
    return min(stop, close + distance) if buy else max(stop, close - distance)


def _reached(terms: Terms, price: float) -> bool:
    """True where `price` reaches the stop."""
    if terms.stop is None:
        return False
    return price >= terms.stop if terms.buy else price <= terms.stop


def _limit_at_open(terms: Terms, bar: Bar, slippage: Slippage) -> float | None:
    limit = terms.limit
    # Asked this way round, a limit of NaN is never reached.
    if limit is None or not (limit >= bar.open if terms.buy else limit <= bar.open):
        return None
    # Backtrader bounds a slipped sale by the limit alone, a slipped purchase by the high as well.
    edge = min(bar.high, limit) if terms.buy else limit
    return slippage.apply(bar.open, terms.buy, edge, opening=True, limited=True)


def _limit_touched(terms: Terms, bar: Bar) -> float | None:
    limit = terms.limit
    if limit is None:
        return None
    if terms.buy:
        return limit if bar.low <= limit < bar.open else None
    return limit if bar.open < limit <= bar.high else None


def _stop_limit_touched(terms: Terms, bar: Bar, slippage: Slippage) -> float | None:
    """A stop-limit that triggers inside the bar, at `stop`; is the limit reachable afterwards?"""
    stop, limit = terms.stop, terms.limit
    if stop is None or limit is None:
        return None
    if limit >= stop if terms.buy else limit <= stop:
        edge = min(bar.high, limit) if terms.buy else max(bar.low, limit)
        return slippage.apply(stop, terms.buy, edge, limited=True)
    # The limit lies on the far side of the stop. Only a close beyond it proves that the price
    # came back; the direction of the bar is Backtrader's stand-in for the path.
    if terms.buy:
        return limit if bar.open > bar.close and limit >= bar.close else None
    return limit if bar.open <= bar.close and limit <= bar.close else None
