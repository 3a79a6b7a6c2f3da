"""Bad input: one clear line, exit code 1 or 2, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

GOOD = "date,open,high,low,close,volume\n" + "".join(
    f"2024-02-{day:02d},{day + 10},{day + 11},{day + 9},{day + 10},100\n"
    for day in (1, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 20, 21, 22, 23)
)
TWO = "import backtrader as bt\nclass A(bt.Strategy): pass\nclass B(bt.Strategy): pass\n"
PLAIN = "import backtrader as bt\nclass Plain(bt.Strategy):\n    params = dict(fast=5)\n"
CLASS = "import backtrader as bt\nclass A(bt.Strategy):\n"
NEWS = '{"kind": "news", "title": "t", "published_at": "2024-02-05T10:00:00Z"}\n'


def cell(row: int, column: str, value: str) -> str:
    """Return the good file with one cell of file line `row` changed."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    lines[row - 1][lines[0].index(column)] = value
    return "\n".join(",".join(line) for line in lines) + "\n"


def half_hours(first: str, last: str) -> str:
    """Return half-hour bars of two days whose stamps run from `first` to `last`."""
    hours = [f"{h:02d}:{m:02d}" for h in range(9, 17) for m in (0, 30)]
    kept = [hour for hour in hours if first <= hour <= last]
    rows = [f"2024-02-{day:02d} {hour},10,11,9,10,5\n" for day in (5, 6) for hour in kept]
    return "datetime,open,high,low,close,volume\n" + "".join(rows)


@dataclass
class Case:
    """What is called beside ``--bars data``, the files there are, and what the line must say."""

    say: list[str]
    code: int = 1
    strategy: str = "plain.py"
    args: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    keeps_run: bool = False


def spy(text: str, *say: str, code: int = 1, args: tuple[str, ...] = ()) -> Case:
    return Case(["SPY.csv", *say], code, args=args, files={"data/SPY.csv": text})


def flag(*args: str, say: list[str], code: int = 2) -> Case:
    return Case(say, code, args=args)


def script(text: str, *say: str, keeps_run: bool = False) -> Case:
    return Case(["s.py", *say], 1, "s.py", files={"s.py": text}, keeps_run=keeps_run)


def events(text: str, *say: str) -> Case:
    return Case(["e.jsonl", *say], 1, args=("--events", "e.jsonl"), files={"e.jsonl": text})


ROWS = GOOD.splitlines(keepends=True)
CASES: dict[str, Case] = {
    "missing folder": flag("--bars", "nowhere", say=["nowhere"], code=1),
    "empty folder": Case(["SYMBOL.csv"], files={"data/SPY.csv": "\0"}),
    "empty file": spy("", "is empty"),
    "header only": spy(ROWS[0], "no bars"),
    "binary file": spy("\0\1\2", "no text file"),
    "symbol without a file": flag("--symbols", "SPX", say=["SPX", "did you mean 'SPY'?"], code=1),
    "duplicate stamps": spy(GOOD + ROWS[-1], "row 18", "repeats"),
    "mixed-zone stamps": spy(
        "date,open,high,low,close,volume\n2024-02-05T10:00:00-05:00,1,2,1,2,5\n2024-02-05T11:00:00,1,2,1,2,5\n",
        "row 3",
        "offset",
    ),
    "NaN price": spy(cell(6, "close", "NaN"), "row 6", "close"),
    "negative price": spy(cell(6, "low", "-3"), "row 6", "low", "-3"),
    "high below low": spy(cell(6, "high", "1"), "row 6", "high"),
    "empty volume cell": spy(cell(6, "volume", ""), "row 6", "volume"),
    "unparsable number": spy(cell(6, "open", "12x"), "row 6", "open", "12x"),
    "stamps that prove nothing": spy(half_hours("10:00", "15:00"), "--stamps"),
    "start after end": flag("--start", "2024-02-20", "--end", "2024-02-05", say=["2024-02-20", "2024-02-05"]),
    "a period without data": flag("--start", "2031-01-01", say=["2031-01-01", "2024-02-23"], code=1),
    "a date that is none": flag("--start", "yesterday", say=["--start", "yesterday"]),
    "strategy with a typo": Case(["did you mean 'buy_and_hold'?"], 1, "buy_and_hodl"),
    "strategy file that is not there": Case(["plane.py", "did you mean 'plain.py'?"], 1, "plane.py"),
    "syntax error": script("class A(:\n", "s.py:1"),
    "no strategy in the file": script("x = 1\n", "no strategy"),
    "two strategies in the file": script(TWO, "A, B", "s.py:A"),
    "import that fails": script("import no_such_module_anywhere\n", "no_such_module_anywhere"),
    "raises in next()": script(
        CLASS + "    def next(self):\n        if len(self) == 3:\n            1 / 0\n",
        "ZeroDivisionError",
        "SPY",
        "2024-02-05T21:00:00Z",
        "s.py:5",
        keeps_run=True,
    ),
    "raises in __init__": script(
        CLASS + "    def __init__(self):\n        raise ValueError('no')\n",
        "ValueError: no",
        "s.py:4",
        keeps_run=True,
    ),
    "unknown parameter": flag("--param", "fats=3", say=["fats", "did you mean 'fast'?"], code=1),
    "parameter of a wrong type": flag("--param", "fast=soon", say=["fast", "soon"]),
    "parameter without a value": flag("--param", "fast", say=["--param", "fast"]),
    "unknown configuration key": Case(
        ["cahs", "did you mean 'cash'?"], 2, files={"robo.toml": "[run]\ncahs = 1\n"}
    ),
    "configuration that is no TOML": Case(["robo.toml"], 2, files={"robo.toml": "[run\n"}),
    "configuration file that is not there": flag("--config", "x.toml", say=["x.toml"]),
    "cash that is no number": flag("--cash", "lots", say=["--cash", "lots"]),
    "fill rules with a typo": flag("--fill-rules", "honst", say=["did you mean 'honest'?"]),
    "unknown risk profile": flag("--risk", "defualt", say=["did you mean 'default'?"]),
    "a risk file that is not there": flag("--risk", "limits.toml", say=["limits.toml", "TOML"]),
    "unknown risk rule": Case(
        ["r.toml", "did you mean 'position'?"],
        2,
        args=("--risk", "r.toml"),
        files={"r.toml": "positon = 0.2\n"},
    ),
    "a limit out of range": Case(
        ["risk.daily_loss", "3", "3 % is written 0.03"],
        2,
        args=("--risk", "r.toml"),
        files={"r.toml": "[daily_loss]\nlimit = 3\n"},
    ),
    "a sector file with duplicates": Case(
        ["s.csv", "row 3", "AAPL is given twice"],
        2,
        args=("--risk", "r.toml"),
        files={"r.toml": 'sectors = "s.csv"\n', "s.csv": "symbol,sector\nAAPL,Tech\nAAPL,Food\n"},
    ),
    "an analyst": flag("--analyst", "gpt", say=["gpt"]),
    "unknown time frame": flag("--timeframe", "7x", say=["7x"]),
    "finer than the data": flag("--timeframe", "5m", say=["5m", "1d"]),
    "unknown calendar": flag("--calendar", "XNYX", say=["did you mean 'XNYS'?"]),
    "benchmark without data": flag("--benchmark", "DAX", say=["DAX"], code=1),
    "delay that is none": flag("--assume-delay", "soon", say=["--assume-delay", "soon"]),
    "naive event time": events(NEWS + NEWS.replace("Z", ""), "line 2"),
    "known before published": events(
        NEWS.replace("}", ', "known_at": "2024-01-01T00:00:00Z"}'), "line 1", "known_at"
    ),
    "event that is no JSON": events(NEWS + "{oops\n", "line 2"),
    "events file that is not there": flag("--events", "gone.jsonl", say=["gone.jsonl"], code=1),
    "event source that is not there": flag("--events", "reuters", say=["reuters"]),
    "output folder that is a file": flag("--out", "plain.py/runs", say=["plain.py/runs"], code=1),
}


def prepare(home: Path, case: Case) -> list[str]:
    """Write the files of `case` and return the arguments."""
    (home / "data").mkdir()
    for name, text in {"data/SPY.csv": GOOD, "plain.py": PLAIN, **case.files}.items():
        (home / name).write_text(text, encoding="utf-8")
    bars = [] if "--bars" in case.args else ["--bars", "data"]
    return ["backtest", case.strategy, *bars, "--no-report", *case.args]


@pytest.mark.parametrize("name", list(CASES))
def test_bad_input_is_one_clear_line(robo: Any, home: Path, name: str) -> None:
    case = CASES[name]
    args = prepare(home, case)
    if name == "empty folder":
        (home / "data" / "SPY.csv").unlink()
    line = robo(*args).one_error_line(case.code)
    for words in case.say:
        assert words in line, line
    if case.keeps_run:
        (run,) = (home / "runs").iterdir()
        assert json.loads((run / "run.json").read_text(encoding="utf-8"))["state"] == "failed"
    else:
        assert not (home / "runs").exists()


@pytest.mark.parametrize(
    "name", ["high below low", "raises in next()", "fill rules with a typo", "syntax error"]
)
def test_the_same_from_a_shell(shell: Any, home: Path, name: str) -> None:
    case = CASES[name]
    line = shell(*prepare(home, case)).one_error_line(case.code)
    assert all(words in line for words in case.say)


def test_what_is_fine(robo: Any, home: Path) -> None:
    """An absent volume column, and the good file itself, are no bad input."""
    args = prepare(home, Case([]))
    assert robo(*args).code == 0
    without = "\n".join(",".join(line.split(",")[:5]) for line in GOOD.splitlines())
    (home / "data" / "SPY.csv").write_text(without, encoding="utf-8")
    assert robo(*args).code == 0


def test_debug_shows_where_a_strategy_raised(robo: Any, home: Path) -> None:
    answer = robo("--debug", *prepare(home, CASES["raises in next()"]))
    assert answer.code == 1 and "Traceback" in answer.err and "1 / 0" in answer.err


def test_an_unwritable_folder_is_found_before_the_run(robo: Any, home: Path) -> None:
    printing = CLASS + "    def start(self):\n        print('it ran')\n"
    args = prepare(home, Case([], strategy="s.py", files={"s.py": printing}))
    assert "it ran" in robo(*args).out
    answer = robo(*args, "--out", "/proc/nowhere")
    line = answer.one_error_line(1)
    assert "/proc/nowhere" in line and "--out" in line and "it ran" not in answer.out


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
def test_a_full_disk_leaves_nothing_behind(home: Path) -> None:
    """A limit on the size of files refuses to write as a full disk does."""
    args = prepare(home, Case([]))
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from robo_trader.cli.main import main\n"
        f"sys.exit(main({args!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False, cwd=home
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith(("warning:", "note:"))]
    assert len(errors) == 1 and errors[0].startswith("error: runs/"), done.stderr
    assert list((home / "runs").iterdir()) == []


def plugin(folder: Path, name: str, code: str) -> None:
    module = name.replace("-", "_")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[robo_trader]\n{name} = {module}\n", encoding="utf-8")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")


HOOK = "from robo_trader import hookimpl\n@hookimpl\ndef {hook}({args}):\n    {body}\n"
PLUGINS = {
    "fails to import": ("raise ImportError('no lib')\n", "no lib"),
    "misspelt hook": (HOOK.format(hook="robo_registr", args="add", body="pass"), "robo_register"),
    "wrongly shaped hook": (HOOK.format(hook="robo_fill", args="fil", body="pass"), "fill"),
    "a built-in name": (
        HOOK.format(hook="robo_register", args="add", body="add.strategy('buy_and_hold', 'x:Y')"),
        "buy_and_hold",
    ),
}


@pytest.mark.parametrize("name", list(PLUGINS))
def test_a_broken_plugin_does_not_stop_a_run(
    robo: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    code, reason = PLUGINS[name]
    site = tmp_path / "site"
    site.mkdir()
    plugin(site, f"bad-{name.replace(' ', '-')}", code)
    monkeypatch.syspath_prepend(site)
    listed = robo("plugins")
    assert "quarantined" in listed.out and reason in listed.err and "Traceback" not in listed.err
    assert robo(*prepare(home, Case([]))).code == 0


def test_two_plugins_with_one_name(
    robo: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name in ("first-of-two", "second-of-two"):
        plugin(site, name, HOOK.format(hook="robo_register", args="add", body="add.strategy('same', 'x:Y')"))
    monkeypatch.syspath_prepend(site)
    line = robo(*prepare(home, Case([], strategy="same"))).one_error_line(1)
    assert "first-of-two" in line and "second-of-two" in line


def test_strict_plugins_stop_everything(
    robo: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    plugin(site, "bad-strict", "raise ImportError('no lib')\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("ROBO_PLUGINS_STRICT", "1")
    assert "no lib" in robo(*prepare(home, Case([]))).one_error_line(1)
