"""The emergency stop from outside: sessions that obey a halt are left alone, those that do not are ended.

A session answers by its heartbeat, whose ``halted_at`` is the mark of the halt once it has sent what the halt
asks for. One that has not answered when patience is over hangs: its process is ended, and its orders are
dealt with under its client id (`rescue`). Where that fails the global cancel is sent, which takes protective
exits and other programs' orders too; that is said.

Failure contract: nothing is raised. Each step is told when it happens; what could not be done stands in
`Outcome.failed`, and other sessions are dealt with all the same.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from robo_trader import clock
from robo_trader.errors import RoboError
from robo_trader.live.halts.order import Order, Outcome
from robo_trader.live.halts.silent import SESSION, SilentSession, left_behind, stopped

if TYPE_CHECKING:
    from robo_trader.state import Heartbeat, State

#: How long a session may take to obey, and how often its heartbeat is looked at, in seconds.
PATIENCE, LOOK = 0.7, 0.05
#: What a rescue needs, loaded while the sessions get their time to answer.
_NEEDED = ("robo_trader.live.halts.rescue", "robo_trader.journal.standing")


def stop_sessions(
    store: State,
    order: Order,
    tell: Callable[[float, str], None],
    *,
    began: float,
    patience: float = PATIENCE,
) -> list[Outcome]:
    """See to it that every session that has not stopped obeys `order`; return what became of each.

    `tell` hears each step with the seconds since `began` (of `clock.monotonic`), from several threads but one
    at a time. Raises `StateError` where the heartbeats cannot be read at the start.
    """
    beats = {n: b for n, b in store.heartbeats().items() if n.startswith(SESSION) and _concerns(b, order)}
    if not beats:
        return []
    if order.rescue:
        threading.Thread(target=_load, name="loading", daemon=True).start()
    lock = threading.Lock()

    def teller(outcome: Outcome) -> Callable[[str], None]:
        def told(text: str) -> None:
            with lock:
                seconds = round(clock.monotonic() - began, 3)
                outcome.steps.append((seconds, text))
                tell(seconds, text)

        return told

    rescues = {
        name: SilentSession(store, beat, order, Outcome(name), began) for name, beat in sorted(beats.items())
    }
    for name, rescue in rescues.items():
        rescue.rivals = [other for n, other in rescues.items() if _rivals(beats[n], beats[name])]
    working: list[threading.Thread] = []
    waiting = dict(rescues)
    until = clock.monotonic() + patience
    while waiting:
        late = clock.monotonic() - until
        with contextlib.suppress(RoboError):  # Who cannot be heard has not answered.
            beats = store.heartbeats()
        for name, rescue in list(waiting.items()):
            rescue.tell = teller(rescue.outcome)
            if not rescue.look(beats.get(name), late):
                continue
            del waiting[name]
            if not rescue.outcome.answered and order.rescue:
                thread = threading.Thread(target=rescue.run, name=f"rescue {name}", daemon=True)
                thread.start()
                working.append(thread)
        if waiting:
            time.sleep(LOOK)
    for thread in working:
        thread.join()
    return [rescue.outcome for rescue in rescues.values()]


def _concerns(beat: Heartbeat, order: Order) -> bool:
    more = order.rescue and (order.flatten or order.cancel_all)
    return not stopped(beat) or (more and left_behind(beat))


def _rivals(one: Heartbeat, other: Heartbeat) -> bool:
    """Tell whether `one` has taken the client id that `other` had."""
    same = [key for key in ("ib", "client_id", "host") if one.about.get(key) != other.about.get(key)] == []
    return same and not stopped(one) and one.at > other.at


def _load() -> None:
    """Import what a rescue needs; what is wrong with it is raised where it is used."""
    with contextlib.suppress(ImportError, RoboError):
        for name in _NEEDED:
            importlib.import_module(name)
        importlib.import_module("robo_trader.ib.library").load()
