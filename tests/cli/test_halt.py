"""`robo halt`, `resume` and `status`: from outside, without plugins, by store and by file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_file
from robo_trader.risk.usage import Usage, publish
from robo_trader.state import open_state


def test_halt_status_resume(robo: Any, home: Path) -> None:
    assert robo("status").out.startswith("ACTIVE")
    answer = robo("halt", "--why", "the data look wrong", "--flatten", "--cancel-all", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["state"], found["why"]) == (0, "HALTED", "the data look wrong")
    assert found["flatten"] and found["cancel_all"] and "@" in found["who"]
    assert (home / ".robo" / "HALT").read_text().startswith("HALTED\nset by ")
    assert "the data look wrong" in robo("status").out
    assert robo("resume", "--why", "mended").out.startswith("ACTIVE, set by ")
    assert json.loads(robo("status", "--json").out)["halt"]["why"] == "mended"
    assert not (home / ".robo" / "HALT").exists()


def halts(path: Path) -> list[tuple[str, str]]:
    with read_file(path) as reader:
        rows = list(reader.rows("halts", order="at"))
    assert all(row["run"] is None and "@" in row["who"] for row in rows)
    return [(row["state"], row["why"]) for row in rows]


def test_changes_go_into_the_journal_where_there_is_one(robo: Any, home: Path) -> None:
    robo("halt")
    assert not (home / ".robo" / "journal.sqlite").exists(), "a halt makes no journal of its own"
    (home / "robo.toml").write_text('[journal]\nurl = "kept/journal.sqlite"\n')
    robo("halt", "--why", "look at it")
    robo("resume", "--why", "all is well")
    assert halts(home / "kept" / "journal.sqlite") == [("HALTED", "look at it"), ("ACTIVE", "all is well")]


def test_the_journal_that_sessions_left_is_used(robo: Any, home: Path) -> None:
    with open_journal():
        pass
    robo("halt", "--reducing")
    assert halts(home / ".robo" / "journal.sqlite") == [("REDUCING", "robo halt")]


def test_a_journal_that_cannot_be_written_delays_no_halt(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text('[journal]\nurl = "postgresql://robo:secret@127.0.0.1:9/robo"\n')
    answer = robo("halt", "--why", "now")
    assert answer.code == 0 and answer.out.startswith("HALTED")
    assert "it waits for the next session" in answer.err and "secret" not in answer.err
    (home / "robo.toml").unlink()
    with open_journal() as journal:
        assert journal.replayed == 1
    assert halts(home / ".robo" / "journal.sqlite") == [("HALTED", "now")]


def test_a_journal_that_nobody_can_name_delays_neither_halt_nor_resume(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text('[journal]\nurl = "env:NOT_SET_HERE"\n')
    halted, resumed = robo("halt"), robo("resume")
    assert (halted.code, resumed.code) == (0, 0)
    assert halted.out.startswith("HALTED") and resumed.out.startswith("ACTIVE")
    assert "NOT_SET_HERE" in halted.err and "the journal does not have this change" in resumed.err


def test_a_folder_that_cannot_be_looked_into_delays_no_halt(
    robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_trader.cli.halts.JOURNAL", Path("x" * 300) / "journal.sqlite")
    answer = robo("halt")
    assert answer.code == 0 and answer.out.startswith("HALTED")
    assert "the journal does not have this change" in answer.err


@pytest.mark.parametrize(
    ("toml", "code", "says"),
    [
        ('[state]\nurl = "env:NOT_SET_HERE"\n', 2, "NOT_SET_HERE"),
        ("[state\n", 2, "robo.toml is not valid TOML"),
        ("[stat]\n", 2, "stat"),
        ('[state]\nurl = "redis://:secret@127.0.0.1:1/0"\n', 1, "Redis cannot be reached"),
    ],
)
def test_a_halt_needs_no_configuration_and_no_store(
    robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch, toml: str, code: int, says: str
) -> None:
    monkeypatch.setattr("robo_trader.state.redis_store.PATIENCE", 0.0)
    (home / "robo.toml").write_text(toml)
    answer = robo("halt", "--why", "now", "--json")
    assert answer.code == code and says in answer.err and "secret" not in answer.err
    assert json.loads(answer.out)["state"] == "HALTED"
    assert (home / ".robo" / "HALT").read_text().startswith("HALTED\nset by ")


def test_a_plain_file_halts_too(robo: Any, home: Path) -> None:
    (home / ".robo").mkdir()
    (home / ".robo" / "HALT").touch()
    assert robo("status").out.startswith("HALTED, set by the file .robo/HALT")
    robo("resume")
    assert robo("status").out.startswith("ACTIVE")


def test_reducing_leaves_positions_alone(robo: Any) -> None:
    assert robo("halt", "--reducing").out.startswith("REDUCING")
    assert "--flatten" in robo("halt", "--reducing", "--flatten").one_error_line(2)


def test_status_shows_limits_use_and_headroom(robo: Any, home: Path) -> None:
    plain = robo("status", "--json")
    rows = {row["rule"]: row for row in json.loads(plain.out)["limits"]}
    (home / "robo.toml").write_text('[risk]\nprofile = "default"\n[risk.position]\nlimit = 0.2\n')
    rows = {row["rule"]: row for row in json.loads(robo("status", "--json").out)["limits"]}
    assert rows["position"]["label"] == "20 %" and rows["position"]["used"] is None
    publish(open_state(), [("position", Usage("AAPL", 0.15, 0.2)), ("gross", Usage("portfolio", 0.4, 1.0))])
    shown = " ".join(robo("status").out.split())
    assert "position AAPL 20 % 15 % 5 %" in shown
    assert "gross portfolio 100 % 40 % 60 %" in shown
    assert "drawdown 15 % – –" in shown


def test_a_profile_that_cannot_be_read_does_not_hide_the_state(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text('[risk]\nprofile = "default"\n[risk.strangers]\nlimit = 1\n')
    answer = robo("status")
    assert answer.code == 0 and answer.out.startswith("ACTIVE")
    assert "no risk rule 'strangers'" in answer.err


def test_no_plugin_is_imported(home: Path) -> None:
    """Entry points are not even looked at, so that the worst plugin cannot keep trading going."""
    code = (
        "import importlib.metadata as m, sys\n"
        "def refuse(*a, **k): raise SystemExit('looked for plugins')\n"
        "m.entry_points = m.distributions = refuse\n"
        "from robo_trader.cli.main import main\n"
        "sys.exit(max(main([w]) for w in ('halt', 'status', 'resume', 'status')))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert "looked for plugins" not in run.stderr


def silent_session(home: Path, **more: Any) -> None:
    """Leave the heartbeat of a session whose process is gone and whose broker does not answer."""
    about = {"pid": 2**30, "ib": "127.0.0.1:1", "client_id": 7, "strategy": "sma", "phase": "trading", **more}
    open_state(folder=home / ".robo").heartbeat("session/20261120T100000Z-sma-ab12cd", **about)


def test_a_session_that_cannot_be_stopped_fails_the_command(robo: Any, home: Path) -> None:
    silent_session(home)
    answer = robo("halt", "--json")
    assert answer.code == 1 and "not everything could be stopped" in answer.err
    assert "nothing listens at 127.0.0.1:1" in answer.err and "Traceback" not in answer.err
    found = json.loads(answer.out)
    assert found["state"] == "HALTED"
    (session,) = found["sessions"]
    assert session["session"] == "session/20261120T100000Z-sma-ab12cd"
    assert "by hand" in session["failed"] and session["steps"][0][1].endswith("without saying so")
    assert robo("halt", "--reducing").code == 0, "that stops nobody, so nothing failed"


def test_a_session_that_has_stopped_is_not_touched(robo: Any, home: Path) -> None:
    silent_session(home, phase="stopped")
    answer = robo("halt")
    assert answer.code == 0 and "no session is running here" in answer.err


def test_a_session_of_the_project_is_stopped_though_robo_toml_is_broken(robo: Any, home: Path) -> None:
    silent_session(home, ib=None)
    (home / "robo.toml").write_text("[state\n")
    answer = robo("halt", "--json", "--flatten")
    assert answer.code == 2 and "robo.toml is not valid TOML" in answer.err
    assert "know nothing of --flatten" in answer.err
    assert [session["failed"] for session in json.loads(answer.out)["sessions"]] == [""]
    (home / "robo.toml").unlink()
    (beat,) = open_state().heartbeats().values()
    assert beat.about["phase"] == "stopped"


def test_sessions_come_before_a_journal_that_is_away(
    robo: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(
        "robo_trader.live.halts.emergency.stop_sessions", lambda *a, **k: done.append("stopped") or []
    )
    monkeypatch.setattr("robo_trader.cli.halts.journal_change", lambda *a: done.append("journal"))
    assert robo("halt").code == 0
    assert done == ["stopped", "journal"]


def test_a_damaged_heartbeat_does_not_keep_the_halt_back(robo: Any, home: Path) -> None:
    silent_session(home)
    (file,) = (home / ".robo" / "state").glob("heartbeat*")
    file.write_text("{")
    answer = robo("halt")
    assert answer.out.startswith("HALTED") and "who is running is not known" in answer.err
    assert answer.code == 1 and "is damaged" in answer.err


def test_a_halt_begins_without_heavy_imports(home: Path) -> None:
    code = (
        "import sys\nfrom robo_trader.cli.main import main\nassert main(['halt']) == 0\n"
        "heavy = {'numpy', 'pandas', 'backtrader', 'sqlalchemy', 'asyncio', 'ib_async', 'ib_insync'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
