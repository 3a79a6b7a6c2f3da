"""Cursors: one number says where all lines of a clock stand, so that a new bar costs one assignment.

Backtrader moves every line of every feed and indicator by hand on each bar. Here the lines of one
clock look at a shared `Cursor` instead. `LineSwap` exchanges the classes of living lines, feeds and
indicators for subclasses that do so, and exchanges them back when the run is over. Values, lengths
and comparisons are what Backtrader's own classes answer; only moving a line by hand is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import backtrader as bt
from backtrader.functions import Logic
from backtrader.linebuffer import (
    LineActions,
    LineBuffer,
    LineOwnOperation,
    LinesOperation,
    _LineDelay,
    _LineForward,
)
from backtrader.lineseries import LineSeries

from robo_trader.errors import StrategyError
from robo_trader.feeds.bars import BarsFeed


class Cursor:
    """Where the lines of a clock stand: `i` is the index of the current bar, -1 before the first."""

    __slots__ = ("i",)

    def __init__(self) -> None:
        self.i = -1


def _refuse(self: Any, *args: Any, **kwargs: Any) -> None:
    raise StrategyError(
        "a line was moved by hand; lines of a run move together",
        hint='run it with the plain engine ([run] engine = "plain")',
    )


class _Operators:
    """Comparisons and arithmetic with the current value, as `LineRoot` does them during a run.

    Where the other side is a line, Python asks that one next, with this value.
    """

    _robo_cursor: Cursor
    _robo_array: Any

    def __lt__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] < other

    def __gt__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] > other

    def __le__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] <= other

    def __ge__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] >= other

    def __eq__(self, other: object) -> Any:
        return self._robo_array[self._robo_cursor.i] == other

    def __ne__(self, other: object) -> Any:
        return self._robo_array[self._robo_cursor.i] != other

    def __add__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] + other

    def __sub__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] - other

    def __mul__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] * other

    def __truediv__(self, other: Any) -> Any:
        return self._robo_array[self._robo_cursor.i] / other

    def __radd__(self, other: Any) -> Any:
        return other + self._robo_array[self._robo_cursor.i]

    def __rsub__(self, other: Any) -> Any:
        return other - self._robo_array[self._robo_cursor.i]

    def __rmul__(self, other: Any) -> Any:
        return other * self._robo_array[self._robo_cursor.i]

    def __rtruediv__(self, other: Any) -> Any:
        return other / self._robo_array[self._robo_cursor.i]

    def __bool__(self) -> bool:
        return bool(self._robo_array[self._robo_cursor.i])

    __hash__ = object.__hash__


class _LineOnCursor(_Operators):
    """What a single line answers while a run looks at it through its cursor."""

    array: Any
    bindings: list[Any]

    def __getitem__(self, ago: int) -> Any:
        return self._robo_array[self._robo_cursor.i + ago]

    def __len__(self) -> int:
        return self._robo_cursor.i + 1

    def get(self, ago: int = 0, size: int = 1) -> Any:
        end = self._robo_cursor.i + ago + 1
        return self._robo_array[end - size : end]

    def __setitem__(self, ago: int, value: float) -> None:
        self._robo_array[self._robo_cursor.i + ago] = value
        for binding in self.bindings:
            binding[ago] = value

    def set(self, value: float, ago: int = 0) -> None:
        self[ago] = value

    def get_idx(self) -> int:
        return self._robo_cursor.i

    @property
    def lencount(self) -> int:
        return self._robo_cursor.i + 1

    idx = property(get_idx, _refuse)
    _idx = property(get_idx, _refuse)
    set_idx = _refuse
    advance = rewind = forward = backwards = home = extend = reset = _refuse


class _SeriesOnCursor(_Operators):
    """What an indicator or a feed answers: its first line's values, as Backtrader's `LineSeries`."""

    def __getitem__(self, ago: int) -> Any:
        return self._robo_array[self._robo_cursor.i + ago]

    def __len__(self) -> int:
        return self._robo_cursor.i + 1


class _StrategyInRun:
    """What a strategy answers during a run: its length and its positions, in fewer steps."""

    datas: list[Any]
    broker: Any
    _robo_positions: Any
    _robo_position: Any = None
    _robo_own: Cursor

    def __len__(self) -> int:
        return self._robo_own.i + 1

    def buflen(self) -> int:
        return self._robo_own.i + 1

    def getposition(self, data: Any = None, broker: Any = None) -> Any:
        if broker is not None and broker is not self.broker:
            return broker.getposition(self.datas[0] if data is None else data)
        return self._robo_positions[self.datas[0] if data is None else data]

    @property
    def position(self) -> Any:
        found = self._robo_position
        if found is None:
            # The broker keeps one object for each feed from the first question on.
            found = self._robo_position = self._robo_positions[self.datas[0]]
        return found


#: Line classes of Backtrader whose instances may look through a cursor.
_KNOWN_ACTIONS = (LinesOperation, LineOwnOperation, _LineDelay, _LineForward, Logic)
_HOUSEKEEPING = ("__dict__", "__weakref__", "__doc__", "__annotations__", "__module__",
                 "__static_attributes__", "__firstlineno__", "__hash__", "__qualname__")  # fmt: skip
_SERIES_METHODS = ("__getitem__", "__len__", *(n for n in vars(_Operators) if n not in _HOUSEKEEPING))
#: Subclasses made for classes that live as long as the process; those of users' classes do not.
_lasting: dict[type, type] = {}


class LineSwap:
    """Exchanges the classes of lines and of their owners for the length of a run.

    Use it as a context manager: whatever was exchanged is exchanged back at the end, with lengths
    and positions as Backtrader would have left them.
    """

    def __init__(self) -> None:
        self._lines: list[tuple[Any, type]] = []
        self._owners: list[tuple[Any, type]] = []
        self._classes: dict[type, type] = {}

    def __enter__(self) -> LineSwap:
        return self

    def __exit__(self, *error: object) -> None:
        for owner, original in self._owners:
            owner.__class__ = original
        for line, original in self._lines:
            i = line._robo_cursor.i
            line.__class__ = original
            line._idx, line.lencount = i, i + 1

    def feed(self, feed: BarsFeed, cursor: Cursor) -> None:
        """Let a feed look through `cursor`. A guarded feed stays guarded until it is given here."""
        for line in feed.lines:
            self._line(line, cursor, LineBuffer)
        self._owner(feed, cursor)

    def indicator(self, indicator: Any, cursor: Cursor) -> None:
        """Let an indicator or a line operation look through `cursor`."""
        if isinstance(indicator, LineActions):
            self._line(indicator, cursor)
            return
        for line in indicator.lines:
            self._line(line, cursor)
        self._owner(indicator, cursor)
        for alias in indicator.getlinealiases():
            name = alias if isinstance(alias, str) else alias[0]
            if not hasattr(type(indicator), name):
                indicator.__dict__.setdefault(name, getattr(indicator.lines, name))

    def lines(self, lines: Iterable[Any], cursor: Cursor) -> None:
        """Let single lines (a strategy's own) look through `cursor`."""
        for line in lines:
            self._line(line, cursor)

    def strategy(self, strategy: Any, positions: Any, own: Cursor) -> None:
        """Let a strategy look its positions up at once, unless it has its own way to do so."""
        original, base = type(strategy), bt.Strategy
        if any(getattr(original, n) is not getattr(base, n) for n in ("getposition", "position", "__len__")):
            return
        strategy._robo_positions, strategy._robo_own = positions, own
        strategy.__class__ = _derive_strategy(original)
        self._owners.append((strategy, original))

    def _line(self, line: Any, cursor: Cursor, original: type | None = None) -> None:
        original = original or type(line)
        line._robo_cursor, line._robo_array = cursor, line.array
        line.__class__ = self._class_for(original, _LineOnCursor)
        self._lines.append((line, original))

    def _owner(self, owner: Any, cursor: Cursor) -> None:
        original = type(owner)
        owner._robo_cursor, owner._robo_array = cursor, owner.lines[0].array
        owner.__class__ = self._class_for(original, _SeriesOnCursor)
        self._owners.append((owner, original))

    def _class_for(self, base: type, mixin: type) -> type:
        lasting = base.__module__.startswith(("backtrader.", "robo_trader."))
        classes = _lasting if lasting else self._classes
        made = classes.get(base)
        if made is None:
            made = classes[base] = _derive(base, mixin)
        return made


def _derive(base: type, mixin: type) -> type:
    """Make the subclass of `base` that looks through a cursor.

    By `type.__new__`: Backtrader's metaclasses would register a new indicator and derive its lines
    and parameters once more. A method that `base` does not have from Backtrader itself stays.
    """
    methods = {**vars(_Operators), **vars(mixin)}
    names: Iterable[str] = [name for name in methods if name not in _HOUSEKEEPING]
    if mixin is _SeriesOnCursor:
        stock = {name: getattr(LineSeries, name) for name in _SERIES_METHODS}
        names = [name for name in _SERIES_METHODS if getattr(base, name) is stock[name]]
    body = {name: methods[name] for name in names}
    body |= {"__hash__": object.__hash__, "__module__": base.__module__, "__qualname__": base.__qualname__}
    body["__doc__"] = base.__doc__
    return type.__new__(type(base), base.__name__, (base,), body)


def _derive_strategy(base: Any) -> Any:
    """Make a strategy's class for the run; what is set on it is set on the strategy's own class."""

    def set_on_base(cls: Any, name: str, value: Any) -> None:
        setattr(base, name, value)

    meta: Any = type(base)
    forwarding: Any = type(meta.__name__, (meta,), {"__setattr__": set_on_base})
    body = {name: value for name, value in vars(_StrategyInRun).items() if name not in _HOUSEKEEPING}
    body |= {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type.__new__(forwarding, base.__name__, (base,), body)


def may_look(indicator: Any) -> bool:
    """Return True where an indicator's lines are Backtrader's own and can look through a cursor.

    A class that defines how lines move or are read goes the plain way.
    """
    if indicator._opstage != 2:
        return False
    if isinstance(indicator, LineActions):
        return isinstance(indicator, _KNOWN_ACTIONS) and _is_stock(indicator, LineBuffer)
    return (
        type(indicator).advance in (bt.Indicator.advance, LineSeries.advance)
        and all(type(line) is LineBuffer and line._opstage == 2 for line in indicator.lines)
        and bool(len(indicator.lines.lines))
    )


def _is_stock(line: Any, base: type) -> bool:
    names = ("__getitem__", "__setitem__", "__len__", "get", "set", "advance")
    return all(getattr(type(line), name) is getattr(base, name) for name in names)
