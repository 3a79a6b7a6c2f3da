"""`robo backtest`: what it prints, what it leaves, and that every flag arrives."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = ("backtest", "turns.py", "--bars", "data", "--no-report")

pytestmark = pytest.mark.usefixtures("data", "turns")


def only_run(home: Path) -> Path:
    folders = [folder for folder in (home / "runs").iterdir() if not folder.name.startswith(".")]
    assert len(folders) == 1
    return folders[0]


def test_a_run_prints_its_numbers_and_where_it_is(robo: Any, home: Path) -> None:
    answer = robo(*RUN)
    assert answer.code == 0
    assert "total return" in answer.out and "Sharpe" in answer.out and "worst drawdown" in answer.out
    assert str(only_run(home).relative_to(home)) in answer.out
    assert "warning: costs are 0" in answer.err and "costs are 0" not in answer.out


def test_json_is_run_json_and_the_folder(robo: Any, home: Path) -> None:
    answer = robo(*RUN, "--json")
    found = json.loads(answer.out)
    folder = only_run(home)
    assert Path(found.pop("run_dir")).resolve() == folder
    assert found == json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert answer.err == ""


def test_flags_arrive(robo: Any, home: Path) -> None:
    found = json.loads(
        robo(
            *RUN,
            *("--symbols", "QQQ,SPY", "--start", "2024-01-10", "--end", "2024-04-10"),
            *("--cash", "5000", "--commission", "0.001", "--slippage", "0.0005", "--seed", "9"),
            *("--fill-rules", "stock", "--param", "hold=7", "--benchmark", "SPY", "--risk", "off"),
            *("--fractional", "--align", "none", "--out", "elsewhere", "--json"),
        ).out
    )
    assert found["period"]["first"] == "2024-01-10" and found["period"]["last"] == "2024-04-10"
    assert [row["symbol"] for row in found["data"]] == ["QQQ", "SPY"]
    assert found["starting_cash"] == 5000 and found["seed"] == 9 and found["params"] == {"hold": 7}
    assert found["fill_rules"] == "stock" and found["benchmark"] == "SPY"
    run = found["config"]["run"]
    assert (run["commission"], run["slippage"], run["fractional"]) == (0.001, 0.0005, True)
    assert found["config"]["bars"]["align"] == "none"
    assert Path(found["run_dir"]).parent == Path("elsewhere") and not (home / "runs").exists()


def test_the_command_that_repeats_the_run_is_kept(robo: Any) -> None:
    words = [*RUN, "--param", "hold=7"]
    found = json.loads(robo(*words, "--json").out)
    assert found["command"] == "robo " + " ".join(words)


def test_robo_toml_names_strategy_data_and_parameters(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text(
        '[run]\nstrategy = "turns.py"\nsymbols = ["SPY"]\nreport = false\n[bars]\nsource = "data"\n'
        "[strategies.turns]\nhold = 8\n",
        encoding="utf-8",
    )
    found = json.loads(robo("backtest", "--json").out)
    assert found["strategy"] == "turns" and [row["symbol"] for row in found["data"]] == ["SPY"]


def test_a_switch_that_was_not_thrown_leaves_robo_toml_alone(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text("[bars]\nrepair = true\n[run]\nfractional = true\n", encoding="utf-8")
    config = json.loads(robo(*RUN, "--json").out)["config"]
    assert config["bars"]["repair"] is True and config["run"]["fractional"] is True
    assert json.loads(robo(*RUN, "--whole", "--json").out)["config"]["run"]["fractional"] is False


def test_another_configuration_file(robo: Any, home: Path) -> None:
    (home / "other.toml").write_text("[run]\ncash = 123.0\n", encoding="utf-8")
    found = json.loads(robo(*RUN, "--config", "other.toml", "--json").out)
    assert found["starting_cash"] == 123.0


def test_events_reach_the_strategy(robo: Any, home: Path) -> None:
    (home / "listens.py").write_text(
        "import robo_trader\n"
        "class Listens(robo_trader.Strategy):\n"
        "    def notify_event(self, event):\n"
        "        self.buy(size=1, because=event.title)\n",
        encoding="utf-8",
    )
    lines = [
        {"kind": "news", "title": title, "published_at": at, "known_at": at}
        for title, at in (("one", "2024-02-01T15:00:00Z"), ("two", "2024-03-01T15:00:00Z"))
    ]
    for name, line in zip(("a", "b"), lines, strict=True):
        (home / f"{name}.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    answer = robo(
        "backtest",
        "listens.py",
        "--bars",
        "data",
        "--events",
        "a.jsonl",
        "--events",
        "b.jsonl",
        "--no-report",
    )
    assert answer.code == 0
    orders = (only_run(home) / "orders.csv").read_text(encoding="utf-8")
    assert ",one\n" in orders and ",two\n" in orders


def test_two_runs_of_the_shell_are_equal_to_the_byte(shell: Any, home: Path) -> None:
    for name in ("one", "two"):
        assert shell(*RUN, "--out", name).code == 0
    first, second = (next((home / name).iterdir()) for name in ("one", "two"))
    for name in ("equity.csv", "orders.csv", "fills.csv", "trades.csv", "signals.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert robo_same(shell, first, second) == {True}


def robo_same(shell: Any, first: Path, second: Path) -> set[bool]:
    found = json.loads(shell("runs", "compare", first, second, "--json").out)
    return set(found["same_files"].values())


def test_an_old_script_with_a_cerebro_of_its_own(robo: Any, home: Path) -> None:
    (home / "my_old.py").write_text(
        (home / "turns.py").read_text(encoding="utf-8")
        + "\ncerebro = bt.Cerebro()\ncerebro.addstrategy(Turns)\n"
        + "print('starting', cerebro.broker.getvalue())\ncerebro.run()\ncerebro.plot()\n",
        encoding="utf-8",
    )
    answer = robo("backtest", "my_old.py", "--bars", "data", "--no-report")
    assert answer.code == 0 and "total return" in answer.out


def test_interrupting_leaves_a_marked_run_and_says_so(home: Path) -> None:
    (home / "slow.py").write_text(
        "import backtrader as bt, threading\n"
        "class Slow(bt.Strategy):\n"
        "    def next(self):\n"
        "        if len(self) == 30:\n"
        "            print('half way', flush=True)\n"
        "            threading.Event().wait(60)\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_trader", "backtest", "slow.py", "--bars", "data", "--no-report"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "half way" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err and "interrupted" in err
    found = json.loads((only_run(home) / "run.json").read_text(encoding="utf-8"))
    assert found["state"] == "interrupted" and found["partial"] is True


def test_no_colours_and_no_progress_in_a_pipe(shell: Any) -> None:
    answer = shell(*RUN)
    assert "\033" not in answer.out + answer.err and "\r" not in answer.err


def test_a_strategy_may_print_without_spoiling_json(robo: Any, home: Path) -> None:
    """What a strategy prints is its user's; it comes before the JSON and never inside it."""
    (home / "chatty.py").write_text(
        "import backtrader as bt\nclass Chatty(bt.Strategy):\n    def start(self):\n        print('hello')\n",
        encoding="utf-8",
    )
    answer = robo("backtest", "chatty.py", "--bars", "data", "--no-report", "--json")
    assert json.loads(answer.out)["strategy"] == "chatty"
    assert "hello" in answer.err


def test_what_a_strategy_prints_appears_once(robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hindsight twin runs the strategy again, for the report; it does so in silence."""
    monkeypatch.setattr("robo_trader.runs.Result.report", lambda self: None)
    (home / "tells.py").write_text(
        "import robo_trader\n"
        "class Tells(robo_trader.Strategy):\n"
        "    def notify_event(self, event):\n"
        "        print('heard of', event.title)\n",
        encoding="utf-8",
    )
    event = {"kind": "news", "title": "one", "published_at": "2024-02-01T15:00:00Z"}
    (home / "e.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    answer = robo("backtest", "tells.py", "--bars", "data", "--events", "e.jsonl")
    assert answer.code == 0 and answer.out.count("heard of one") == 1
    assert "hindsight twin" in answer.out and "buy and hold" in answer.out


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_tables_are_never_cut_off_in_a_pipe(shell: Any, columns: str) -> None:
    answer = shell(*RUN, env={"COLUMNS": columns})
    assert "…" not in answer.out and "worst drawdown" in answer.out


def test_the_demonstration_ends_with_a_story_and_three_commands(shell: Any, home: Path) -> None:
    answer = shell("backtest", "--no-report")
    assert answer.code == 0, answer
    assert "fomc_drift" in answer.out and "because news " in answer.out and "Result:" in answer.out
    commands = [line for line in answer.err.partition("\nnext\n")[2].splitlines() if line.startswith("  ")]
    assert len(commands) == 3
    for line in commands:
        words = shlex.split(line.strip().partition("   ")[0])
        called = subprocess.run([*words, "--help"], capture_output=True, text=True, cwd=home)
        assert called.returncode == 0 and called.stdout.startswith("Example"), line
    assert os.listdir(home / "runs")
