"""What a session tells while it lives, and what is left of it afterwards."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import backtrader as bt

from robo_trader.engine.record import Failure, RunRecord
from robo_trader.errors import StrategyError
from robo_trader.live.cerebro import LiveCerebro
from robo_trader.records import Alert, Decision, Fill, View
from robo_trader.runs import Result, RunInfo

_PACKAGE = Path(__file__).parents[1]


@dataclass(slots=True)
class Told:
    """Who hears of a session while it lives; each is called in the session's thread."""

    progress: Callable[[str, int, int], None] = lambda stage, done, total: None
    alert: Callable[[Alert], None] = lambda alert: None
    fill: Callable[[Fill], None] = lambda fill: None
    decision: Callable[[Decision], None] = lambda decision: None
    note: Callable[[str], None] = lambda text: None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a session ended: its run's id in the journal, and what it did.

    `state` is ``finished`` (a rehearsal played to its end), ``interrupted`` or ``failed``. `fills` and
    `orders` are this session's; `value`, `cash` and `positions` the run's at its end, in account currency
    and signed sizes. `result` is what a backtest returns, of a rehearsal only. `differences` are those
    from the broker's books that nobody has resolved.
    """

    run_id: str
    session: int
    state: str
    journal: str
    account: str
    sending: bool
    bars: int
    orders: int
    fills: int
    value: float
    cash: float
    positions: Mapping[str, float]
    differences: Sequence[str] = ()
    warnings: Sequence[str] = ()
    result: Result | None = field(default=None, repr=False)


def rehearsal_result(
    cerebro: LiveCerebro,
    info: RunInfo,
    cash: float,
    state: Literal["finished", "interrupted", "failed"],
    error: BaseException | None,
    views: Sequence[View],
) -> Result:
    """Return what a backtest would return of this rehearsal."""
    recorder = cerebro.recorder
    orders = recorder.order_records()
    record = RunRecord(
        starting_cash=cash,
        sessions=recorder.sessions(cerebro.datas),
        orders=orders,
        fills=recorder.fill_records(),
        decisions=recorder.decision_records(orders),
        signals=list(cerebro.robo.tape.signals),
        events_delivered=recorder.events,
        bars_processed=sum(len(feed) for feed in cerebro.datas),
        state=state,
        failure=None if error is None else Failure(f"{type(error).__name__}: {error}"),
        notify="at_open",
        path="plain",
        path_reasons=("bars came one by one from the simulated gateway",),
        views=list(views),
    )
    return Result(record, info, bars=[feed.frame for feed in cerebro.datas])


def strategy_failed(error: BaseException, journal: str) -> StrategyError:
    """Return in one line what the strategy did wrong; positions and journal are whole."""
    stack = traceback.extract_tb(error.__traceback__)
    frameworks = (str(_PACKAGE), str(Path(bt.__file__).parent))
    own = [f for f in stack if not f.filename.startswith(frameworks)]
    frame = (own or stack)[-1]
    failed = StrategyError(
        f"the strategy raised {type(error).__name__}: {error}",
        hint=f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}; orders and positions stay as "
        f"they are at the broker, and {journal} has everything up to then",
    )
    failed.__notes__ = ["".join(traceback.format_exception(error))]
    return failed
