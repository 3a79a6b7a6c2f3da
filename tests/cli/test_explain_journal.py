"""`robo explain` from a run's journal: the same story as from its tables, and the chain before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robo_trader.backtesting import backtest
from robo_trader.cli.sources import JournalTables, Tables
from robo_trader.cli.story import order_facts, order_story, source_of, trade_facts
from robo_trader.journal.reading import read_file
from robo_trader.runs import StoredRun, load_run

CROSSING = """
import backtrader as bt
class Crossing(bt.Strategy):
    def next(self):
        n = len(self)
        if n % 40 == 10:
            self.buy(size=10 + n % 3, because="up")
        elif n % 40 == 20:
            self.sell(size=17, because="over the top")
        elif n % 40 == 30 and n > 300:
            self.close()
            self.buy_bracket(price=self.data.close[0] * 0.99, stopprice=1.0, limitprice=9999.0, size=3)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("crossing")
    (folder / "crossing.py").write_text(CROSSING)
    result = backtest(str(folder / "crossing.py"), symbols=["SPY", "QQQ"], risk="off", out=folder / "runs")
    assert result.run_dir is not None
    return load_run(result.run_dir)


def test_every_story_from_the_journal_is_that_of_the_tables(run: StoredRun) -> None:
    tables = Tables(run)
    with source_of(run) as journal:
        assert isinstance(journal, JournalTables)
        assert (journal.last_order(), journal.last_trade()) == (tables.last_order(), tables.last_trade())
        for trade in run.trades:
            told = trade_facts(journal, trade.trade_id)
            told.pop("chains")
            assert told == {k: v for k, v in trade_facts(tables, trade.trade_id).items() if k != "chains"}
        for order in run.orders:
            told = order_facts(journal, order.order_id)
            assert told.pop("chain")["order"]["because"] == order.because
            assert told == order_facts(tables, order.order_id)


def test_the_demonstration_is_told_from_its_event_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_trader.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["backtest", "--no-report"]) == 0
    capsys.readouterr()
    assert main(["explain", "trade", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    event = next(i for i, line in enumerate(lines) if "fomc: FOMC raises" in line)
    view = next(i for i, line in enumerate(lines) if "offline: * " in line)
    signal = next(i for i, line in enumerate(lines) if "signal news for " in line)
    order = next(i for i, line in enumerate(lines) if "order " in line and "because news " in lines[i + 1])
    assert event < view < signal < order and "https://www.federalreserve.gov" in lines[event + 1]
    assert main(["explain", "order", "1", "--json"]) == 0
    chain = json.loads(capsys.readouterr().out)["chain"]
    (link,) = chain["evidence"]
    assert link["event"]["kind"] == "fomc" and link["view"]["analyst"] == "offline"
    assert chain["signal"]["name"] == "news" and chain["decision"]["action"] in ("allow", "resize")
    assert isinstance(chain["decision"]["asked"], str), "amounts stay exact"


def test_a_damaged_journal_is_said_and_the_tables_tell(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from robo_trader.cli.main import main

    monkeypatch.chdir(tmp_path)
    shutil.copytree(run.run_dir, tmp_path / "runs" / run.id)
    assert main(["explain", "trade", "1"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    (tmp_path / "runs" / run.id / "journal.sqlite").write_bytes(b"x" * 5000)
    assert main(["explain", "trade", "1"]) == 0
    told_again = capsys.readouterr()
    assert "not a database" in told_again.err and told_again.out == told.out


def test_the_guard_and_the_signal_are_told_with_their_numbers(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from robo_trader.cli.story import order_story
    from robo_trader.journal.live import open_journal
    from robo_trader.records import Answer, Decision, Event, Fill, Intent, Signal, View

    noon = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)
    with open_journal(folder=tmp_path) as journal:
        live = journal.begin("20240918T170000Z-drift-abcdef", mode="paper", strategy="drift")
        event = live.event(Event(kind="news", title="A cut", published_at=noon, known_at=noon, source="wire"))
        view = live.view(
            View(symbol="SPY", score=0.5, confidence=0.75, horizon=timedelta(days=1), analyst="claude",
                 because="lower rates"),
            event=event, at=noon, model="small-5", prompt_hash="0123456789abcdef",
        )  # fmt: skip
        signal = live.signal(Signal(at=noon, symbol="SPY", name="news", value=0.42), [(event, view)])
        intent = Intent(
            order_id=1, time=noon, symbol="SPY", side="BUY", size=100.0, type="Market", because="news +0.42"
        )
        live.decide(
            [
                Decision(
                    intent=intent,
                    action="resize",
                    size=60.0,
                    reasons=("position: 10 %",),
                    answers=(
                        Answer(
                            rule="position", action="resize", reason="10 %", size=60.0, limit=0.1, seen=0.167
                        ),
                    ),
                )
            ],
            signal=signal,
        )
        for i, side in enumerate(("BUY", "SELL")):
            live.fill(
                Fill(
                    time=noon, symbol="SPY", side=side, size=60.0, price=100.0 + i, commission=1.0, order_id=1
                ),  # type: ignore[arg-type]
                f"e{i}",
            )
        live.finish()
    with read_file(tmp_path / "journal.sqlite") as reader:
        row = reader.run("20240918T170000Z-drift-abcdef")
        assert row is not None
        source = JournalTables(reader, row)
        text = "\n".join(order_story(source, 1))
        assert source.last_trade() == 1 and source.trade(1).pnl == pytest.approx(60.0)
    steps = [
        "news: A cut (wire)", "claude with small-5: SPY +0.50, confidence 0.75", "because lower rates",
        "prompt 0123456789ab", "signal news for SPY: +0.42", "order 1: BUY 100 SPY Market",
        "the guard made it smaller: 60 of 100", "position: resize to 60 (would be 0.167, limit 0.1): 10 %",
        "filled: BUY 60 SPY at 100.00",
    ]  # fmt: skip
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


FOLLOWING = """
import backtrader as bt
class Following(bt.Strategy):
    def next(self):
        if len(self) == 30:
            price = self.data.close[0]
            self.order = self.buy(size=10, exectype=bt.Order.Limit, price=price * 0.8, because="cheap")
        elif len(self) == 33:
            self.broker.modify(self.order, price=round(self.data.close[0] * 1.02, 2), because="follow")
"""


def test_a_changed_order_is_told_with_its_change(tmp_path: Path) -> None:
    (tmp_path / "following.py").write_text(FOLLOWING)
    result = backtest(str(tmp_path / "following.py"), symbols=["SPY"], risk="off", out=tmp_path / "runs")
    assert result.run_dir is not None
    found = load_run(result.run_dir)
    order = found.orders[0]
    with source_of(found) as source:
        lines = order_story(source, 1)
        (change,) = order_facts(source, 1)["chain"]["modifications"]
        assert source.order(1).limit == order.limit == float(change["limit_price"])
    assert change["state"] == "holds" and change["decision"] == 2
    first = next(i for i, line in enumerate(lines) if " order 1: BUY 10 SPY Limit limit " in line)
    told = next(
        i for i, line in enumerate(lines) if f" order 1 was changed to 10, limit {order.limit:g}" in line
    )
    assert first < told and "because cheap" in lines[first + 1] and "because follow" in lines[told + 1]
    assert f"{order.limit:g}" not in lines[first], "it was made with another limit"
