"""What is measured: the groups, the sides of each, and what is asked of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIZES = {
    "full": {"a": "1000000", "b": "500,2520", "small": "1,2520", "one": "1,1000000", "hundred": "100,10000",
             "short": "100,200", "aligned": "2000,2520", "events": "100000"},
    "quick": {"a": "100000", "b": "100,1260", "small": "1,2520", "one": "1,100000", "hundred": "100,1000",
              "short": "100,100", "aligned": "400,500", "events": "10000"},
    "tiny": {"a": "3000", "b": "60,200", "small": "1,300", "one": "1,500", "hundred": "5,100",
             "short": "5,100", "aligned": "5,50", "events": "100"},
}  # fmt: skip
#: What is added to the name of a side that runs behind the guard and writes the journal.
GUARDED = ", guard and journal"
DEFAULT, BEST, SCRIPT = "Backtrader, default", "Backtrader, best", "plain Backtrader script"
PLAIN = "100 feeds, few bars, plain engine"
TITLES = {
    "a": "(a) One instrument, minute bars, crosses of two averages",
    "b": "(b) Many stocks, daily bars, monthly rebalance into the fifty strongest",
    "csv-a": "(a) from a CSV file, the whole process",
    "csv-b": "(b) from CSV files, the whole process",
    "small": "One symbol, ten years of daily bars, the whole process",
    "clocks": "Clocks apart",
    "aligned": "Many feeds on one clock",
    "events": "Events beside the bars",
}


@dataclass
class Side:
    """One measurement: a script in ``sides/`` with its workload, size and options.

    `peer` names the distribution that needs an environment of its own. `truth` is the side of the group whose
    fills this one's are held against; None where there is nothing to compare. `ours` marks sides whose
    fills have to be identical to the bit.
    """

    name: str
    script: str
    workload: str
    size: str
    options: list[str] = field(default_factory=list)
    peer: str | None = None
    truth: str | None = None
    ours: bool = False
    samples: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    verdict: str = ""

    @property
    def bars(self) -> int:
        """Bars of all feeds together."""
        count = 1
        for part in self.size.split(","):
            count *= int(part)
        return count


@dataclass(frozen=True)
class Goal:
    """`theirs` divided by `ours` has to be at least `least`, or at most `most` of ours by theirs."""

    group: str
    ours: str
    theirs: str
    asked: str
    least: float


#: What each figure is asked to be; with a side for guard and journal, that one's figure stands beside it.
GOALS = (
    Goal("a", "robo_trader", DEFAULT, "20 times faster", 20),
    Goal("a", "robo_trader", BEST, "10 times faster", 10),
    Goal("a", "robo_trader", "backtesting.py", "1.5 times faster", 1.5),
    Goal("a", "robo_trader, wake", DEFAULT, "35 times faster", 35),
    Goal("a", "robo_trader, wake", "backtesting.py", "2.5 times faster", 2.5),
    Goal("b", "robo_trader", DEFAULT, "75 times faster", 75),
    Goal("b", "robo_trader", BEST, "30 times faster", 30),
    Goal("b", "robo_trader", "vectorbt, warm", "at least 0.8 times as fast", 0.8),
    Goal("csv-a", "robo backtest", SCRIPT, "10 times faster", 10),
    Goal("csv-b", "robo backtest", SCRIPT, "10 times faster", 10),
    Goal("small", "robo backtest", SCRIPT, "1.25 times faster", 1.25),
)


def groups(size: dict[str, str], scratch: Path) -> dict[str, list[Side]]:
    """Return all sides by group; `scratch` is where CSV files and runs lie."""
    a, b = size["a"], size["b"]
    return {
        "a": [
            *_ours("a", a, truth=DEFAULT),
            Side("robo_trader, wake", "robo.py", "a", a, ["wake=1"], truth=DEFAULT, ours=True),
            Side(f"robo_trader, wake{GUARDED}", "robo.py", "a", a, ["wake=1", "guard=1"]),
            *_stock("a", a),
            Side("backtesting.py", "peer_backtesting.py", "a", a, peer="backtesting", truth=DEFAULT),
            Side("bt", "peer_bt.py", "a", a, peer="bt", truth=DEFAULT),
            Side("vectorbt, warm", "peer_vectorbt.py", "a", a, peer="vectorbt", truth=DEFAULT),
        ],
        "b": [
            *_ours("b", b, truth=DEFAULT),
            *_stock("b", b),
            Side("zipline-reloaded", "peer_zipline.py", "b", b, peer="zipline-reloaded", truth=DEFAULT),
            Side("bt", "peer_bt.py", "b", b, peer="bt", truth=DEFAULT),
            Side("vectorbt, warm", "peer_vectorbt.py", "b", b, peer="vectorbt", truth=DEFAULT),
        ],
        "csv-a": _from_csv("SmaCross", "a", a, scratch, "--calendar 24/7 --stamps start"),
        "csv-b": _from_csv("TopMomentum", "b", b, scratch, ""),
        "small": _from_csv("SmaCross", "b", size["small"], scratch, ""),
        "clocks": [
            Side("1 feed", "robo.py", "apart", size["one"]),
            Side("100 feeds, 100 clocks", "robo.py", "apart", size["hundred"]),
            Side("100 feeds, few bars", "robo.py", "apart", size["short"], truth=PLAIN, ours=True),
            Side(PLAIN, "robo.py", "apart", size["short"], ["engine=plain"]),
        ],
        "aligned": [
            Side("all feeds", "robo.py", "b", size["aligned"], ["idle=1"]),
        ],
        "events": [
            Side("without events", "robo.py", "a", a),
            Side("with events", "robo.py", "a", a, [f"events={size['events']}"],
                 truth="without events", ours=True),
        ],
    }  # fmt: skip


def _ours(workload: str, size: str, *, truth: str) -> list[Side]:
    return [
        Side("robo_trader", "robo.py", workload, size, truth=truth, ours=True),
        Side("robo_trader, metrics", "robo.py", workload, size, ["metrics=1"], truth=truth, ours=True),
        Side(f"robo_trader{GUARDED}", "robo.py", workload, size, ["guard=1"]),
    ]


def _stock(workload: str, size: str) -> list[Side]:
    return [
        Side(BEST, "stock.py", workload, size, ["setup=best"], truth=DEFAULT),
        Side(DEFAULT, "stock.py", workload, size),
    ]


def _from_csv(strategy: str, workload: str, size: str, scratch: Path, words: str) -> list[Side]:
    folder = scratch / f"csv-{workload}-{size.replace(',', '-')}"
    common = [f"strategy={strategy}", f"csv={folder}", f"runs={scratch / 'runs'}"]

    def robo(more: str) -> list[str]:
        return [*common, "side=robo", f"words={shlex.join([*shlex.split(words), *shlex.split(more)])}"]

    return [
        Side("robo backtest", "_command.py", workload, size, robo("--risk off"), truth=SCRIPT, ours=True),
        Side(f"robo backtest{GUARDED}", "_command.py", workload, size, robo("--risk default")),
        Side(SCRIPT, "_command.py", workload, size, [*common, "side=stock"]),
    ]
