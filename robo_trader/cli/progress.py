"""Progress on stderr for what takes longer than a moment, drawn only where a person watches.

A timer opens the display, so that short work never flickers and rich is not imported for it.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from robo_trader.cli.style import is_terminal

#: Seconds before anything is drawn.
PATIENCE = 1.0


class Progress:
    """A line with the stage at work, a bar where the amount is known, and the time spent.

    Call it with ``(stage, done, total)`` or ``(stage)``; calling is cheap and thread-safe. Nothing
    is written unless stderr is a terminal.
    """

    def __init__(
        self, stage: str = "working", *, patience: float = PATIENCE, show: bool | None = None
    ) -> None:
        self._stage = stage
        self._done, self._total = 0.0, 0.0
        self._show = is_terminal(sys.stderr) if show is None else show
        self._lock = threading.Lock()
        self._bar: Any = None
        self._task: Any = None
        self._drawn: tuple[str, float | None] = ("", None)
        self._timer = threading.Timer(patience, self._open)
        self._timer.daemon = True

    def __call__(self, stage: str, done: float = 0, total: float = 0) -> None:
        """Say what is being done and, if known, how much of it."""
        self._stage, self._done, self._total = stage, done, total
        if self._bar is not None:
            with self._lock:
                self._update()

    def __enter__(self) -> Progress:
        if self._show:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Draw nothing more; may be called twice."""
        self._timer.cancel()
        with self._lock:
            self._show = False
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        with self._lock:
            if not self._show:
                return
            bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True, highlight=False),
                transient=True,
                # What a strategy prints stands above the bar; into a file it goes untouched.
                redirect_stdout=is_terminal(sys.stdout),
            )
            bar.start()
            self._bar = bar
            self._update()

    def _update(self) -> None:
        if self._bar is None:
            return
        total = self._total or None
        if self._drawn != (self._stage, total):
            # A total cannot be taken back from a task, so each stage is a task of its own.
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._stage, total=total)
            self._drawn = (self._stage, total)
        self._bar.update(self._task, completed=self._done)
