"""`robo runs` and `robo explain`, on runs made by `robo backtest` itself."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from robo_trader.cli.explain import Question, parse
from robo_trader.errors import UsageError
from robo_trader.journal.live import open_journal

BRACKET = """
import robo_trader

class Family(robo_trader.Strategy):
    def next(self):
        if len(self) == 5:
            self.buy_bracket(size=10, price=1.0, limitprice=200.0, stopprice=0.5, because="a deep limit")
        if len(self) == 6:
            self.buy(size=7, because="a plain order")
        if len(self) == 9:
            self.sell(size=17, because="turn round")
"""


@pytest.fixture
def made(robo: Any, data: Path, turns: Path, home: Path) -> Path:
    """Two runs: the first with other parameters, the last of `BRACKET` on SPY."""
    (home / "family.py").write_text(BRACKET, encoding="utf-8")
    assert robo("backtest", "turns.py", "--bars", "data", "--no-report").code == 0
    answer = robo("backtest", "family.py", "--bars", "data", "--symbols", "SPY", "--no-report", "--json")
    assert answer.code == 0, answer
    return Path(json.loads(answer.out)["run_dir"])


def test_list_shows_every_run(robo: Any, made: Path) -> None:
    answer = robo("runs", "list")
    assert answer.code == 0 and answer.out == robo("runs").out
    lines = answer.out.splitlines()
    assert any("turns" in line and "2024" in line for line in lines)
    assert made.name[-6:] in lines[-1] and "family" in lines[-1]
    assert len(json.loads(robo("runs", "list", "--json").out)) == 2
    assert len(json.loads(robo("runs", "list", "--limit", "1", "--json").out)) == 1


def test_a_rehearsal_is_marked_and_keeps_its_columns(
    robo: Any, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads((made / "run.json").read_text())
    changed = {**document, "mode": "paper, simulated gateway", "state": "interrupted"}
    (made / "run.json").write_text(json.dumps(changed))
    assert "family (rehearsal, interrupted)" in robo("runs", "list").out
    monkeypatch.setattr("robo_trader.cli.out.width", lambda stream: 80)
    shown = robo("runs", "list").out
    assert max(map(len, shown.splitlines())) <= 80
    assert (
        made.name[-6:] in shown and "family" in shown and "(rehearsal," in shown and "interrupted)" in shown
    )


def test_list_says_what_is_no_run(robo: Any, made: Path) -> None:
    (made.parent / "something").mkdir()
    answer = robo("runs", "list")
    assert answer.code == 0 and "something" in answer.err and "something" not in answer.out


def write_sessions() -> None:
    """Journal a paper run with a preview and a session that failed, and a rehearsal that was broken off."""
    with open_journal() as journal:
        for mode, strategy in (("paper", "news_momentum"), ("rehearsal", "turns")):
            run = journal.begin(f"20261120T144500Z-{strategy}-{mode}", mode=mode, strategy=strategy)
            run.end_session(run.session(account="DU1234567"), "finished")
            if mode == "paper":
                run.end_session(run.session(account="DU1234567", send=True), "failed", "it raised")
            run.finish("interrupted")


def test_list_shows_the_sessions_of_the_journal(robo: Any, made: Path) -> None:
    write_sessions()
    answer = robo("runs", "list")
    runs, sessions = answer.out.split("sessions in the journal .robo/journal.sqlite")
    assert "family" in runs and "news_momentum" not in runs
    rows = [line.split() for line in sessions.splitlines() if ":" in line]
    assert [(row[1], row[2], row[-1]) for row in rows] == [
        ("news_momentum", "paper", "failed"), ("turns", "rehearsal", "0"),
    ]  # fmt: skip
    told = json.loads(robo("runs", "list", "--json").out)
    assert [row["mode"] for row in told] == ["backtest", "backtest", "paper", "rehearsal"]
    # Whoever reads the list finds the same keys in every row.
    assert all(set(told[0]) <= set(row) for row in told)
    paper = told[2]
    assert (paper["sessions"], paper["sent"], paper["account"]) == (2, True, "DU1234567")
    assert paper["path"].endswith("journal.sqlite") and paper["metrics"] == {}
    assert [row["mode"] for row in json.loads(robo("runs", "list", "-n", "3", "--json").out)] == [
        "backtest", "paper", "rehearsal",
    ]  # fmt: skip
    assert len(json.loads(robo("runs", "list", "--out", "runs", "--json").out)) == 2


def test_sessions_are_listed_without_a_folder_of_runs(robo: Any, home: Path) -> None:
    write_sessions()
    answer = robo("runs", "list")
    assert answer.code == 0 and "news_momentum" in answer.out and "Sharpe" not in answer.out


def test_a_journal_that_cannot_be_read_hides_no_run(robo: Any, made: Path, home: Path) -> None:
    (home / ".robo").mkdir(exist_ok=True)
    (home / ".robo" / "journal.sqlite").write_text("a letter")
    answer = robo("runs", "list")
    assert answer.code == 0 and "family" in answer.out and "sessions are not listed" in answer.err


def test_an_empty_folder_and_a_missing_one(robo: Any, home: Path) -> None:
    (home / "runs").mkdir()
    answer = robo("runs", "list")
    assert answer.code == 0 and "robo backtest" in answer.err
    assert "robo backtest" in robo("runs", "list", "--out", "nowhere").one_error_line(1)


def test_show(robo: Any, made: Path) -> None:
    answer = robo("runs", "show", "last")
    assert answer.code == 0
    for words in (
        "total return",
        "Sharpe",
        "Maximum drawdown",
        "under 15 %",
        "repeat it with",
        "robo backtest family.py",
    ):
        assert words in answer.out
    assert "costs are 0" in answer.err
    found = json.loads(robo("runs", "show", made.name[-6:], "--json").out)
    assert found["id"] == made.name and Path(found["run_dir"]) == made


def test_show_tells_when_a_file_was_changed(robo: Any, made: Path) -> None:
    with (made / "fills.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert "fills.csv: was changed" in robo("runs", "show").err


def test_the_folder_comes_from_robo_toml(robo: Any, made: Path, home: Path) -> None:
    (home / "robo.toml").write_text('[run]\nout = "elsewhere"\n', encoding="utf-8")
    assert robo("runs", "list").code == 1
    assert robo("runs", "list", "--out", "runs").code == 0


def test_compare(robo: Any, made: Path) -> None:
    first = json.loads(robo("runs", "list", "--json").out)[0]["id"]
    answer = robo("runs", "compare", first, "last")
    assert answer.code == 0
    assert "total_return" in answer.out and "strategy" in answer.out and "turns" in answer.out
    assert "different: " in answer.out
    found = json.loads(robo("runs", "compare", first, "last", "--json").out)
    assert found["ids"] == [first, made.name] and found["differences"]["strategy"] == ["turns", "family"]
    same = robo("runs", "compare", "last", "last")
    assert "are the same" in same.out and "equal: " in same.out
    assert "two runs" in robo("runs", "compare", "last").one_error_line(2)


def test_open_prints_the_path_and_opens_a_browser(
    robo: Any, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda uri: opened.append(uri) or True)
    assert "no report" in robo("runs", "open").one_error_line(1)
    (made / "report.html").write_text("<p>", encoding="utf-8")
    answer = robo("runs", "open", "last")
    assert (answer.code, answer.out) == (0, f"{made / 'report.html'}\n")
    assert opened == [(made / "report.html").resolve().as_uri()]
    robo("runs", "open", "--path")
    assert len(opened) == 1
    monkeypatch.setattr(webbrowser, "open", lambda uri: False)
    assert "no browser" in robo("runs", "open").err


def test_export(robo: Any, made: Path, home: Path) -> None:
    assert robo("runs", "export", "last", "--to", "copy").out == "copy\n"
    assert (home / "copy" / "fills.csv").read_bytes() == (made / "fills.csv").read_bytes()
    assert robo("runs", "export", "--to", "run.json").code == 0
    assert json.loads((home / "run.json").read_text(encoding="utf-8"))["id"] == made.name
    assert robo("runs", "export").out == f"{made.name}\n"
    assert "copy" in robo("runs", "export", "--to", "copy").one_error_line(1)
    assert "cvs" in robo("runs", "export", "--to", "new", "--format", "cvs").one_error_line(2)


def test_a_shell_completes_runs(made: Path) -> None:
    from robo_trader.cli.options import run_names

    assert run_names()[:2] == ["last", made.name]


def test_an_unknown_run_suggests(robo: Any, made: Path) -> None:
    assert made.name in robo("runs", "show", "nothing").one_error_line(1)


# -- explain ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "run", "asked"),
    [
        ([], None, Question("last")),
        (["last"], None, Question("last")),
        ([], "2024", Question("2024")),
        (["trade", "3"], None, Question("last", "trade", 3)),
        (["trade", "3"], "2024", Question("2024", "trade", 3)),
        (["trade-3"], None, Question("last", "trade", 3)),
        (["Order", "12"], None, Question("last", "order", 12)),
        (["20240918T15"], None, Question("20240918T15")),
        (["my runs/one"], None, Question("my runs/one")),
        (["RUN#trade-3"], None, Question("RUN", "trade", 3)),
        (["RUN#order 3"], None, Question("RUN", "order", 3)),
        (["RUN", "trade", "3"], None, Question("RUN", "trade", 3)),
        (["#trade-3"], None, Question("last", "trade", 3)),
        (["20240101T000000Z-my-trade-123456"], None, Question("20240101T000000Z-my-trade-123456")),
        (["runs/20240101T000000Z-my-trade-123456"], None, Question("runs/20240101T000000Z-my-trade-123456")),
    ],
)
def test_what_can_be_asked(words: list[str], run: str | None, asked: Question) -> None:
    assert parse(words, run) == asked


@pytest.mark.parametrize(
    ("words", "run"),
    [
        (["12"], None),
        (["trade"], None),
        (["trade", "three"], None),
        (["RUN#"], None),
        (["RUN#fill-3"], None),
        (["RUN", "trade", "3"], "OTHER"),
        (["two", "runs"], None),
    ],
)
def test_what_cannot_be_asked(words: list[str], run: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        parse(words, run)
    assert refused.value.hint


def test_a_run_is_told(robo: Any, made: Path) -> None:
    answer = robo("explain", "last")
    assert answer.code == 0 and answer.out == robo("explain").out
    assert made.name in answer.out and "5 orders gave 2 fills" in answer.out
    assert "a plain order" in answer.out and "Best trade: 1" in answer.out
    facts = json.loads(robo("explain", "--json").out)
    assert facts["run"] == made.name and facts["best"]["trade_id"] == 1 and facts["open_trades"] == 1


def test_a_trade_is_told_from_order_to_result(robo: Any, made: Path) -> None:
    answer = robo("explain", "trade", "1")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("Trade 1 of 2: bought 7 SPY")
    order = next(i for i, line in enumerate(lines) if "order 4: BUY 7 SPY Market" in line)
    fill = next(i for i, line in enumerate(lines) if "filled: BUY 7 SPY" in line)
    assert order < fill and "because a plain order" in lines[order + 1]
    assert "filled: SELL 17 SPY" in answer.out and "(7 of it here)" in answer.out
    assert lines[-1].startswith("Result: ")
    assert robo("explain", f"{made.name}#trade-1").out == answer.out
    assert robo("explain", "trade-1", "--run", made).out == answer.out


def test_a_reversal_belongs_to_both_trades(robo: Any, made: Path) -> None:
    facts = json.loads(robo("explain", "trade", "2", "--json").out)
    assert [(part["role"], part["size"]) for part in facts["fills"]] == [("entry", 10.0)]
    assert facts["trade"]["side"] == "SELL" and facts["trade"]["exit_time"] is None
    assert facts["orders"][0]["time"].endswith("Z")
    assert "so far" in robo("explain", "trade", "2").out


def test_an_order_is_told_with_its_family(robo: Any, made: Path) -> None:
    answer = robo("explain", "order", "1")
    assert answer.code == 0
    assert "BUY 10 SPY Limit, limit 1.00" in answer.out or "limit 1.00" in answer.out
    assert "Belongs together with" in answer.out and "order 2:" in answer.out and "order 3:" in answer.out
    facts = json.loads(robo("explain", "order", "4", "--json").out)
    assert [trade["trade_id"] for trade in facts["trades"]] == [1]
    left = robo("explain", "order", "5").out
    assert "It left trade 1 with 7" in left and "It entered trade 2 with 10" in left
    # The run is named: another one may be the last by then.
    assert f"'robo explain trade 1 --run {made.name.rpartition('-')[2]}' tells that story" in left


def test_numbers_that_do_not_exist(robo: Any, made: Path) -> None:
    assert "1 to 2" in robo("explain", "trade", "9").one_error_line(2)
    assert "1 to 5" in robo("explain", "order", "9").one_error_line(2)
    assert "trade 12" in robo("explain", "12").one_error_line(2)


def test_a_run_without_trades(robo: Any, data: Path, home: Path) -> None:
    (home / "idle.py").write_text(
        "import backtrader as bt\nclass Idle(bt.Strategy): pass\n", encoding="utf-8"
    )
    assert robo("backtest", "idle.py", "--bars", "data", "--no-report").code == 0
    assert "0 orders gave 0 fills" in robo("explain").out
    assert "no trades" in robo("explain", "trade", "1").one_error_line(2)


def test_a_failed_run_is_told(robo: Any, data: Path, home: Path) -> None:
    (home / "fails.py").write_text(
        "import backtrader as bt\nclass Fails(bt.Strategy):\n    def next(self):\n        1 / 0\n",
        encoding="utf-8",
    )
    robo("backtest", "fails.py", "--bars", "data", "--no-report")
    answer = robo("explain", "last")
    assert "failed" in answer.out and "ZeroDivisionError" in answer.out and "fails.py:4" in answer.out
    assert "failed" in robo("runs").out
