"""What is drawn on a terminal, what goes into a pipe, and progress."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from robo_trader.cli import out, style
from robo_trader.cli.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Call it in the test (pytest swaps the streams before) to put a terminal on both streams."""

    def start(columns: int = 80) -> Terminal:
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        return screen

    return start


Watch = Callable[..., Terminal]
LONG = [["SPY", "a sentence that is much longer than what a narrow window has room for, by far"]]
COLUMNS = [out.Column("symbol"), out.Column("text", fold=True)]


def test_a_table_folds_on_a_terminal(watch: Watch) -> None:
    terminal = watch(40)
    out.table(COLUMNS, LONG)
    lines = terminal.getvalue().splitlines()
    assert "\033[1m" in lines[0]
    assert len(lines) > 3 and "…" not in terminal.getvalue()


def test_a_table_is_whole_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out.table(COLUMNS, LONG)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and LONG[0][1] in lines[2] and lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_no_colours_where_they_are_not_wanted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    terminal = watch()
    monkeypatch.setenv(variable, "dumb")
    out.table(COLUMNS, LONG)
    out.lines(out.strong("title") + out.faint("aside"))
    out.note("careful", label="warning")
    assert "\033" not in terminal.getvalue()


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    out.table([out.Column("x")], [["[bold]not markup[/bold] :smile:"]])
    assert "[bold]not markup[/bold] :smile:" in capsys.readouterr().out


def test_lines_fold_at_spaces_and_keep_their_indent(watch: Watch) -> None:
    terminal = watch(40)
    out.lines("  " + "word " * 20)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 1 and all(line.startswith("  word") and len(line) <= 40 for line in lines)


def test_a_warning_hangs_below_its_label(watch: Watch) -> None:
    terminal = watch(40)
    out.note("word " * 20, label="warning")
    first, *rest = terminal.getvalue().splitlines()
    assert "warning:" in first and "\033[33m" in first and all(line.startswith("  word") for line in rest)


def test_the_width_is_sensible(watch: Watch) -> None:
    for columns, wide in ((10, 40), (90, 90), (500, style.WIDEST)):
        assert style.width(watch(columns)) == wide
    assert style.width(io.StringIO()) is None
    closed = io.StringIO()
    closed.close()
    assert not style.is_terminal(closed)


def test_json_is_strict_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    out.print_json(
        {
            "nan": float("nan"),
            "when": datetime(2024, 1, 2, tzinfo=UTC),
            "day": date(2024, 1, 2),
            "numpy": np.float64(1.5),
            "path": Path("a"),
            "several": (1, {2}),
            3: None,
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "nan": None,
        "when": "2024-01-02T00:00:00Z",
        "day": "2024-01-02",
        "numpy": 1.5,
        "path": "a",
        "several": [1, [2]],
        "3": None,
    }


def test_json_escapes_what_the_stream_cannot_say(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    out.print_json({"dash": "–"})
    narrow.flush()
    assert b"\\u2013" in narrow.buffer.getvalue()  # type: ignore[attr-defined]


# -- progress -----------------------------------------------------------------------------------


def wait_until(bar: Progress) -> None:
    """Wait for the timer's thread to draw."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(30)
    assert bar._bar is not None


def test_progress_appears_after_a_while_and_goes_away(watch: Watch) -> None:
    terminal = watch()
    with Progress("reading", patience=0) as progress:
        wait_until(progress)
        progress("running", 50, 100)
        progress._bar.refresh()
        shown = terminal.getvalue()
        progress("drawing")
        progress._bar.refresh()
        after = terminal.getvalue()[len(shown) :]
    assert "running" in shown and "50%" in shown
    assert "drawing" in after and "%" not in after.rpartition("drawing")[2]


def test_short_work_draws_nothing(watch: Watch) -> None:
    terminal = watch()
    with Progress("reading", patience=60) as progress:
        progress("running", 1, 2)
    assert terminal.getvalue() == ""


def test_nobody_watching_nothing_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", patience=0) as progress:
        progress("running", 1, 2)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_progress_ends_when_the_work_fails(watch: Watch) -> None:
    watch()
    progress = Progress("reading", patience=0)
    with pytest.raises(ZeroDivisionError), progress:
        wait_until(progress)
        raise ZeroDivisionError
    assert progress._bar is None
