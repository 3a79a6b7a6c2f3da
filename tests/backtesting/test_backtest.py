"""`robo_trader.backtest`: from words to a result, and what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import robo_trader
from robo_trader import Event, Strategy
from robo_trader.errors import DataError, RoboError, StrategyError, UsageError

CSVS = ("equity.csv", "orders.csv", "fills.csv", "trades.csv", "signals.csv")


def daily(n: int = 300, seed: int = 1, first: str = "2018-01-02") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, n)))
    opened = np.concatenate(([50.0], close[:-1])) * np.exp(rng.normal(0, 0.002, n))
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.003,
        "low": np.minimum(opened, close) * 0.997,
        "close": close,
        "volume": np.full(n, 500.0),
    }
    return pd.DataFrame(columns, index=pd.bdate_range(first, periods=n, name="date"))


class Trader(bt.Strategy):
    params = (("period", 10), ("size", 5))

    def __init__(self) -> None:
        self.average = bt.indicators.SMA(period=self.p.period)

    def next(self) -> None:
        if self.data.close[0] > self.average[0] and not self.position:
            self.buy(size=self.p.size, because="above its average")
        elif self.data.close[0] < self.average[0] and self.position:
            self.close()


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in CSVS}


def test_the_demonstration_runs_on_bundled_data(tmp_path: Path) -> None:
    result = robo_trader.backtest(out=tmp_path)
    assert result.state == "finished"
    assert len(result.fills) > 10
    assert set(result.record.sessions.sizes) >= {"SPY", "QQQ", "VIX"}
    assert all(fill.because for fill in result.fills)
    assert result.info.command == "robo backtest"


def test_two_runs_in_one_process_are_equal_to_the_byte(tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"bars": {"X": daily()}, "commission": 0.001, "slippage": 0.0005}
    first = robo_trader.backtest(Trader, out=tmp_path / "a", **kwargs)
    second = robo_trader.backtest(Trader, out=tmp_path / "b", **kwargs)
    assert first.run_dir is not None
    assert second.run_dir is not None
    assert digests(first.run_dir) == digests(second.run_dir)
    assert first.metrics == second.metrics
    assert len(first.fills) > 4


def test_the_report_is_written_on_request_with_baselines_and_twin(tmp_path: Path) -> None:
    result = robo_trader.backtest(
        "fomc_drift", events="bundled", start="2017-01-01", out=tmp_path, report=True
    )
    assert set(result.info.baselines) == {"buy_and_hold", "random_entry"}
    assert result.info.twin["state"] == "compared"
    assert result.run_dir is not None
    assert (result.run_dir / "report.html").stat().st_size > 10_000


def test_the_hindsight_twin_knows_the_close_of_the_events_day(tmp_path: Path) -> None:
    """A rule that buys when the day of its event closed up can earn only with hindsight."""

    class DayTrader(Strategy):
        def notify_event(self, event: Event) -> None:
            if self.data.close[0] > self.data.open[0]:
                self.order_target_percent(target=0.9)
            else:
                self.order_target_percent(target=0.0)

    bars = daily()
    days = bars.index[20::7].tz_localize("America/New_York") + pd.Timedelta(hours=14)
    news = [Event(kind="news", title="x", published_at=day.to_pydatetime()) for day in days]
    result = robo_trader.backtest(DayTrader, bars={"X": bars}, events=news, out=tmp_path, report=True)
    twin = result.info.twin
    assert twin["state"] == "compared"
    assert twin["metrics"]["total_return"] != twin["own"]["total_return"]


def test_no_events_no_twin(tmp_path: Path) -> None:
    result = robo_trader.backtest(Trader, bars={"X": daily()}, out=tmp_path, report=True)
    assert result.info.twin == {"state": "not applicable", "why": "there are no events in this run"}


def test_costs_of_zero_are_warned_of(tmp_path: Path) -> None:
    free = robo_trader.backtest(Trader, bars={"X": daily()}, out=tmp_path)
    paid = robo_trader.backtest(Trader, bars={"X": daily()}, out=tmp_path, commission=0.001)
    assert any("costs are 0" in warning for warning in free.warnings)
    assert not any("costs are 0" in warning for warning in paid.warnings)
    assert paid.metrics["commission"] > 0  # type: ignore[operator]


def test_a_strategy_that_raises_leaves_a_failed_run(tmp_path: Path) -> None:
    class Breaks(bt.Strategy):
        def next(self) -> None:
            if len(self) == 20:
                raise KeyError("volume_ma")

    with pytest.raises(StrategyError) as caught:
        robo_trader.backtest(Breaks, bars={"X": daily()}, out=tmp_path)
    assert "KeyError: 'volume_ma'" in caught.value.message
    assert "the bar of X ending 2018-01-29T21:00:00Z" in caught.value.message
    assert "test_backtest.py" in caught.value.hint
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"


def test_ctrl_c_leaves_a_marked_partial_run(tmp_path: Path) -> None:
    class Interrupted(bt.Strategy):
        def next(self) -> None:
            if len(self) == 50:
                raise KeyboardInterrupt

    result = robo_trader.backtest(Interrupted, bars={"X": daily()}, out=tmp_path)
    assert result.state == "interrupted"
    assert result.run_dir is not None
    assert json.loads((result.run_dir / "run.json").read_text())["state"] == "interrupted"
    assert 45 <= len(result.equity) <= 50


def test_warm_up_bars_prime_indicators_and_trade_nothing(tmp_path: Path) -> None:
    bars = daily()
    start = bars.index[60].date()

    class FirstDay(bt.Strategy):
        def __init__(self) -> None:
            bt.indicators.SMA(period=10)

        def nextstart(self) -> None:
            self.buy()

    def first_bars(result: robo_trader.Result) -> int:
        (order,) = result.record.orders
        return int((result.record.sessions.time <= order.time).sum())

    cold = robo_trader.backtest(FirstDay, bars={"X": bars}, start=start, out=tmp_path)
    warm = robo_trader.backtest(
        FirstDay, bars={"X": bars}, start=start, flags={"run.warmup": 30}, out=tmp_path
    )
    assert str(warm.equity.index[0].date()) == str(start)
    assert len(warm.equity) == len(cold.equity)
    assert first_bars(warm) == 1
    assert first_bars(cold) == 10
    held = robo_trader.backtest(
        "buy_and_hold", bars={"X": bars}, start=start, flags={"run.warmup": 30}, out=tmp_path
    )
    assert str(held.fills[0].time.date()) > str(bars.index[60].date())
    assert {order.status for order in held.record.orders} <= {"Completed", "Margin"}


def test_benchmark_is_read_from_the_same_source(tmp_path: Path) -> None:
    result = robo_trader.backtest(
        "buy_and_hold", symbols="IBM", benchmark="SPY", start="2019-01-01", out=tmp_path
    )
    assert result.info.benchmark is not None
    assert result.info.benchmark.symbol == "SPY"
    assert result.metrics["beta"] is not None


def test_a_benchmark_is_never_the_traded_bars_under_another_name(tmp_path: Path) -> None:
    file = tmp_path / "X.csv"
    daily(20).to_csv(file)
    for bars in (daily(20), file, str(file)):
        with pytest.raises(DataError, match="no bars for the benchmark SPY") as caught:
            robo_trader.backtest("buy_and_hold", bars=bars, benchmark="SPY", save=False)
        assert "holds both" in caught.value.hint
    own = robo_trader.backtest("buy_and_hold", bars=file, benchmark="X", save=False)
    assert own.info.benchmark is not None and own.info.benchmark.symbol == "X"


def test_two_time_frames_of_one_symbol_run_side_by_side(tmp_path: Path) -> None:
    """The daily feed's fill is known at the open, and the hour's close is not in the day's bar yet."""
    seen: list[tuple[int, int, float]] = []

    class Both(Strategy):
        def next(self) -> None:
            hours, days = self.bars
            seen.append((len(hours), len(days), self.getposition(days).size))
            if len(hours) == 7 and len(days) == 1 and not self.getposition(days).size:
                self.buy(days, size=3)
                self.buy(hours, size=2)

    starts = [
        day + pd.Timedelta(hours=9.5 + k) for day in pd.bdate_range("2018-01-02", periods=5) for k in range(7)
    ]
    bars = daily(35).set_index(pd.DatetimeIndex(starts, name="datetime"))
    result = robo_trader.backtest(Both, bars={"SPY": bars}, timeframe="1h,1d", benchmark="SPY", out=tmp_path)
    assert [(f.symbol, f.side, f.size) for f in result.record.fills] == [
        ("SPY@1d", "BUY", 3.0),
        ("SPY", "BUY", 2.0),
    ]
    assert {f.price for f in result.record.fills} == {bars["open"].iloc[7]}
    assert (8, 1, 3) in seen  # after the second day's first hour
    assert seen[0] == (7, 1, 0)  # the day ends with its last hour, in one step
    assert [frame.instrument.symbol for frame in result.bars] == ["SPY", "SPY"]
    assert set(result.record.sessions.sizes) == {"SPY", "SPY@1d"}
    assert result.record.sessions.sizes["SPY@1d"][-1] == 3


def test_an_index_is_not_among_the_bundled_symbols_by_default(tmp_path: Path) -> None:
    result = robo_trader.backtest("buy_and_hold", start="2020-06-01", out=tmp_path)
    assert "VIX" not in result.record.sessions.sizes


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"risk": "defualt"}, UsageError, "did you mean 'default'?"),
        ({"analyst": "gpt"}, UsageError, "no analyst"),
        ({"cash": 0.0}, UsageError, "cash"),
        ({"commission": 1.5}, UsageError, "commission"),
        ({"params": {"perod": 3}}, StrategyError, "period"),
        ({"start": "2019-01-01", "end": "2018-06-01"}, UsageError, "2019-01-01"),
        ({"start": "2035-01-01"}, DataError, "2035"),
        ({"events": "no_such_source"}, UsageError, "no_such_source"),
        ({"fill_rules": "kind"}, UsageError, "honest"),
    ],
)
def test_bad_words_are_refused_before_anything_is_written(
    kwargs: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        robo_trader.backtest(Trader, bars={"X": daily()}, out=tmp_path / "runs", **kwargs)
    assert words in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_nothing_is_written_without_save(tmp_path: Path) -> None:
    result = robo_trader.backtest(Trader, bars={"X": daily()}, out=tmp_path / "runs", save=False)
    assert result.run_dir is None
    assert not (tmp_path / "runs").exists()


class Keyed(bt.Strategy):
    params = (("api_key", ""), ("note", ""), ("raises", False))

    def next(self) -> None:
        if self.p.raises:
            raise ValueError(f"refused with {self.p.api_key}")
        self.buy(size=1, because=f"{len(self.p.api_key)} letters")


def test_a_strategys_secret_is_resolved_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_KEY", "s3cret-of-the-run")
    conf = tmp_path / "robo.toml"
    conf.write_text('[strategies.keyed]\napi_key = "env:BROKER_KEY"\nnote = "plain"\n')
    given: dict[str, Any] = {"bars": {"X": daily(20)}, "config": conf, "out": tmp_path / "runs"}
    result = robo_trader.backtest(Keyed, **given)
    assert result.record.orders[0].because == "17 letters"
    assert result.info.params == {"api_key": "env:BROKER_KEY", "note": "plain"}
    robo_trader.backtest(Keyed, params={"api_key": "s3cret-of-the-run"}, **given)
    with pytest.raises(StrategyError, match=r"refused with \*\*\*") as caught:
        robo_trader.backtest(Keyed, params={"raises": True}, **given)
    assert not any("s3cret" in note for note in caught.value.__notes__)
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


class Unreachable(robo_trader.BarSource):
    def __init__(self, key: str) -> None:
        self.key = key

    def load(self, symbol: str, start: Any, end: Any, timeframe: str | None) -> Any:
        raise OSError(f"cannot log in with {self.key}")


class Deaf(robo_trader.EventSource):
    def __init__(self, key: str) -> None:
        self.key = key

    def fetch(self, since: Any, until: Any) -> Any:
        raise OSError(f"cannot log in with {self.key}")


class Pack:
    @robo_trader.hookimpl
    def robo_register(self, add: Any) -> None:
        add.bars("unreachable", Unreachable)
        add.event_source("deaf", Deaf)


@pytest.mark.parametrize("words", [{"bars": "unreachable", "symbols": "X"}, {"events": "deaf"}])
def test_a_failing_source_is_named_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, str]
) -> None:
    folder = tmp_path / "robo_pack-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: robo-pack\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[robo_trader]\npack = zz_pack:pack\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = ModuleType("zz_pack")
    module.pack = Pack()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zz_pack", module)
    monkeypatch.setenv("FEED_KEY", "s3cret-of-the-feed")
    conf = tmp_path / "robo.toml"
    conf.write_text('[bars.unreachable]\nkey = "env:FEED_KEY"\n[events.deaf]\nkey = "env:FEED_KEY"\n')
    name = words.get("bars") or words["events"]
    with pytest.raises(RoboError, match=name) as caught:
        robo_trader.backtest("buy_and_hold", config=conf, save=False, **words)  # type: ignore[arg-type]
    assert "cannot log in with ***" in caught.value.message
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
