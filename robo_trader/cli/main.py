"""The entry point of `robo`: runs a command and turns whatever happens into an exit code.

Failure contract: `main` returns an exit code and never lets an exception out. A `RoboError` and a
wrong command line are one line on stderr; anything unexpected is one line that says how to see
the traceback. `--debug` may stand anywhere before ``--`` and adds the traceback.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from robo_trader.errors import RoboError

INTERRUPTED = 130
_NEW_OBJECTS = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run `robo` with `argv` (default: the process's arguments) and return the exit code."""
    debug, args = _take_debug(sys.argv[1:] if argv is None else argv)
    before = gc.get_threshold()
    # Modules stay: to look through them for garbage again and again is a twentieth of a short run.
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        with warnings.catch_warnings():
            _tame_streams(debug)
            return _run(args, debug)
    finally:
        gc.set_threshold(*before)


def _run(args: list[str], debug: bool) -> int:
    try:
        code = _dispatch(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Nothing failed, and nothing more can be said.
        _silence_stdout()
        return 0
    except KeyboardInterrupt:
        _print_traceback(debug)
        _say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        _print_traceback(debug)
        message, code = describe(error, args)
        _say(f"error: {message}")
        return code


def describe(error: Exception, args: Sequence[str] = ()) -> tuple[str, int]:
    """Return one line for `error` and its exit code."""
    if isinstance(error, RoboError):
        return one_line(str(error)), error.exit_code
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return one_line(_parser_message(error)), int(error.exit_code)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return one_line(f"{where}{error.strerror} (check the path, its permissions and the disk)"), 1
    if isinstance(error, ImportError):
        return one_line(f"{error} (run 'robo doctor': it lists what is missing or broken and the fix)"), 1
    again = " ".join(["robo", "--debug", *args[:1]])
    return one_line(f"{type(error).__name__}: {error} (unexpected; '{again} …' shows where it came from)"), 1


def one_line(text: str) -> str:
    """Return `text` with every run of white space, line ends included, as one space."""
    return " ".join(text.split())


def _dispatch(args: list[str]) -> int:
    """Parse and run; the parser is imported here, so that its absence is an error like others."""
    try:
        from robo_trader.cli.app import run

        return run(args)
    except ImportError:
        if args[:1] != ["doctor"]:
            raise
        # Doctor has to say what is wrong even when the command line's own packages are broken.
        from robo_trader.cli.checks import report_plainly

        return report_plainly(as_json="--json" in args)


def _take_debug(argv: Sequence[str]) -> tuple[bool, list[str]]:
    """Split `--debug` from the arguments; after ``--`` it is left alone."""
    args = list(argv)
    end = args.index("--") if "--" in args else len(args)
    kept = [a for a in args[:end] if a != "--debug"] + args[end:]
    return len(kept) < len(args), kept


def _parser_message(error: Any) -> str:
    """Return the parser's complaint in this project's form: what, and the next step in brackets."""
    message = str(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "robo"
    near = list(getattr(error, "possibilities", None) or ())
    if near:
        message = f"no such option: {error.option_name}"
        return f"{message} (did you mean '{near[0]}'? see '{path} --help')"
    message = message[:1].lower() + message[1:]
    if message == "missing command":
        message += f": {', '.join(context.command.list_commands(context))}" if context is not None else ""
    if message.endswith(")"):
        return message
    return f"{message} (see '{path} --help')"


def _say(line: str) -> None:
    """Write one line to stderr; a closed stderr is no reason to fail."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _print_traceback(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


def _silence_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush stays quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tame_streams(debug: bool) -> None:
    """Never die of a character the terminal cannot show, nor of a stream that was closed before the start.

    Warnings are one line without --debug.
    """
    # Python has None where a stream was closed (`>&-`); what is written then goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the whole life
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not debug:
        warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    (file or sys.stderr).write(f"warning: {one_line(str(message))}\n")
