"""`robo new` writes what works; `robo audit lookahead` says what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PEEK = """
import backtrader as bt

class Peek(bt.Strategy):
    def next(self):
        print("noise")
        if len(self) >= len(self.data.array):
            return
        rises = self.data.close.array[len(self)] > self.data.close[0]
        if rises and not self.position:
            self.buy(size=1)
        elif not rises and self.position:
            self.close()
"""


def test_new_strategy_says_where_and_what_next(robo: Any, home: Path) -> None:
    answer = robo("new", "strategy", "my_idea")
    assert (answer.code, answer.out) == (0, "my_idea\n")
    assert (home / "my_idea" / "pyproject.toml").is_file()
    for words in ("pip install -e my_idea", "pytest my_idea", "backtest my_idea"):
        assert words in answer.err


def test_new_plugin_in_another_folder(robo: Any, home: Path) -> None:
    (home / "there").mkdir()
    answer = robo("new", "plugin", "robo-my-data", "--in", "there")
    assert answer.out.strip() == str(Path("there") / "robo-my-data")
    assert "data list my_data" in answer.err
    assert (home / "there" / "robo-my-data" / "src" / "robo_my_data").is_dir()


def test_what_was_written_runs_as_its_readme_says(
    robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed here by its metadata alone: pip would need an environment of its own."""
    robo("new", "strategy", "an_idea")
    robo("new", "plugin", "some_data")
    for name in ("an_idea", "some_data"):
        source = home / name / "src"
        info = source / f"robo_{name}-0.1.0.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: robo-{name}\nVersion: 0.1.0\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[robo_trader]\n{name} = robo_{name}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(source)
    assert robo("plugins", "check", "an_idea").code == 0
    assert robo("plugins", "check", "some_data").code == 0
    answer = robo("backtest", "an_idea", "--symbols", "SPY", "--no-report")
    assert answer.code == 0 and "total return" in answer.out
    # The folder some_data is here too; the plugin's name wins.
    assert "AAA" in robo("data", "list", "some_data").out
    assert (
        robo("backtest", "buy_and_hold", "--bars", "some_data", "--symbols", "AAA", "--no-report").code == 0
    )


def test_new_refuses_and_leaves_nothing(robo: Any, home: Path) -> None:
    assert "my_idea" in robo("new", "strategy", "My Idea").one_error_line(2)
    assert "nowhere" in robo("new", "strategy", "my_idea", "--in", "nowhere").one_error_line(2)
    assert "strategy, plugin" in robo("new").one_error_line(2)
    assert list(home.iterdir()) == []


def test_an_honest_strategy_is_cleared(robo: Any, data: Path, turns: Path) -> None:
    answer = robo("audit", "lookahead", "turns.py", "--bars", "data")
    assert answer.code == 0, answer
    assert "turns: no look-ahead found" in answer.out
    found = json.loads(robo("audit", "lookahead", "turns.py", "--bars", "data", "--json").out)
    assert found["clean"] is True and found["decisions"] > 0 and len(found["cuts"]) >= 20


def test_a_peeking_strategy_is_caught(robo: Any, data: Path, home: Path) -> None:
    (home / "peek.py").write_text(PEEK, encoding="utf-8")
    answer = robo("audit", "lookahead", "peek.py", "--bars", "data", "--symbols", "SPY")
    assert answer.code == 1 and "knows the future" in answer.out
    assert "noise" not in answer.out + answer.err
    found = json.loads(robo("audit", "lookahead", "peek.py", "--bars", "data", "--json").out)
    assert found["clean"] is False and found["findings"]


def test_a_strategy_that_never_trades_proves_nothing(robo: Any, data: Path, home: Path) -> None:
    (home / "idle.py").write_text(
        "import backtrader as bt\nclass Idle(bt.Strategy): pass\n", encoding="utf-8"
    )
    line = robo("audit", "lookahead", "idle.py", "--bars", "data").one_error_line(1)
    assert "nothing is proven" in line


def test_audit_refuses_bad_words(robo: Any, data: Path, turns: Path) -> None:
    assert "--cuts" in robo("audit", "lookahead", "turns.py", "--cuts", "few").one_error_line(2)
    assert "20" in robo("audit", "lookahead", "turns.py", "--bars", "data", "--cuts", "5").one_error_line(2)
    assert "STRATEGY" in robo("audit", "lookahead").one_error_line(2)
    assert "hodl" in robo(
        "audit", "lookahead", "turns.py", "--bars", "data", "--param", "hodl=1"
    ).one_error_line(1)


def test_the_bundled_events_come_along_with_the_bundled_bars(home: Path) -> None:
    code = (
        "import sys\n"
        "import robo_trader.audit as audit\n"
        "seen = {}\n"
        "def fake(strategy, **given):\n"
        "    seen.update(given)\n"
        "    return audit.AuditReport(strategy, decisions=1)\n"
        "audit.audit_lookahead = fake\n"
        "from robo_trader.cli.main import main\n"
        "main(['audit', 'lookahead', 'fomc_drift', '--cuts', '30', '--stamps', 'end'])\n"
        "flags = seen['flags']\n"
        "assert flags['events.sources'] == ['bundled'] and flags['bars.stamps'] == 'end', seen\n"
        "assert seen['cuts'] == 30 and seen['seed'] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=home, capture_output=True)
