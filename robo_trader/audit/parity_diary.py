"""What a strategy is told and what it asks for, call by call: the diary that explains a difference.

`with_diary` derives a class that does the same as the strategy and writes each call down, with the account
as the strategy could read it then. Two diaries are compared page by page: the first page that differs is
what led the strategy to something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import backtrader as bt

from robo_trader.clock import iso
from robo_trader.strategy import handles_events, handles_signals

_STATUSES = bt.Order.Status
#: When an order is submitted and accepted the two ends tell at different moments; fills and ends count.
_WITHOUT_FILL = frozenset({"Canceled", "Rejected", "Margin", "Expired"})
_TOLD = "notify_"
_ON_ITS_WAY = frozenset({"Created", "Submitted", "Accepted"})


@dataclass(frozen=True, slots=True)
class Page:
    """One call: what it was, when (ns UTC), inside which other call it happened, and what was seen then."""

    what: str
    time: int
    within: str
    seen: Mapping[str, Any]


def with_diary(strategy: type, pages: list[Page]) -> type:
    """Return a class that behaves as `strategy` and writes its calls into `pages`."""
    inside: list[str] = []
    numbers: dict[int, int] = {}

    def write(self: Any, what: str, **seen: Any) -> None:
        now = int(self.cerebro.robo.now)
        pages.append(Page(what, now, inside[-1] if inside else "", seen))

    def during(self: Any, label: str, call: Callable[[], Any]) -> Any:
        inside.append(label)
        try:
            return call()
        finally:
            inside.pop()

    def next(self: Any) -> None:
        write(self, "next", bars=len(self), **_account(self))
        during(self, "next", lambda: strategy.next(self))  # type: ignore[attr-defined]

    def notify_order(self: Any, order: Any) -> None:
        status = _STATUSES[order.status]
        if status not in _ON_ITS_WAY:
            write(
                self, "notify_order", order=numbers.get(order.ref, 0), status=status,
                filled=float(order.executed.size), price=float(order.executed.price or 0.0), bars=len(self),
            )  # fmt: skip
        during(self, f"notify_order ({status})", lambda: strategy.notify_order(self, order))  # type: ignore[attr-defined]

    def notify_trade(self: Any, trade: Any) -> None:
        write(
            self, "notify_trade", symbol=trade.data._name, closed=bool(trade.isclosed),
            pnl=float(trade.pnlcomm), bars=len(self),
        )  # fmt: skip
        during(self, "notify_trade", lambda: strategy.notify_trade(self, trade))  # type: ignore[attr-defined]

    def notify_event(self: Any, event: Any) -> None:
        write(self, "notify_event", event=event.id, **_account(self))
        during(self, "notify_event", lambda: strategy.notify_event(self, event))  # type: ignore[attr-defined]

    def notify_signal(self: Any, signal: Any) -> None:
        heard = {"symbol": signal.symbol, "name": signal.name, "signal": signal.value}
        write(self, "notify_signal", **heard, **_account(self))
        during(self, "notify_signal", lambda: strategy.notify_signal(self, signal))  # type: ignore[attr-defined]

    def ordering(side: str) -> Callable[..., Any]:
        own = getattr(strategy, side)

        def order(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = len(numbers)
            made = own(self, *args, **kwargs)
            if made is not None and made.ref not in numbers:
                numbers[made.ref] = before + 1
                write(
                    self, side, order=before + 1, symbol=made.data._name, size=abs(float(made.created.size)),
                    type=made.getordername(), price=_number(made.created.price), **_account(self),
                )  # fmt: skip
            return made

        return order

    def cancel(self: Any, order: Any) -> Any:
        write(self, "cancel", order=numbers.get(order.ref, 0))
        return strategy.cancel(self, order)  # type: ignore[attr-defined]

    space: dict[str, Any] = {
        "cancel": cancel, "next": next, "notify_order": notify_order, "notify_trade": notify_trade,
        "buy": ordering("buy"), "sell": ordering("sell"), "__module__": strategy.__module__,
    }  # fmt: skip
    if handles_events(strategy):
        space["notify_event"] = notify_event
    if handles_signals(strategy):
        space["notify_signal"] = notify_signal
    # Backtrader keeps classes by name; one that begins with an underscore stays out of its lists.
    return type(strategy)(f"_{strategy.__name__}", (strategy,), space)


def _account(strategy: Any) -> dict[str, Any]:
    """Return what a strategy can read: value, cash, each feed's last bar and position, each indicator."""
    broker = strategy.broker
    seen: dict[str, Any] = {"value": float(broker.getvalue()), "cash": float(broker.getcash())}
    for data in strategy.datas:
        name = data._name
        seen[f"bars of {name}"] = len(data)
        seen[f"close of {name}"] = float(data.close[0]) if len(data) else math.nan
        seen[f"position in {name}"] = float(strategy.getposition(data).size)
    for i, line in enumerate(strategy.getindicators()):
        if len(line):
            seen[f"{type(line).__name__} {i + 1}"] = float(line.lines[0][0])
    return seen


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def first_difference(
    backtest: Sequence[Page], live: Sequence[Page], *, with_bar: bool
) -> tuple[Page | None, Page | None, list[str]] | None:
    """Return the first pages that differ, and in what; None where two diaries say the same.

    `with_bar`: the backtest tells of fills together with the bar, so that when and in which order they are
    told is no difference.
    """
    for ours, theirs in zip_longest(_kept(backtest, with_bar), _kept(live, with_bar)):
        if ours is None or theirs is None or ours.what != theirs.what:
            return ours, theirs, ["call"]
        loose = with_bar and _TOLD in f"{ours.within} {theirs.within}"
        names = [] if ours.time == theirs.time or loose else ["time"]
        names += [
            name
            for name in {**ours.seen, **theirs.seen}
            if not _same(ours.seen.get(name), theirs.seen.get(name)) and not (loose and _of_the_bar(name))
        ]
        if names:
            return ours, theirs, names
    return None


def _kept(pages: Sequence[Page], with_bar: bool) -> list[Page]:
    """Return the pages that must agree: when an end without a fill is told differs by nature."""
    told = ("notify_order", "notify_trade")
    return [
        page
        for page in pages
        if not (page.what in told if with_bar else page.seen.get("status") in _WITHOUT_FILL)
    ]


def _of_the_bar(name: str) -> bool:
    return (
        name in ("bars", "value", "cash")
        or name.startswith(("bars of", "close of", "position in"))
        or (name[-1:].isdigit())
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return bool(a == b)


def say(pages: tuple[Page | None, Page | None, list[str]]) -> str:
    """Return the first difference of two diaries in words."""
    ours, theirs, names = pages
    if ours is None or theirs is None or names == ["call"]:
        return f"the backtest called {_call(ours)}, live {_call(theirs)}"
    shown = names[:3]
    seen = "; ".join(
        f"{name} was {_value(ours, name)} in the backtest and {_value(theirs, name)} live" for name in shown
    )
    more = f" (and {len(names) - len(shown)} more)" if len(names) > len(shown) else ""
    return f"in {ours.what} at {iso(ours.time)}: {seen}{more}"


def _call(page: Page | None) -> str:
    if page is None:
        return "nothing more"
    about = page.seen.get("symbol") or page.seen.get("event") or page.seen.get("status") or ""
    where = f" in {page.within}" if page.within else ""
    return f"{page.what}{f' ({about})' if about else ''}{where} at {iso(page.time)}"


def _value(page: Page, name: str) -> str:
    value = iso(page.time) if name == "time" else page.seen.get(name, "absent")
    return f"{value:.10g}" if isinstance(value, float) else str(value)
