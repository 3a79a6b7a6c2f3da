"""A backtest that reads its events: from the file to views, signals, orders and the run's record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import robo_trader
from robo_trader import Event, Strategy
from robo_trader.errors import PluginError, UsageError

PLUGIN = """
from datetime import UTC, datetime, timedelta
import numpy as np
from robo_trader import ModelError, View, hookimpl

@hookimpl
def robo_register(add):
    add.analyst("hopeful", "hopeful_plugin:Hopeful")
    add.analyst("broken", "hopeful_plugin:Broken")
    add.analyst("paid", "hopeful_plugin:Paid")
    add.signal("rising", "hopeful_plugin:Rising")
    add.signal("prophet", "hopeful_plugin:Prophet")

class Hopeful:
    kinds = ("news",)
    clean_from = datetime(2018, 6, 1, tzinfo=UTC)
    latency = timedelta(seconds=30)
    def read(self, event):
        return [View(symbol="X", score=0.5, confidence=0.5, horizon=timedelta(days=3), because="hope",
                     model="hope-1", prompt_hash="ab" * 32)]
    def describe(self):
        return {"model": "hope-1"}

class Paid(Hopeful):
    def read(self, event):
        if event.title == "replaced":
            raise ModelError("a model would be paid for this")
        return super().read(event)
    def estimate(self, events):
        raise NotImplementedError

class Broken:
    kinds = ("news",)
    def read(self, event):
        raise OSError("line is dead")

class Rising:
    def __init__(self, bars=1):
        self.bars = int(bars)
    def score(self, bars):
        moved = np.full(len(bars), np.nan)
        moved[self.bars:] = np.sign(bars.close[self.bars:] - bars.close[:-self.bars])
        return moved

class Prophet:
    def score(self, bars):
        return np.append(np.sign(np.diff(bars.close)), np.nan)
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin with analysts and signal packs for one test."""
    site = tmp_path / "site"
    info = site / "hopeful_plugin-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: hopeful-plugin\nVersion: 1.5\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[robo_trader]\nhopeful = hopeful_plugin\n", encoding="utf-8")
    (site / "hopeful_plugin.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)


def bars() -> pd.DataFrame:
    days = pd.bdate_range("2018-01-02", periods=230)
    closed = ["2018-01-15", "2018-02-19", "2018-03-30", "2018-05-28", "2018-07-04", "2018-09-03"]
    days = days[~days.isin(pd.to_datetime(closed))][:200]
    close = pd.Series(range(200), index=days) * 0.1 + 50
    return pd.DataFrame({"open": close, "high": close + 0.01, "low": close - 0.01, "close": close})


def news(*days: str) -> list[Event]:
    words = ("alpha bravo charlie", "delta echo foxtrot", "golf hotel india")
    return [
        Event(
            kind="news", title=words[i % 3], symbols=("X",), source=f"s{i}",
            published_at=datetime.fromisoformat(f"{day}T15:00:00+00:00"),
        )
        for i, day in enumerate(days)
    ]  # fmt: skip


class Follows(Strategy):
    params = dict(role="news")

    def __init__(self) -> None:
        self.news = self.signal(self.p.role, self.data)

    def next(self) -> None:
        held = self.position.size
        if not held and self.news.value[0] > 0:
            self.order_target_percent(target=0.05, because=(self.news, "a twentieth"))
        elif held and not self.news.value[0] > 0:
            self.close(because=self.news)


def run(strategy: Any = Follows, **more: Any) -> robo_trader.Result:
    given = {"bars": {"X": bars()}, "events": news("2018-03-05", "2018-08-06"), "analyst": "hopeful", **more}
    return robo_trader.backtest(strategy, **given)


def test_from_an_event_to_a_fill_that_knows_why(tmp_path: Path) -> None:
    result = run(out=tmp_path)
    assert [(f.side, f.time.date().isoformat()) for f in result.fills] == [
        ("BUY", "2018-03-06"), ("SELL", "2018-03-09"), ("BUY", "2018-08-07"), ("SELL", "2018-08-10"),
    ]  # fmt: skip
    (first, second) = result.signals
    assert first.at == datetime(2018, 3, 5, 15, 1, 30, tzinfo=UTC), (
        "a minute to arrive, half a minute to read"
    )
    assert (first.name, first.symbol, first.value) == ("news", "X", 0.25)
    assert first.expires_at == first.at + timedelta(days=3) and second.evidence
    assert result.fills[0].because.startswith("news +0.23 (confidence 0.50); a twentieth")
    assert result.run_dir is not None
    document = json.loads((result.run_dir / "run.json").read_text(encoding="utf-8"))
    (row,) = document["analysts"]
    assert {k: row[k] for k in ("name", "version", "latency", "views", "abstained", "model")} == {
        "name": "hopeful", "version": "1.5", "latency": 30.0, "views": 2, "abstained": 0, "model": "hope-1",
    }  # fmt: skip
    assert document["config"]["intelligence"]["analyst"] == "hopeful"
    assert (result.run_dir / "signals.csv").read_text(encoding="utf-8").count("\n") == 3


def test_the_story_leads_from_the_event_to_the_fill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_trader.cli.main import main

    run(out=tmp_path / "runs")
    assert main(["explain", "trade", "1"]) == 0
    told = capsys.readouterr().out
    places = [
        told.index(text)
        for text in (
            "news: alpha bravo charlie (s0)", "hopeful with hope-1: X +0.50, confidence 0.50", "because hope",
            f"prompt {'ab' * 6}", "the model may have known the outcome", "signal news for X: +0.25",
            "BUY ", "because news +0.23 (confidence 0.50); a twentieth", "filled: BUY",
        )
    ]  # fmt: skip
    assert places == sorted(places)


def test_figures_are_of_what_came_after_the_models_knowledge(tmp_path: Path) -> None:
    result = run(out=tmp_path, report=True)
    after = [
        i for i, t in enumerate(result.daily.time) if t >= datetime(2018, 6, 1, tzinfo=UTC).timestamp() * 1e9
    ]
    assert result.metric("trades").value == 1 and result.split["whole"]["trades"].value == 2
    assert result.split["before"]["trades"].value == 1
    assert result.metric("total_return").n == len(after) < len(result.daily.dates)
    returns = [result.metric("total_return").value, result.split["before"]["total_return"].value]
    whole = result.split["whole"]["total_return"].value
    assert None not in returns and whole is not None
    assert (1 + returns[0]) * (1 + returns[1]) - 1 == pytest.approx(whole)  # type: ignore[operator]
    assert any("may have known what happened before 2018-06-01" in text for text in result.warnings)
    assert result.info.baselines["buy_and_hold"].metrics["total_return"].n == len(after)
    assert result.run_dir is not None
    page = (result.run_dir / "report.html").read_text(encoding="utf-8")
    assert "analyst=hopeful" in page and "Clean from 2018-06-01 on (" in page and "Before, in sample" in page
    document = json.loads((result.run_dir / "run.json").read_text(encoding="utf-8"))
    assert document["split"]["sessions"] == {"before": 200 - len(after), "whole": 200}
    assert document["metrics"]["trades"]["value"] == 1


def test_runs_show_names_the_analyst_and_the_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_trader.cli.main import main

    run(out=tmp_path / "runs")
    assert main(["runs", "show", "last"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "analyst=hopeful · model hope-1; clean from 2018-06-01 on · 2 views, 0 abstentions" in told
    assert "in sample" in told


def test_a_whole_run_in_sample_has_no_headline() -> None:
    result = run(events=news("2018-03-05"), end="2018-05-01", save=False)
    assert result.metric("total_return").value is None and result.metric("sharpe").value is None
    assert result.metric("sharpe").reason == "every session lies before the end of the model's knowledge"
    assert result.split["before"]["total_return"].value is not None


def test_a_position_that_hindsight_opened_is_told_of_where_it_lives_on() -> None:
    late = run(events=news("2018-05-30"), save=False)
    (told,) = [text for text in late.warnings if "still held then" in text]
    assert told.startswith("opened before 2018-06-01 and still held then: X; ")
    assert not [text for text in run(save=False).warnings if "still held" in text]


@pytest.mark.parametrize(
    ("events", "why"),
    [([], "there are none"), (news("2017-01-01"), "none of 1 is of their kinds")],
)
def test_who_waits_for_signals_of_nothing_is_told(events: list[Event], why: str) -> None:
    (told,) = [text for text in run(events=events, save=False).warnings if "silent" in text]
    assert why in told


def test_a_broken_analyst_is_warned_of_once_and_others_go_on() -> None:
    result = run(analyst=["hopeful", "broken"], save=False)
    assert len(result.signals) == 2
    (told,) = [text for text in result.warnings if "broken" in text]
    assert told == (
        "analyst broken failed on 2 of 2 events, which count as abstentions; the first: OSError: line is dead"
    )


def test_the_latency_can_be_set_for_all() -> None:
    result = run(latency="5m", save=False)
    assert [s.at.strftime("%H:%M:%S") for s in result.signals] == ["15:06:00", "15:06:00"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"analyst": "hopefull"}, r"no analyst 'hopefull' \(did you mean 'hopeful'\?\)"),
        ({"analyst": ""}, "no analyst is named"),
        ({"params": {"role": "nws"}}, r"no signal 'nws' \(did you mean 'news'\?\)"),
        ({"latency": "soon"}, "latency"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_written(
    more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        run(out=tmp_path / "runs", **more)
    assert not (tmp_path / "runs").exists()


def test_a_role_may_be_an_analyst_that_was_not_chosen() -> None:
    result = run(params={"role": "hopeful"}, analyst="offline", save=False)
    assert {s.name for s in result.signals} == {"hopeful"} and len(result.fills) == 4


def test_who_asks_for_no_signal_pays_for_none() -> None:
    class Deaf(Strategy):
        def next(self) -> None:
            pass

    result = run(Deaf, analyst="broken", save=False)
    assert not result.signals and not any("broken" in text for text in result.warnings)
    assert "the strategy asked for no signal: analysts read nothing" in result.info.notes


def test_a_signal_pack_speaks_by_its_name_with_its_options(tmp_path: Path) -> None:
    (tmp_path / "robo.toml").write_text("[signals.rising]\nbars = 3\n", encoding="utf-8")
    result = run(params={"role": "rising"}, events=None, analyst=None, save=False)
    (signal,) = result.signals
    assert (signal.name, signal.symbol, signal.value) == ("rising", "X", 1.0)
    assert signal.at.date().isoformat() == "2018-01-05"
    assert result.fills[0].because.startswith("rising +1.00 (confidence 1.00)")


def test_a_signal_pack_that_knows_the_future_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="the signal 'prophet' depends on later bars"):
        run(params={"role": "prophet"}, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_same_inputs_give_the_same_signals(tmp_path: Path) -> None:
    tables = []
    for name in ("a", "b"):
        result = run(out=tmp_path / name)
        assert result.run_dir is not None
        tables.append([(result.run_dir / f).read_bytes() for f in ("signals.csv", "orders.csv", "fills.csv")])
    assert tables[0] == tables[1]


@pytest.mark.parametrize("analyst", ["hopeful", "paid"])
def test_the_audit_reads_events_anew_for_each_future(analyst: str) -> None:
    from robo_trader.audit import audit_lookahead

    report = audit_lookahead(
        Follows, bars={"X": bars()}, events=news("2018-03-05", "2018-08-06"),
        flags={"intelligence.analyst": analyst},
    )  # fmt: skip
    assert report.clean and report.decisions == 4


def test_an_event_that_names_no_symbol_is_linked_to_those_of_the_run() -> None:
    told = [Event(kind="news", title="Shares of $X jump", published_at=datetime(2018, 3, 5, 15, tzinfo=UTC))]
    assert len(run(events=told, save=False).signals) == 1
    other = [Event(kind="news", title="Shares of $Y jump", published_at=datetime(2018, 3, 5, 15, tzinfo=UTC))]
    result = run(events=other, save=False)
    assert not result.signals
    assert any("1 views of symbols that their events do not name" in text for text in result.info.notes)


def test_a_dry_run_says_what_it_would_cost_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_trader.cli.main import main

    words = [
        "backtest",
        "buy_and_hold",
        "--events",
        "bundled",
        "--analyst",
        "offline",
        "--analyst",
        "hopeful",
    ]
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "analyst=offline: no model is asked: $0", "analyst=hopeful: no model is asked: $0",
    ]  # fmt: skip
    assert main([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hopeful"]["cost"] == "0"
    assert not (tmp_path / "runs").exists()
