"""A planned strategy that asks for everything the broker can do and writes everything down, to the bit.

The same class runs in plain Backtrader and in the engine, on either of its paths. Rows of the log are
texts, so that NaN, the sign of zero and the type of a number count too.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np
from hypothesis import strategies as st
from planned import SINGLE, Action, Outcome, Planned, plans

MORE = ("sizer", "target size", "target value", "target percent", "close half", "manual bracket", "tradeid")
STEPS = st.integers(0, 12)


class PaidPerShare(bt.CommInfoBase):
    """A user's own scheme: fixed commission and a value that is not Backtrader's."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED), ("commission", 0.05))

    def getvaluesize(self, size: float, price: float) -> float:
        return size * price * 0.5


def _scheme(name: str) -> dict[str, Any]:
    return {
        "percent": dict(commission=0.001),
        "futures": dict(commission=2.0, margin=50.0, mult=5.0),
        "automargin": dict(commission=1.0, margin=10.0, mult=3.0, automargin=0.2),
        "short interest": dict(commission=0.001, interest=0.5),
        "interest": dict(commission=0.001, interest=0.3, interest_long=True),
        "futures with interest": dict(commission=1.0, margin=20.0, mult=2.0, interest=0.4),
        "leverage": dict(commission=0.0005, leverage=2.0),
        "fixed": dict(commission=0.5, commtype=bt.CommInfoBase.COMM_FIXED, stocklike=True),
    }[name]


SCHEMES = (
    "percent",
    "futures",
    "automargin",
    "short interest",
    "interest",
    "futures with interest",
    "leverage",
    "fixed",
)

SLIPS: tuple[Any, ...] = (
    None,
    ("set_slippage_perc", 0.01, {}),
    ("set_slippage_perc", 0.03, {"slip_open": False}),
    ("set_slippage_perc", 0.03, {"slip_match": False, "slip_limit": False}),
    ("set_slippage_fixed", 0.25, {}),
    ("set_slippage_fixed", 2.0, {"slip_limit": False, "slip_match": False}),
    ("set_slippage_fixed", 2.0, {"slip_out": True}),
)
INDICATORS = ("cross", "rsi", "macd", "atr", "bollinger", "spread", "mid", "sar", "stochastic", "logic")
TIMERS = ("noon", "start", "end", "cheat", "repeat", "mondays", "cheat repeat")


#: What is logged of an order, of its parts, and of a trade.
ORDER = ("size", "valid", "dteos", "triggered", "plimit", "price", "pricelimit", "tradeid", "transmit",
         "trailamount", "trailpercent", "exectype", "plen")  # fmt: skip
CREATED = ("price", "pricelimit", "plimit", "dt", "size", "pclose", "trailamount", "trailpercent")
ASKED = ("size", "price", "exectype", "valid", "simulated")
EXECUTED = ("size", "price", "remsize", "comm", "value", "pnl", "psize", "pprice", "margin", "dt",
            "pricelimit", "p1", "p2")  # fmt: skip
BIT = ("dt", "size", "price", "closed", "opened", "closedcomm", "openedcomm", "closedvalue", "openedvalue",
       "pnl", "psize", "pprice")  # fmt: skip
TRADE = ("status", "size", "price", "value", "pnl", "pnlcomm", "commission", "dtopen", "dtclose", "barlen",
         "baropen", "barclose", "justopened", "isopen", "isclosed", "tradeid")  # fmt: skip


def values(of: Any, names: tuple[str, ...]) -> list[Any]:
    """Return attributes by their names; what is not there is told as such."""
    return [getattr(of, name, "absent") for name in names]


@dataclass(frozen=True)
class Setup:
    """What is set before a run; `apply` does it from inside a strategy's ``__init__``."""

    scheme: str | None = None
    scheme_of_last: str | None = None
    slip: Any = None
    flags: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()
    indicators: tuple[str, ...] = ()
    cash_moves: tuple[tuple[int, str, float], ...] = ()
    cheat_on_open: bool = False

    def apply(self, strategy: bt.Strategy) -> None:
        """Set the broker up as drawn."""
        broker = strategy.broker
        if self.scheme == "own":
            broker.addcommissioninfo(PaidPerShare())
        elif self.scheme is not None:
            broker.setcommission(**_scheme(self.scheme))
        if self.scheme is not None:
            for data in strategy.datas:
                broker.comminfo.pop(data._name, None)
        if self.scheme_of_last is not None:
            broker.setcommission(name=strategy.datas[-1]._name, **_scheme(self.scheme_of_last))
        if self.slip is not None:
            name, value, more = self.slip
            getattr(broker, name)(value, **more)
        for flag in self.flags:
            _FLAGS[flag](broker)


_FLAGS: dict[str, Any] = {
    "coc": lambda broker: broker.set_coc(True),
    "no shortcash": lambda broker: broker.set_shortcash(False),
    "no int2pnl": lambda broker: broker.set_int2pnl(False),
    "no checksubmit": lambda broker: broker.set_checksubmit(False),
    "fundmode": lambda broker: broker.set_fundmode(True, 50.0),
    "filler": lambda broker: broker.set_filler(bt.broker.fillers.FixedSize(size=5)),
}


@st.composite
def setups(draw: Any, *, stock: bool = True) -> Setup:
    """Draw a set-up; most parts are at their defaults in most draws."""
    often = st.none()
    scheme = draw(often | st.sampled_from((*SCHEMES, "own")))
    flags = [flag for flag in _FLAGS if draw(st.integers(0, 5)) == 0]
    if not stock:
        flags = [flag for flag in flags if flag != "coc"]
    moves = st.tuples(
        STEPS, st.sampled_from(("add", "take", "set", "poke", "scheme")), st.sampled_from([50.0, 900.0])
    )
    return Setup(
        scheme=scheme,
        scheme_of_last=draw(often | st.sampled_from(SCHEMES)) if scheme else None,
        slip=draw(st.sampled_from(SLIPS)),
        flags=tuple(flags),
        timers=tuple(draw(st.just([]) | st.lists(st.sampled_from(TIMERS), max_size=2, unique=True))),
        indicators=tuple(draw(st.lists(st.sampled_from(INDICATORS), max_size=3, unique=True))),
        cash_moves=tuple(draw(st.just([]) | st.lists(moves, max_size=2))),
        cheat_on_open=stock and draw(st.integers(0, 4)) == 0,
    )


def full_plans(hooks: tuple[str, ...] = ("next", "order", "open", "timer", "trade")) -> Any:
    """Return a hypothesis strategy for plans with every kind of order."""
    return plans(
        hooks=hooks,
        what=(
            *SINGLE,
            "flatten",
            "reverse",
            "cancel",
            "bracket",
            "short bracket",
            "trailing bracket",
            "market bracket",
            *MORE,
        ),
    )


class Watching(Planned):
    """Carries out a plan under a `Setup` and logs account, positions, indicators and notifications."""

    params = (("setup", None), ("label", ""))

    def __init__(self) -> None:
        super().__init__()
        self.counts |= {"open": 0, "timer": 0, "trade": 0}
        self.setup: Setup = self.p.setup or Setup()
        self.setup.apply(self)
        self.watched = [_indicator(name, self) for name in self.setup.indicators]
        for name in self.setup.timers:
            _timer(name, self)

    def log(self, *row: Any) -> None:
        """Write one row down."""
        self.out.log.append(f"{self.p.label} {row!r}")

    def prenext(self) -> None:
        self.log("prenext")
        self._bar()

    def nextstart(self) -> None:
        self.log("nextstart")
        self._bar()

    def next(self) -> None:
        self._bar()

    def _bar(self) -> None:
        broker = self.broker
        self.last_next = self._now()
        self.log("bar", len(self), [len(d) for d in self.datas], self.datetime[0])
        self.log("account", broker.getcash(), broker.getvalue(), broker.fundvalue, broker.fundshares)
        self.log("leverage", broker.get_leverage(), len(self.datetime.array) >= len(self))
        for d in self.datas:
            position = self.getposition(d)
            row = [position.size, position.price]
            if len(d):
                row += [d.close[0], d.datetime[0], broker.getvalue([d]), d.close.get(size=2).tolist()]
                row += [d.datetime.datetime(0), bool(d.close > d.open), d.high - d.low[0], len(d.lines.close)]
            self.log(d._name, *row)
        if all(len(d) for d in self.datas):
            for indicator in self.watched:
                lines = getattr(indicator, "lines", [indicator])
                self.log("values", len(indicator), *[line[0] for line in lines])
        self.log("open orders", [o.info.get("because", "") for o in broker.get_orders_open()])
        for at, what, amount in self.setup.cash_moves:
            if at == self.counts["next"]:
                _move_cash(what, amount, broker)
                self.log("moved", what, broker.getcash(), broker.getvalue(), broker.fundvalue)
        self._do("next")

    def notify_order(self, order: Any) -> None:
        self.log("order", order.info.get("because", ""), order.getstatusname(), order.getordername())
        self.log("is", *values(order, ORDER), order.alive(), order.active(), order.isbuy())
        self.log("created", *values(order.created, CREATED), *values(order.p, ASKED))
        self.log("executed", *values(order.executed, EXECUTED), len(self), len(order.data))
        self.log("bits", *[values(bit, BIT) for bit in order.executed.iterpending()])
        super().notify_order(order)

    def notify_trade(self, trade: Any) -> None:
        self.log("trade", trade.data._name, *values(trade, TRADE))
        self._do("trade")

    def notify_event(self, event: Any) -> None:
        held = [self.getposition(d).size for d in self.datas]
        self.log("event", event.title, [len(d) for d in self.datas], self.broker.getvalue(), held)
        self._do("event")

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.log("timer", when, args, len(self), [len(d) for d in self.datas], self._seen())
        self._do("timer")

    def next_open(self) -> None:
        self.log("open", len(self), [len(d) for d in self.datas], self._seen())
        self._do("open")

    def _seen(self) -> list[float]:
        """What can be read before the indicators have followed the feeds."""
        lines = [line for i in self.watched if len(i) for line in getattr(i, "lines", [i])]
        account = [self.broker.getvalue(), self.broker.getcash()]
        return [*account, *[line[0] for line in lines], *[d.open[0] for d in self.datas if len(d)]]

    def _do(self, hook: str) -> None:
        looks = len(self.diary.looks)
        super()._do(hook)
        if hook not in ("next", "order", "event"):
            del self.diary.looks[looks]  # the oracle does not know these moments

    def _act(self, a: Action, name: str) -> None:
        data = self.datas[a.feed % len(self.datas)]
        if a.what not in MORE:
            super()._act(a, name)
            return
        if not len(data):
            return
        sign = 1 if a.buy else -1
        if a.what == "sizer":
            self._keep((self.buy if a.buy else self.sell)(data, because=name), name)
        elif a.what == "target size":
            self._keep(self.order_target_size(data, sign * a.size, because=name), name)
        elif a.what == "target value":
            self._keep(self.order_target_value(data, sign * a.size * 100, because=name), name)
        elif a.what == "target percent":
            self._keep(self.order_target_percent(data, sign * a.size / 10, because=name), name)
        elif a.what == "close half":
            self._keep(self.close(data, size=self.getposition(data).size / 2, because=name), name)
        elif a.what == "tradeid":
            side = self.buy if a.buy else self.sell
            self._keep(side(data, size=a.size, tradeid=a.pick, because=name), name)
        else:
            self._manual_bracket(a, data, name)

    def _manual_bracket(self, a: Action, data: Any, name: str) -> None:
        """A parent and children by hand; some are never sent, some of them later."""
        first, second = (self.buy, self.sell) if a.buy else (self.sell, self.buy)
        parent = first(data, size=a.size, transmit=False, because=name)
        self._keep(parent, name)
        if parent is None or a.pick == 0:
            return
        stop = second(
            data,
            size=a.size,
            exectype=bt.Order.Stop,
            price=self._level(data, -abs(a.far) or -0.01),
            parent=parent,
            transmit=a.pick == 1,
            because=name + " stop",
        )
        self._keep(stop, name + " stop")
        if a.pick > 1:
            limit = second(
                data,
                size=a.size,
                exectype=bt.Order.Limit,
                price=self._level(data, abs(a.near) + 0.01),
                parent=parent,
                transmit=a.pick != 2,
                because=name + " limit",
            )
            self._keep(limit, name + " limit")


class Silent(Watching):
    """The same without ears: nobody would notice whether it is told of orders and trades."""

    notify_order = bt.Strategy.notify_order
    notify_trade = bt.Strategy.notify_trade


class Accounting(Watching):
    """The same, told the account on every bar."""

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.log("cashvalue", cash, value)

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        self.log("fund", cash, value, fundvalue, shares)


class Analysed(Watching):
    """The same with an analyzer and an observer of Backtrader's."""

    def __init__(self) -> None:
        super().__init__()
        self._addanalyzer(bt.analyzers.TimeReturn, timeframe=bt.TimeFrame.Days)
        self._addanalyzer(bt.analyzers.DrawDown)
        self._addanalyzer(bt.analyzers.TradeAnalyzer)
        self._addobserver(False, bt.observers.Broker)

    def stop(self) -> None:
        for analyzer in self.analyzers:
            self.log("analysis", analyzer.get_analysis())
        self.log("observed", self.observers[0].lines.value.array.tolist())


class Woken(Watching):
    """The same with a `wake()` that names bars by chance, and with nothing to do on the others."""

    def start(self) -> None:
        rng = np.random.default_rng([action.at for action in self.p.plan])
        share = rng.choice([0.0, 0.1, 0.5, 1.0])
        self.named = [rng.random(len(d.p.dataname)) < share for d in self.datas]

    def wake(self) -> Any:
        if len(self.datas) == 1 and len(self.p.plan) % 2:
            return self.named[0]
        return dict(zip(self.datas, self.named, strict=True))

    def nextstart(self) -> None:
        self.log("nextstart")
        super()._bar()

    def prenext(self) -> None:
        self._bar()

    def _bar(self) -> None:
        for data, named in zip(self.datas, self.named, strict=True):
            if len(data) and data.datetime[0] == self.datetime[0] and named[len(data) - 1]:
                super()._bar()
                return


def _move_cash(what: str, amount: float, broker: Any) -> None:
    if what == "add":
        broker.add_cash(amount)
    elif what == "take":
        broker.add_cash(-amount)
    elif what == "set":
        broker.setcash(amount)
    elif what == "poke":
        broker.cash += amount
    else:
        broker.comminfo.clear()
        broker.setcommission(commission=0.5, margin=20.0, mult=2.0, interest=0.1)


def _timer(name: str, strategy: bt.Strategy) -> None:
    hour, session = dt.timedelta(hours=1), {"start": bt.timer.SESSION_START, "end": bt.timer.SESSION_END}
    if name in session:
        strategy.add_timer(when=session[name])
    elif name == "mondays":
        strategy.add_timer(when=dt.time(15), weekdays=[1], weekcarry=True)
    elif name == "repeat":
        strategy.add_timer(when=dt.time(14), repeat=2 * hour)
    elif name == "cheat repeat":
        strategy.add_timer(when=dt.time(14, 30), repeat=hour, cheat=True)
    else:
        strategy.add_timer(when=dt.time(12), cheat=name == "cheat")


def _indicator(name: str, strategy: bt.Strategy) -> Any:
    first, last = strategy.datas[0], strategy.datas[-1]
    ind = bt.indicators
    if name == "cross":
        return ind.CrossOver(ind.SMA(first, period=2), ind.EMA(first, period=3))
    if name == "rsi":
        return ind.RSI(last, period=2, safediv=True)
    if name == "macd":
        return ind.MACDHisto(first, period_me1=2, period_me2=3, period_signal=2)
    if name == "atr":
        return ind.ATR(last, period=2)
    if name == "bollinger":
        return ind.BollingerBands(first, period=3)
    if name == "spread":
        return last.high - last.low(-1)
    if name == "mid":
        return ByHand(first)
    if name == "sar":
        return ind.ParabolicSAR(last, period=2)
    if name == "stochastic":
        return ind.StochasticFull(first, period=2, period_dfast=2, period_dslow=2, safediv=True)
    return bt.And(first.close > first.open, bt.If(first.close > first.low(-1), first.high, 0.0))


class ByHand(bt.Indicator):
    """A user's own indicator with `next` alone and a nested one that it reads."""

    lines = ("mid",)

    def __init__(self) -> None:
        self.nested = bt.indicators.SMA(self.data.high, period=2)

    def next(self) -> None:
        self.lines.mid[0] = (self.nested[0] + self.data.low[-1]) / 2


__all__ = [
    "Accounting",
    "Analysed",
    "Outcome",
    "Setup",
    "Silent",
    "Watching",
    "Woken",
    "full_plans",
    "setups",
]
