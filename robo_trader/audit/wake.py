"""`check_wake`: prove that a strategy's ``wake()`` leaves nothing out, or show where it does.

The strategy runs twice on the same bars and events: on the bars that ``wake()`` names, and on all. Orders,
fills, sessions and the way in which the run ended must be the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.clock import iso, to_ns
from robo_trader.config import load_config
from robo_trader.engine import run as run_engine
from robo_trader.engine.record import RunRecord
from robo_trader.errors import StrategyError, UsageError
from robo_trader.inputs import engine_settings, read_inputs
from robo_trader.plugins import load_host
from robo_trader.risk.profile import load_guard
from robo_trader.strategy_manager import coerce_params, find_strategy

_HINT = "docs/writing_a_strategy.md tells how a strategy says on which bars it can act"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part: `what` is ``order``, ``fill``, ``session`` or ``end``; `time` is ISO-8601 UTC.

    `awake` is what the run on the named bars did, `always` what the run on all bars did instead; `named`
    says whether ``wake()`` names a bar that ends at `time`.
    """

    what: str
    time: str
    awake: str
    always: str
    named: bool


@dataclass(frozen=True, slots=True)
class WakeReport:
    """What a check of ``wake()`` found. `named` of the `bars` steps of the run were named by it."""

    strategy: str
    bars: int
    named: int
    orders: int
    fills: int
    sessions: int
    difference: Difference | None = None

    @property
    def equal(self) -> bool:
        """True where both runs are the same to the bit."""
        return self.difference is None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"equal": self.equal, **asdict(self)}


def check_wake(
    strategy: str | type | None = None,
    *,
    bars: Any = None,
    symbols: Sequence[str] | None = None,
    events: Any = None,
    params: Mapping[str, Any] | None = None,
    config: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> WakeReport:
    """Run `strategy` on the bars that its ``wake()`` names and on all bars, and compare.

    The arguments are those of `backtest()`; nothing is written. Raises `UsageError` for a strategy
    without ``wake()``, and `StrategyError` where it does not run, or does not say on which bars it acts.
    """
    named = {"run.symbols": list(symbols) if symbols else None}
    conf = load_config(config, flags={k: v for k, v in {**named, **(flags or {})}.items() if v is not None})
    chosen = strategy or conf.get("run.strategy")
    if chosen is None:
        raise UsageError("there is no strategy whose wake() could be checked", hint="name one")
    host = load_host(conf)
    ref = find_strategy(chosen, host)
    if not callable(getattr(ref.cls, "wake", None)):
        raise UsageError(f"{ref.name} has no wake(), so there is nothing to compare", hint=_HINT)
    with host.masking():
        wanted = coerce_params(ref.cls, {**host.options("strategy", ref.name), **(params or {})})
        inputs = read_inputs(conf, host, bars, events, False)
    tell = progress or (lambda stage, done, total: None)

    def play(stage: str, *, wake: bool) -> RunRecord:
        settings = replace(engine_settings(conf, inputs), engine="fast", wake=wake)
        return run_engine(
            inputs.frames, ref.cls, wanted, settings=settings, events=inputs.events,
            gate=load_guard(conf, host), progress=lambda done, total: tell(stage, done, total),
        )  # fmt: skip

    awake = play("running on the bars that wake() names", wake=True)
    if awake.wake is None:
        raise _silent(ref.name, awake)
    always = play("running on every bar", wake=False)
    if always.failure is not None and awake.failure is not None:
        raise StrategyError(always.failure.message, hint=always.failure.where)
    return WakeReport(
        strategy=ref.name,
        bars=len(np.unique(np.concatenate([frame.end for frame in inputs.frames]))),
        named=len(awake.wake),
        orders=len(always.orders),
        fills=len(always.fills),
        sessions=len(always.sessions.date),
        difference=_first_difference(awake, always, awake.wake),
    )


def _silent(name: str, record: RunRecord) -> StrategyError:
    """Return the error for a run that skipped nothing."""
    if record.failure is not None:
        return StrategyError(record.failure.message, hint=record.failure.where)
    why = next((reason for reason in record.path_reasons if "wake()" in reason), "")
    return StrategyError(why or f"{name}.wake() returned None, so every bar is visited", hint=_HINT)


#: Something that a run did: its time (ns UTC), its kind, how it is told, and all that is compared.
Deed = tuple[int, str, str, Any]


def _first_difference(awake: RunRecord, always: RunRecord, named: NDArray[np.int64]) -> Difference | None:
    """Return the earliest thing that one of two runs did and the other did not do alike."""
    found = []
    for deeds in (_orders, _fills, _sessions, _end):
        for a, b in zip_longest(deeds(awake), deeds(always)):
            if a is None or b is None or a[3] != b[3]:
                found.append((a, b))
                break
    if not found:
        return None
    a, b = min(found, key=lambda pair: min(deed[0] for deed in pair if deed is not None))
    time, what = min(deed[:2] for deed in (a, b) if deed is not None)
    return Difference(what, iso(time), _say(a), _say(b), bool((named == time).any()))


def _orders(record: RunRecord) -> Iterator[Deed]:
    for order in record.orders:
        price = "".join(
            f" {k} {v:g}" for k, v in (("limit", order.limit), ("stop", order.stop)) if v is not None
        )
        told = f"{order.side} {order.size:g} {order.symbol} {order.type}{price}, {order.status}"
        yield order.time, "order", f"order {order.order_id} ({told})", repr(order)


def _fills(record: RunRecord) -> Iterator[Deed]:
    for fill in record.fills:
        told = f"{fill.side} {fill.size:g} {fill.symbol} at {fill.price:g}"
        yield to_ns(fill.time), "fill", f"a fill of order {fill.order_id} ({told})", repr(fill)


def _sessions(record: RunRecord) -> Iterator[Deed]:
    s = record.sessions
    columns = (column.tolist() for column in (s.time, s.value, s.cash, s.fund))
    for date, time, *account in zip(s.date.astype(str).tolist(), *columns, strict=True):
        # Its text tells 0.0 from -0.0, and NaN is like NaN.
        yield time, "session", f"{date} (value {account[0]:g}, cash {account[1]:g})", repr(account)


def _end(record: RunRecord) -> Iterator[Deed]:
    """Yield how a run ended, if not as it should."""
    if record.failure is not None:
        time = record.failure.bar_time or 0
        yield time, "end", record.failure.message, record.failure.message


def _say(deed: Deed | None) -> str:
    return "nothing" if deed is None else deed[2]
