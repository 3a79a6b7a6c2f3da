"""The base class of strategies: Backtrader's, with events, signals and reasons.

A plain `bt.Strategy` runs as well; it may define `notify_event` and pass ``because=`` to its order
methods too. What this class adds is `bars`, `signal()` and `rng`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt

from robo_trader.clock import from_ns
from robo_trader.errors import StrategyError
from robo_trader.indicators.llm import LLMSignal
from robo_trader.records import Event, Signal
from robo_trader.signals import SignalTape


@dataclass(slots=True)
class StrategyContext:
    """What the engine hands to a strategy: its signals, the run's seed and the time of the run."""

    tape: SignalTape = field(default_factory=SignalTape)
    seed: int = 0
    now: int = 0
    trading_from: int = 0


class Strategy(bt.Strategy):
    """Base class for strategies; see Backtrader's `Strategy` for the order methods.

    Every order method takes ``because=`` (text or a signal), which is recorded with the order.
    """

    @property
    def bars(self) -> list[Any]:
        """The bar feeds, in the order of the run's symbols."""
        return list(self.datas)

    def signal(self, role: str, data: Any) -> LLMSignal:
        """Return the `LLMSignal` indicator of `role` for the feed `data`.

        Its lines `value`, `confidence`, `age` and `known` are NaN where nothing is known. To be
        called in ``__init__``, like any indicator.
        """
        return LLMSignal(data, role=role, tape=self._context().tape)

    @property
    def now(self) -> Any:
        """The time of the run, aware and in UTC: a bar's end, an event's time, a bar's start."""
        return from_ns(self._context().now)

    @property
    def warming_up(self) -> bool:
        """True while bars only prime the indicators; orders are refused until the run's start."""
        context = self._context()
        return context.now < context.trading_from

    @property
    def rng(self) -> random.Random:
        """A random generator that starts from the run's seed."""
        if not hasattr(self, "_rng"):
            self._rng = random.Random(self._context().seed)
        return self._rng

    def _context(self) -> StrategyContext:
        context = getattr(self.cerebro, "robo", None)
        if not isinstance(context, StrategyContext):
            raise StrategyError(
                f"{type(self).__name__} needs the robo_trader engine for signals, time and rng",
                hint="run it with robo_trader.backtest() or 'robo backtest'",
            )
        return context

    def notify_event(self, event: Event) -> None:
        """Called when `event` becomes known (at its `known_at`), from the first bar on."""

    def notify_signal(self, signal: Signal) -> None:
        """Called when `signal` becomes known (at its `at`), from the first bar on."""


def handles_events(cls: type) -> bool:
    """Return True where `cls` does something in `notify_event`."""
    return _overrides(cls, "notify_event")


def handles_signals(cls: type) -> bool:
    """Return True where `cls` does something in `notify_signal`."""
    return _overrides(cls, "notify_signal")


def _overrides(cls: type, name: str) -> bool:
    handler = getattr(cls, name, None)
    return handler is not None and handler is not getattr(Strategy, name)
