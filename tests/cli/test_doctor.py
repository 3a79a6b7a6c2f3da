"""`robo doctor` on a healthy machine, and on machines broken in one way each."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from robo_trader.cli import checks, packages


def states(answer: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(answer.out)["checks"]}


def broken_package(
    folder: Path, name: str, text: str = "raise ImportError('built for another Python')"
) -> dict[str, str]:
    """Put a package that cannot be imported in front of the real one; return the environment."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def test_a_healthy_machine(shell: Any) -> None:
    answer = shell("doctor", "--json")
    found = states(answer)
    assert answer.code == 0, answer
    assert json.loads(answer.out)["ok"] is True
    for name in ("python", "packages", "robo.toml", "plugins", "bundled data", "time zones", "disk space"):
        assert found[name]["state"] == "ok", found[name]


def test_the_table_says_the_same(robo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = checks.Check("bokeh", "fail", "3.9 is installed but cannot be imported", "pip install bokeh")
    monkeypatch.setattr(checks, "check_required", lambda: iter([row]))
    answer = robo("doctor")
    assert answer.code == 1
    assert "bokeh" in answer.out and "→ pip install bokeh" in answer.out
    assert answer.err == "1 problem to mend\n"


def test_pandas_that_cannot_be_imported_is_named_with_the_fix(shell: Any, tmp_path: Path) -> None:
    answer = shell("doctor", "--json", env=broken_package(tmp_path, "pandas"))
    pandas = states(answer)["pandas"]
    assert answer.code == 1 and pandas["state"] == "fail"
    assert "built for another Python" in pandas["detail"]
    assert "pip install --force-reinstall 'pandas" in pandas["fix"]
    # What leans on pandas is named too, and everything else was looked at.
    assert {"robo.toml", "plugins", "disk space"} <= set(states(answer))


def test_doctor_works_without_the_packages_of_the_command_line(shell: Any, tmp_path: Path) -> None:
    for name in ("typer", "rich", "pydantic", "numpy"):
        env = broken_package(tmp_path, name)
    answer = shell("doctor", env=env)
    assert "Traceback" not in answer.err
    assert answer.code == 1 and answer.out.count("built for another Python") >= 4
    assert "fix:" in answer.out and answer.err.endswith("to mend\n")


def test_doctor_goes_on_plainly_when_a_package_fails_later(
    robo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check_required", lambda: iter(()))
    monkeypatch.setitem(sys.modules, "rich.table", None)
    answer = robo("doctor")
    assert answer.code == 0 and "ok    python: " in answer.out and answer.err.startswith("ready")
    monkeypatch.setitem(sys.modules, "robo_trader.cli.out", None)
    monkeypatch.delattr("robo_trader.cli.out", raising=False)
    monkeypatch.delitem(sys.modules, "robo_trader.cli.doctor", raising=False)
    assert json.loads(robo("doctor", "--json").out)["ok"] is True


def test_other_commands_point_at_doctor_then(shell: Any, tmp_path: Path) -> None:
    answer = shell("config", "show", env=broken_package(tmp_path, "typer"))
    assert "robo doctor" in answer.one_error_line(1)


def test_a_package_that_ends_the_interpreter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_package(tmp_path, "lethal", "import os; os._exit(70)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failures = packages.import_failures(["json", "lethal", "no_such_module_here", "csv"])
    assert set(failures) == {"lethal", "no_such_module_here"}
    assert "code 70" in failures["lethal"]


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("2.2", ">=2.2,<3.2", True),
        ("2.2.0", "<3.2,>=2.2", True),
        ("3.1.9", ">=2.2,<3.2", True),
        ("3.2", ">=2.2,<3.2", False),
        ("3.2.0", ">=2.2,<3.2", False),
        ("2.1.4", ">=2.2", False),
        ("2024.1.post1", ">=2024.1", True),
        ("0.10.1", ">=0.9", True),
        ("1.9.78.123", ">=1.9.78.123", True),
        ("1", "", True),
        ("1.5", "!=1.4", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, wanted: str, good: bool) -> None:
    assert packages.satisfies(version, wanted) is good


def test_missing_and_old_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {
        "robo_trader": ["json_not_there>=1", "pluggy>=99", 'anthropic>=2; extra == "llm"', "typer"],
        "typer": ["Rich (>=13.8)", "pluggy>=1"],
    }
    monkeypatch.setattr(packages.metadata, "requires", lambda name: declared.get(name))
    assert list(packages.required("robo_trader")) == ["json-not-there", "pluggy", "typer", "rich"]
    rows = list(packages.check_packages())
    assert [(row[0], row[1]) for row in rows] == [
        ("json-not-there", "fail"),
        ("pluggy", "fail"),
        ("packages", "ok"),
    ]
    assert "not installed" in rows[0][2] and "force" not in rows[0][3]
    assert ">=99" in rows[1][2] and "pip install 'pluggy>=99'" in rows[1][3]
    assert rows[2][2].startswith("2 of 4")


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the slow look at every package."""
    monkeypatch.setattr(checks, "check_required", lambda: iter(()))


@pytest.mark.usefixtures("without_packages")
def test_a_bad_robo_toml_is_shown_with_its_suggestion(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text("[run]\ncahs = 5\n", encoding="utf-8")
    answer = robo("doctor", "--json")
    found = states(answer)["robo.toml"]
    assert answer.code == 1 and found["state"] == "fail"
    assert "cahs" in found["detail"] and "cash" in found["fix"]


@pytest.mark.usefixtures("without_packages")
def test_a_broken_plugin_is_a_warning_and_doctor_goes_on(
    robo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_that_fails(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    answer = robo("doctor", "--json")
    found = states(answer)["plugin broken-one"]
    assert answer.code == 0 and found["state"] == "warn" and found["fix"]
    assert "boom" in found["detail"]


def test_an_output_folder_that_is_a_file(home: Path) -> None:
    (home / "taken").write_text("x", encoding="utf-8")
    checks_found = list(checks.check_folder(home / "taken" / "runs"))
    assert [(c.name, c.state) for c in checks_found] == [("output folder", "fail")]
    assert "is a file" in checks_found[0].detail


def test_an_output_folder_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    found = next(checks.check_folder(home / "runs"))
    assert found.state == "fail" and "Permission denied" in found.detail and "--out" in found.fix


@pytest.mark.parametrize(("free", "state"), [(10, "fail"), (500_000_000, "warn"), (5_000_000_000, "ok")])
def test_disk_space(home: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: os.terminal_size((0, 0)) and Usage(free))
    found = {c.name: c for c in checks.check_folder(home)}["disk space"]
    assert found.state == state and bool(found.fix) is (state != "ok")


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


@pytest.mark.usefixtures("without_packages")
def test_the_runs_folder_of_robo_toml_is_the_one_looked_at(robo: Any, home: Path) -> None:
    (home / "robo.toml").write_text('[run]\nout = "elsewhere"\n', encoding="utf-8")
    assert states(robo("doctor", "--json"))["output folder"]["detail"].startswith("elsewhere")


@pytest.mark.usefixtures("without_packages")
def test_a_subject_that_raises_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(checks, "check_time", explode)
    found = {c.name: c for c in checks.run_checks()}
    assert found["time zones"].detail == "RuntimeError: two lines"
    assert "disk space" in found


def test_another_robo_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "robo"
    other.write_text("#!/bin/sh\n", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = next(checks.check_command())
    assert found.state == "warn" and str(other) in found.detail
    monkeypatch.setenv("PATH", "")
    assert next(checks.check_command()).state == "ok"
    monkeypatch.setattr(checks.shutil, "which", lambda name: str(Path(sys.executable).parent / "robo"))
    assert next(checks.check_command()).state == "ok"


def test_old_python_and_odd_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.sys, "version_info", (3, 10, 1))
    assert next(checks.check_python()).state == "fail"
    monkeypatch.setattr(checks.sys, "__stdout__", open(os.devnull, "w", encoding="latin-1"))  # noqa: SIM115
    with checks.sys.__stdout__:
        assert next(checks.check_encoding()).state == "warn"


def plugin_that_fails(folder: Path) -> None:
    """Install a distribution whose plugin module raises."""
    info = folder / "broken_one-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-one\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[robo_trader]\nbroken-one = broken_one\n", encoding="utf-8")
    (folder / "broken_one.py").write_text("raise RuntimeError('boom')\n", encoding="utf-8")


def test_two_broker_libraries_and_none_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    from robo_trader.ib import library

    for installed, says in ((("ib_async", "ib_insync"), "both installed"), ((), "no library")):
        monkeypatch.setattr(library, "load", lambda names=installed: library.choose(names))
        found = next(checks.check_broker_library())
        assert found.state == "warn" and says in found.detail and "pip" in found.fix
