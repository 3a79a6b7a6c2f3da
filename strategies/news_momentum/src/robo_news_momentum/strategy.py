"""`NewsMomentum`: hold what the news speaks for, while it speaks.

It looks at a role's signal at each bar's end: above `entry` it buys, below ``-entry`` it sells short
where that is allowed, and it leaves when the signal has faded past `leave`, fallen silent or turned.
Parameters that contradict each other are a `UsageError` before the first bar.
"""

from __future__ import annotations

import math
from typing import Any

from robo_trader import Strategy, UsageError
from robo_trader.sizing import TradeHistory, conviction_weight, kelly_weight, volatility, volatility_weight

SIZES = ("conviction", "fixed", "volatility", "kelly")
_PROBE = 10  # trades at a quarter of the weight before Kelly has anything to go by


class NewsMomentum(Strategy):
    """Trade each symbol on the signal of `role`.

    `entry` and `leave` are values of the signal in [0, 1], `weight` the largest part of the account
    in one symbol. `size` says how much of it a trade gets: ``conviction`` (in proportion to the
    signal, all of it at 0.60), ``fixed``, ``volatility`` (so that the position swings by `target` a
    year, over `bars` bars) or ``kelly`` (half the Kelly bet on the strategy's own closed trades,
    shrunk for their number). `short` allows short sales, `most_bars` ends a trade after so many bars
    (0: never). Symbols in `leave_out`, by comma, are watched and not traded.
    """

    params = {
        "role": "news", "entry": 0.15, "leave": 0.02, "weight": 0.10, "size": "conviction",
        "target": 0.02, "bars": 20, "short": False, "most_bars": 0, "leave_out": "VIX",
    }  # fmt: skip

    def __init__(self) -> None:
        p = self.p
        if not 0 <= p.leave < p.entry <= 1:
            raise UsageError(
                f"news_momentum: entry={p.entry} and leave={p.leave} do not fit",
                hint="leave must be 0 or more and below entry, entry at most 1",
            )
        if not 0 < p.weight <= 1:
            raise UsageError(f"news_momentum: weight={p.weight} must be above 0 and at most 1")
        if p.size not in SIZES:
            raise UsageError(f"news_momentum: size={p.size!r} is none of {', '.join(SIZES)}")
        left_out = {name.strip() for name in p.leave_out.split(",")}
        self.news = {data: self.signal(p.role, data) for data in self.bars if data._name not in left_out}
        self.history = TradeHistory()
        self.working: dict[Any, Any] = {}
        self.since: dict[Any, int] = {}
        self.staked: dict[Any, float] = {}

    def notify_order(self, order: Any) -> None:
        """Forget an order that is done, so that its symbol can be traded again."""
        if not order.alive():
            self.working.pop(order.data, None)

    def notify_trade(self, trade: Any) -> None:
        """Remember what a closed trade brought, for sizes that learn from it."""
        staked = self.staked.get(trade.data)
        if trade.isclosed and staked:
            self.history.add(self.now, trade.pnlcomm / staked)

    def prenext(self) -> None:
        """Trade the symbols that have bars while others have none yet."""
        if not self.warming_up:
            self.next()

    def next(self) -> None:
        """Enter on strong news, leave when it has faded or turned."""
        for data, news in self.news.items():
            if data in self.working or not len(data):
                continue
            value, held = news.value[0], self.getposition(data).size
            order = self._leave(data, news, value, held) if held else self._enter(data, news, value)
            if order is not None and order.alive():
                self.working[data] = order

    def _enter(self, data: Any, news: Any, value: float) -> Any:
        if math.isnan(value) or abs(value) < self.p.entry or (value < 0 and not self.p.short):
            return None
        weight, why = self._weight(data, value)
        if not weight:
            return None
        self.since[data] = len(data)
        self.staked[data] = abs(weight) * self.broker.getvalue()
        return self.order_target_percent(data, weight, because=(news, why))

    def _leave(self, data: Any, news: Any, value: float, held: float) -> Any:
        if self.p.most_bars and len(data) - self.since.get(data, len(data)) >= self.p.most_bars:
            return self.close(data, because=f"held {self.p.most_bars} bars")
        speaks = value if held > 0 else -value
        return None if speaks > self.p.leave else self.close(data, because=news)

    def _weight(self, data: Any, value: float) -> tuple[float, str]:
        """Return the signed weight of a trade, and how it came about in words."""
        most, side = self.p.weight, math.copysign(1.0, value)
        if self.p.size == "fixed":
            return side * most, f"{most:.1%} of the account, always"
        if self.p.size == "conviction":
            weight = conviction_weight(value, most=most)
            return weight, f"{abs(weight):.1%} of the account by conviction"
        if self.p.size == "volatility":
            vol = volatility(data.close.get(size=self.p.bars + 1), bars=self.p.bars)
            weight = volatility_weight(vol, target=self.p.target, most=most)
            return side * weight, f"{weight:.1%} of the account at a volatility of {vol:.0%}"
        edge = self.history.edge(self.now)
        if edge.n < _PROBE:
            return side * most / 4, f"{most / 4:.1%} of the account, a probe: {edge.n} trades known"
        weight = kelly_weight(edge, most=most)
        return side * weight, f"{weight:.1%} of the account by Kelly: {edge.wins} of {edge.n} trades won"
