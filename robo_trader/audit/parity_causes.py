"""Why two runs part: what is known of each end, and what the diaries of both runs show.

The first rule that applies names the cause. Where none does, that is said as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from robo_trader.audit.parity_diary import Page, first_difference, say
from robo_trader.audit.parity_rows import Parting, Row
from robo_trader.engine.record import OrderRecord, RunRecord

#: What differs by nature, in words.
WITH_BAR = (
    "a backtest on one clock without events tells of fills together with the bar, as Backtrader does; live "
    "they are told when they happen, before the bar is there, so that time, len(self) and data[0] are those "
    "of the bar before"
)
ON_TICK = "the broker takes prices on the contract's tick of {tick:g}: {price} left as the nearest one"
AT_THE_END = "the tape ends here: a backtest has nobody left who answers an order, the broker takes it still"
AT_ONCE = (
    "the order was made and cancelled at one moment: live it is taken back before it leaves, while in a "
    "backtest it still goes out, as in Backtrader"
)
ENDED_AT_ONCE = (
    "the order was made when another was told to be {status}: a backtest tells of that when the next bar "
    "starts or ends, live it is told at once"
)
SECOND_FRAME = (
    "the order was given to a second time frame of its instrument: a backtest fills it with the bars of that "
    "frame, the broker knows one market, and fills it with the next price"
)
FRACTION = "the size left as {size}: live sizes go out with nine decimals"
NO_CASH = (
    "the backtest refused it for want of cash, as Backtrader does; live no order that only makes a position "
    "smaller is refused"
)
OWN_COSTS = (
    "the strategy sets commissions of its own (broker.setcommission): they hold in a backtest, and live "
    "the broker charges its own"
)
FOLLOWS = "it follows from the first difference"
_UNTRADED = ("IND",)
_ENDS = frozenset(f"notify_order ({status})" for status in ("Canceled", "Rejected", "Margin", "Expired"))
#: How the record says that nobody but the strategy ended an order.
_OWN_DOING = "cancelled by the strategy"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to explain differences with.

    `pages` are the diaries of both runs, `ticks` and `kinds` the price steps and security types by symbol;
    `repeats` is False where either run, repeated, did something else.
    """

    backtest: RunRecord
    live: RunRecord
    pages: tuple[list[Page], list[Page]]
    ticks: Mapping[str, float]
    kinds: Mapping[str, str]
    repeats: bool


def causes_of(partings: Sequence[Parting], seen: Evidence) -> list[str]:
    """Return why two runs part, in words, one text for each; `partings` are the earliest first."""
    first = cause_of(partings[0], seen) if partings else ""
    found = [first]
    for later in partings[1:]:
        own = _by_rule(later, seen)
        found.append(own or (FOLLOWS if later.time >= partings[0].time else cause_of(later, seen)))
    return found[: len(partings)]


def _by_rule(parting: Parting, seen: Evidence) -> str:
    return next((said for rule in _RULES if (said := rule(parting, seen))), "")


def cause_of(parting: Parting, seen: Evidence) -> str:
    """Return why two runs part here, in words."""
    if not seen.repeats:
        return "the strategy does not repeat: the same run, twice, did different things"
    if said := _by_rule(parting, seen):
        return said
    with_bar = seen.backtest.notify == "with_bar"
    page = first_difference(*seen.pages, with_bar=with_bar)
    if with_bar and _in_order_call(parting, seen, page):
        return f"the order was made in notify_order or notify_trade: {WITH_BAR}"
    if page is not None:
        first = next(p for p in page[:2] if p is not None)
        if first.time <= parting.time or parting.kind in ("bars", "end"):
            return f"before it {say(page)}"
        return f"it comes first; what the strategy then saw differs too: {say(page)}"
    return "the strategy was called alike and saw the same: the two ends treat what it did differently"


def _at_once(parting: Parting, seen: Evidence) -> str:
    """An order was taken back in the moment in which it was made."""
    order = _order_behind(parting, seen.live)
    if order is None or order.status != "Canceled" or parting.kind != "order":
        return ""
    gone = any(
        p.what == "cancel" and p.time == order.time and p.seen["order"] == order.order_id
        for p in seen.pages[1]
    )
    return AT_ONCE if gone else ""


def _cash(parting: Parting, seen: Evidence) -> str:
    """The backtest had no cash for an order that was sent live."""
    order, twin = _order_behind(parting, seen.backtest), _order_behind(parting, seen.live)
    refused = order is not None and order.status == "Margin"
    return NO_CASH if refused and (twin is None or twin.status != "Margin") else ""


def _told_of_an_end(parting: Parting, seen: Evidence) -> str:
    """The order followed a notification that comes at different moments."""
    for pages in seen.pages:
        for page in pages:
            if page.what in ("buy", "sell") and page.time == parting.time and page.within in _ENDS:
                return ENDED_AT_ONCE.format(status=page.within.partition("(")[2].rstrip(")"))
    return ""


def _own_costs(parting: Parting, seen: Evidence) -> str:
    """Fills are the same but for what they cost: both ends have the same commission otherwise."""
    return OWN_COSTS if parting.kind == "fill" and parting.fields == ("commission",) else ""


def _second_frame(parting: Parting, seen: Evidence) -> str:
    """The order is for a feed that has the instrument of another."""
    return SECOND_FRAME if "@" in parting.symbol and parting.kind in ("order", "fill") else ""


def _fraction(parting: Parting, seen: Evidence) -> str:
    """A size of more decimals than are sent."""
    if (
        parting.kind != "fill"
        or parting.backtest is None
        or parting.live is None
        or "size" not in parting.fields
    ):
        return ""
    ours, theirs = float(parting.backtest.fields["size"]), float(parting.live.fields["size"])
    return FRACTION.format(size=repr(theirs)) if ours != theirs and abs(ours - theirs) < 1e-8 else ""


def _rejected(parting: Parting, seen: Evidence) -> str:
    """The broker refused an order that the backtest filled."""
    order = _order_behind(parting, seen.live)
    twin = _order_behind(parting, seen.backtest)
    if order is None or order.status not in ("Rejected", "Canceled") or not order.reason:
        return ""
    if order.reason.startswith(_OWN_DOING) or (twin is not None and twin.status == order.status):
        return ""
    index = " (an index cannot be traded)" if seen.kinds.get(order.symbol) in _UNTRADED else ""
    verb = "refused" if order.status == "Rejected" else "ended"
    return f"the live path {verb} order {order.order_id}: {order.reason}{index}"


def _tick(parting: Parting, seen: Evidence) -> str:
    """A price lies between two ticks."""
    order = _order_behind(parting, seen.backtest)
    if order is None or parting.kind not in ("order", "fill", "session"):
        return ""
    tick = seen.ticks.get(order.symbol, 0.0)
    for price in (order.limit, order.stop):
        if price is not None and not on_tick(price, tick):
            return ON_TICK.format(tick=tick, price=repr(price))
    return ""


def on_tick(price: float, tick: float) -> bool:
    """Tell whether a price lies on a tick, to the last digit: a stop that trails may miss it by a float's."""
    if tick <= 0:
        return True
    step = Decimal(repr(tick))
    parts = Decimal(repr(price)) / step
    return parts == parts.to_integral_value()


def _ended(parting: Parting, seen: Evidence) -> str:
    """The tape ends before the backtest has looked at an order."""
    if parting.kind != "order" or parting.fields != ("status",):
        return ""
    last = int(seen.backtest.sessions.time[-1]) if len(seen.backtest.sessions.time) else 0
    return AT_THE_END if parting.time >= last else ""


def _in_order_call(
    parting: Parting, seen: Evidence, page: tuple[Page | None, Page | None, list[str]] | None
) -> bool:
    """Tell whether what parts was ordered inside a notification about orders or trades."""
    within = {p.within for p in (page[:2] if page is not None else ()) if p is not None}
    made = [p for pages in seen.pages for p in pages if p.what in ("buy", "sell") and p.time == parting.time]
    within |= {p.within for p in made}
    return any(w.startswith(("notify_order", "notify_trade")) for w in within)


def _order_behind(parting: Parting, record: RunRecord) -> OrderRecord | None:
    """Return the order that a row is about: its own, or the one that made the fill."""
    row: Row | None = parting.backtest or parting.live
    if row is None or not parting.symbol:
        return None
    number = row.order
    return next((o for o in record.orders if o.order_id == number), None) if number is not None else None


_RULES: tuple[Callable[[Parting, Evidence], str], ...] = (
    _at_once, _told_of_an_end, _own_costs, _second_frame, _cash, _rejected, _tick, _fraction, _ended,
)  # fmt: skip
