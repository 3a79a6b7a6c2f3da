"""The frame of `robo`: help, errors, exit codes, streams, and what it does not import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from robo_trader.cli import app as cli_app
from robo_trader.cli.app import COMMANDS, Entry
from robo_trader.cli.main import describe, main
from robo_trader.errors import DataError, RefusedError, RoboError, UsageError

HEAVY = {
    "numpy", "pandas", "backtrader", "matplotlib", "exchange_calendars", "sklearn", "rich", "sqlalchemy",
    "asyncio", "http", "multiprocessing", "ssl", "sqlite3", "unittest",
}  # fmt: skip


def fake_command(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Put a command named `doctor` that calls `action` into the table."""
    module = ModuleType("robo_trader.cli.fake_command")
    module.app = typer.Typer(add_completion=False, rich_markup_mode=None)  # type: ignore[attr-defined]

    def command() -> None:
        action()

    module.app.command()(command)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(cli_app.COMMANDS, "doctor", Entry("doctor", "Machine", "Fake.", "fake_command"))


def raising(error: BaseException) -> Any:
    def action() -> None:
        raise error

    return action


def test_help_opens_with_an_example_and_lists_every_command(robo: Any) -> None:
    answer = robo("--help")
    assert answer.code == 0 and answer.err == ""
    assert answer.out.startswith("Example")
    for name, entry in COMMANDS.items():
        assert f"  {name}" in answer.out and entry.summary in " ".join(answer.out.split())


def test_without_arguments_the_help_appears(robo: Any) -> None:
    assert robo().out == robo("--help").out == robo("-h").out


def test_help_imports_little() -> None:
    """What makes it fast; `benchmarks/startup.py --most 150` measures it, for a busy machine cannot."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from robo_trader.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        "print(*set(sys.modules) - before, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stderr.split()
    assert not {name.partition(".")[0] for name in imported} & HEAVY
    assert len(imported) < 250


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_has_help_that_opens_with_an_example(robo: Any, name: str) -> None:
    answer = robo(name, "--help")
    assert answer.code == 0
    assert answer.out.startswith("Example") and f"  robo {name}" in answer.out
    assert COMMANDS[name].summary.rstrip(".").split(";")[0] in " ".join(answer.out.split())
    group = COMMANDS[name].load()
    for verb in getattr(group, "commands", {}):
        answer = robo(name, verb, "--help")
        assert answer.out.startswith("Example") and f"  robo {name} {verb}" in answer.out


def test_version(shell: Any) -> None:
    from importlib.metadata import version

    assert shell("--version").out == f"robo_trader {version('robo_trader')}\n"


def test_unknown_command_suggests_the_nearest(robo: Any) -> None:
    line = robo("bactest").one_error_line(2)
    assert "bactest" in line and "did you mean 'backtest'?" in line


def test_unknown_command_far_from_all_points_at_help(robo: Any) -> None:
    assert "see 'robo --help'" in robo("zzz").one_error_line(2)


@pytest.mark.parametrize("args", [("--verison",), ("doctor", "--jsno"), ("plugins", "list", "--jso")])
def test_unknown_option_suggests_the_nearest(robo: Any, args: tuple[str, ...]) -> None:
    assert "did you mean '--" in robo(*args).one_error_line(2)


def test_unknown_subcommand_suggests_the_nearest(robo: Any) -> None:
    assert "'check'" in robo("plugins", "chek").one_error_line(2)


def test_a_missing_value_and_a_missing_argument_are_usage_errors(robo: Any) -> None:
    assert "--config" in robo("doctor", "--config").one_error_line(2)
    assert "NAME" in robo("plugins", "check").one_error_line(2)


@pytest.mark.parametrize(
    ("error", "code"),
    [(RoboError("a", hint="b"), 1), (UsageError("a", hint="b"), 2), (RefusedError("a", hint="b"), 3)],
)
def test_our_errors_are_one_line_with_their_code(
    robo: Any, monkeypatch: pytest.MonkeyPatch, error: RoboError, code: int
) -> None:
    fake_command(monkeypatch, raising(error))
    assert robo("doctor").one_error_line(code) == "a (b)"


def test_line_ends_in_a_message_do_not_break_the_line() -> None:
    assert describe(DataError("two\nlines", hint="and\r\na hint")) == ("two lines (and a hint)", 1)


def test_the_unexpected_is_one_line_that_names_debug(robo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(monkeypatch, raising(ZeroDivisionError("division by zero")))
    line = robo("doctor").one_error_line(1)
    assert "ZeroDivisionError: division by zero" in line and "robo --debug doctor" in line


@pytest.mark.parametrize("args", [("--debug", "doctor"), ("doctor", "--debug")])
def test_debug_stands_before_or_after_the_command(
    robo: Any, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    fake_command(monkeypatch, raising(UsageError("what happened")))
    answer = robo(*args)
    assert answer.code == 2 and "Traceback" in answer.err
    assert answer.err.splitlines()[-1] == "error: what happened"


def test_a_full_disk_is_one_line_with_the_path(robo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(monkeypatch, raising(OSError(28, "No space left on device", "runs/x")))
    assert robo("doctor").one_error_line(1).startswith("runs/x: No space left on device")


def test_interrupt_says_so(robo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(monkeypatch, raising(KeyboardInterrupt()))
    answer = robo("doctor")
    assert (answer.code, answer.err) == (130, "interrupted\n")


def test_a_signal_interrupts_a_real_process() -> None:
    code = (
        "import os, signal, sys, threading\n"
        "from robo_trader.cli import app\n"
        "def run(args):\n"
        "    print('ready', flush=True)\n"
        "    threading.Event().wait(60)\n"
        "    return 0\n"
        "app.run = run\n"
        "from robo_trader.cli.main import main\n"
        "sys.exit(main([]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = (
        "import sys\n"
        "from robo_trader.cli import app\n"
        "def run(args):\n"
        "    for i in range(100_000):\n"
        "        print('line', i)\n"
        "    return 0\n"
        "app.run = run\n"
        "from robo_trader.cli.main import main\n"
        "sys.exit(main([]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="a shell of this kind cannot close a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_were_closed_before_the_start_are_no_error(home: Path, closed: str) -> None:
    words = f"{sys.executable} -m robo_trader status {closed}"
    made = subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=60, cwd=home)
    assert made.returncode == 0 and "Traceback" not in made.stderr


def test_a_warning_is_one_line(shell: Any, home: Path) -> None:
    code = (
        "import sys, warnings\n"
        "from robo_trader.cli import app\n"
        "app.run = lambda args: warnings.warn('careful\\nhere') or 0\n"
        "from robo_trader.cli.main import main\n"
        "sys.exit(main([]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: careful here\n"


def test_main_leaves_the_warning_machinery_as_it_found_it() -> None:
    import warnings

    before = warnings.showwarning
    main(["--version"])
    assert warnings.showwarning is before


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_scripts_and_completion(shell: Any, shell_name: str) -> None:
    answer = shell("--show-completion", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert answer.code == 2
    answer = shell("--show-completion", shell_name, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert answer.code == 0 and "robo" in answer.out and "_ROBO_COMPLETE" in answer.out


def test_the_shell_completes_commands_and_options(shell: Any) -> None:
    def complete(words: str, index: int) -> list[str]:
        env = {"_ROBO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        answer: list[str] = shell(env=env).out.split()
        return answer

    assert complete("robo b", 1) == ["backtest"]
    assert complete("robo plugins ch", 2) == ["check"]
    assert "--json" in complete("robo doctor --j", 2)
    assert complete("robo backtest buy", 2) == ["buy_and_hold"]
    assert complete("robo backtest --fill-rules st", 3) == ["stock"]
    assert complete("robo runs show la", 3) == ["last"]
    assert complete("robo nothing x", 2) == []


def test_no_colour_codes_reach_a_pipe(shell: Any) -> None:
    answer = shell("config", env={"FORCE_COLOR": "1"})
    assert "\033" not in answer.out + answer.err


def test_the_module_and_the_script_are_the_same_command() -> None:
    script = Path(sys.executable).parent / "robo"
    if not script.exists():
        pytest.skip("robo is imported here, not installed")
    for args in (["--help"], ["nothing"]):
        one = subprocess.run([script, *args], capture_output=True, text=True, env=dict(os.environ))
        two = subprocess.run([sys.executable, "-m", "robo_trader", *args], capture_output=True, text=True)
        assert (one.returncode, one.stdout, one.stderr) == (two.returncode, two.stdout, two.stderr)


def test_hints_call_the_program_as_this_shell_must(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from robo_trader.cli.places import interpreter, program

    scripts = tmp_path / "with space" / "bin"
    scripts.mkdir(parents=True)
    for name in ("robo", "python"):
        (scripts / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (scripts / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setenv("PATH", str(scripts))
    assert (program(), interpreter()) == ("robo", "python")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(scripts.parent)
    assert (program(), interpreter()) == (str(Path("bin/robo")), str(Path("bin/python")))
    monkeypatch.chdir("/")
    assert program() == f'"{(scripts / "robo").relative_to("/")}"'
    (scripts / "robo").unlink()
    assert program().endswith('python" -m robo_trader')
