"""`robo new`: what is written works as written, and nothing is written by halves."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from robo_trader.cli import scaffold
from robo_trader.errors import RoboError, UsageError


def python(*args: str, cwd: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in `cwd` with `path` in front of the import path."""
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


def install(folder: Path, site: Path) -> None:
    """Make a distribution known as ``pip install -e`` would: its metadata on the path."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["robo_trader"].items()
    (info / "entry_points.txt").write_text("[robo_trader]\n" + "".join(f"{k} = {v}\n" for k, v in points))


@pytest.mark.parametrize(("kind", "name"), [("strategy", "momo-cross"), ("plugin", "random_walk")])
def test_what_is_written_passes_its_own_tests_and_runs(kind: str, name: str, tmp_path: Path) -> None:
    folder = scaffold.write(kind, name, tmp_path)
    assert folder == tmp_path / name
    snake = name.replace("-", "_")
    tests = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout and "warning" not in tests.stdout

    install(folder, tmp_path / "site")
    path = os.pathsep.join([str(tmp_path / "site"), str(folder / "src")])
    check = python("-m", "robo_trader", "plugins", "check", snake, cwd=tmp_path, path=path)
    assert check.returncode == 0, check.stderr
    words = [snake] if kind == "strategy" else ["buy_and_hold", "--bars", snake]
    words += ["--start", "2020-01-01", "--end", "2020-12-31", "--no-report", "--json"]
    run = python("-m", "robo_trader", "backtest", *words, cwd=tmp_path, path=path)
    assert run.returncode == 0, run.stderr
    fills = Path(tmp_path, json.loads(run.stdout)["run_dir"], "fills.csv").read_text()
    assert fills.count("\n") > 1


@pytest.mark.parametrize("kind", ["strategy", "plugin"])
def test_every_file_is_whole(kind: str, tmp_path: Path) -> None:
    folder = scaffold.write(kind, "my-thing", tmp_path)
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {"README.md", ".gitignore", "pyproject.toml", "tests/test_robo_my_thing.py"} <= set(files)
    assert {"src/robo_my_thing/__init__.py", "src/robo_my_thing/py.typed"} <= set(files)
    for name, path in files.items():
        text = path.read_text(encoding="utf-8")
        assert "${" not in text and "__package__" not in name + text
        if name.endswith(".py"):
            compile(text, name, "exec")
            assert max(map(len, text.splitlines())) <= 110
    project = tomllib.loads(files["pyproject.toml"].read_text())["project"]
    assert project["name"] == "robo-my-thing"
    assert project["entry-points"] == {"robo_trader": {"my_thing": "robo_my_thing"}}
    assert [path.name for path in tmp_path.iterdir()] == ["my-thing"]


def test_a_leading_robo_is_not_doubled(tmp_path: Path) -> None:
    folder = scaffold.write("strategy", "robo-wsb", tmp_path)
    assert folder.name == "robo-wsb"
    assert (folder / "src" / "robo_wsb").is_dir()


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [
        ("strategie", "x", "no template for a 'strategie' (did you mean 'strategy'?)"),
        ("strategy", "SmaCross", "not 'SmaCross' (did you mean 'sma_cross'?)"),
        ("strategy", "my thing!", "not 'my thing!' (did you mean 'my_thing'?)"),
        ("strategy", "2fast", "not '2fast' (such as momentum or my-signal)"),
        ("strategy", "", "not ''"),
        ("strategy", "../up", "not '../up' (did you mean 'up'?)"),
        ("strategy", "a--b", "not 'a--b' (did you mean 'a_b'?)"),
        ("strategy", "name\n", r"not 'name\n'"),
        ("strategy", "class", "'class' is a word of Python's own (such as my_class)"),
        ("strategy", "match", "'match' is a word of Python's own"),
        ("strategy", "robo-2", "not 'robo-2' (such as momentum or my-signal)"),
        ("strategy", "buy-and-hold", "there is a strategy 'buy_and_hold' already"),
        ("strategy", "trader", "a package 'robo_trader' is installed already"),
        ("plugin", "source", "'source' has a meaning of its own in [bars]"),
        ("plugin", "bundled", "'bundled' has a meaning of its own in [bars]"),
        ("strategy", "taken", "exists already (choose another name; nothing was changed)"),
    ],
)
def test_a_bad_name_is_refused_and_nothing_is_written(
    kind: str, name: str, error: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError) as caught:
        scaffold.write(kind, name, tmp_path)
    assert error in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert not list((tmp_path / "taken").iterdir())


def test_the_parent_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        scaffold.write("strategy", "fine", tmp_path / "absent")


def test_a_dangling_link_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "fine").symlink_to(tmp_path / "absent")
    with pytest.raises(UsageError, match="exists already"):
        scaffold.write("strategy", "fine", tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_nothing(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.write_text
    written: list[Path] = []

    def fail_later(self: Path, *args: Any, **kwargs: Any) -> int:
        if len(written) == 3:
            raise error
        written.append(self)
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", fail_later)
    expected = RoboError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        scaffold.write("strategy", "fine", tmp_path)
    assert list(tmp_path.iterdir()) == []
    if isinstance(error, OSError):
        assert str(caught.value) == f"{tmp_path / 'fine'} cannot be written: No space left on device " + (
            "(nothing was left behind)"
        )
