"""What goes wrong in a rehearsal, and when: each fault is an event, and so it stands in the journal.

A fault is written like news, with ``kind`` ``fault``, the market time at which it happens, and in its data
the commands for the gateway's control port (docs/gateway.md lists them). No analyst and no strategy reads
events of that kind; they are told in their place between bars and headlines, and `Faults.happen` carries
them out there. So the same faults meet the same orders every time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import robo_trader
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.records import Fill

NEW_YORK = ZoneInfo("America/New_York")
KIND = "fault"
#: How late a late commission is, in seconds of this machine's clock: market time waits for it.
_LATE = 0.2
_ON, _OFF = "09:29", "16:01"

#: (session, New York time, what happens, what of it shows in the journal, commands for the gateway).
_SINGLE: tuple[tuple[int, str, str, str, list[dict[str, Any]]], ...] = (
    (9, "12:00", "the line to the exchange is lost for two hours: 1100", "nothing", [{"cmd": "lost"}]),
    (9, "14:00", "it is back with data maintained: 1102", "compared", [{"cmd": "restored"}]),
    (11, "12:00", "the line to the exchange is lost for an hour: 1100", "nothing", [{"cmd": "lost"}]),
    (11, "13:00", "it is back and every subscription is gone: 1101", "compared",
     [{"cmd": "restored", "maintained": False}]),
    (13, "11:10", "the gateway closes the connection", "compared", [{"cmd": "drop"}]),
    (14, "11:10", "the connection breaks and the market goes on without us", "compared",
     [{"cmd": "drop"}, {"cmd": "advance", "steps": 2}]),
    (15, "20:00", "the gateway restarts for the night", "compared", [{"cmd": "restart", "secs": 0.7}]),
    (16, "11:10", "a socket looks open and says nothing", "nothing", [{"cmd": "stall", "secs": 0.7}]),
    (17, "09:28", "the next order is rejected: 201", "rejected", [{"cmd": "reject", "code": 201}]),
    (18, "09:28", "the next order is rejected: inactive", "rejected",
     [{"cmd": "reject", "code": "inactive"}]),
    (21, "16:01", "the exchange corrects the price of the last execution", "corrected", [{"cmd": "correct"}]),
    (22, "12:00", "the broker tells every execution again", "once", [{"cmd": "resend_execs"}]),
    (23, "12:00", "the broker tells every order and status again", "once", [{"cmd": "resend_status"}]),
    (24, "11:10", "the farm for historical data breaks: 2105", "nothing",
     [{"cmd": "farm", "which": "history", "up": False}]),
    (24, "12:10", "that farm is back: 2106", "compared", [{"cmd": "farm", "which": "history", "up": True}]),
    (25, "11:10", "the farm for market data breaks: 2103", "nothing",
     [{"cmd": "farm", "which": "market", "up": False}]),
    (25, "13:10", "that farm is back: 2104", "compared", [{"cmd": "farm", "which": "market", "up": True}]),
    (28, "11:10", "the broker sends an error that nobody knows: 10999", "nothing",
     [{"cmd": "error", "code": 10999, "text": "Simulated error that nobody knows"}]),
    (30, "11:10", "the gateway closes the connection a last time", "compared", [{"cmd": "drop"}]),
)  # fmt: skip
#: (session, what is wrong all through it, what of it shows, what to set, how it is set right).
_ALL_DAY: tuple[tuple[int, str, str, dict[str, Any], dict[str, Any]], ...] = (
    (2, "every execution is told twice", "once", {"dup_exec": True}, {"dup_exec": False}),
    (3, "every status is told twice", "once", {"dup_status": True}, {"dup_status": False}),
    (4, "statuses come in the wrong order", "once", {"reorder_status": True}, {"reorder_status": False}),
    (5, "executions come before statuses", "once", {"exec_first": True}, {"exec_first": False}),
    (6, "no status comes", "once", {"no_status": True}, {"no_status": False}),
    (7, "the status Filled never comes", "once", {"no_filled_status": True}, {"no_filled_status": False}),
    (8, "every order is filled in three parts", "parts", {"partial": {"slices": 3}}, {"partial": None}),
    (10, "statuses are held back all day", "once", {"hold_status": True}, {"hold_status": False}),
    (19, "no commission is told", "uncharged", {"no_comm": True}, {"no_comm": False}),
    (20, "commissions come late", "late", {"comm_delay": _LATE}, {"comm_delay": 0}),
    (26, "executions are told twice, in parts and before their statuses", "parts",
     {"dup_exec": True, "exec_first": True, "partial": {"slices": 2}},
     {"dup_exec": False, "exec_first": False, "partial": None}),
)  # fmt: skip


def schedule(sessions: Sequence[str]) -> list[robo_trader.Event]:
    """Return the faults of a rehearsal of `sessions` (dates) up to its last close, as events."""
    faults = []
    for number, clock, title, shows, commands in _SINGLE:
        faults.append(_fault(sessions, number, clock, title, shows, commands))
    for number, title, shows, on, off in _ALL_DAY:
        faults.append(_fault(sessions, number, _ON, title, shows, [{"cmd": "set", **on}]))
        faults.append(_fault(sessions, number, _OFF, "", "", [{"cmd": "set", **off}]))
    over = _at(sessions[-1], "16:00")
    planned = [fault for fault in faults if fault is not None and fault.published_at < over]
    return sorted(planned, key=lambda fault: fault.published_at)


def _at(session: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{session} {clock}").replace(tzinfo=NEW_YORK)


def _fault(
    sessions: Sequence[str], number: int, clock: str, title: str, shows: str, commands: list[dict[str, Any]]
) -> robo_trader.Event | None:
    if number > len(sessions):
        return None
    at = _at(sessions[number - 1], clock)
    return robo_trader.Event(
        kind=KIND,
        title=title or f"set right: {', '.join(name for name in commands[0] if name != 'cmd')}",
        published_at=at,
        known_at=at,
        source="rehearsal",
        data={"session": number, "shows": shows, "commands": commands},
    )


class Faults:
    """Carries faults out at their time; its methods are called by the session that they happen to."""

    def __init__(self, schedule: Sequence[robo_trader.Event]) -> None:
        self._waiting = list(schedule)
        self._gateway: EmbeddedGateway | None = None
        self._filled = self._late = False
        self._price: float | None = None
        #: How many faults have happened.
        self.done = 0

    def gateway(self, gateway: EmbeddedGateway) -> None:
        """Take the gateway that is to misbehave."""
        self._gateway = gateway

    def fill(self, fill: Fill) -> None:
        """Note what was filled."""
        self._filled, self._price = True, fill.price

    def happen(self, stage: str, done: int, total: int) -> None:
        """Carry out what is due: called between two moments of the market, while its time stands still."""
        if self._gateway is None or stage != "rehearsing":
            return
        if self._filled and self._late:
            time.sleep(2 * _LATE)  # the commission of what was filled comes now, and not after a hundred bars
        self._filled = False
        now = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._now() // 1000)
        while self._waiting and self._waiting[0].published_at <= now:
            fault = self._waiting.pop(0)
            for command in fault.data["commands"]:
                self._carry_out(**command)
            self.done += 1

    def _carry_out(self, cmd: str, **more: Any) -> None:
        assert self._gateway is not None
        if cmd == "correct":
            if self._price is None:
                return  # nothing was executed that could be corrected
            more["price"] = round(self._price + 0.01, 6)
        if "comm_delay" in more:
            self._late = bool(more["comm_delay"])
        self._gateway.control(cmd, **more)

    def _now(self) -> int:
        assert self._gateway is not None
        return int(self._gateway.server.gateway.clock.now())
