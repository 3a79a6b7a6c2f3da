"""Events: a file of one's own, and a strategy that acts at the moment each event could be known.

Run it with ``python examples/after_the_fed.py``.

The decisions below came at 14:00 New York time, in the middle of a daily bar. The strategy hears of each
one then, sees the close of the day before, and its order fills at the next session's open.
"""

import json
import tempfile
from pathlib import Path

import robo_trader

DECISIONS = [
    {
        "kind": "fomc",
        "title": f"The Fed moves its target range by {change:+d} bp",
        "published_at": f"{date}T14:00:00{offset}",
        "data": {"change_bp": change},
    }
    for date, offset, change in [
        ("2018-09-26", "-04:00", 25),
        ("2018-12-19", "-05:00", 25),
        ("2019-07-31", "-04:00", -25),
        ("2019-09-18", "-04:00", -25),
        ("2019-10-30", "-04:00", -25),
    ]
]


class AfterTheFed(robo_trader.Strategy):
    """Buy when the Fed lowers its rate, and sell ten bars later."""

    params = dict(days=10, weight=0.9)

    def notify_event(self, event):
        spy = self.bars[0]
        print(f"{event.known_at:%Y-%m-%d %H:%M} UTC  {event.title}; last close known {spy.close[0]:.2f}")
        if event.data["change_bp"] < 0 and not self.getposition(spy).size:
            self.order_target_percent(spy, self.p.weight, because=event.title)
            self.sell_at = len(spy) + self.p.days

    def next(self):
        spy = self.bars[0]
        if self.getposition(spy).size and len(spy) >= self.sell_at:
            self.close(spy, because=f"{self.p.days} bars after the decision")


with tempfile.TemporaryDirectory() as folder:
    events = Path(folder) / "decisions.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in DECISIONS), encoding="utf-8")
    result = robo_trader.backtest(
        AfterTheFed,
        symbols=["SPY"],
        events=events,
        assume_delay="2s",  # nobody recorded when these arrived; say how long that takes
        start="2018-01-01",
        end="2019-12-31",
    )

for trade in result.trades:
    print(f"{trade.entry_price:.2f} to {trade.exit_price:.2f}: {trade.pnl_net:+.2f} ({trade.because})")
