"""What the risk guard costs: seconds per order on a rebalance, and nothing on bars without orders.

    python benchmarks/guard.py --symbols 500 --bars 504

Runs a monthly rebalance over random walks three ways (a gate that allows all, all default rules but
correlation, all default rules) and prints what deciding takes in microseconds an order, with and
without the correlations that are worked out once for each bar with orders; then a run whose only
order comes at its first bar. Each figure is the best of `--times` runs, in CPU time. Set
OPENBLAS_NUM_THREADS=1 on a busy machine: numpy's threads wait in loops, which counts as work.
"""

from __future__ import annotations

import argparse
import gc
import platform
import time
from collections.abc import Callable
from typing import Any

import backtrader as bt
import numpy as np

from robo_trader import __version__
from robo_trader.bars.frame import BarFrame
from robo_trader.config import load_config
from robo_trader.engine import EngineSettings, run
from robo_trader.instruments import Instrument
from robo_trader.plugins import load_host
from robo_trader.risk.gate import AllowAll
from robo_trader.risk.profile import load_guard
from robo_trader.risk.rules.correlation import TrailingReturns, _Group

DAY = 86_400_000_000_000
FIRST = 1_420_142_400_000_000_000  # 2015-01-01 20:00 UTC


class Rebalance(bt.Strategy):
    """Gives every symbol a new random weight of up to 0.16 % on each 21st bar."""

    params = (("every", 21),)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)

    def next(self) -> None:
        if (len(self) - 1) % self.p.every == 0:
            for data, weight in zip(self.datas, self.rng.uniform(0.0, 0.0016, len(self.datas)), strict=True):
                self.order_target_percent(data, weight)


class Once(bt.Strategy):
    """Buys one share on the first bar and never again."""

    def next(self) -> None:
        if len(self) == 1:
            self.buy(self.datas[0], size=1)


def walks(symbols: int, bars: int) -> list[BarFrame]:
    """Return random walks on one clock, a bar a day."""
    rng = np.random.default_rng(0)
    end = FIRST + DAY * np.arange(bars, dtype=np.int64)
    frames = []
    for i in range(symbols):
        close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.012, bars)))
        name = f"S{i:03d}"
        frames.append(
            BarFrame(
                symbol=name, timeframe="1d", start=end - DAY // 4, end=end,
                session=end.astype("datetime64[ns]").astype("datetime64[D]"),
                open=close, high=close, low=close, close=close, volume=np.ones(bars),
                instrument=Instrument(name, calendar="24/7"),
            )
        )  # fmt: skip
    return frames


class Correlations:
    """Adds up the time of what the correlation rule works out once for each bar with orders."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, cls: type, name: str) -> None:
        """Watch a method; what it calls of the watched ones must not count twice."""
        plain = getattr(cls, name)

        def timed(*args: Any) -> Any:
            began = time.thread_time()
            found = plain(*args)
            self.seconds += time.thread_time() - began
            return found

        setattr(cls, name, timed)


def guard_without(*rules: str) -> Callable[[], Any]:
    """Return a way to make default guards that leave `rules` out."""

    def make() -> Any:
        environ = {f"ROBO_RISK__{rule.upper()}__ENABLED": "false" for rule in rules}
        config = load_config(flags={"risk.profile": "default"}, environ=environ)
        return load_guard(config, load_host(config, third_party=False, environ={}))

    return make


class Timed:
    """A gate that adds up the time which another one takes."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.seconds = 0.0

    def decide(self, family: Any, book: Any) -> Any:
        """Pass the question on."""
        began = time.thread_time()
        decisions = self.gate.decide(family, book)
        self.seconds += time.thread_time() - began
        return decisions


def clocks_own() -> float:
    """Return the seconds that reading the clock adds to each decision."""
    least = float("inf")
    for _ in range(20):
        began = time.thread_time()
        for _ in range(1_000):
            time.thread_time()
        least = min(least, (time.thread_time() - began) / 1_000)
    return least


def best(
    times: int, frames: list[BarFrame], strategy: type, gate: Callable[[], Any]
) -> tuple[float, float, int]:
    """Return the least CPU seconds of so many runs, the least spent deciding, and the orders."""
    least, deciding, orders = float("inf"), float("inf"), 0
    own = clocks_own()
    for _ in range(times):
        gc.collect()
        made = Timed(gate())
        began = time.process_time()
        record = run(frames, strategy, settings=EngineSettings(cash=1e7, engine="fast"), gate=made)
        least = min(least, time.process_time() - began)
        assert record.state == "finished", record.failure
        orders = len(record.orders)
        deciding = min(deciding, made.seconds - own * orders)
    return least, deciding, orders


def alone(frames: list[BarFrame]) -> float:
    """Return the CPU seconds of a run without any gate."""
    gc.collect()
    began = time.process_time()
    run(frames, Rebalance, settings=EngineSettings(cash=1e7, engine="fast"))
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--bars", type=int, default=504)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    print(f"robo_trader {__version__}, Python {platform.python_version()}, numpy {np.__version__}")
    frames = walks(given.symbols, given.bars)
    off, nothing, orders = best(given.times, frames, Rebalance, AllowAll)
    bare = min(alone(frames) for _ in range(given.times))
    some, deciding, _ = best(given.times, frames, Rebalance, guard_without("correlation"))
    once = Correlations()
    once.watch(TrailingReturns, "_add")
    once.watch(_Group, "_compare")
    every, with_all, _ = best(given.times, frames, Rebalance, guard_without())
    bars = -(-given.bars // 21)
    a_bar = once.seconds / given.times / bars
    print(f"rebalance of {given.symbols} symbols, {given.bars} bars, {orders:,} orders")
    print(f"  no gate at all                     {bare:8.2f} s")
    for name, whole, part in (
        ("a gate that allows all", off, nothing),
        ("all default rules but correlation", some, deciding),
        ("all default rules", every, with_all),
    ):
        print(f"  {name:<34} {whole:8.2f} s, of it deciding {part / orders * 1e6:6.1f} µs an order")
    print(f"  of it correlations, once a bar     {a_bar * 1e3:8.2f} ms a bar, which leaves"
          f" {(with_all - a_bar * bars) / orders * 1e6:.1f} µs an order")  # fmt: skip
    frames = walks(4, 30_000)
    quiet_off, _, _ = best(given.times, frames, Once, AllowAll)
    quiet, _, _ = best(given.times, frames, Once, guard_without())
    print(f"one order in 120,000 bars: {quiet_off:.3f} s with a gate that allows all,"
          f" {quiet:.3f} s with all rules")  # fmt: skip


if __name__ == "__main__":
    main()
