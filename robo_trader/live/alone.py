"""One session a run: two that write one journal would trade each other's positions.

The claim on a run is taken by compare-and-set, so that of two that start at one moment one is refused; the
last sign of life tells of sessions whose claim was lost.

Failure contract: `claim` raises `RefusedError`; what the state store cannot tell is its `StateError`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any

from robo_trader import clock
from robo_trader.errors import RefusedError, StateError
from robo_trader.live.halts import processes
from robo_trader.live.halts.silent import SESSION, stopped
from robo_trader.state import Heartbeat, State
from robo_trader.state.store import StateConflict

#: A session on another machine counts as living for so many seconds after its last sign of life.
ELSEWHERE = 60.0
_CLAIM = "claim/"


def living(beat: Heartbeat) -> bool:
    """Tell whether the process that gave a sign of life is still there, also where it hangs."""
    if stopped(beat):
        return False
    about = beat.about
    pid = about.get("pid")
    if about.get("host") != socket.gethostname() or not isinstance(pid, int):
        return beat.age.total_seconds() < ELSEWHERE  # Nobody can look at another machine's processes.
    now, born = processes.started(pid), about.get("started")
    return now is not None and not (now and born and now != born)


def claim(state: State, run: str) -> None:
    """Take the run `run` for this process; raise where a living session trades it already."""
    beat = state.heartbeats().get(SESSION + run)
    if beat is not None and living(beat):
        raise _refusal(run, beat.about)
    found = state.get(_CLAIM + run)
    if found is not None and _held(found.value):
        raise _refusal(run, found.value)
    mine = {
        "pid": os.getpid(), "host": socket.gethostname(), "started": processes.started(),
        "at": clock.iso(clock.to_ns(clock.now())),
    }  # fmt: skip
    try:
        state.put(_CLAIM + run, mine, expected=0 if found is None else found.version)
    except StateConflict:
        other = state.get(_CLAIM + run)
        raise _refusal(run, other.value if other is not None else {}) from None


def release(state: State, run: str) -> None:
    """Let go of a claim; a store that is away keeps it, and the next session sees that nobody lives."""
    with contextlib.suppress(StateError):
        state.delete(_CLAIM + run)


def _held(value: Any) -> bool:
    """Tell whether the process that made a claim is still there."""
    if not isinstance(value, dict):
        return False
    pid, born = value.get("pid"), value.get("started")
    if value.get("host") != socket.gethostname():
        # Nobody can look there; a session that lives has given a sign since.
        return False
    if not isinstance(pid, int):
        return False
    now = processes.started(pid)
    return now is not None and not (now and born and now != born)


def _refusal(run: str, about: Mapping[str, Any]) -> RefusedError:
    return RefusedError(
        f"the run {run} is traded already, by process {about.get('pid')} on {about.get('host')}",
        hint="end it there with Ctrl-C, or by 'robo halt' where it hangs; or begin another run with --fresh "
        "and a --client-id of its own",
    )
