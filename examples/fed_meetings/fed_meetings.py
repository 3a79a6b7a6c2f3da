"""Five rate decisions, one by one: what was known when, what was made of it, and what came of it.

Run it with ``python examples/fed_meetings/fed_meetings.py``. It takes the five latest rate changes that
the bundled bars cover, lets the offline analyst read them and trades SPY with the strategy
``event_driven``, which is installed with the rest. The order that a decision leads to is filled at the
first price printed after the signal: on daily bars the next session's open.

Nothing here was fitted to these dates. What was expected of a meeting is not in the data (a field
``expected_bp`` may say it), so that the bare change counts, at a low confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import robo_trader

HERE = Path(__file__).parent
MEETINGS = HERE / "meetings.jsonl"
#: A trade ends after two sessions; costs are a guess at what a small order in SPY pays.
PARAMS = {"fomc_bars": 2, "target": 1.0}
COSTS = {"commission": 0.0001, "slippage": 0.0002}


@dataclass
class Meeting:
    """One decision, from its release to the end of the trade that it led to.

    Returns are fractions: `day` from the last close known to the close of the session in which (or
    before which) the release was, `after` from there to two sessions later; `holding` is SPY's
    over the life of the trade, or where there was none over the two sessions in which one would have lived.
    """

    known: datetime
    title: str
    view: str
    because: str
    signal: str
    trade: str
    traded: float | None
    day: float
    after: float
    holding: float


def study(events: Any, *, bars_held: int = 2, **settings: Any) -> tuple[list[Meeting], robo_trader.Result]:
    """Backtest ``event_driven`` on SPY and return what happened around each event."""
    params = {**PARAMS, "fomc_bars": bars_held}
    result = robo_trader.backtest(
        "event_driven", symbols=["SPY"], events=events, params=params, risk="off", save=False,
        fractional=True, **COSTS, **settings,
    )  # fmt: skip
    return [_meeting(result, event, bars_held) for event in result.record.events_delivered], result


def _meeting(result: robo_trader.Result, event: robo_trader.Event, held: int) -> Meeting:
    (bars,) = result.bars
    known = int(event.known_at.timestamp()) * 10**9
    last = int(np.searchsorted(bars.end, known, "right")) - 1  # the last bar known
    first = int(np.searchsorted(bars.start, known, "left"))  # the first that can be traded
    # Who hears of it at the close or on a Sunday sees its day in the next session.
    day = bars.session[min(last + 1, len(bars) - 1)]
    closes = int(np.searchsorted(bars.session, day, "right")) - 1
    later = int(np.searchsorted(bars.session, np.busday_offset(day, 3, "forward"), "left")) - 1
    until = min(first + held, len(bars) - 1)
    view = next((v for v in result.record.views if v.event_id == event.id), None)
    signal = next((s for s in result.signals if event.id in s.evidence), None)
    trade = next((t for t in result.trades if signal and 0 <= (t.entry_time - signal.at).days < 4), None)
    told, traded, holding = "none", None, bars.open[until] / bars.open[first] - 1
    if trade is not None:
        side = "bought" if trade.side == "BUY" else "sold short"
        told = f"{side} {trade.entry_time:%a %d %H:%M} at {trade.entry_price:.2f}"
        if trade.exit_time is not None:
            told += f", closed {trade.exit_time:%a %d %H:%M} at {trade.exit_price:.2f}"
            traded = trade.pnl_net / (trade.size * trade.entry_price)
            holding = trade.exit_price / trade.entry_price - 1
    return Meeting(
        known=event.known_at,
        title=event.title,
        view=f"{view.score:+.2f}, confidence {view.confidence:.2f}" if view else "abstained",
        because=view.because if view else "",
        signal=f"{signal.value:+.2f} at {signal.at:%H:%M:%S}" if signal else "none",
        trade=told,
        traded=traded,
        day=bars.close[closes] / bars.close[last] - 1,
        after=bars.close[max(closes, later)] / bars.close[closes] - 1,
        holding=holding,
    )


def tell(meetings: list[Meeting]) -> None:
    """Print each meeting's story."""
    for m in meetings:
        print(f"{m.known:%Y-%m-%d %H:%M} UTC  {m.title}")
        print(f"  view      {m.view}" + (f" ({m.because})" if m.because else ""))
        print(f"  signal    {m.signal}")
        print(f"  trade     {m.trade}")
        print(f"  reaction  SPY {m.day:+.2%} by that session's close, then {m.after:+.2%} in two sessions")
        result = "no trade" if m.traded is None else f"{m.traded:+.2%} of what was staked"
        print(f"  result    {result}; holding SPY meanwhile {m.holding:+.2%}\n")


if __name__ == "__main__":
    found, result = study(MEETINGS, start="2019-01-01", end="2020-06-30")
    tell(found)
    whole = result.bars[0].close[-1] / result.bars[0].close[0] - 1
    account, market = result.metrics["total_return"], result.metrics["time_in_market"]
    print(f"All of it: the account {account:+.2%}, in the market on {market:.1%} of days;")
    print(f"holding SPY over the same time {whole:+.2%}, without dividends. Five events prove nothing:")
    print("the example shows how the pieces fit together, and not that they earn money.")
