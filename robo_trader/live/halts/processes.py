"""Which process a number means: numbers are used again, so a process is known by when it began.

Failure contract: nothing here raises but `end`, which raises `RunError` with what the system said. What the
system does not tell is an empty text, and a process that cannot be told apart is never ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from robo_trader.errors import RunError

_PROC = Path("/proc")
#: How long ``ps`` may take, in seconds.
_ASKED = 1.0


def started(pid: int | None = None) -> str | None:
    """Return a text that tells this process (or `pid`) from every other that had or will have its number.

    None: there is no such process, or it has ended and only its name is left. Empty: nobody can tell.
    """
    pid = os.getpid() if pid is None else pid
    if pid <= 0:
        return None
    if sys.platform == "win32":  # pragma: no cover - the other branches are
        return _started_windows(pid)
    if (_PROC / "self" / "stat").exists():
        return _started_linux(pid)
    return _started_ps(pid)


def end(pid: int, born: str) -> bool:
    """End the process `pid` at once if it is still the one that `born` names; tell whether it was.

    Nothing asks it politely: a process that hangs with the interpreter's lock answers no signal.
    """
    if not born or started(pid) != born:
        return False
    try:
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise RunError(
            f"process {pid} could not be ended: {error.strerror}", hint="end it as the user who started it"
        ) from error
    return True


def _started_linux(pid: int) -> str | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        # The name stands in brackets and may hold anything; state is the first field after it.
        state, *fields = text.rpartition(")")[2].split()
        ticks = fields[18]
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    except (OSError, IndexError, ValueError):
        return ""
    try:
        boot = (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        boot = ""
    return None if state in ("Z", "X") else f"{boot}/{ticks}"


def _started_ps(pid: int) -> str | None:
    try:
        done = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=_ASKED,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    state, _, when = done.stdout.strip().partition(" ")
    if done.returncode or not state or state.startswith("Z"):
        return None
    return " ".join(when.split())


if sys.platform == "win32":  # pragma: no cover - needs that system

    def _started_windows(pid: int) -> str | None:
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return None if ctypes.get_last_error() == 87 else ""  # ERROR_INVALID_PARAMETER: no such process
        times = [wintypes.FILETIME() for _ in range(4)]
        told = kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        kernel.CloseHandle(wintypes.HANDLE(handle))
        if not told:
            return ""
        if times[1].dwHighDateTime or times[1].dwLowDateTime:
            return None  # It has ended, and somebody still holds its handle.
        return str((times[0].dwHighDateTime << 32) + times[0].dwLowDateTime)
