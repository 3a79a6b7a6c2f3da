"""Every fault of the control port, as something that begins and can be taken back."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fault_bench import Simulated, eventually

from robo_trader.errors import GatewayError

#: Contract ids of the demo universe, which a replay keeps.
AAPL, SPY = 265598, 756733
Step = Callable[[Simulated, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """`begin` and `end` are commands; `loose` faults hold data back, so that a bar may be told too early."""

    begin: Step
    end: Step = lambda simulated, dice: None
    loose: bool = False


def commands(*steps: dict[str, Any]) -> Step:
    def run(simulated: Simulated, dice: random.Random) -> None:
        for step in steps:
            simulated.control(**step)

    return run


def setting(on: dict[str, Any], off: dict[str, Any], *more: dict[str, Any], loose: bool = False) -> Fault:
    return Fault(commands({"cmd": "set", **on}, *more), commands({"cmd": "set", **off}), loose)


def once(*steps: dict[str, Any], loose: bool = False) -> Fault:
    return Fault(commands(*steps), loose=loose)


def _fill(simulated: Simulated, dice: random.Random) -> None:
    """Fill a part of a working order by hand, where there is one."""
    alive = [o for o in simulated.control("state")["orders"] if o["status"] in ("Submitted", "PreSubmitted")]
    if alive:
        order = dice.choice(alive)
        left = order["qty"] - order["filled"]
        _quietly(simulated, orderId=order["id"], client=order["client"], qty=max(1.0, left // 2), price=250.0)


def _fill_cancelled(simulated: Simulated, dice: random.Random) -> None:
    """Fill an order that was cancelled just before, where there is one; wait for one for a moment."""

    def cancelled() -> list[dict[str, Any]]:
        return [o for o in simulated.control("state")["orders"] if o["status"] == "Cancelled"]

    if eventually(lambda: bool(cancelled()), 1.5):
        order = cancelled()[-1]
        if order["qty"] - order["filled"] >= 1:
            _quietly(simulated, orderId=order["id"], client=order["client"], qty=1.0, price=250.0)


def _quietly(simulated: Simulated, **more: Any) -> None:
    try:
        simulated.control("fill", **more)
    except GatewayError:
        return  # It was filled meanwhile.


def _correct(simulated: Simulated, dice: random.Random) -> None:
    if eventually(lambda: bool(simulated.books().fills), 1.5):
        fill = dice.choice(sorted(simulated.books().fills.values(), key=lambda f: str(f["id"])))
        simulated.control("correct", execId=fill["id"], price=round(fill["price"] * 1.001, 2))


def _farm(which: str) -> Fault:
    return Fault(
        commands({"cmd": "farm", "which": which, "up": False}),
        commands({"cmd": "farm", "which": which, "up": True}),
        loose=which == "market",
    )


DROP = {"cmd": "drop"}
FAULTS: dict[str, Fault] = {
    # the line
    "lost_1102": Fault(commands({"cmd": "lost"}), commands({"cmd": "restored", "maintained": True})),
    "lost_1101": Fault(commands({"cmd": "lost"}), commands({"cmd": "restored", "maintained": False})),
    "drop": once(DROP),
    "restart": once({"cmd": "restart", "secs": 0.3}),
    "reborn": Fault(lambda simulated, dice: simulated.reborn()),
    "stall_short": once({"cmd": "stall", "secs": 0.3}),
    "stall_long": once({"cmd": "stall", "secs": 6.0}),
    "gap": once({"cmd": "gap", "secs": 0.4}, loose=True),
    "taken": setting({"taken": [1]}, {"taken": []}, DROP),
    "max_rate": setting({"max_rate": 15}, {"max_rate": None}),
    "resets_ids": setting({"resets_ids": True}, {"resets_ids": False}, DROP),
    "skew_behind": Fault(commands({"cmd": "skew", "secs": -30}), commands({"cmd": "skew", "secs": 0}), True),
    "skew_ahead": Fault(commands({"cmd": "skew", "secs": 30}), commands({"cmd": "skew", "secs": 0}), True),
    # answers to orders
    **{
        f"reject_{code}": once({"cmd": "reject", "code": code})
        for code in (201, 110, 321, 399, 404, "inactive")
    },
    "readonly": setting({"readonly": True}, {"readonly": False}),
    # fills
    "partial": setting({"partial": {"slices": 2, "delay": 0.03}}, {"partial": None}),
    "partial_stops": setting({"partial": {"slices": 2, "delay": 0.0, "stop_after": 1}}, {"partial": None}),
    "fill_delay": setting({"fill_delay": 0.15}, {"fill_delay": 0}),
    "fill": Fault(_fill),
    "fill_cancelled": Fault(_fill_cancelled),
    "correct": Fault(_correct),
    "resend_execs": once({"cmd": "resend_execs"}),
    "dup_exec": setting({"dup_exec": True}, {"dup_exec": False}),
    "exec_first": setting({"exec_first": True}, {"exec_first": False}),
    "mute_execs": setting({"mute": [11]}, {"mute": []}),
    "no_comm": setting({"no_comm": True}, {"no_comm": False}),
    "comm_delay": setting({"comm_delay": 0.2}, {"comm_delay": 0}),
    "halted": setting({"halted": [SPY, AAPL]}, {"halted": []}, loose=True),
    # statuses
    "resend_status": once({"cmd": "resend_status"}),
    "dup_status": setting({"dup_status": True}, {"dup_status": False}),
    "reorder_status": setting({"reorder_status": True}, {"reorder_status": False}),
    "hold_status": setting({"hold_status": True}, {"hold_status": False}),
    "late_status": setting({"hold_status": 0.2}, {"hold_status": 0}),
    "no_filled_status": setting({"no_filled_status": True}, {"no_filled_status": False}),
    "no_status": setting({"no_status": True}, {"no_status": False}),
    "mute_open_orders": setting({"mute": [5]}, {"mute": []}),
    # data
    "nosub": setting({"nosub": True}, {"nosub": False}, DROP),
    "delayed": setting({"delayed": True}, {"delayed": False}),
    "hist_pacing": setting({"hist_pacing": True}, {"hist_pacing": False}, DROP),
    "farm_market": _farm("market"),
    "farm_history": _farm("history"),
    "farm_secdef": _farm("secdef"),
    # words
    "error_2110": once({"cmd": "error", "code": 2110, "id": -1}),
    "error_1300": once({"cmd": "error", "code": 1300, "id": -1}),
    "error_order": once({"cmd": "error", "code": 161, "id": 3}),
    "bulletin": once({"cmd": "bulletin", "text": "the exchange is open"}),
}
#: After a line that broke the broker is asked for its open orders: one that says there are none, and has
#: some, lies.
LIES = "mute_open_orders"
_ASKED = (
    "drop",
    "restart",
    "reborn",
    "stall_long",
    "taken",
    "max_rate",
    "resets_ids",
    "nosub",
    "hist_pacing",
)
#: These replace one another's settings or answers: two of them at once are one of them.
EXCLUSIVE: list[set[str]] = [
    {"mute_execs", LIES},
    {"hold_status", "late_status"},
    {"partial", "partial_stops"},
    *({LIES, name} for name in _ASKED),
]
#: What takes every fault back, whatever was done.
LIFT: list[dict[str, Any]] = [
    {
        "cmd": "set", "partial": None, "dup_exec": False, "exec_first": False, "dup_status": False,
        "reorder_status": False, "no_filled_status": False, "no_status": False, "no_comm": False,
        "comm_delay": 0, "fill_delay": 0, "hold_status": False, "halted": [], "readonly": False,
        "delayed": False, "nosub": False, "hist_pacing": False, "max_rate": None, "mute": [], "taken": [],
        "resets_ids": False,
    },
    {"cmd": "skew", "secs": 0},
    *({"cmd": "farm", "which": which, "up": True} for which in ("market", "history", "secdef")),
]  # fmt: skip
