"""`EventDriven`: trade what rate decisions and earnings mean, for a few sessions.

It listens: an event says of which kind it is, the signal that follows says which way, and the order
goes out at that moment, to be filled at the next price that is printed after it. A trade ends after
a number of bars, or when a later event of these kinds turns the signal against it. Parameters that
contradict each other are a `UsageError` before the first bar.
"""

from __future__ import annotations

from typing import Any

from robo_trader import Event, Signal, Strategy, UsageError
from robo_trader.sizing import conviction_weight, volatility, volatility_weight


class EventDriven(Strategy):
    """Trade the signals that rest on events of kind "fomc" or "earnings".

    `fomc_entry` and `earnings_entry` are the least values of the signal, `fomc_bars` and
    `earnings_bars` how long a trade lasts. `weight` is the largest part of the account in one
    symbol, earned at a signal of 0.30 (all that one source can move); a symbol that is wilder than
    `target` a year over `bars` bars gets less. `short` allows short sales. `fomc` names the symbols
    that trade rate decisions, by comma (empty: all); those in `leave_out` are never traded.
    """

    params = {
        "fomc_entry": 0.05, "earnings_entry": 0.15, "fomc_bars": 5, "earnings_bars": 3, "weight": 0.10,
        "target": 0.03, "bars": 20, "short": True, "fomc": "", "leave_out": "VIX",
    }  # fmt: skip

    def __init__(self) -> None:
        p = self.p
        for kind in ("fomc", "earnings"):
            entry, bars = getattr(p, f"{kind}_entry"), getattr(p, f"{kind}_bars")
            if not 0 < entry <= 1 or bars < 1:
                raise UsageError(
                    f"event_driven: {kind}_entry={entry} and {kind}_bars={bars} make no trade",
                    hint="an entry lies above 0 and at most at 1; a trade lasts 1 bar or more",
                )
        if not 0 < p.weight <= 1:
            raise UsageError(f"event_driven: weight={p.weight} must be above 0 and at most 1")
        left_out = _names(p.leave_out)
        self.traded = {data._name: data for data in self.bars if data._name not in left_out}
        self.for_fomc = _names(p.fomc) or set(self.traded)
        self.kinds: dict[str, str] = {}
        self.lasts: dict[Any, int] = {}  # bars of a trade, from its order on
        self.until: dict[Any, int] = {}  # the bar after which it ends, from its first bar on
        self.leaving: set[Any] = set()  # whose exit is on its way
        self.acted: dict[Any, str] = {}  # the event that was traded last

    def notify_event(self, event: Event) -> None:
        """Remember of which kind an event is."""
        if event.kind in ("fomc", "earnings") and event.id is not None:
            self.kinds[event.id] = event.kind

    def notify_signal(self, signal: Signal) -> None:
        """Trade a signal that rests on an event of ours, or leave what it speaks against."""
        data = self.traded.get(signal.symbol)
        newest = next((e for e in reversed(signal.evidence) if e in self.kinds), None)
        if data is None or newest is None or signal.name != "news" or not len(data) or self.warming_up:
            return
        if data in self.leaving:
            return
        kind = self.kinds[newest]
        if kind == "fomc" and signal.symbol not in self.for_fomc:
            return
        held = self.getposition(data).size
        if held and held * signal.value < 0:
            self._leave(data, signal)
        elif not held and data not in self.lasts and self.acted.get(data) != newest:
            self._enter(data, newest, signal)

    def _enter(self, data: Any, event: str, signal: Signal) -> None:
        kind, value = self.kinds[event], signal.value
        if abs(value) < getattr(self.p, f"{kind}_entry") or (value < 0 and not self.p.short):
            return
        vol = volatility(data.close.get(size=self.p.bars + 1), bars=self.p.bars)
        calm = volatility_weight(vol, target=self.p.target, most=self.p.weight)
        if not calm:
            return
        weight = conviction_weight(value, most=calm, full=0.30)
        self.lasts[data], self.acted[data] = getattr(self.p, f"{kind}_bars"), event
        why = f"{abs(weight):.1%} of the account at a volatility of {vol:.0%}"
        self.order_target_percent(data, weight, because=(signal, why))

    def _leave(self, data: Any, because: Any) -> None:
        order = self.close(data, because=because)
        if order is not None and order.alive():
            self.leaving.add(data)

    def notify_order(self, order: Any) -> None:
        """Forget a trade that is over or never came to be; one whose exit failed is left later."""
        if not order.alive():
            self.leaving.discard(order.data)
            if not self.getposition(order.data).size:
                self.lasts.pop(order.data, None)
                self.until.pop(order.data, None)

    def prenext(self) -> None:
        """Watch the symbols that have bars while others have none yet."""
        self.next()

    def next(self) -> None:
        """Leave when a trade has lasted its bars."""
        for data, bars in list(self.lasts.items()):
            if not self.getposition(data).size:
                continue
            if len(data) >= self.until.setdefault(data, len(data) + bars - 1) and data not in self.leaving:
                self._leave(data, "its bars are over")


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}
