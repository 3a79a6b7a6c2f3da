"""Two ways to call the command: in this process, and as a user's shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    def one_error_line(self, code: int) -> str:
        """Assert the shape of a refusal and return its line: `code`, one line, no traceback."""
        assert self.code == code, self
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line and not line.startswith("warning:")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0].removeprefix("error: ")


Robo = Callable[..., Answer]


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours, a known width, no robo.toml and no ROBO_ variables of the person testing."""
    for name in list(os.environ):
        if name.startswith("ROBO_") and name != "ROBO_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder that the test is in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder


@pytest.fixture
def robo(home: Path, capsys: pytest.CaptureFixture[str]) -> Robo:
    """Run a command in this process."""
    from robo_trader.cli.main import main

    def call(*args: object) -> Answer:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def shell(home: Path) -> Robo:
    """Run ``python -m robo_trader`` as a process of its own."""

    def call(*args: object, env: dict[str, str] | None = None, **more: Any) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "robo_trader", *map(str, args)],
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            check=False,
            timeout=300,
            **more,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return call


#: Weekdays without a session in the first half of 2024.
CLOSED = {"2024-01-01", "2024-01-15", "2024-02-19", "2024-03-29", "2024-05-27", "2024-06-19"}


def sessions(first: str = "2024-01-02", last: str = "2024-04-30") -> list[str]:
    """Return the dates on which New York traded."""
    day, days = date.fromisoformat(first), []
    while day <= date.fromisoformat(last):
        if day.weekday() < 5 and day.isoformat() not in CLOSED:
            days.append(day.isoformat())
        day += timedelta(days=1)
    return days


def bars_text(days: list[str] | None = None, *, price: float = 100.0) -> str:
    """Return a CSV of daily bars that rise and fall in waves of ten sessions."""
    lines = ["date,open,high,low,close,volume"]
    for i, day in enumerate(days or sessions()):
        close = price + (i % 10 if i // 10 % 2 == 0 else 10 - i % 10)
        lines.append(f"{day},{close - 0.5},{close + 1},{close - 1},{close},1000")
    return "\n".join(lines) + "\n"


@pytest.fixture
def data(home: Path) -> Path:
    """A folder `data` with daily bars of SPY and QQQ."""
    folder = home / "data"
    folder.mkdir()
    (folder / "SPY.csv").write_text(bars_text(), encoding="utf-8")
    (folder / "QQQ.csv").write_text(bars_text(price=50.0), encoding="utf-8")
    return folder


#: A plain Backtrader strategy that buys and sells in turns, five bars each.
TURNS = """
import backtrader as bt

class Turns(bt.Strategy):
    params = dict(hold=5)

    def next(self):
        if len(self) % self.p.hold == 0:
            if self.position:
                self.close()
            else:
                self.buy(size=10)
"""


@pytest.fixture
def turns(home: Path) -> Path:
    """A file with the strategy `Turns`."""
    path = home / "turns.py"
    path.write_text(TURNS, encoding="utf-8")
    return path
